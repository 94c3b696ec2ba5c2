//! An apply of values: no effect outside the state.

use crate::row::{Bound, Budget, MANY, Row, SMALL, Way};
use crate::spec::Stage;
use crate::specs::VALUES;

pub const ROW: Row = Row {
    name: "apply",
    about: "An apply of values: no effect outside the state.",
    unit: "values",
    sizes: MANY,
    terraform: SMALL,
    way: Way::Stage(&VALUES, Stage::Apply),
    budgets: &[Budget::at(5_000, Bound::Seconds(1.0))],
};
