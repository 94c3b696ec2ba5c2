//! The shortest command.

use std::path::Path;

use crate::lab::Lab;
use crate::measure::Fault;
use crate::row::{Bound, Budget, Figure, NEVER, Row, Sizes, Value, Way};

pub const ROW: Row = Row {
    name: "--version",
    about: "The shortest command there is: what every other one pays before it begins.",
    unit: "",
    sizes: Sizes { quick: &[1], whole: &[1] },
    terraform: NEVER,
    way: Way::Own(measure),
    budgets: &[Budget::always(Bound::Seconds(0.010))],
};

fn measure(lab: &mut Lab, size: usize) -> Result<Vec<Figure>, Fault> {
    let taken = lab.median(|| lab.run(&["--version"], Path::new("/")))?;
    Ok(vec![Figure::mlp(size, Value::Run(taken))])
}
