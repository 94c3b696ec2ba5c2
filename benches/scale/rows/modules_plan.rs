//! A plan of calls of one module.

use crate::row::{CALLS, Row, Way};
use crate::spec::Stage;
use crate::specs::MODULES;

pub const ROW: Row = Row {
    name: "plan of modules",
    about: "A plan of calls of one module.",
    unit: "calls",
    sizes: CALLS,
    terraform: CALLS,
    way: Way::Stage(&MODULES, Stage::Plan),
    budgets: &[],
};
