//! A plan of so many changes, drawn as JSON.

use crate::lab::Lab;
use crate::measure::Fault;
use crate::row::{Figure, NEVER, Row, Sizes, Value, Way};
use crate::specs::VALUES;

pub const ROW: Row = Row {
    name: "draw as JSON",
    about: "A saved plan of so many changes, read and drawn as JSON.",
    unit: "changes",
    sizes: Sizes { quick: &[1_000], whole: &[1_000, 10_000, 100_000] },
    terraform: NEVER,
    way: Way::Own(measure),
    budgets: &[],
};

fn measure(lab: &mut Lab, size: usize) -> Result<Vec<Figure>, Fault> {
    let project = lab.fresh(&VALUES, size)?;
    lab.run(&["plan", "-e", "local", "--out", "plan"], project.path())?;
    let taken = lab.median(|| lab.run(&["show", "plan", "--format", "json"], project.path()))?;
    Ok(vec![Figure::mlp(size, Value::Run(taken))])
}
