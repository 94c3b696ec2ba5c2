//! An apply of values with twenty fields.

use crate::row::{MANY, Row, SMALL, Way};
use crate::spec::Stage;
use crate::specs::WIDE;

pub const ROW: Row = Row {
    name: "apply, 20 fields",
    about: "An apply of values with twenty fields.",
    unit: "values",
    sizes: MANY,
    terraform: SMALL,
    way: Way::Stage(&WIDE, Stage::Apply),
    budgets: &[],
};
