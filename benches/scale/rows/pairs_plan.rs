//! A plan of two sets of instances that refer to each other pairwise; the size is that of one set.

use crate::row::{Bound, Budget, PAIRWISE, PAIRWISE_PEER, Row, Way};
use crate::spec::Stage;
use crate::specs::PAIRS;

pub const ROW: Row = Row {
    name: "plan of pairs",
    about: "A plan of two sets of instances that refer to each other pairwise; the size is that of one set.",
    unit: "in each set",
    sizes: PAIRWISE,
    terraform: PAIRWISE_PEER,
    way: Way::Stage(&PAIRS, Stage::Plan),
    budgets: &[Budget::at(2_000, Bound::Seconds(0.5))],
};
