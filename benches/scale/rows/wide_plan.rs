//! A plan of values with twenty fields, most of them computed, some from the value before.

use crate::row::{MANY, PATIENT, Row, Way};
use crate::spec::Stage;
use crate::specs::WIDE;

pub const ROW: Row = Row {
    name: "plan, 20 fields",
    about: "A plan of values with twenty fields, most of them computed, some from the value before.",
    unit: "values",
    sizes: MANY,
    terraform: PATIENT,
    way: Way::Stage(&WIDE, Stage::Plan),
    budgets: &[],
};
