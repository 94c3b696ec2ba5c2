//! A plan of values with twenty fields, where one field of one differs.

use crate::row::{MANY, Row, SMALL, Way};
use crate::spec::Stage;
use crate::specs::WIDE;

pub const ROW: Row = Row {
    name: "one change, 20 fields",
    about: "A plan of values with twenty fields, where one field of one differs.",
    unit: "values",
    sizes: MANY,
    terraform: SMALL,
    way: Way::Stage(&WIDE, Stage::Change),
    budgets: &[],
};
