//! Files written so that a reader or a crash sees the old or the new one, whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use mlp_diag::Diagnostic;
use serde::Serialize;

use crate::segment::{unreadable, unwritable};

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
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_extension(format!("{}-{count}.tmp", std::process::id()));
    let write = || -> io::Result<()> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_directory(path)
    };
    write().map_err(|error| {
        // What was written aside is of no use to anybody.
        let _ = fs::remove_file(&temporary);
        unwritable(path, &error)
    })
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
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(dir, &error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| unreadable(dir, &error))?.file_name();
        found.extend(name.to_string_lossy().strip_suffix(suffix).and_then(|name| name.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}
