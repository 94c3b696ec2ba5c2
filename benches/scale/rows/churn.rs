//! The example of the README.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::lab::Lab;
use crate::measure::Fault;
use crate::row::{Bound, Budget, Figure, NEVER, Row, Sizes, Value, Way};

pub const ROW: Row = Row {
    name: "plan of churn",
    about: "A plan of the example in `examples/churn`, where nothing was applied yet.",
    unit: "",
    sizes: Sizes { quick: &[1], whole: &[1] },
    terraform: NEVER,
    way: Way::Own(measure),
    budgets: &[Budget::always(Bound::Seconds(0.060))],
};

fn measure(lab: &mut Lab, size: usize) -> Result<Vec<Figure>, Fault> {
    let project = tempfile::tempdir()?;
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/churn");
    let status = Command::new("cp").arg("-r").arg(example.join(".")).arg(project.path()).status()?;
    if !status.success() {
        return Err(Fault::Failed(format!("`cp` ended with {status}")));
    }
    let state = project.path().join(".mlp");
    if state.exists() {
        fs::remove_dir_all(state)?;
    }
    // The first one makes the example's data.
    lab.run(&["plan", "-e", "local"], project.path())?;
    let taken = lab.median(|| lab.run(&["plan", "-e", "local"], project.path()))?;
    Ok(vec![Figure::mlp(size, Value::Run(taken))])
}
