//! What a user downloads.

use crate::lab::Lab;
use crate::measure::Fault;
use crate::row::{Bound, Budget, Figure, NEVER, Row, Sizes, Value, Way, megabytes};

pub const ROW: Row = Row {
    name: "size of the program",
    about: "The file of the program that is measured, as it ships by default.",
    unit: "",
    sizes: Sizes { quick: &[1], whole: &[1] },
    terraform: NEVER,
    way: Way::Own(measure),
    budgets: &[Budget::always(Bound::AtMost(30.0))],
};

fn measure(lab: &mut Lab, size: usize) -> Result<Vec<Figure>, Fault> {
    let bytes = std::fs::metadata(&lab.mlp)?.len();
    Ok(vec![Figure::mlp(size, Value::Number(megabytes(bytes), "MB"))])
}
