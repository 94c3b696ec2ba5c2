//! Values with twenty fields are taken away.

use crate::row::{MANY, Row, SMALL, Way};
use crate::spec::Stage;
use crate::specs::WIDE;

pub const ROW: Row = Row {
    name: "destroy, 20 fields",
    about: "Values with twenty fields are taken away.",
    unit: "values",
    sizes: MANY,
    terraform: SMALL,
    way: Way::Stage(&WIDE, Stage::Destroy),
    budgets: &[],
};
