//! Whether every file is formatted.

use crate::row::{BLOCKS, PATIENT, Row, Way};
use crate::spec::Stage;
use crate::specs::VALUES;

pub const ROW: Row = Row {
    name: "format",
    about: "Whether every file is formatted.",
    unit: "blocks",
    sizes: BLOCKS,
    terraform: PATIENT,
    way: Way::Stage(&VALUES, Stage::Format),
    budgets: &[],
};
