//! What a user downloads who wants everything.

use crate::lab::Lab;
use crate::measure::Fault;
use crate::row::{Bound, Budget, Figure, NEVER, Row, Sizes, Value, Way, megabytes};

pub const ROW: Row = Row {
    name: "size, all features",
    about: "The file of the program with every feature; it is built for this, where `--full` was asked for.",
    unit: "",
    sizes: Sizes { quick: &[], whole: &[1] },
    terraform: NEVER,
    way: Way::Own(measure),
    budgets: &[Budget::always(Bound::AtMost(60.0))],
};

fn measure(lab: &mut Lab, size: usize) -> Result<Vec<Figure>, Fault> {
    match &lab.full {
        None => Ok(Vec::new()),
        Some(path) => {
            let bytes = std::fs::metadata(path)?.len();
            Ok(vec![Figure::mlp(size, Value::Number(megabytes(bytes), "MB"))])
        }
    }
}
