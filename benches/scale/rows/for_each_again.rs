//! A plan of one block with that many instances, where everything is as it should be.

use crate::row::{Bound, Budget, REPEATED, Row, SMALL, Way};
use crate::spec::Stage;
use crate::specs::FOR_EACH;

pub const ROW: Row = Row {
    name: "no change, for_each",
    about: "A plan of one block with that many instances, where everything is as it should be.",
    unit: "instances",
    sizes: REPEATED,
    terraform: SMALL,
    way: Way::Stage(&FOR_EACH, Stage::Again),
    budgets: &[Budget::at(1_000_000, Bound::Seconds(30.0)), Budget::at(1_000_000, Bound::Megabytes(6000.0))],
};
