//! What a second core is worth.

use std::path::Path;
use std::process::Command;

use serde_json::Value as Json;

use crate::lab::Lab;
use crate::measure::{Fault, Order};
use crate::row::{Bound, Budget, Figure, NEVER, Row, Sizes, Value, Way};
use crate::specs::WIDE;

pub const ROW: Row = Row {
    name: "second core",
    about: "Reading, parsing and evaluating values with twenty fields: time on one core over time on two, from `--profile`.",
    unit: "values",
    sizes: Sizes { quick: &[5_000], whole: &[5_000, 20_000] },
    terraform: NEVER,
    way: Way::Own(measure),
    budgets: &[Budget::always(Bound::AtLeast(1.6))],
};

/// The stages that count: from text to values.
const STAGES: &[&str] = &["read", "resolve"];

fn measure(lab: &mut Lab, size: usize) -> Result<Vec<Figure>, Fault> {
    if std::thread::available_parallelism().map_or(1, usize::from) < 2
        || Command::new("taskset").arg("--version").output().is_err()
    {
        eprintln!("SKIPPED the second core: there is none, or no `taskset`");
        return Ok(Vec::new());
    }
    let project = lab.fresh(&WIDE, size)?;
    let one = shortest(lab, "0", project.path())?;
    let two = shortest(lab, "0,1", project.path())?;
    let of = |of: &str, value| Figure { size, of: of.to_owned(), value };
    Ok(vec![
        Figure::mlp(size, Value::Number(one / two, "x")),
        of("one core", Value::Number(one * 1e3, "ms")),
        of("two cores", Value::Number(two * 1e3, "ms")),
    ])
}

/// The seconds of those stages on some cores: the shortest of three, since others use the machine too.
fn shortest(lab: &Lab, cores: &str, project: &Path) -> Result<f64, Fault> {
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let trace = tempfile::NamedTempFile::new()?;
        let (path, program) = (trace.path().display().to_string(), lab.mlp.display().to_string());
        let words = ["-c", cores, &program, "validate", "-e", "local", "--profile", &path];
        Order::new(Path::new("taskset"), &words, project, lab.limits).run()?;
        let document: Json = serde_json::from_str(&std::fs::read_to_string(trace.path())?)?;
        let events = document["traceEvents"].as_array().cloned().unwrap_or_default();
        let micros: f64 = events
            .iter()
            .filter(|event| STAGES.iter().any(|stage| event["name"] == *stage))
            .filter_map(|event| event["dur"].as_f64())
            .sum();
        best = best.min(micros / 1e6);
    }
    Ok(best)
}
