//! The power of the size that a time grows with.

/// From here on what a command pays before it begins no longer counts.
pub const FROM: usize = 5_000;

/// By least squares over the logarithms; nothing for fewer than two sizes.
pub fn exponent(points: &[(usize, f64)]) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below what a float counts exactly")]
    let points: Vec<(f64, f64)> =
        points.iter().map(|(size, seconds)| ((*size as f64).ln(), seconds.ln())).collect();
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let count = points.len() as f64;
    let mean = |pick: fn(&(f64, f64)) -> f64| points.iter().map(pick).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let together: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    (points.len() > 1 && spread > 0.0).then(|| together / spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_has_the_exponent_two() {
        let found = exponent(&[(10, 1.0), (100, 100.0), (1000, 10_000.0)]).unwrap();
        assert!((found - 2.0).abs() < 1e-9, "{found}");
        assert!(exponent(&[(10, 1.0)]).is_none() && exponent(&[]).is_none());
    }
}
