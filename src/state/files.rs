//! Files written so that a reader or a crash sees the old or the new one, whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use mlp_diag::Diagnostic;
use serde::Serialize;

use crate::segment::{unreadable, unwritable};

/// Makes the names of temporary files of one process differ.
fn count() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The bytes of a file; nothing where there is none.
pub(crate) fn read_whole(path: &Path) -> Result<Option<Vec<u8>>, Diagnostic> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// Writes JSON whole, for people to read.
pub(crate) fn write_json(path: &Path, content: &impl Serialize) -> Result<(), Diagnostic> {
    let bytes = serde_json::to_vec_pretty(content).map_err(|error| unwritable(path, &error.into()))?;
    write_private(path, &bytes)
}

/// Writes a file whole, readable for its owner alone.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Diagnostic> {
    let temporary = path.with_extension(format!("{}-{}.tmp", std::process::id(), count()));
    let write = || -> io::Result<()> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        write_file(&temporary, bytes)?;
        fs::rename(&temporary, path)?;
        sync_directory(path)
    };
    write().map_err(|error| {
        // What was written aside is of no use to anybody.
        let _ = fs::remove_file(&temporary);
        unwritable(path, &error)
    })
}

/// The newest of the files `<stem>-<generation>.json`, with its generation; `<stem>.json`, as it was called first, is the oldest.
///
/// What is replaced has a new name each time, which begins with the fencing token of who writes: a holder that was stopped and
/// goes on after it was taken over writes a file that nobody reads.
pub(crate) fn newest(root: &Path, stem: &str) -> Result<Option<(u64, PathBuf)>, Diagnostic> {
    let generation = generations(root, stem)?.pop();
    let first = root.join(format!("{stem}.json"));
    Ok(match generation {
        Some(generation) => Some((generation, named(root, stem, generation))),
        None if first.exists() => Some((0, first)),
        None => None,
    })
}

/// The name of a generation.
pub(crate) fn named(root: &Path, stem: &str, generation: u64) -> PathBuf {
    root.join(format!("{stem}-{generation}.json"))
}

fn generations(root: &Path, stem: &str) -> Result<Vec<u64>, Diagnostic> {
    let prefix = format!("{stem}-");
    let names = names(root)?;
    let mut found: Vec<u64> = names
        .iter()
        .filter_map(|name| name.strip_prefix(&prefix)?.strip_suffix(".json")?.parse().ok())
        .collect();
    found.sort_unstable();
    Ok(found)
}

/// Removes generations before that one; whoever still wants to read one looks for the newest again.
pub(crate) fn remove_before(root: &Path, stem: &str, generation: u64) {
    let _first_of_all = fs::remove_file(root.join(format!("{stem}.json")));
    for older in generations(root, stem).unwrap_or_default().into_iter().filter(|one| *one < generation) {
        let _ignored_by_readers = fs::remove_file(named(root, stem, older));
    }
}

/// The next generation of a file that many want to write: whether this one came first.
///
/// A hard link is made only where there is none of that name: nobody waits for anybody, and nobody who was stopped half-way
/// stands in the way of others.
pub(crate) fn compare_and_swap(
    root: &Path,
    stem: &str,
    generation: u64,
    content: &impl Serialize,
) -> Result<bool, Diagnostic> {
    let path = named(root, stem, generation);
    let aside = root.join(format!(".{stem}-{}-{}.tmp", std::process::id(), count()));
    let bytes = serde_json::to_vec_pretty(content).map_err(|error| unwritable(&path, &error.into()))?;
    let swap = || -> io::Result<bool> {
        write_file(&aside, &bytes)?;
        match fs::hard_link(&aside, &path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            other => other?,
        }
        sync_directory(&path)?;
        Ok(true)
    };
    let swapped = swap().map_err(|error| unwritable(&path, &error));
    let _no_longer_needed = fs::remove_file(&aside);
    // Whoever was stopped for long may make a link of a name that is long gone: then there are newer ones.
    Ok(swapped? && generations(root, stem)?.last() == Some(&generation))
}

/// Makes a new name in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// Where a segment lies.
pub(crate) fn segment_path(root: &Path, token: u64, number: u64) -> PathBuf {
    root.join("journal").join(token.to_string()).join(format!("{number}.jsonl"))
}

/// Removes segments a snapshot holds; what cannot be removed is ignored by every later reading.
pub(crate) fn remove_segments(root: &Path, through: u64) {
    let journal = root.join("journal");
    for token in numbers(&journal, "").unwrap_or_default().into_iter().filter(|token| *token <= through) {
        let _ignored_by_readers = fs::remove_dir_all(journal.join(token.to_string()));
    }
}

/// The numbers that name the entries of a directory, in order.
pub(crate) fn numbers(dir: &Path, suffix: &str) -> Result<Vec<u64>, Diagnostic> {
    let names = names(dir)?;
    let mut found: Vec<u64> =
        names.iter().filter_map(|name| name.strip_suffix(suffix)?.parse().ok()).collect();
    found.sort_unstable();
    Ok(found)
}

/// The names of the entries of a directory; none where there is no directory.
pub(crate) fn names(dir: &Path) -> Result<Vec<String>, Diagnostic> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(dir, &error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        found
            .push(entry.map_err(|error| unreadable(dir, &error))?.file_name().to_string_lossy().into_owned());
    }
    Ok(found)
}
