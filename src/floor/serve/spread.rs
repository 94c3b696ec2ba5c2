//! Shares of a stream of requests, taken evenly and without chance.

use std::sync::atomic::{AtomicU64, Ordering};

/// A low-discrepancy sequence: the multiples of an irrational number modulo one, in 64-bit fixed point. Any
/// share of the range is hit in proportion after few draws, also by every n-th draw, unlike in a round robin.
#[derive(Debug)]
pub(super) struct Spread {
    drawn: AtomicU64,
    step: u64,
}

// Different, rationally independent steps: the choice of a variant says nothing about what is captured.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
const ROOT_2: u64 = 0x6a09_e667_f3bc_c909;
const ROOT_3: u64 = 0xbb67_ae85_84ca_a73b;
const ROOT_7: u64 = 0xa54f_f53a_5f1d_36f1;

impl Spread {
    fn with(step: u64) -> Self {
        Self { drawn: AtomicU64::new(0), step }
    }

    /// The choice between variants.
    pub(super) fn split() -> Self {
        Self::with(GOLDEN)
    }

    /// The choice between the variants that are left when the first choice is not ready.
    pub(super) fn reroute() -> Self {
        Self::with(ROOT_2)
    }

    /// What is copied to a shadow.
    pub(super) fn shadow() -> Self {
        Self::with(ROOT_3)
    }

    /// What is captured.
    pub(super) fn capture() -> Self {
        Self::with(ROOT_7)
    }

    fn draw(&self) -> u64 {
        self.drawn.fetch_add(1, Ordering::Relaxed).wrapping_mul(self.step)
    }

    /// The index of one of the weights, in proportion to them; none when all are zero.
    pub(super) fn pick(&self, weights: impl Iterator<Item = u32> + Clone) -> Option<usize> {
        let total: u64 = weights.clone().map(u64::from).sum();
        let mut point = (u128::from(self.draw()) * u128::from(total)) >> 64;
        for (index, weight) in weights.enumerate() {
            if point < u128::from(weight) {
                return Some(index);
            }
            point -= u128::from(weight);
        }
        None
    }

    /// Whether this draw belongs to a fraction (0 to 1) of all.
    #[expect(clippy::cast_precision_loss, reason = "a fraction needs no more than 52 bits")]
    pub(super) fn takes(&self, fraction: f64) -> bool {
        fraction >= 1.0 || (fraction > 0.0 && (self.draw() >> 12) as f64 / (1_u64 << 52) as f64 <= fraction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_close_to_its_weights() {
        let spread = Spread::split();
        let weights = [9_000_u32, 700, 0, 300];
        let mut counts = [0_u32; 4];
        for _ in 0..5_000 {
            counts[spread.pick(weights.iter().copied()).unwrap()] += 1;
        }
        assert_eq!(counts[2], 0);
        for (count, weight) in counts.iter().zip(weights) {
            assert!((f64::from(*count) / 5_000.0 - f64::from(weight) / 10_000.0).abs() < 0.002, "{counts:?}");
        }
    }

    #[test]
    fn every_second_request_is_split_as_well() {
        let spread = Spread::split();
        let picks: Vec<_> = (0..4_000).map(|_| spread.pick([5_000, 5_000].into_iter()).unwrap()).collect();
        let even = picks.iter().step_by(2).filter(|pick| **pick == 0).count();
        assert!((950..1_050).contains(&even), "{even}");
    }

    #[test]
    fn fractions_are_kept_within_each_variant() {
        let (split, capture) = (Spread::split(), Spread::capture());
        let mut taken = [0_u32; 2];
        for _ in 0..10_000 {
            let variant = split.pick([5_000, 5_000].into_iter()).unwrap();
            taken[variant] += u32::from(capture.takes(0.1));
        }
        assert!(taken.iter().all(|count| (450..550).contains(count)), "{taken:?}");
        assert!(!capture.takes(0.0) && capture.takes(1.0));
    }

    #[test]
    fn no_weight_no_choice() {
        assert_eq!(Spread::split().pick([0, 0].into_iter()), None);
    }
}
