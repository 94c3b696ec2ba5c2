//! Where raw rows lie while a version is made of them, and what is kept of them for the next time.
//!
//! ```text
//! <directory>/<source>/tmp/…          what is being read; removed when it is not accepted
//! <directory>/<source>/<digest>.rows  the rows of a table as of the last accepted reading
//! <directory>/<source>/kept.json      where that reading ended
//! ```
//! Rows that are to be masked or encrypted are never kept, and while they are worked on they lie in files without a name.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::wire::KEPT;
use super::{Part, SourceSpec};
use crate::Problem;
use crate::digest::digest_file;
use crate::files::{lock, write_atomic};

/// The newest format of `kept.json`.
const FORMAT_VERSION: u32 = 1;

/// Where one data set's sources are staged.
#[derive(Debug, Clone)]
pub struct Staging {
    /// A directory of this data set alone.
    pub directory: PathBuf,
    /// Whether raw rows may be kept for the next time; else they are read whole each time and never get a name on disk.
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
            result: Extracted { parts: Vec::new(), said: Vec::new(), open: Vec::new(), accepts: None },
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

/// A file that rows are written to.
pub(super) struct Output {
    pub(super) writer: BufWriter<File>,
    pub(super) path: PathBuf,
}

impl Output {
    /// Writes out what is buffered; the file stays.
    pub(super) fn close(mut self) -> Result<(File, PathBuf), Problem> {
        self.writer.flush().map_err(|error| write_failed(&self.path, &error))?;
        let file = self.writer.into_inner().map_err(|error| write_failed(&self.path, error.error()))?;
        Ok((file, self.path))
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

    /// A new file for rows, with an ending that tells their format.
    pub(super) fn output(&self, part: &str, ending: &str) -> Result<Output, Problem> {
        let plain: String = part
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '-' })
            .take(80)
            .collect();
        let number = fs::read_dir(&self.place.scratch).map_or(0, Iterator::count);
        let name = format!("{number}-{}.{ending}", plain.trim_start_matches(['.', '-']));
        let path = self.place.scratch.join(name);
        let mut options = OpenOptions::new();
        options.write(true).read(true).create_new(true).mode(0o600);
        let file = options.open(&path).map_err(|error| write_failed(&path, &error))?;
        let path = if self.keep {
            path
        } else {
            fs::remove_file(&path).map_err(|error| write_failed(&path, &error))?;
            PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
        };
        Ok(Output { writer: BufWriter::with_capacity(128 * 1024, file), path })
    }

    /// Gives the rows of a part. `position` says where the next reading may go on; without one nothing is kept.
    pub(super) fn give(
        &mut self,
        part: &str,
        rows: Output,
        position: Option<(Json, Json)>,
    ) -> Result<(), Problem> {
        let (file, path) = rows.close()?;
        if let (true, Some((position, shape))) = (self.keep, position) {
            let digest = digest_file(&path).map_err(|error| Problem::io(KEPT, "read", &path, &error))?;
            self.next.insert(part.to_owned(), (Kept { digest, position, shape }, path.clone()));
        }
        self.result.parts.push(Part { label: part.to_owned(), path });
        // A file without a name lives as long as it is open.
        self.result.open.push(file);
        Ok(())
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
        self.result.parts.push(Part { label: part.to_owned(), path: again.clone() });
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
    /// The files, one for each table or resource.
    pub parts: Vec<Part>,
    /// What is worth a line.
    pub said: Vec<String>,
    open: Vec<File>,
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
