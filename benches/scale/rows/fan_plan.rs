//! A plan of one value that refers to all the others.

use crate::row::{FANS, FANS_PEER, Row, Way};
use crate::spec::Stage;
use crate::specs::FAN;

pub const ROW: Row = Row {
    name: "plan of one to many",
    about: "A plan of one value that refers to all the others.",
    unit: "values",
    sizes: FANS,
    terraform: FANS_PEER,
    way: Way::Stage(&FAN, Stage::Plan),
    budgets: &[],
};
