//! A plan of values that are all to be made.

use crate::row::{Bound, Budget, MANY, PATIENT, Row, Way};
use crate::spec::Stage;
use crate::specs::VALUES;

pub const ROW: Row = Row {
    name: "plan of creates",
    about: "A plan of values that are all to be made.",
    unit: "values",
    sizes: MANY,
    terraform: PATIENT,
    way: Way::Stage(&VALUES, Stage::Plan),
    budgets: &[
        Budget::at(5_000, Bound::Seconds(0.3)),
        Budget::at(100_000, Bound::Seconds(5.0)),
        Budget::at(100_000, Bound::Megabytes(1000.0)),
    ],
};
