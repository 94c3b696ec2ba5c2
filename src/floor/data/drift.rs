//! How the values of a column moved from one version to another.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::cell::Cell;
use super::schema::scale;

/// How many parts of equal size the first version's values are cut into.
const BINS: usize = 10;
/// How many values of a column are looked at: evenly spread, the same ones every time.
const VALUES: usize = 100_000;
/// How many different texts are told apart; beyond that a column is an identifier more than a category.
const CATEGORIES: usize = 10_000;
/// What a part that no value falls into counts as, so that the index stays finite.
const FLOOR: f64 = 1e-4;

/// How far two distributions are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftMeasure {
    /// The population stability index of numbers and times over ten parts of the first version; by custom below 0.1 is
    /// stable and above 0.25 has moved.
    Psi,
    /// The total variation distance of categories: the share of rows that would have to change, 0 to 1.
    TotalVariation,
}

/// How one column moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// The column.
    pub column: String,
    /// What was measured; nothing where a version has no values, or too many different ones.
    pub measure: Option<DriftMeasure>,
    /// The measure.
    pub value: Option<f64>,
    /// The share of missing values before.
    pub nulls_before: f64,
    /// The share of missing values after.
    pub nulls_after: f64,
}

/// The values of one column of one version.
#[derive(Default)]
pub(super) struct Values {
    rows: u64,
    nulls: u64,
    numbers: Vec<f64>,
    /// Only every so many-th number is kept.
    step: u64,
    seen: u64,
    texts: HashMap<String, u64>,
    /// Whether every value was on a scale.
    scaled: bool,
    too_many: bool,
}

impl Values {
    pub(super) fn new() -> Self {
        Self { step: 1, scaled: true, ..Self::default() }
    }

    pub(super) fn add(&mut self, cell: &Cell) {
        self.rows += 1;
        if cell.is_null() {
            self.nulls += 1;
            return;
        }
        match scale(cell) {
            Some(number) if self.scaled => self.number(number),
            _ => self.scaled = false,
        }
        if !self.too_many {
            *self.texts.entry(cell.text().into_owned()).or_default() += 1;
            if self.texts.len() > CATEGORIES {
                self.too_many = true;
                self.texts = HashMap::new();
            }
        }
    }

    fn number(&mut self, number: f64) {
        if self.seen.is_multiple_of(self.step) {
            self.numbers.push(number);
            if self.numbers.len() == VALUES {
                let mut at = 0;
                self.numbers.retain(|_| {
                    at += 1;
                    at % 2 == 1
                });
                self.step *= 2;
            }
        }
        self.seen += 1;
    }

    fn null_share(&self) -> f64 {
        if self.rows == 0 { 0.0 } else { self.nulls as f64 / self.rows as f64 }
    }
}

/// How a column moved from one version to another.
pub(super) fn drift(column: &str, mut before: Values, mut after: Values) -> Drift {
    let (nulls_before, nulls_after) = (before.null_share(), after.null_share());
    let empty = before.rows == before.nulls || after.rows == after.nulls;
    let measured = if empty {
        None
    } else if before.scaled && after.scaled {
        Some((DriftMeasure::Psi, psi(&mut before.numbers, &mut after.numbers)))
    } else if before.too_many || after.too_many {
        None
    } else {
        Some((DriftMeasure::TotalVariation, total_variation(&before.texts, &after.texts)))
    };
    Drift {
        column: column.to_owned(),
        measure: measured.map(|(measure, _)| measure),
        value: measured.map(|(_, value)| value),
        nulls_before,
        nulls_after,
    }
}

/// The population stability index: the parts are cut where the first version's values divide into equal numbers.
fn psi(before: &mut [f64], after: &mut [f64]) -> f64 {
    before.sort_by(f64::total_cmp);
    after.sort_by(f64::total_cmp);
    let mut cuts: Vec<f64> = (1..BINS).map(|part| before[part * before.len() / BINS]).collect();
    cuts.dedup();
    // A value that many rows share is the upper end of one part and alone in it where it is the smallest.
    let shares = |values: &[f64]| {
        let mut ends: Vec<usize> =
            cuts.iter().map(|cut| values.partition_point(|value| value <= cut)).collect();
        ends.push(values.len());
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let counts: Vec<usize> = starts.zip(&ends).map(|(start, end)| end - start).collect();
        counts.into_iter().map(|count| (count as f64 / values.len() as f64).max(FLOOR)).collect::<Vec<_>>()
    };
    let (before, after) = (shares(before), shares(after));
    before.iter().zip(&after).map(|(before, after)| (after - before) * (after / before).ln()).sum()
}

fn total_variation(before: &HashMap<String, u64>, after: &HashMap<String, u64>) -> f64 {
    let sum = |counts: &HashMap<String, u64>| counts.values().sum::<u64>() as f64;
    let (all_before, all_after) = (sum(before), sum(after));
    let share = |counts: &HashMap<String, u64>, all: f64, name: &str| {
        counts.get(name).copied().unwrap_or(0) as f64 / all
    };
    let mut names: Vec<&str> = before.keys().chain(after.keys()).map(String::as_str).collect();
    // Sums of fractions depend on their order, and the same versions are to give the same number.
    names.sort_unstable();
    names.dedup();
    let differences =
        names.iter().map(|name| (share(before, all_before, name) - share(after, all_after, name)).abs());
    differences.sum::<f64>() / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(cells: impl Iterator<Item = String>) -> Values {
        let mut values = Values::new();
        cells.for_each(|text| values.add(&Cell::from_csv(&text)));
        values
    }

    fn numbers(range: std::ops::Range<u32>) -> Values {
        values(range.map(|number| number.to_string()))
    }

    #[test]
    fn numbers_that_move_have_a_large_index_and_those_that_stay_none() {
        let same = drift("a", numbers(0..1000), numbers(0..1000));
        assert_eq!((same.measure, same.value), (Some(DriftMeasure::Psi), Some(0.0)));
        let little = drift("a", numbers(0..1000), numbers(20..1020)).value.unwrap();
        let much = drift("a", numbers(0..1000), numbers(500..1500)).value.unwrap();
        assert!(little > 0.0 && little < 0.1 && much > 0.25, "{little} {much}");
        let constant = || values((0..50).map(|_| "7".to_owned()));
        assert_eq!(drift("a", constant(), constant()).value, Some(0.0));
        assert!(drift("a", constant(), numbers(0..50)).value.unwrap().is_finite());
        let many = drift("a", numbers(0..250_000), numbers(0..250_000));
        assert_eq!(many.value, Some(0.0));
    }

    #[test]
    fn categories_are_compared_by_their_shares_and_nulls_by_themselves() {
        let texts = |text: &str| values(text.split(',').map(str::to_owned));
        let moved = drift("a", texts("x,x,y,,"), texts("x,y,y,y"));
        assert_eq!(moved.measure, Some(DriftMeasure::TotalVariation));
        assert!((moved.value.unwrap() - (2.0 / 3.0 - 0.25)).abs() < 1e-12);
        assert!((moved.nulls_before - 0.4).abs() < 1e-12 && moved.nulls_after == 0.0);
        let none = drift("a", texts(","), texts("x"));
        assert_eq!((none.measure, none.value), (None, None));
        let identifiers = || values((0..20_000).map(|at| format!("id{at}")));
        assert_eq!(drift("a", identifiers(), identifiers()).value, None);
    }
}
