//! What the scheduler of a pipeline costs.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::lab::Lab;
use crate::measure::{Fault, Measure};
use crate::row::{Bound, Budget, Figure, NEVER, Row, Sizes, Value, Way};
use crate::spec::HEAD;

pub const ROW: Row = Row {
    name: "steps of a pipeline",
    about: "A run of that many steps that do nothing; `floor` starts as many shells, two at a time, and nothing else.",
    unit: "steps",
    sizes: Sizes { quick: &[200], whole: &[1_000] },
    terraform: NEVER,
    way: Way::Own(measure),
    budgets: &[Budget::always(Bound::AtMost(2.0))],
};

fn measure(lab: &mut Lab, size: usize) -> Result<Vec<Figure>, Fault> {
    let project = pipeline(lab, size)?;
    let run = lab.run(&["run", "pipeline.p", "-e", "local"], project.path())?;
    let floor = shells(size)?;
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let each = (run.wall.as_secs_f64() - floor.wall.as_secs_f64()) * 1e3 / size as f64;
    let of = |of: &str, value| Figure { size, of: of.to_owned(), value };
    Ok(vec![
        of("the run", Value::Run(run)),
        of("floor", Value::Run(floor)),
        Figure::mlp(size, Value::Number(each, "ms a step")),
    ])
}

/// A project with a pipeline of so many steps, applied. Every tenth waits for the nine before it.
pub(super) fn pipeline(lab: &Lab, size: usize) -> Result<TempDir, Fault> {
    let project = tempfile::tempdir()?;
    let mut text = format!("{HEAD}\npipeline \"p\" {{\n");
    for n in 0..size {
        let after: Vec<String> =
            (n - n % 10..n).filter(|_| n % 10 == 9).map(|n| format!("step.s{n}")).collect();
        let after =
            if after.is_empty() { String::new() } else { format!("    after   = [{}]\n", after.join(", ")) };
        text.push_str(&format!(
            "  step \"s{n}\" {{\n    code    = \"src\"\n    run     = \": > ${{output.o}}\"\n    outputs = {{ o = \"file\" }}\n{after}  }}\n"
        ));
    }
    text.push_str("}\n");
    fs::write(project.path().join("main.mlp"), text)?;
    fs::create_dir(project.path().join("src"))?;
    fs::write(project.path().join("src/readme"), "nothing\n")?;
    lab.run(&["apply", "-e", "local", "--auto-approve"], project.path())?;
    Ok(project)
}

fn shells(count: usize) -> Result<Measure, Fault> {
    let began = Instant::now();
    let half = |count: usize| -> Result<(), std::io::Error> {
        (0..count).try_for_each(|_| {
            Command::new("/bin/sh").args(["-c", ":"]).current_dir(Path::new("/")).status().map(drop)
        })
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(|| half(count / 2));
        let own = half(count - count / 2);
        other.join().map_err(|_| std::io::Error::other("a thread broke off"))?.and(own)
    })?;
    Ok(Measure { wall: began.elapsed(), cpu: Duration::ZERO, peak: 0 })
}
