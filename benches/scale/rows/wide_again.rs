//! A plan of values with twenty fields, where everything is as it should be.

use crate::row::{MANY, Row, SMALL, Way};
use crate::spec::Stage;
use crate::specs::WIDE;

pub const ROW: Row = Row {
    name: "no change, 20 fields",
    about: "A plan of values with twenty fields, where everything is as it should be.",
    unit: "values",
    sizes: MANY,
    terraform: SMALL,
    way: Way::Stage(&WIDE, Stage::Again),
    budgets: &[],
};
