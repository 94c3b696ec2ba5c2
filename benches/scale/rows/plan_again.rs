//! A plan where everything is as it should be.

use crate::row::{Bound, Budget, MANY, PATIENT, Row, Way};
use crate::spec::Stage;
use crate::specs::VALUES;

pub const ROW: Row = Row {
    name: "plan without change",
    about: "A plan where everything is as it should be.",
    unit: "values",
    sizes: MANY,
    terraform: PATIENT,
    way: Way::Stage(&VALUES, Stage::Again),
    budgets: &[Budget::at(5_000, Bound::Seconds(0.3)), Budget::at(5_000, Bound::Megabytes(100.0))],
};
