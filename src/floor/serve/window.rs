//! What a variant did lately: the figures that a rollout decides by.
//!
//! Requests that are still unanswered count as well, as soon as they take longer than half of the others: a model that
//! hangs answers nothing, and nothing would be counted for as long as a request may last.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::metrics::VariantMetrics;

/// After so many failures in a row a version that is being rolled out gets no more requests, until whoever rolls it out has
/// decided: what it costs is bounded also while nobody watches.
pub const MOST_FAILURES: u64 = 20;
/// How far back figures look.
const SECONDS: u64 = 30;
/// Fewer answers than these are no rate and no quantile.
const FEWEST: u64 = 5;
/// Buckets for each doubling of the latency: a quantile is off by four percent at most.
const PER_OCTAVE: f64 = 16.0;
/// The upper end of the first bucket, in seconds.
const FIRST: f64 = 0.000_05;
const BUCKETS: usize = 384;

/// What a variant did in the last half minute. What rests on too few answers is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Requests that were answered, or are unanswered for unusually long.
    pub requests: u64,
    /// Those of them that failed, also where another variant then answered.
    pub errors: u64,
    /// How many answers failed since the last one that did not.
    #[serde(default)]
    pub failed_in_a_row: u64,
    /// The share of them that failed.
    pub error_rate: Option<f64>,
    /// The mean time to an answer, in milliseconds.
    pub mean_ms: Option<f64>,
    /// Half of the answers took no longer, in milliseconds.
    pub p50_ms: Option<f64>,
    /// Of a hundred answers 95 took no longer, in milliseconds.
    pub p95_ms: Option<f64>,
    /// Of a hundred answers 99 took no longer, in milliseconds.
    pub p99_ms: Option<f64>,
}

/// One second of answers.
#[derive(Debug, Default)]
struct Slot {
    second: u64,
    count: u64,
    errors: u64,
    seconds: f64,
    buckets: BTreeMap<usize, u64>,
}

/// The answers of the last seconds, and the requests under way.
#[derive(Debug)]
pub(super) struct Window {
    born: Instant,
    failed_in_a_row: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    slots: VecDeque<Slot>,
    under_way: BTreeMap<u64, Instant>,
    next: u64,
}

/// A request under way. Dropped without an answer (the caller went away), its time so far counts.
pub(super) struct Ticket<'m> {
    metrics: &'m VariantMetrics,
    number: u64,
    begun: Instant,
    open: bool,
}

impl Default for Window {
    fn default() -> Self {
        Self { born: Instant::now(), failed_in_a_row: AtomicU64::new(0), inner: Mutex::default() }
    }
}

impl Window {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request is sent.
    pub(super) fn enter(metrics: &VariantMetrics) -> Ticket<'_> {
        let begun = Instant::now();
        let mut inner = metrics.window.inner();
        let number = inner.next;
        inner.next += 1;
        inner.under_way.insert(number, begun);
        Ticket { metrics, number, begun, open: true }
    }

    /// Whether it failed so often in a row that it is no use to ask on.
    pub(super) fn fails(&self) -> bool {
        self.failed_in_a_row.load(Ordering::Relaxed) >= MOST_FAILURES
    }

    /// Counts an answer, or its failure.
    fn count(&self, failed: bool, latency: Duration) {
        if failed {
            self.failed_in_a_row.fetch_add(1, Ordering::Relaxed);
        } else {
            self.failed_in_a_row.store(0, Ordering::Relaxed);
        }
        let second = self.born.elapsed().as_secs();
        let mut inner = self.inner();
        inner.forget(second);
        if inner.slots.back().is_none_or(|slot| slot.second != second) {
            inner.slots.push_back(Slot { second, ..Slot::default() });
        }
        if let Some(slot) = inner.slots.back_mut() {
            slot.count += 1;
            slot.errors += u64::from(failed);
            slot.seconds += latency.as_secs_f64();
            *slot.buckets.entry(bucket(latency)).or_default() += 1;
        }
    }

    /// How many requests are under way.
    pub(super) fn under_way(&self) -> u64 {
        self.inner().under_way.len() as u64
    }

    /// The figures now.
    pub(super) fn reading(&self) -> Reading {
        let second = self.born.elapsed().as_secs();
        let mut inner = self.inner();
        inner.forget(second);
        let (mut answered, mut errors, mut seconds) = (0, 0, 0.0);
        let mut buckets: BTreeMap<usize, u64> = BTreeMap::new();
        for slot in &inner.slots {
            answered += slot.count;
            errors += slot.errors;
            seconds += slot.seconds;
            slot.buckets.iter().for_each(|(at, count)| *buckets.entry(*at).or_default() += count);
        }
        let usual = quantile(&buckets, answered, 0.5).unwrap_or(0);
        let mut late = 0;
        for begun in inner.under_way.values() {
            let age = begun.elapsed();
            if bucket(age) > usual {
                late += 1;
                seconds += age.as_secs_f64();
                *buckets.entry(bucket(age)).or_default() += 1;
            }
        }
        drop(inner);
        let requests = answered + late;
        let enough = requests >= FEWEST;
        let at = |share| quantile(&buckets, requests, share).filter(|_| enough).map(milliseconds);
        #[expect(clippy::cast_precision_loss, reason = "a share, of numbers far below 2^52")]
        let per_request = |sum: f64| enough.then_some(sum / requests as f64);
        #[expect(clippy::cast_precision_loss, reason = "a share, of numbers far below 2^52")]
        let failed = errors as f64;
        Reading {
            requests,
            errors,
            failed_in_a_row: self.failed_in_a_row.load(Ordering::Relaxed),
            error_rate: per_request(failed),
            mean_ms: per_request(seconds * 1_000.0),
            p50_ms: at(0.5),
            p95_ms: at(0.95),
            p99_ms: at(0.99),
        }
    }
}

impl Inner {
    fn forget(&mut self, now: u64) {
        while self.slots.front().is_some_and(|slot| slot.second + SECONDS < now) {
            self.slots.pop_front();
        }
    }
}

impl Ticket<'_> {
    /// It was answered by this variant.
    pub(super) fn answered(mut self, status: u16, latency: Duration) {
        self.close();
        self.metrics.count(status, latency);
        self.metrics.window.count(status >= 500, latency);
    }

    /// This variant lost it, and another one answers.
    pub(super) fn lost(mut self) {
        self.close();
        self.metrics.window.count(true, self.begun.elapsed());
    }

    fn close(&mut self) {
        self.open = false;
        self.metrics.window.inner().under_way.remove(&self.number);
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if self.open {
            self.close();
            self.metrics.window.count(false, self.begun.elapsed());
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and the number of buckets"
)]
fn bucket(latency: Duration) -> usize {
    let octaves = (latency.as_secs_f64() / FIRST).max(1.0).log2();
    ((octaves * PER_OCTAVE).ceil() as usize).min(BUCKETS)
}

/// The upper end of a bucket.
#[expect(clippy::cast_precision_loss, reason = "a small number")]
fn milliseconds(bucket: usize) -> f64 {
    FIRST * 1_000.0 * (bucket as f64 / PER_OCTAVE).exp2()
}

/// The bucket in which a share of the answers ends. One slow answer alone is no quantile: the slowest is left out.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank among numbers far below 2^52"
)]
fn quantile(buckets: &BTreeMap<usize, u64>, total: u64, share: f64) -> Option<usize> {
    let rank = ((total as f64 * share).ceil() as u64).min(total.saturating_sub(1)).max(1);
    let mut below = 0;
    buckets.iter().find_map(|(at, count)| {
        below += count;
        (below >= rank).then_some(*at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(latencies: &[u64]) -> VariantMetrics {
        let metrics = VariantMetrics::default();
        for latency in latencies {
            Window::enter(&metrics).answered(200, Duration::from_millis(*latency));
        }
        metrics
    }

    #[test]
    fn quantiles_are_close() {
        let latencies: Vec<u64> = (1..=1_000).collect();
        let reading = answered(&latencies).window.reading();
        assert_eq!((reading.requests, reading.errors, reading.error_rate), (1_000, 0, Some(0.0)));
        for (found, wanted) in [(reading.p50_ms, 500.0), (reading.p95_ms, 950.0), (reading.p99_ms, 990.0)] {
            let found = found.unwrap();
            assert!((found / wanted - 1.0).abs() < 0.05, "{found} {wanted}");
        }
    }

    #[test]
    fn few_answers_say_nothing_and_one_slow_one_is_no_quantile() {
        assert_eq!(answered(&[900; 4]).window.reading().p99_ms, None);
        let reading = answered(&[10, 10, 10, 10, 10, 900]).window.reading();
        assert!(reading.p99_ms.unwrap() < 11.0, "{reading:?}");
        let reading = answered(&[10, 10, 10, 10, 900, 900]).window.reading();
        assert!(reading.p99_ms.unwrap() > 850.0, "{reading:?}");
    }

    #[test]
    fn what_hangs_or_is_lost_counts() {
        let metrics = VariantMetrics::default();
        let hanging: Vec<_> = (0..6).map(|_| Window::enter(&metrics)).collect();
        std::thread::sleep(Duration::from_millis(30));
        let reading = metrics.window.reading();
        assert!(reading.p99_ms.unwrap() >= 29.0 && reading.errors == 0, "{reading:?}");
        hanging.into_iter().for_each(Ticket::lost);
        assert_eq!(metrics.window.reading().error_rate, Some(1.0));
        assert_eq!(metrics.totals(), (0, 0), "another variant counts the answer");
        drop(Window::enter(&metrics));
        let reading = metrics.window.reading();
        assert_eq!((reading.requests, reading.errors, reading.failed_in_a_row), (7, 6, 0));
    }
}
