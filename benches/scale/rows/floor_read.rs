//! The distance to the physical limit.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::lab::Lab;
use crate::measure::{Fault, Measure};
use crate::row::{Figure, MANY, NEVER, Row, Value, Way};
use crate::spec::Stage;
use crate::specs::VALUES;

pub const ROW: Row = Row {
    name: "plan and its limit",
    about: "A plan without change, and `floor`: the same specification and state read once and hashed once.",
    unit: "values",
    sizes: MANY,
    terraform: NEVER,
    way: Way::Own(measure),
    budgets: &[],
};

fn measure(lab: &mut Lab, size: usize) -> Result<Vec<Figure>, Fault> {
    let taken = lab.stage(&VALUES, Stage::Again, size)?;
    let project = lab.applied(&VALUES, size)?.to_owned();
    let began = Instant::now();
    let mut hasher = blake3::Hasher::new();
    hash(&project, &mut hasher)?;
    std::hint::black_box(hasher.finalize());
    let floor = Measure { wall: began.elapsed(), cpu: Duration::ZERO, peak: 0 };
    let of = |of: &str, value| Figure { size, of: of.to_owned(), value };
    let times = taken.wall.as_secs_f64() / floor.wall.as_secs_f64();
    Ok(vec![
        Figure::mlp(size, Value::Run(taken)),
        of("floor", Value::Run(floor)),
        of("distance", Value::Number(times, "x floor")),
    ])
}

fn hash(directory: &Path, hasher: &mut blake3::Hasher) -> Result<(), Fault> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            hash(&entry.path(), hasher)?;
        } else {
            hasher.update(&fs::read(entry.path())?);
        }
    }
    Ok(())
}
