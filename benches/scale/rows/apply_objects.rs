//! An apply with effects outside the state, beside what its waits for the disk cost by themselves.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::lab::{Lab, bytes_below};
use crate::measure::{Fault, Measure, Order};
use crate::row::{Bound, Budget, Figure, NEVER, Row, Sizes, Value, Way};
use crate::spec::Stage;
use crate::specs::OBJECTS;

pub const ROW: Row = Row {
    name: "apply with effects",
    about: "An apply of directories; `floor` is as many waits for the disk with as many bytes before each, and nothing else.",
    unit: "directories",
    sizes: Sizes { quick: &[1_000], whole: &[1_000, 5_000, 20_000] },
    terraform: NEVER,
    way: Way::Own(measure),
    budgets: &[Budget::always(Bound::TimesFloor(1.3))],
};

fn measure(lab: &mut Lab, size: usize) -> Result<Vec<Figure>, Fault> {
    let taken = lab.stage(&OBJECTS, Stage::Apply, size)?;
    let mut figures = vec![Figure::mlp(size, Value::Run(taken))];
    if let Some(waits) = waits(lab, size)? {
        let of = |of: &str, value| Figure { size, of: of.to_owned(), value };
        figures.push(of("floor", Value::Run(floor(&waits)?)));
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        figures.push(of("waits for the disk", Value::Number(waits.count as f64, "fsync")));
    }
    Ok(figures)
}

/// What an apply asked of the disk.
struct Waits {
    count: usize,
    bytes: u64,
}

/// Counts them by looking at the system calls, where that can be done.
fn waits(lab: &Lab, size: usize) -> Result<Option<Waits>, Fault> {
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!("SKIPPED the floor of syncs: `strace` is not installed");
        return Ok(None);
    }
    let project = lab.fresh(&OBJECTS, size)?;
    let log = tempfile::NamedTempFile::new()?;
    let (path, program) = (log.path().display().to_string(), lab.mlp.display().to_string());
    let arguments =
        ["-f", "-qq", "--seccomp-bpf", "-e", "trace=fsync,fdatasync,sync_file_range", "-o", &path, &program];
    let mut all: Vec<&str> = arguments.to_vec();
    all.extend(["apply", "-e", "local", "--auto-approve"]);
    Order::new(Path::new("strace"), &all, project.path(), lab.limits).run()?;
    let text = std::fs::read_to_string(log.path())?;
    let count = text.lines().filter(|line| line.contains("sync(") && !line.contains("resumed")).count();
    let bytes =
        bytes_below(&project.path().join(".mlp"), &|path| path.to_string_lossy().contains("/state/"))?;
    Ok(Some(Waits { count: count.max(1), bytes }))
}

fn floor(waits: &Waits) -> Result<Measure, Fault> {
    let folder = tempfile::tempdir()?;
    let mut file = OpenOptions::new().create(true).append(true).open(folder.path().join("journal"))?;
    let part = vec![b'x'; usize::try_from(waits.bytes).unwrap_or(usize::MAX) / waits.count + 1];
    let started = Instant::now();
    for _ in 0..waits.count {
        file.write_all(&part)?;
        file.sync_data()?;
    }
    let wall = started.elapsed();
    Ok(Measure { wall, cpu: std::time::Duration::ZERO, peak: 0 })
}
