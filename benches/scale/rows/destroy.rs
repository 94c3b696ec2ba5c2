//! Everything is taken away.

use crate::row::{MANY, Row, SMALL, Way};
use crate::spec::Stage;
use crate::specs::VALUES;

pub const ROW: Row = Row {
    name: "destroy",
    about: "Everything is taken away.",
    unit: "values",
    sizes: MANY,
    terraform: SMALL,
    way: Way::Stage(&VALUES, Stage::Destroy),
    budgets: &[],
};
