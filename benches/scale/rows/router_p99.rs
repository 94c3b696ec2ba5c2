//! What the router of an endpoint adds to all but the slowest hundredth, beside nginx with the same split.

use crate::lab::Lab;
use crate::measure::Fault;
use crate::router::added;
use crate::row::{Bound, Budget, Figure, NEVER, Row, Sizes, Way};

pub const ROW: Row = Row {
    name: "router, p99",
    about: "What the router of an endpoint adds to all but the slowest hundredth, beside nginx with the same split.",
    unit: "requests a second",
    sizes: Sizes { quick: &[], whole: &[2_000] },
    terraform: NEVER,
    way: Way::Own(measure),
    budgets: &[Budget::always(Bound::AtMost(1_000.0))],
};

fn measure(lab: &mut Lab, size: usize) -> Result<Vec<Figure>, Fault> {
    added(lab, size, 0.99)
}
