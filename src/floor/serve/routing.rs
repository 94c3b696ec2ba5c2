//! Which replica a request goes to: one consistent picture, replaced as a whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::access::{Keys, Limiter};
use super::capture::Capture;
use super::metrics::VariantMetrics;
use super::replica::Replica;
use super::spec::{EndpointSpec, VariantSpec};
use super::spread::Spread;

/// Everything a request needs. A request holds on to the picture it began with.
pub(super) struct Routing {
    pub(super) spec: EndpointSpec,
    pub(super) variants: Vec<Variant>,
    pub(super) keys: Option<Keys>,
    pub(super) limiter: Option<Arc<Limiter>>,
    pub(super) capture: Option<Arc<Capture>>,
    split: Spread,
    reroute: Spread,
}

/// A variant with its replicas.
pub(super) struct Variant {
    pub(super) spec: VariantSpec,
    pub(super) replicas: Vec<Arc<Replica>>,
    pub(super) metrics: Arc<VariantMetrics>,
    next: AtomicUsize,
    shadow: Spread,
}

/// A replica that was ready a moment ago.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) replica: Arc<Replica>,
    pub(super) port: u16,
}

impl Routing {
    pub(super) fn new(
        spec: EndpointSpec,
        variants: Vec<Variant>,
        limiter: Option<Arc<Limiter>>,
        capture: Option<Arc<Capture>>,
    ) -> Self {
        let keys = spec.auth.as_ref().map(Keys::new);
        Self { spec, variants, keys, limiter, capture, split: Spread::split(), reroute: Spread::reroute() }
    }

    /// The variant whose turn it is and one of its ready replicas. The share of a variant without one goes to
    /// the others, in proportion.
    pub(super) fn choose(&self) -> Option<(&Variant, Target)> {
        let assigned = &self.variants[self.split.pick(self.variants.iter().map(|v| v.spec.weight))?];
        if !assigned.fails()
            && let Some(target) = assigned.target(None)
        {
            return Some((assigned, target));
        }
        assigned.metrics.rerouted.fetch_add(1, Ordering::Relaxed);
        self.choose_ready()
    }

    /// One of the variants that can serve now.
    pub(super) fn choose_ready(&self) -> Option<(&Variant, Target)> {
        let weights: Vec<u32> = self
            .variants
            .iter()
            .map(|v| if v.ready() > 0 && !v.fails() { v.spec.weight } else { 0 })
            .collect();
        let variant = match self.reroute.pick(weights.iter().copied()) {
            Some(index) => &self.variants[index],
            None => self.replaced()?,
        };
        Some((variant, variant.target(None)?))
    }

    /// A ready replica of a node of the graph.
    pub(super) fn node(&self, name: &str) -> Option<(&Variant, Target)> {
        let weight = |v: &Variant| if v.spec.shown() == name { v.spec.weight } else { 0 };
        let assigned = &self.variants[self.split.pick(self.variants.iter().map(weight))?];
        if !assigned.fails()
            && let Some(target) = assigned.target(None)
        {
            return Some((assigned, target));
        }
        assigned.metrics.rerouted.fetch_add(1, Ordering::Relaxed);
        let serves = |v: &&Variant| v.spec.shown() == name && v.ready() > 0 && !v.fails();
        let ready = self.variants.iter().find(serves)?;
        Some((ready, ready.target(None)?))
    }

    /// A variant that can serve and gets nothing, since its next version has taken its whole share: it is kept for this.
    fn replaced(&self) -> Option<&Variant> {
        let next_of = |name: &str| self.variants.iter().any(|v| v.spec.of.as_deref() == Some(name));
        self.variants.iter().find(|v| v.ready() > 0 && next_of(&v.spec.name))
    }

    /// Whether any request can be served.
    pub(super) fn ready(&self) -> bool {
        if self.spec.graph.is_some() {
            // A node is ready when it or the version that is rolled out in its place is.
            let ready = |name: &str| self.variants.iter().any(|v| v.spec.shown() == name && v.ready() > 0);
            return self.variants.iter().all(|variant| ready(variant.spec.shown()));
        }
        self.variants.iter().any(|variant| variant.spec.weight > 0 && variant.ready() > 0)
    }
}

impl Variant {
    pub(super) fn new(spec: VariantSpec, replicas: Vec<Arc<Replica>>, metrics: Arc<VariantMetrics>) -> Self {
        Self { spec, replicas, metrics, next: AtomicUsize::new(0), shadow: Spread::shadow() }
    }

    /// The next ready replica in turn, except one.
    pub(super) fn target(&self, except: Option<u16>) -> Option<Target> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        (0..self.replicas.len()).find_map(|offset| {
            let replica = &self.replicas[first.wrapping_add(offset) % self.replicas.len()];
            let port = replica.port().filter(|port| Some(*port) != except)?;
            Some(Target { replica: Arc::clone(replica), port })
        })
    }

    /// Whether it is a version on its way that failed too often in a row to be asked on.
    pub(super) fn fails(&self) -> bool {
        self.spec.of.is_some() && self.metrics.window.fails()
    }

    /// How many replicas are ready.
    pub(super) fn ready(&self) -> u64 {
        self.replicas.iter().map(|replica| u64::from(replica.port().is_some())).sum()
    }

    /// Whether this request is to be copied to it.
    pub(super) fn shadows(&self) -> bool {
        self.shadow.takes(self.spec.shadow / 100.0)
    }
}
