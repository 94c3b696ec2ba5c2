//! What the router counts, and its Prometheus text.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::routing::Routing;
use super::spec::SloSpec;
use super::window::Window;

/// What all nodes of a graph are called together.
const GRAPH: &str = "(graph)";
/// Upper bounds of the latency histogram, in seconds.
const BOUNDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The counters of one variant. They live as long as the variant, whatever its version.
#[derive(Debug, Default)]
pub(super) struct VariantMetrics {
    answered: Mutex<Answered>,
    /// What it did lately.
    pub(super) window: Window,
    /// Requests of its share that others served, since no replica was ready.
    pub(super) rerouted: AtomicU64,
    /// Copies it answered.
    pub(super) shadowed: AtomicU64,
    /// Predictions for copies that were as those that were given, and those that were not.
    pub(super) shadow_agreed: AtomicU64,
    pub(super) shadow_differed: AtomicU64,
    /// Copies it did not answer, or that were not sent because too many were under way.
    pub(super) shadow_failed: AtomicU64,
}

#[derive(Debug, Default, Clone)]
struct Answered {
    by_status: BTreeMap<u16, u64>,
    buckets: [u64; BOUNDS.len()],
    count: u64,
    seconds: f64,
    /// Answers that broke a promise, by its name.
    broken: BTreeMap<String, u64>,
}

/// How many are under way.
#[derive(Debug, Default)]
pub(super) struct InFlight(AtomicU64);

/// One of those that are under way, until it is dropped.
#[derive(Debug)]
pub(super) struct Busy<'a>(&'a AtomicU64);

impl InFlight {
    /// Counts one more, unless there are as many as there may be.
    pub(super) fn enter(&self, most: u64) -> Option<Busy<'_>> {
        let more = |now: u64| (now < most).then_some(now + 1);
        let entered = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        // Made only when it counts: one that is dropped gives its place back.
        entered.is_ok().then(|| Busy(&self.0))
    }

    pub(super) fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a router counts beside its variants.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Requests that reached no variant, by status.
    refused: Mutex<BTreeMap<u16, u64>>,
    /// Requests that were refused because too many were under way.
    pub(super) shed: AtomicU64,
    pub(super) in_flight: InFlight,
    /// What all nodes of a graph answered together.
    pub(super) graph: VariantMetrics,
}

impl Counts {
    pub(super) fn refuse(&self, status: u16) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner).entry(status).or_default() += 1;
    }
}

impl VariantMetrics {
    pub(super) fn count(&self, status: u16, latency: Duration) {
        let seconds = latency.as_secs_f64();
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        *answered.by_status.entry(status).or_default() += 1;
        if let Some(bucket) = BOUNDS.iter().position(|bound| seconds <= *bound) {
            answered.buckets[bucket] += 1;
        }
        answered.count += 1;
        answered.seconds += seconds;
    }

    /// Counts the promises that an answer broke.
    pub(super) fn promised(&self, slo: &[SloSpec], status: u16, latency: Duration) {
        let broken = slo.iter().filter(|promise| match promise.within_ms {
            Some(most) => status < 400 && latency > Duration::from_millis(most),
            None => status >= 500,
        });
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        for promise in broken {
            *answered.broken.entry(promise.name.clone()).or_default() += 1;
        }
    }

    /// Requests answered, and those of them that failed on our side.
    pub(super) fn totals(&self) -> (u64, u64) {
        let answered = self.answered();
        let errors =
            answered.by_status.iter().filter(|(status, _)| **status >= 500).map(|(_, count)| count).sum();
        (answered.count, errors)
    }

    fn answered(&self) -> Answered {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The exposition text of an endpoint.
pub(super) fn exposition(routing: &Routing, counts: &Counts) -> String {
    let endpoint = &escaped(&routing.spec.name);
    let mut text = String::new();
    let mut answered: Vec<_> =
        routing.variants.iter().map(|v| (v.spec.name.as_str(), v.metrics.answered())).collect();
    // No variant is called so: names have no `(`.
    answered.extend(routing.spec.graph.iter().map(|_| (GRAPH, counts.graph.answered())));
    let refused = counts.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();

    head(
        &mut text,
        "mlp_requests_total",
        "counter",
        "Requests by variant and status; `none` reached no variant.",
    );
    for (variant, by_status) in
        answered.iter().map(|(name, a)| (*name, &a.by_status)).chain([("none", &refused)])
    {
        for (code, count) in by_status {
            let labels = format!("endpoint=\"{endpoint}\",variant=\"{variant}\",code=\"{code}\"");
            let _ = writeln!(text, "mlp_requests_total{{{labels}}} {count}");
        }
    }
    head(&mut text, "mlp_request_duration_seconds", "histogram", "Time to an answer of a replica.");
    for (variant, answered) in &answered {
        histogram(&mut text, &format!("endpoint=\"{endpoint}\",variant=\"{variant}\""), answered);
    }
    type Reading = fn(&super::routing::Variant) -> u64;
    let per_variant: [(&str, &str, &str, Reading); 7] = [
        ("mlp_rerouted_total", "counter", "Requests of a variant that others served.", |v| {
            v.metrics.rerouted.load(Ordering::Relaxed)
        }),
        ("mlp_shadow_requests_total", "counter", "Copies that a shadow answered.", |v| {
            v.metrics.shadowed.load(Ordering::Relaxed)
        }),
        ("mlp_shadow_failures_total", "counter", "Copies that failed or were not sent.", |v| {
            v.metrics.shadow_failed.load(Ordering::Relaxed)
        }),
        ("mlp_shadow_agreed_total", "counter", "Predictions of a shadow that were as those given.", |v| {
            v.metrics.shadow_agreed.load(Ordering::Relaxed)
        }),
        ("mlp_shadow_differed_total", "counter", "Predictions of a shadow that differed.", |v| {
            v.metrics.shadow_differed.load(Ordering::Relaxed)
        }),
        ("mlp_variant_in_flight", "gauge", "Requests that its replicas are working on.", |v| {
            v.metrics.window.under_way()
        }),
        ("mlp_replicas_ready", "gauge", "Replicas that serve.", |v| v.ready()),
    ];
    for (name, kind, about, value) in per_variant {
        head(&mut text, name, kind, about);
        for variant in &routing.variants {
            let labels = format!("endpoint=\"{endpoint}\",variant=\"{}\"", variant.spec.name);
            let _ = writeln!(text, "{name}{{{labels}}} {}", value(variant));
        }
    }
    slo(&mut text, routing, &answered);
    head(&mut text, "mlp_shed_total", "counter", "Requests refused because too many were under way.");
    let _ =
        writeln!(text, "mlp_shed_total{{endpoint=\"{endpoint}\"}} {}", counts.shed.load(Ordering::Relaxed));
    head(&mut text, "mlp_in_flight", "gauge", "Requests under way.");
    let _ = writeln!(text, "mlp_in_flight{{endpoint=\"{endpoint}\"}} {}", counts.in_flight.now());
    if let Some(capture) = &routing.capture {
        head(&mut text, "mlp_capture_dropped_total", "counter", "Capture lines that were not written.");
        let _ = writeln!(text, "mlp_capture_dropped_total{{endpoint=\"{endpoint}\"}} {}", capture.dropped());
    }
    text
}

/// How the answers keep what is promised: the share that has to, and those that did not.
fn slo(text: &mut String, routing: &Routing, answered: &[(&str, Answered)]) {
    if routing.spec.slo.is_empty() {
        return;
    }
    let endpoint = &escaped(&routing.spec.name);
    head(text, "mlp_slo_share", "gauge", "The share of the answers that has to keep a promise.");
    for promise in &routing.spec.slo {
        let _ = writeln!(
            text,
            "mlp_slo_share{{endpoint=\"{endpoint}\",slo=\"{}\"}} {}",
            promise.name, promise.share
        );
    }
    head(text, "mlp_slo_broken_total", "counter", "Answers that broke a promise.");
    for promise in &routing.spec.slo {
        for (variant, answered) in answered {
            let labels = format!("endpoint=\"{endpoint}\",slo=\"{}\",variant=\"{variant}\"", promise.name);
            let _ = writeln!(
                text,
                "mlp_slo_broken_total{{{labels}}} {}",
                answered.broken.get(&promise.name).unwrap_or(&0)
            );
        }
    }
}

/// A label value in its notation.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn head(text: &mut String, name: &str, kind: &str, about: &str) {
    let _ = writeln!(text, "# HELP {name} {about}\n# TYPE {name} {kind}");
}

fn histogram(text: &mut String, labels: &str, answered: &Answered) {
    let name = "mlp_request_duration_seconds";
    let mut below = 0;
    for (bound, count) in BOUNDS.iter().zip(answered.buckets) {
        below += count;
        let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {below}");
    }
    let _ = writeln!(text, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", answered.count);
    let _ = writeln!(text, "{name}_sum{{{labels}}} {}", answered.seconds);
    let _ = writeln!(text, "{name}_count{{{labels}}} {}", answered.count);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_is_cumulative() {
        let metrics = VariantMetrics::default();
        let slo = [("p99", Some(1)), ("availability", None)].map(|(name, within_ms)| SloSpec {
            name: name.into(),
            share: 0.99,
            within_ms,
        });
        for (status, ms) in [(200, 2), (200, 1), (504, 60_000)] {
            metrics.count(status, Duration::from_millis(ms));
            metrics.promised(&slo, status, Duration::from_millis(ms));
        }
        assert_eq!(metrics.answered().broken.into_values().collect::<Vec<_>>(), [1, 1]);
        assert_eq!(metrics.totals(), (3, 1));
        let mut text = String::new();
        histogram(&mut text, "v=\"a\"", &metrics.answered());
        assert!(text.contains("_bucket{v=\"a\",le=\"0.001\"} 1\n"), "{text}");
        assert!(text.contains("_bucket{v=\"a\",le=\"10\"} 2\n") && text.contains("le=\"+Inf\"} 3\n"));
    }
}
