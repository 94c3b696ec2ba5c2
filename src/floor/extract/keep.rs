//! Where raw rows lie while a version is made of them, and what is kept of them for the next time.
//!
//! ```text
//! <directory>/<source>/tmp/…          what is being read; removed when it is not accepted
//! <directory>/<source>/<digest>.rows  the rows of a table as of the last accepted reading
//! <directory>/<source>/kept.json      where that reading ended
//! ```
//! Rows that are to be masked or encrypted are never kept, and while they are worked on they are encrypted with a key that
//! is only in memory.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::SourceSpec;
use super::merge::merge;
use super::wire::KEPT;
use crate::Problem;
use crate::data::{Format, SourceData, Spool};
use crate::digest::digest_file;
use crate::files::{lock, write_atomic};

/// The newest format of `kept.json`.
const FORMAT_VERSION: u32 = 1;

/// Where one data set's sources are staged.
#[derive(Debug, Clone)]
pub struct Staging {
    /// A directory of this data set alone.
    pub directory: PathBuf,
    /// Whether raw rows may be kept for the next time; else they are read whole each time and cannot be read on the disk.
    pub keep: bool,
}

/// What is kept of one table or resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The digest of its rows, and the name of the file that holds them.
    pub(super) digest: String,
    /// Where the reading ended: a cursor's largest value, a resource's validators.
    pub(super) position: Json,
    /// What must be the same for the reading to go on: columns, types, key.
    pub(super) shape: Json,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Memory {
    format_version: u32,
    parts: BTreeMap<String, Kept>,
}

impl Staging {
    /// Begins a reading; it waits for another one of the same source to end.
    pub(super) fn open(&self, spec: &SourceSpec) -> Result<Session, Problem> {
        // Another address is another source. How it is reached may change.
        let identity = serde_json::json!([spec.kind, spec.uri, spec.format]).to_string();
        let directory = self.directory.join(&blake3::hash(identity.as_bytes()).to_hex()[..16]);
        let failed = |error| Problem::io(KEPT, "write", &directory, &error);
        let scratch = directory.join("tmp");
        fs::create_dir_all(&directory).map_err(failed)?;
        let lock = lock(&directory.join(".lock")).map_err(failed)?;
        // Nobody else is here: what lies there is of a reading that was killed.
        match fs::remove_dir_all(&scratch) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        fs::create_dir(&scratch).map_err(failed)?;
        let memory = if self.keep { remembered(&directory.join("kept.json")) } else { Memory::default() };
        if !self.keep {
            forget(&directory).map_err(failed)?;
        }
        Ok(Session {
            keep: self.keep,
            memory,
            next: BTreeMap::new(),
            result: Extracted { parts: Vec::new(), said: Vec::new(), accepts: None },
            place: Place { directory, scratch, _lock: lock },
        })
    }
}

/// A memory that is damaged or of another time is none: everything is read anew.
fn remembered(path: &Path) -> Memory {
    let found = fs::read(path).ok().and_then(|text| serde_json::from_slice::<Memory>(&text).ok());
    found.filter(|memory| memory.format_version == FORMAT_VERSION).unwrap_or_default()
}

/// Removes what an earlier, unprotected reading kept.
fn forget(directory: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_file() && path.file_name().is_some_and(|name| name != ".lock") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The directory of one source, locked.
#[derive(Debug)]
struct Place {
    directory: PathBuf,
    scratch: PathBuf,
    _lock: File,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

/// One reading of one source.
#[derive(Debug)]
pub(super) struct Session {
    keep: bool,
    memory: Memory,
    next: BTreeMap<String, (Kept, PathBuf)>,
    result: Extracted,
    place: Place,
}

/// What rows are written to.
pub(super) struct Output {
    sink: Sink,
    pub(super) path: PathBuf,
    format: Option<Format>,
}

enum Sink {
    File(BufWriter<File>),
    /// Nothing of it can be read on the disk.
    Spool(Box<Spool>),
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match &mut self.sink {
            Sink::File(file) => file.write(bytes),
            Sink::Spool(spool) => spool.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match &mut self.sink {
            Sink::File(file) => file.flush(),
            Sink::Spool(spool) => spool.flush(),
        }
    }
}

impl Output {
    /// Ends the writing of rows that are to be read again here; those that are protected never are.
    pub(super) fn into_file(self) -> Result<File, Problem> {
        match self.sink {
            Sink::File(file) => file.into_inner().map_err(|error| write_failed(&self.path, error.error())),
            Sink::Spool(_) => Err(Problem::new(KEPT, "protected rows are not read again here")),
        }
    }

    /// Ends the writing.
    fn finish(self, label: &str) -> Result<SourceData, Problem> {
        match self.sink {
            Sink::File(mut file) => {
                file.flush().map_err(|error| write_failed(&self.path, &error))?;
                Ok(SourceData::new(self.path, self.format).named(label))
            }
            Sink::Spool(spool) => spool.finish(label),
        }
    }
}

/// The disk refuses.
pub(super) fn write_failed(path: &Path, error: &std::io::Error) -> Problem {
    let problem = Problem::io(KEPT, "write", path, error);
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            problem.help("free some space and try again")
        }
        _ => problem,
    }
}

impl Session {
    /// What the last accepted reading of a part left, if its rows are still what they were.
    pub(super) fn kept(&self, part: &str) -> Option<(Kept, PathBuf)> {
        let kept = self.memory.parts.get(part)?.clone();
        let path = self.place.directory.join(format!("{}.rows", kept.digest));
        digest_file(&path).is_ok_and(|actual| actual == kept.digest).then_some((kept, path))
    }

    /// Something worth a line.
    pub(super) fn say(&mut self, text: String) {
        self.result.said.push(text);
    }

    /// Somewhere for rows, with an ending that tells their format.
    pub(super) fn output(&self, part: &str, ending: &str) -> Result<Output, Problem> {
        let number = fs::read_dir(&self.place.scratch).map_or(0, Iterator::count);
        let plain: String = part
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '-' })
            .take(80)
            .collect();
        let path = self.place.scratch.join(format!("{number}-{plain}.{ending}"));
        let format = Format::named(ending);
        let sink = if self.keep {
            let mut options = OpenOptions::new();
            options.write(true).read(true).create_new(true).mode(0o600);
            let file = options.open(&path).map_err(|error| write_failed(&path, &error))?;
            Sink::File(BufWriter::with_capacity(128 * 1024, file))
        } else {
            Sink::Spool(Box::new(Spool::new(&self.place.scratch, format.unwrap_or(Format::JsonLines))?))
        };
        Ok(Output { sink, path, format })
    }

    /// Gives the rows of a part. `position` says where the next reading may go on; without one nothing is kept.
    pub(super) fn give(
        &mut self,
        part: &str,
        rows: Output,
        position: Option<(Json, Json)>,
    ) -> Result<(), Problem> {
        let data = rows.finish(part)?;
        if let (true, Some((position, shape))) = (self.keep, position) {
            let path = data.path.clone();
            let digest = digest_file(&path).map_err(|error| Problem::io(KEPT, "read", &path, &error))?;
            self.next.insert(part.to_owned(), (Kept { digest, position, shape }, path));
        }
        self.result.parts.push(data);
        Ok(())
    }

    /// Gives the rows of a table, so many of them; `before` are the rows that were kept and that these go on from, with the
    /// columns by which rows are told apart.
    pub(super) fn give_table(
        &mut self,
        part: &str,
        (read, count): (Output, u64),
        before: Option<(&Path, &[String])>,
        position: Option<(Json, Json)>,
    ) -> Result<(), Problem> {
        let Some((before, key)) = before else {
            self.say(format!("{part}: {count} rows read"));
            return self.give(part, read, position);
        };
        let mut out = self.output(part, "jsonl")?;
        let mut since = read.into_file()?;
        let merged = merge(before, &mut since, key, &mut out)?;
        self.say(format!(
            "{part}: {} rows read on from where the last reading ended, {} kept",
            merged.read, merged.stayed
        ));
        self.give(part, out, position)
    }

    /// Gives the rows that were kept, again.
    pub(super) fn give_again(
        &mut self,
        part: &str,
        kept: Kept,
        path: &Path,
        ending: &str,
    ) -> Result<(), Problem> {
        let again = self.place.scratch.join(format!("kept-{}.{ending}", self.result.parts.len()));
        fs::hard_link(path, &again).map_err(|error| write_failed(&again, &error))?;
        self.result.parts.push(SourceData::new(again.clone(), Format::named(ending)).named(part));
        self.next.insert(part.to_owned(), (kept, again));
        Ok(())
    }

    pub(super) fn finish(self) -> Extracted {
        let mut result = self.result;
        result.accepts = Some(Accepts { keep: self.keep, next: self.next, place: self.place });
        result
    }
}

/// What was read. Dropping it undoes the reading; [`Extracted::accept`] makes it the point from which the next goes on.
#[derive(Debug)]
pub struct Extracted {
    /// The rows, of each table or resource; called by its name.
    pub parts: Vec<SourceData>,
    /// What is worth a line.
    pub said: Vec<String>,
    accepts: Option<Accepts>,
}

#[derive(Debug)]
struct Accepts {
    keep: bool,
    next: BTreeMap<String, (Kept, PathBuf)>,
    place: Place,
}

impl Extracted {
    /// The version that was made of it is there: the next reading may go on from here.
    ///
    /// # Errors
    /// What is to be kept cannot be written. The next reading then begins where this one began, which is right as well.
    pub fn accept(self) -> Result<(), Problem> {
        let Some(accepts) = self.accepts.filter(|accepts| accepts.keep) else { return Ok(()) };
        let directory = &accepts.place.directory;
        let mut memory = Memory { format_version: FORMAT_VERSION, parts: BTreeMap::new() };
        for (part, (kept, path)) in accepts.next {
            let target = directory.join(format!("{}.rows", kept.digest));
            if !target.exists() {
                fs::rename(&path, &target).map_err(|error| write_failed(&target, &error))?;
            }
            memory.parts.insert(part, kept);
        }
        let path = directory.join("kept.json");
        let text = serde_json::to_vec_pretty(&memory).map_err(|error| {
            Problem::new(KEPT, format!("`{}` cannot be written: {error}", path.display()))
        })?;
        write_atomic(&path, &text).map_err(|error| write_failed(&path, &error))?;
        sweep(directory, &memory);
        Ok(())
    }
}

/// Removes rows nothing leads to any more. What cannot be removed is tried again the next time.
fn sweep(directory: &Path, memory: &Memory) {
    let wanted: Vec<String> = memory.parts.values().map(|kept| format!("{}.rows", kept.digest)).collect();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".rows") && !wanted.contains(&name) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
