//! What the router counts, and its Prometheus text.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::routing::Routing;
use super::window::Window;

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
    /// Copies it did not answer, or that were not sent because too many were under way.
    pub(super) shadow_failed: AtomicU64,
}

#[derive(Debug, Default, Clone)]
struct Answered {
    by_status: BTreeMap<u16, u64>,
    buckets: [u64; BOUNDS.len()],
    count: u64,
    seconds: f64,
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
pub(super) fn exposition(routing: &Routing, refused: &BTreeMap<u16, u64>) -> String {
    let endpoint = &escaped(&routing.spec.name);
    let mut text = String::new();
    let answered: Vec<_> =
        routing.variants.iter().map(|v| (v.spec.name.as_str(), v.metrics.answered())).collect();

    head(
        &mut text,
        "mlp_requests_total",
        "counter",
        "Requests by variant and status; `none` reached no variant.",
    );
    for (variant, counts) in answered.iter().map(|(name, a)| (*name, &a.by_status)).chain([("none", refused)])
    {
        for (code, count) in counts {
            let labels = format!("endpoint=\"{endpoint}\",variant=\"{variant}\",code=\"{code}\"");
            let _ = writeln!(text, "mlp_requests_total{{{labels}}} {count}");
        }
    }
    head(&mut text, "mlp_request_duration_seconds", "histogram", "Time to an answer of a replica.");
    for (variant, answered) in &answered {
        histogram(&mut text, &format!("endpoint=\"{endpoint}\",variant=\"{variant}\""), answered);
    }
    type Reading = fn(&super::routing::Variant) -> u64;
    let per_variant: [(&str, &str, &str, Reading); 4] = [
        ("mlp_rerouted_total", "counter", "Requests of a variant that others served.", |v| {
            v.metrics.rerouted.load(Ordering::Relaxed)
        }),
        ("mlp_shadow_requests_total", "counter", "Copies that a shadow answered.", |v| {
            v.metrics.shadowed.load(Ordering::Relaxed)
        }),
        ("mlp_shadow_failures_total", "counter", "Copies that failed or were not sent.", |v| {
            v.metrics.shadow_failed.load(Ordering::Relaxed)
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
    if let Some(capture) = &routing.capture {
        head(&mut text, "mlp_capture_dropped_total", "counter", "Capture lines that were not written.");
        let _ = writeln!(text, "mlp_capture_dropped_total{{endpoint=\"{endpoint}\"}} {}", capture.dropped());
    }
    text
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
        metrics.count(200, Duration::from_millis(2));
        metrics.count(200, Duration::from_millis(2));
        metrics.count(504, Duration::from_secs(60));
        assert_eq!(metrics.totals(), (3, 1));
        let mut text = String::new();
        histogram(&mut text, "v=\"a\"", &metrics.answered());
        assert!(text.contains("_bucket{v=\"a\",le=\"0.001\"} 0\n"), "{text}");
        assert!(text.contains("_bucket{v=\"a\",le=\"10\"} 2\n") && text.contains("le=\"+Inf\"} 3\n"));
    }
}
