//! What it costs to find that nothing of a pipeline is to be done.

use crate::lab::Lab;
use crate::measure::Fault;
use crate::row::{Bound, Budget, Figure, NEVER, Row, Sizes, Value, Way};

use super::steps::pipeline;

pub const ROW: Row = Row {
    name: "cached steps",
    about: "A run of a pipeline of that many steps, each of which is found to be done.",
    unit: "steps",
    sizes: Sizes { quick: &[200], whole: &[1_000, 10_000] },
    terraform: NEVER,
    way: Way::Own(measure),
    budgets: &[Budget::at(10_000, Bound::Seconds(1.0))],
};

fn measure(lab: &mut Lab, size: usize) -> Result<Vec<Figure>, Fault> {
    let project = pipeline(lab, size)?;
    let run = || lab.run(&["run", "pipeline.p", "-e", "local"], project.path());
    run()?;
    Ok(vec![Figure::mlp(size, Value::Run(lab.median(run)?))])
}
