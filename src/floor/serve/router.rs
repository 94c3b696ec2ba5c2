//! What the router answers: predictions, health and metrics.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, EXPECT, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::Semaphore;

use super::client::{CallError, Client, error_text};
use super::inference;
use super::metrics::exposition;
use super::refusal::Refusal;
use super::replica::unix_ms;
use super::routing::{Routing, Target, Variant};
use super::window::{Ticket, Window};
use super::{capture::Captured, spec::Protocol};

/// The longest request body.
pub(super) const MAX_BODY: usize = 16 * 1024 * 1024;
/// Copies to shadows that may be under way at once.
const MAX_SHADOWS: usize = 64;

/// How long the rest of a refused body is read.
const DISCARD_TIME: Duration = Duration::from_secs(5);

pub(super) type Answer = Response<Full<Bytes>>;

/// The router of one endpoint.
pub(super) struct Router {
    routing: RwLock<Arc<Routing>>,
    client: Client,
    refused: Mutex<BTreeMap<u16, u64>>,
    shadows: Arc<Semaphore>,
    born: u64,
    requests: AtomicU64,
}

/// Predictions, and who made them.
pub(super) struct Served<'r> {
    pub(super) variant: &'r Variant,
    pub(super) predictions: Vec<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Rows<'a> {
    #[serde(borrow)]
    rows: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Predictions {
    predictions: Vec<Box<RawValue>>,
}

#[derive(Serialize)]
struct PredictAnswer<'a> {
    predictions: &'a [Box<RawValue>],
    variant: &'a str,
    model: &'a str,
    version: u64,
}

impl Router {
    pub(super) fn new(routing: Arc<Routing>, client: Client) -> Self {
        Self {
            routing: RwLock::new(routing),
            client,
            refused: Mutex::default(),
            shadows: Arc::new(Semaphore::new(MAX_SHADOWS)),
            born: unix_ms(),
            requests: AtomicU64::new(0),
        }
    }

    /// The picture for a new request.
    pub(super) fn routing(&self) -> Arc<Routing> {
        Arc::clone(&self.routing.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the picture for all new requests; the old one is returned.
    pub(super) fn switch(&self, routing: Arc<Routing>) -> Arc<Routing> {
        std::mem::replace(&mut *self.routing.write().unwrap_or_else(PoisonError::into_inner), routing)
    }

    /// Answers one request.
    pub(super) async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Result<Answer, Infallible> {
        let routing = self.routing();
        let id = self.request_id(request.headers());
        let (parts, mut body) = request.into_parts();
        let path = parts.uri.path();
        let open_inference = routing.spec.protocol == Protocol::OpenInferenceV2 && names_v2(path);
        let outcome = if open_inference {
            inference::handle(&self, &routing, &parts, &mut body, &id).await
        } else {
            self.plain(&routing, &parts, &mut body, &id).await
        };
        let mut answer = match outcome {
            Ok(answer) => answer,
            Err(refusal) => {
                discard(&parts, &mut body).await;
                if open_inference { inference::refused(&refusal) } else { refusal.answer() }
            }
        };
        if let Ok(id) = id.parse() {
            answer.headers_mut().insert("x-request-id", id);
        }
        Ok(answer)
    }

    async fn plain(
        &self,
        routing: &Arc<Routing>,
        request: &Parts,
        body: &mut Incoming,
        id: &str,
    ) -> Result<Answer, Refusal> {
        match request.uri.path() {
            "/v1/predict" => {
                allow(request, &Method::POST)?;
                self.predict(routing, request, body, id).await
            }
            "/healthz" => {
                allow(request, &Method::GET)?;
                Ok(health(routing.ready(), "status", "ok", "unavailable"))
            }
            "/metrics" => {
                allow(request, &Method::GET)?;
                let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let text = exposition(routing, &refused);
                Ok(answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text.into()))
            }
            path => Err(Refusal::new(404, "not_found", format!("there is nothing at `{path}`"))),
        }
    }

    async fn predict(
        &self,
        routing: &Arc<Routing>,
        request: &Parts,
        body: &mut Incoming,
        id: &str,
    ) -> Result<Answer, Refusal> {
        let body = self.admitted_body(routing, request, body).await?;
        let rows = read_rows(&body).map_err(|refusal| self.counted(refusal))?;
        let served = self.ask(routing, body.clone(), &rows, id).await?;
        let spec = &served.variant.spec;
        Ok(json(
            StatusCode::OK,
            &PredictAnswer {
                predictions: &served.predictions,
                variant: spec.shown(),
                model: &spec.model.address,
                version: spec.model.version,
            },
        ))
    }

    /// Counts a refusal that reached no variant.
    pub(super) fn counted(&self, refusal: Refusal) -> Refusal {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner).entry(refusal.status).or_default() += 1;
        refusal
    }

    /// The body of a request that may be asked.
    pub(super) async fn admitted_body(
        &self,
        routing: &Routing,
        request: &Parts,
        body: &mut Incoming,
    ) -> Result<Bytes, Refusal> {
        let body = match admit(routing, &request.headers) {
            Ok(()) => read_body(routing, body).await,
            Err(refusal) => Err(refusal),
        };
        body.map_err(|refusal| self.counted(refusal))
    }

    /// Asks a replica of the variant whose turn it is; counts, captures and shadows.
    pub(super) async fn ask<'r>(
        &self,
        routing: &'r Arc<Routing>,
        body: Bytes,
        rows: &[&RawValue],
        id: &str,
    ) -> Result<Served<'r>, Refusal> {
        let started = Instant::now();
        let Some((variant, target)) = routing.choose() else {
            let refusal =
                Refusal::new(503, "unavailable", "no replica is ready").retry_after(Duration::from_secs(1));
            return Err(self.counted(refusal));
        };
        self.shadow(routing, variant, &body);
        let (variant, ticket, outcome) = self.send(routing, variant, target, body).await;
        let outcome = read_predictions(outcome, rows.len());
        let latency = started.elapsed();
        let status = outcome.as_ref().map_or_else(|refusal| refusal.status, |_| 200);
        ticket.answered(status, latency);
        record(routing, variant, id, status, latency, rows, outcome.as_ref().ok().map(Vec::as_slice));
        Ok(Served { variant, predictions: outcome? })
    }

    /// Sends a request; where the connection fails, once more to another, if possible of the same variant.
    async fn send<'r>(
        &self,
        routing: &'r Arc<Routing>,
        variant: &'r Variant,
        target: Target,
        body: Bytes,
    ) -> (&'r Variant, Ticket<'r>, Result<(u16, Bytes), CallError>) {
        let ticket = Window::enter(&variant.metrics);
        let timeout = Duration::from_millis(routing.spec.request_timeout_ms);
        let first = self.client.predict(target.port, body.clone(), timeout).await;
        if !matches!(first, Err(CallError::Transport(_))) {
            return (variant, ticket, first);
        }
        target.replica.suspect(target.port);
        let other = variant.target(Some(target.port)).map(|target| (variant, target));
        let Some((variant, target)) = other.or_else(|| routing.choose_ready()) else {
            return (variant, ticket, first);
        };
        ticket.lost();
        let ticket = Window::enter(&variant.metrics);
        let second = self.client.predict(target.port, body, timeout).await;
        if matches!(second, Err(CallError::Transport(_))) {
            target.replica.suspect(target.port);
        }
        (variant, ticket, second)
    }

    /// Copies a request to the shadows of others. The picture is held until the copy is answered.
    fn shadow(&self, routing: &Arc<Routing>, serving: &Variant, body: &Bytes) {
        for (index, variant) in routing.variants.iter().enumerate() {
            if variant.spec.shadow <= 0.0 || std::ptr::eq(variant, serving) || !variant.shadows() {
                continue;
            }
            let permit = Arc::clone(&self.shadows).try_acquire_owned();
            let (Ok(permit), Some(target)) = (permit, variant.target(None)) else {
                variant.metrics.shadow_failed.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            let (client, routing, body) = (self.client.clone(), Arc::clone(routing), body.clone());
            tokio::spawn(async move {
                let timeout = Duration::from_millis(routing.spec.request_timeout_ms);
                let outcome = client.predict(target.port, body, timeout).await;
                let metrics = &routing.variants[index].metrics;
                let counter =
                    if matches!(outcome, Ok((200, _))) { &metrics.shadowed } else { &metrics.shadow_failed };
                counter.fetch_add(1, Ordering::Relaxed);
                drop(permit);
            });
        }
    }

    /// The name of a request in the response and the capture: the caller's own, if it gives a usable one.
    fn request_id(&self, headers: &HeaderMap) -> String {
        let own = headers.get("x-request-id").and_then(|value| value.to_str().ok());
        match own {
            Some(own) if !own.is_empty() && own.len() <= 128 => own.to_owned(),
            _ => format!("{:x}-{:x}", self.born, self.requests.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

fn names_v2(path: &str) -> bool {
    path == "/v2" || path.starts_with("/v2/")
}

fn admit(routing: &Routing, headers: &HeaderMap) -> Result<(), Refusal> {
    let key = match &routing.keys {
        None => 0,
        Some(keys) => keys.identify(headers).ok_or_else(|| {
            let message = "a valid key is needed, as `Authorization: Bearer <key>` or `X-API-Key: <key>`";
            Refusal::new(401, "unauthorized", message)
        })?,
    };
    let Some(limiter) = &routing.limiter else { return Ok(()) };
    limiter.take(key, Instant::now()).map_err(|wait| {
        let message = format!("more than {} requests a minute", limiter.spec.requests_per_minute);
        Refusal::new(429, "too_many_requests", message).retry_after(wait)
    })
}

async fn read_body(routing: &Routing, body: &mut Incoming) -> Result<Bytes, Refusal> {
    let too_large = || Refusal::new(413, "too_large", format!("the body is longer than {MAX_BODY} bytes"));
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(too_large());
    }
    let timeout = Duration::from_millis(routing.spec.request_timeout_ms);
    match tokio::time::timeout(timeout, Limited::new(body, MAX_BODY).collect()).await {
        Err(_) => Err(Refusal::new(408, "request_timeout", "the body did not arrive in time")),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(Refusal::new(400, "bad_request", format!("the body cannot be read: {error}"))),
        Ok(Ok(body)) => Ok(body.to_bytes()),
    }
}

/// Reads what a refused caller still sends, within bounds: a connection closed before would hide the answer.
async fn discard(request: &Parts, body: &mut Incoming) {
    // Who waits for a go-ahead has sent nothing, and reading would be the go-ahead.
    if request.headers.contains_key(EXPECT) {
        return;
    }
    let mut left = 4 * MAX_BODY;
    let read = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(DISCARD_TIME, read).await;
}

fn read_rows(body: &Bytes) -> Result<Vec<&RawValue>, Refusal> {
    let invalid = |message: String| Refusal::new(400, "invalid_request", message);
    let parsed: Rows<'_> = serde_json::from_slice(body)
        .map_err(|error| invalid(format!("the body is not {{\"rows\": [{{…}}]}}: {error}")))?;
    match parsed.rows.iter().position(|row| !row.get().starts_with('{')) {
        Some(index) => Err(invalid(format!("row {index} is not an object"))),
        None => Ok(parsed.rows),
    }
}

fn read_predictions(
    outcome: Result<(u16, Bytes), CallError>,
    rows: usize,
) -> Result<Vec<Box<RawValue>>, Refusal> {
    let garbage = |message: String| Refusal::new(502, "bad_answer", message);
    match outcome {
        Ok((200, body)) => match serde_json::from_slice::<Predictions>(&body) {
            Ok(answer) if answer.predictions.len() == rows => Ok(answer.predictions),
            Ok(answer) => Err(garbage(format!("{} predictions for {rows} rows", answer.predictions.len()))),
            Err(error) => Err(garbage(format!("the replica did not answer with predictions: {error}"))),
        },
        Ok((400, body)) => Err(Refusal::new(400, "invalid_rows", error_text(&body))),
        Ok((500, body)) => Err(Refusal::new(500, "prediction_failed", error_text(&body))),
        Ok((status, body)) => Err(garbage(format!("the replica answered {status}: {}", error_text(&body)))),
        Err(CallError::Timeout) => Err(Refusal::new(504, "timeout", "the prediction took too long")),
        Err(CallError::TooLong) => Err(garbage("the replica answered without end".into())),
        Err(CallError::Transport(error)) => {
            let message = format!("the replica cannot be reached: {error}");
            Err(Refusal::new(502, "unreachable", message).retry_after(Duration::from_secs(1)))
        }
    }
}

fn record(
    routing: &Routing,
    variant: &Variant,
    id: &str,
    status: u16,
    latency: Duration,
    rows: &[&RawValue],
    predictions: Option<&[Box<RawValue>]>,
) {
    let Some(capture) = routing.capture.as_ref().filter(|capture| capture.takes()) else { return };
    capture.record(&Captured {
        at: unix_ms(),
        request_id: id,
        variant: variant.spec.shown(),
        model: &variant.spec.model.address,
        version: variant.spec.model.version,
        status,
        latency_ms: latency.as_secs_f64() * 1_000.0,
        rows: capture.spec.inputs.then_some(rows),
        predictions: predictions.filter(|_| capture.spec.outputs),
    });
}

/// Refuses another method than the one that is meant.
pub(super) fn allow(request: &Parts, method: &Method) -> Result<(), Refusal> {
    if request.method == method {
        return Ok(());
    }
    Err(Refusal::new(405, "method_not_allowed", format!("use {method}")).allow(method))
}

/// 200 or 503 with one member.
pub(super) fn health<T: Serialize>(ready: bool, name: &str, yes: T, no: T) -> Answer {
    let (status, value) = if ready { (StatusCode::OK, yes) } else { (StatusCode::SERVICE_UNAVAILABLE, no) };
    json(status, &BTreeMap::from([(name, value)]))
}

/// A JSON answer.
pub(super) fn json<T: Serialize>(status: StatusCode, value: &T) -> Answer {
    // Only maps with other keys than text cannot be written, and there are none.
    let body = serde_json::to_vec(value).unwrap_or_default();
    answer(status, "application/json", body.into())
}

fn answer(status: StatusCode, kind: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
