//! A plan of one block with that many instances.

use crate::row::{PATIENT, REPEATED, Row, Way};
use crate::spec::Stage;
use crate::specs::FOR_EACH;

pub const ROW: Row = Row {
    name: "plan of for_each",
    about: "A plan of one block with that many instances.",
    unit: "instances",
    sizes: REPEATED,
    terraform: PATIENT,
    way: Way::Stage(&FOR_EACH, Stage::Plan),
    budgets: &[],
};
