//! Language and types.

use crate::row::{BLOCKS, Bound, Budget, PATIENT, Row, Way};
use crate::spec::Stage;
use crate::specs::VALUES;

pub const ROW: Row = Row {
    name: "validate",
    about: "Language and types.",
    unit: "blocks",
    sizes: BLOCKS,
    terraform: PATIENT,
    way: Way::Stage(&VALUES, Stage::Validate),
    budgets: &[Budget::at(10_000, Bound::Seconds(0.3))],
};
