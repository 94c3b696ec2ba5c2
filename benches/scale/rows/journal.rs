//! What a change costs in the journal.

use std::fs;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use crate::lab::{Lab, bytes_below};
use crate::measure::Fault;
use crate::row::{Figure, NEVER, Row, Sizes, Value, Way};
use crate::specs::{OBJECTS, VALUES};

pub const ROW: Row = Row {
    name: "journal",
    about: "Bytes of the journal for each change: a value, which has no effect outside, and a directory, which has one.",
    unit: "changes",
    sizes: Sizes { quick: &[1_000], whole: &[1_000, 5_000] },
    terraform: NEVER,
    way: Way::Own(measure),
    budgets: &[],
};

fn measure(lab: &mut Lab, size: usize) -> Result<Vec<Figure>, Fault> {
    let mut figures = Vec::new();
    for (of, spec) in [("value", &VALUES), ("directory", &OBJECTS)] {
        let project = lab.fresh(spec, size)?;
        let aside = tempfile::tempdir()?;
        let journal = project.path().join(".mlp/local/state/journal");
        let (done, ended) = channel::<()>();
        std::thread::scope(|scope| {
            let (journal, aside) = (&journal, aside.path());
            scope.spawn(move || hold(journal, aside, &ended));
            let ran = lab.run(&["apply", "-e", "local", "--auto-approve"], project.path());
            drop(done);
            ran
        })?;
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let each = bytes_below(aside.path(), &|_| true)? as f64 / size as f64;
        figures.push(Figure { size, of: of.to_owned(), value: Value::Number(each, "bytes each") });
    }
    Ok(figures)
}

/// Gives every segment of the journal a second name, under which it stays when the state is closed.
fn hold(journal: &Path, aside: &Path, ended: &Receiver<()>) {
    while ended.recv_timeout(Duration::from_millis(1)) == Err(RecvTimeoutError::Timeout) {
        for turn in fs::read_dir(journal).into_iter().flatten().flatten() {
            for segment in fs::read_dir(turn.path()).into_iter().flatten().flatten() {
                let name =
                    [turn.file_name(), segment.file_name()].map(|name| name.to_string_lossy().into_owned());
                // Most have it already.
                let _ = fs::hard_link(segment.path(), aside.join(name.join("-")));
            }
        }
    }
}
