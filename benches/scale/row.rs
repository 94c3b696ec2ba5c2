//! What a row of the table is, and what comes of measuring it.

use crate::lab::Lab;
use crate::measure::{Fault, Measure};
use crate::spec::{Spec, Stage};

/// One row: a work at growing sizes.
pub struct Row {
    /// Its name in the table.
    pub name: &'static str,
    /// What is measured, for who reads the list.
    pub about: &'static str,
    /// What its sizes count.
    pub unit: &'static str,
    /// Sizes of the short run, and of the whole.
    pub sizes: Sizes,
    /// Sizes that terraform is given, in the short run and in the whole; it is ended where it takes too long.
    pub terraform: Sizes,
    /// How it is measured.
    pub way: Way,
    /// What it must not exceed.
    pub budgets: &'static [Budget],
}

/// Sizes of a short run and of the whole.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Of the short run.
    pub quick: &'static [usize],
    /// Of the whole.
    pub whole: &'static [usize],
}

/// Not at all.
pub const NEVER: Sizes = Sizes { quick: &[], whole: &[] };
/// The sizes of most rows.
pub const MANY: Sizes = Sizes { quick: &[1_000, 5_000], whole: &[1_000, 5_000, 20_000, 100_000] };
/// What terraform can finish in a few minutes.
pub const PATIENT: Sizes = Sizes { quick: &[1_000], whole: &[1_000, 5_000] };
/// The same where each resource costs it the more the more there are.
pub const SMALL: Sizes = Sizes { quick: &[], whole: &[1_000] };

/// Blocks of text.
pub const BLOCKS: Sizes = Sizes { quick: &[1_000, 10_000], whole: &[1_000, 10_000, 100_000] };
/// Chains.
pub const CHAINS: Sizes = Sizes { quick: &[2_000], whole: &[2_000, 20_000] };
/// Chains for terraform.
pub const CHAINS_PEER: Sizes = Sizes { quick: &[], whole: &[2_000] };
/// Sets of instances that refer to each other.
pub const PAIRWISE: Sizes = Sizes { quick: &[2_000], whole: &[2_000, 20_000] };
/// The same for terraform: 2,000 take it minutes and 7 GB.
pub const PAIRWISE_PEER: Sizes = Sizes { quick: &[], whole: &[500, 2_000] };
/// One and all the others.
pub const FANS: Sizes = Sizes { quick: &[10_000], whole: &[1_000, 10_000, 100_000] };
/// The same for terraform.
pub const FANS_PEER: Sizes = Sizes { quick: &[], whole: &[1_000, 10_000] };
/// Calls of modules.
pub const CALLS: Sizes = Sizes { quick: &[], whole: &[100, 1_000] };
/// Instances of one block.
pub const REPEATED: Sizes = Sizes { quick: &[1_000, 10_000], whole: &[5_000, 20_000, 100_000, 1_000_000] };
/// A hundred files.
pub const IN_FILES: Sizes = Sizes { quick: &[10_000], whole: &[5_000, 100_000, 1_000_000] };

/// How a row is measured.
pub enum Way {
    /// A stage of the life of a specification, with both tools.
    Stage(&'static Spec, Stage),
    /// In its own way.
    Own(fn(&mut Lab, usize) -> Result<Vec<Figure>, Fault>),
}

/// A bound, and the size at which it holds; any size where there is none.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// At this size.
    pub size: Option<usize>,
    /// The bound.
    pub bound: Bound,
}

/// What is bounded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// Wall time, in seconds.
    Seconds(f64),
    /// The peak of memory, in megabytes.
    Megabytes(f64),
    /// Any other value, by its unit.
    AtMost(f64),
    /// Any other value, by its unit.
    AtLeast(f64),
    /// Wall time, as a multiple of the figure called `floor` of the same size.
    TimesFloor(f64),
}

impl Budget {
    /// At one size.
    pub const fn at(size: usize, bound: Bound) -> Self {
        Self { size: Some(size), bound }
    }

    /// At every size.
    pub const fn always(bound: Bound) -> Self {
        Self { size: None, bound }
    }
}

/// One line of the table.
#[derive(Debug, Clone)]
pub struct Figure {
    /// Of which size.
    pub size: usize,
    /// Of whom: `mlp`, `terraform`, `floor`, or whatever a row compares.
    pub of: String,
    /// What was found.
    pub value: Value,
}

/// What was found.
#[derive(Debug, Clone)]
pub enum Value {
    /// A command.
    Run(Measure),
    /// A number and its unit.
    Number(f64, &'static str),
    /// Nothing, and why.
    None(Fault),
}

impl Figure {
    /// Of `mlp`.
    pub fn mlp(size: usize, value: Value) -> Self {
        Self { size, of: "mlp".to_owned(), value }
    }

    /// Wall time in seconds, where it is one of a command.
    pub fn seconds(&self) -> Option<f64> {
        match &self.value {
            Value::Run(run) => Some(run.wall.as_secs_f64()),
            _ => None,
        }
    }
}

/// What a figure means for a budget: what was found, whether it is kept.
pub fn judged(budget: &Budget, figure: &Figure, all: &[Figure]) -> Option<(String, bool)> {
    if figure.of != "mlp" || budget.size.is_some_and(|size| size != figure.size) {
        return None;
    }
    let at_most = |found: f64, most: f64, unit: &str| (format!("< {most}{unit}"), found < most);
    match (&budget.bound, &figure.value) {
        (Bound::AtMost(most), Value::Number(found, unit)) => {
            Some(at_most(*found, *most, &format!(" {unit}")))
        }
        (Bound::AtLeast(least), Value::Number(found, unit)) => {
            Some((format!(">= {least} {unit}"), found >= least))
        }
        (Bound::Seconds(most), Value::Run(run)) => Some(at_most(run.wall.as_secs_f64(), *most, " s")),
        (Bound::Megabytes(most), Value::Run(run)) => Some(at_most(megabytes(run.peak), *most, " MB")),
        (Bound::TimesFloor(most), Value::Run(run)) => {
            let floor =
                all.iter().find(|other| other.of == "floor" && other.size == figure.size)?.seconds()?;
            let times = run.wall.as_secs_f64() / floor;
            Some((format!("{times:.2} x floor <= {most} x"), times <= *most))
        }
        (Bound::Seconds(most), Value::None(_)) => Some((format!("< {most} s"), false)),
        (Bound::Megabytes(most), Value::None(_)) => Some((format!("< {most} MB"), false)),
        _ => None,
    }
}

/// Bytes in millions.
pub fn megabytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let bytes = bytes as f64;
    bytes / 1e6
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ran(of: &str, seconds: u64) -> Figure {
        let wall = Duration::from_secs(seconds);
        Figure { size: 5, of: of.to_owned(), value: Value::Run(Measure { wall, cpu: wall, peak: 2_000_000 }) }
    }

    #[test]
    fn budgets_are_judged_where_they_hold() {
        let all = [ran("mlp", 3), ran("floor", 2), ran("terraform", 9)];
        let judge = |bound| judged(&Budget::always(bound), &all[0], &all).map(|(_, kept)| kept);
        assert_eq!(judge(Bound::Seconds(4.0)), Some(true));
        assert_eq!(judge(Bound::Seconds(3.0)), Some(false));
        assert_eq!(judge(Bound::Megabytes(3.0)), Some(true));
        assert_eq!(judge(Bound::TimesFloor(1.6)), Some(true));
        assert_eq!(judge(Bound::TimesFloor(1.4)), Some(false));
        assert_eq!(judge(Bound::AtMost(1.0)), None);
        assert!(judged(&Budget::at(6, Bound::Seconds(4.0)), &all[0], &all).is_none());
        assert!(
            judged(&Budget::always(Bound::Seconds(4.0)), &all[2], &all).is_none(),
            "terraform has no budget"
        );
        let late = Figure::mlp(5, Value::None(Fault::TooLong(Duration::from_secs(60))));
        assert_eq!(
            judged(&Budget::always(Bound::Seconds(4.0)), &late, &all).map(|(_, kept)| kept),
            Some(false)
        );
    }
}
