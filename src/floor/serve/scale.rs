//! How many replicas a variant has, by the requests under way: more at once, fewer when they were too many for a while.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::routing::{Routing, Variant};
use super::spec::{ScaleSpec, VariantSpec};

/// For so long fewer have to be enough before any is ended.
const CALM: Duration = Duration::from_secs(60);

/// The numbers of replicas that the load asked for, by variant.
#[derive(Debug, Clone, Default)]
pub(super) struct Scales(BTreeMap<String, Scale>);

#[derive(Debug, Clone)]
struct Scale {
    count: u32,
    calm: Option<Calm>,
}

/// Since when fewer would do, and how many at most.
#[derive(Debug, Clone)]
struct Calm {
    since: Instant,
    most: u32,
}

impl Scales {
    /// How many replicas a variant has now; without a load to follow, as many as it says.
    pub(super) fn count(&self, variant: &VariantSpec) -> u32 {
        match (&variant.scale, self.0.get(&variant.name)) {
            (Some(scale), Some(found)) => {
                found.count.clamp(variant.replicas, scale.max.max(variant.replicas))
            }
            _ => variant.replicas,
        }
    }

    /// Looks at the load; says whether a number changed.
    pub(super) fn look(&mut self, routing: &Routing, now: Instant) -> bool {
        let mut changed = false;
        for variant in &routing.variants {
            if let Some(scale) = &variant.spec.scale {
                let before = self.count(&variant.spec);
                let wanted = wanted(variant, scale);
                let found =
                    self.0.entry(variant.spec.name.clone()).or_insert(Scale { count: before, calm: None });
                found.decide(wanted, now);
                changed |= self.count(&variant.spec) != before;
            }
        }
        self.0.retain(|name, _| routing.variants.iter().any(|variant| variant.spec.name == *name));
        changed
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a small number, not below zero"
)]
fn wanted(variant: &Variant, scale: &ScaleSpec) -> u32 {
    let load = variant.metrics.window.under_way() as f64 / scale.target;
    (load.ceil() as u32).clamp(variant.spec.replicas, scale.max.max(variant.spec.replicas))
}

impl Scale {
    fn decide(&mut self, wanted: u32, now: Instant) {
        if wanted >= self.count {
            self.count = wanted;
            self.calm = None;
            return;
        }
        let calm = self.calm.get_or_insert(Calm { since: now, most: wanted });
        calm.most = calm.most.max(wanted);
        if now.saturating_duration_since(calm.since) >= CALM {
            self.count = calm.most;
            self.calm = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_adds_at_once_and_calm_removes_what_was_too_many() {
        let mut scale = Scale { count: 1, calm: None };
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        scale.decide(4, at(0));
        assert_eq!(scale.count, 4);
        for second in 1..=59 {
            scale.decide(if second == 30 { 2 } else { 1 }, at(second));
            assert_eq!(scale.count, 4);
        }
        scale.decide(1, at(61));
        assert_eq!(scale.count, 2, "two were needed in between");
        // A short peak begins the calm anew.
        scale.decide(1, at(70));
        scale.decide(2, at(100));
        scale.decide(1, at(131));
        assert_eq!(scale.count, 2);
        scale.decide(1, at(191));
        assert_eq!(scale.count, 1);
    }
}
