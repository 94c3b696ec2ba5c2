//! Copies of requests for shadows: what they answer is compared and recorded, and given to nobody.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::{Semaphore, oneshot};

use super::capture::{Captured, Origin};
use super::client::Client;
use super::replica::unix_ms;
use super::router::read_predictions;
use super::routing::{Routing, Target, Variant};

/// Copies that may be under way at once.
const MAX_COPIES: usize = 64;

type Given = Arc<Vec<Box<RawValue>>>;

/// Sends copies.
#[derive(Debug, Clone)]
pub(super) struct Shadows {
    client: Client,
    room: Arc<Semaphore>,
}

/// The copies of one request: they wait for what was answered, to compare it with.
pub(super) struct Copies(Vec<oneshot::Sender<Given>>);

/// One request that is copied.
pub(super) struct Original<'r> {
    pub(super) serving: &'r Variant,
    pub(super) body: &'r Bytes,
    pub(super) id: &'r str,
}

#[derive(Deserialize)]
struct Rows<'a> {
    #[serde(borrow)]
    rows: Vec<&'a RawValue>,
}

impl Copies {
    /// Tells the shadows what was answered.
    pub(super) fn compare(self, predictions: &[Box<RawValue>]) {
        if self.0.is_empty() {
            return;
        }
        let given = Arc::new(predictions.to_vec());
        for copy in self.0 {
            // One that has failed already compares nothing.
            let _ = copy.send(Arc::clone(&given));
        }
    }
}

impl Shadows {
    pub(super) fn new(client: Client) -> Self {
        Self { client, room: Arc::new(Semaphore::new(MAX_COPIES)) }
    }

    /// Copies a request to the shadows beside the variant that serves it. The picture is held until the copies are
    /// answered.
    pub(super) fn copy(&self, routing: &Arc<Routing>, original: &Original<'_>) -> Copies {
        let mut copies = Vec::new();
        for (index, variant) in routing.variants.iter().enumerate() {
            if variant.spec.shadow <= 0.0 || std::ptr::eq(variant, original.serving) || !variant.shadows() {
                continue;
            }
            let permit = Arc::clone(&self.room).try_acquire_owned();
            let (Ok(permit), Some(target)) = (permit, variant.target(None)) else {
                variant.metrics.shadow_failed.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            let (sender, given) = oneshot::channel();
            copies.push(sender);
            let (shadows, routing) = (self.clone(), Arc::clone(routing));
            let (body, id) = (original.body.clone(), original.id.to_owned());
            tokio::spawn(async move {
                shadows.ask(&routing, index, target, body, &id, given).await;
                drop(permit);
            });
        }
        Copies(copies)
    }

    async fn ask(
        &self,
        routing: &Routing,
        index: usize,
        target: Target,
        body: Bytes,
        id: &str,
        given: oneshot::Receiver<Given>,
    ) {
        let variant = &routing.variants[index];
        let timeout = Duration::from_millis(routing.spec.request_timeout_ms);
        let started = Instant::now();
        let outcome = self.client.predict(target.port, body.clone(), timeout).await;
        let latency = started.elapsed();
        let rows = serde_json::from_slice::<Rows<'_>>(&body).map(|rows| rows.rows).unwrap_or_default();
        let predictions = read_predictions(&variant.spec, outcome, rows.len());
        let counter =
            if predictions.is_ok() { &variant.metrics.shadowed } else { &variant.metrics.shadow_failed };
        counter.fetch_add(1, Ordering::Relaxed);
        if let Some(capture) = routing.capture.as_ref().filter(|capture| capture.takes()) {
            capture.record(&Captured {
                at: unix_ms(),
                request_id: id,
                origin: Origin::Shadow(&variant.spec),
                status: predictions.as_ref().map_or_else(|refusal| refusal.status, |_| 200),
                latency_ms: latency.as_secs_f64() * 1_000.0,
                rows: &rows,
                predictions: predictions.as_ref().ok().map(Vec::as_slice),
            });
        }
        if let (Ok(shadow), Ok(given)) = (predictions, given.await) {
            let agreed = shadow.iter().zip(given.iter()).filter(|(one, other)| same(one, other)).count();
            let add = |counter: &std::sync::atomic::AtomicU64, count: usize| {
                counter.fetch_add(count as u64, Ordering::Relaxed);
            };
            add(&variant.metrics.shadow_agreed, agreed);
            add(&variant.metrics.shadow_differed, given.len() - agreed.min(given.len()));
        }
    }
}

/// Whether two predictions mean the same, however they are written.
fn same(one: &RawValue, other: &RawValue) -> bool {
    let value = |raw: &RawValue| serde_json::from_str::<Value>(raw.get()).unwrap_or_default();
    one.get() == other.get() || alike(&value(one), &value(other))
}

fn alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, value)| other.get(name).is_some_and(|other| alike(value, other)))
        }
        (one, other) => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictions_are_compared_by_what_they_mean() {
        let same = |one: &str, other: &str| {
            let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
            same(&raw(one), &raw(other))
        };
        assert!(same("1.0", "1") && same(r#"{"a": 1, "b": [2.50]}"#, r#"{"b":[2.5],"a":1}"#));
        assert!(!same("1", "2") && !same("[1]", "[1, 1]") && !same(r#"{"a": 1}"#, r#"{"b": 1}"#));
    }
}
