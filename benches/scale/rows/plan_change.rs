//! A plan where one field of one value differs.

use crate::row::{MANY, PATIENT, Row, Way};
use crate::spec::Stage;
use crate::specs::VALUES;

pub const ROW: Row = Row {
    name: "plan of one change",
    about: "A plan where one field of one value differs.",
    unit: "values",
    sizes: MANY,
    terraform: PATIENT,
    way: Way::Stage(&VALUES, Stage::Change),
    budgets: &[],
};
