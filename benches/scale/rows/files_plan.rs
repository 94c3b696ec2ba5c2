//! A plan of values in a hundred files.

use crate::row::{IN_FILES, NEVER, Row, Way};
use crate::spec::Stage;
use crate::specs::HUNDRED_FILES;

pub const ROW: Row = Row {
    name: "plan of 100 files",
    about: "A plan of values in a hundred files.",
    unit: "values",
    sizes: IN_FILES,
    terraform: NEVER,
    way: Way::Stage(&HUNDRED_FILES, Stage::Plan),
    budgets: &[],
};
