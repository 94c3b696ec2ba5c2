//! A plan of values in a hundred files, where everything is as it should be.

use crate::row::{Bound, Budget, IN_FILES, NEVER, Row, Way};
use crate::spec::Stage;
use crate::specs::HUNDRED_FILES;

pub const ROW: Row = Row {
    name: "no change, 100 files",
    about: "A plan of values in a hundred files, where everything is as it should be.",
    unit: "values",
    sizes: IN_FILES,
    terraform: NEVER,
    way: Way::Stage(&HUNDRED_FILES, Stage::Again),
    budgets: &[Budget::at(1_000_000, Bound::Seconds(30.0)), Budget::at(1_000_000, Bound::Megabytes(6000.0))],
};
