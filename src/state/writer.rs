//! The open journal of a directory store.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use mlp_diag::Diagnostic;

use crate::journal::Replay;
use crate::segment::{self, unwritable};
use crate::{DirStore, Entry, Loaded, State, Writer, dir_store, lease};

/// The number of the one segment a writer fills: each opening has a token of its own.
const SEGMENT: u64 = 1;

pub(crate) struct DirWriter {
    root: PathBuf,
    path: PathBuf,
    token: u64,
    file: File,
    memory: Mutex<Memory>,
    /// Bytes known to be durable; who holds it syncs for all who wait.
    durable: Mutex<u64>,
}

struct Memory {
    replay: Replay,
    written: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panicking thread left is whole: every change under these locks is one assignment after the writing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl DirWriter {
    pub(crate) fn create(root: &Path, token: u64, replay: Replay) -> Result<Self, Diagnostic> {
        let path = DirStore::segment_path(root, token, SEGMENT);
        let create = || {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
                dir_store::sync_directory(parent)?;
            }
            let file = File::options().append(true).create_new(true).open(&path)?;
            dir_store::sync_directory(&path)?;
            dir_store::sync_directory(&root.join("journal"))?;
            Ok(file)
        };
        let file = create().map_err(|error| unwritable(&path, &error))?;
        let memory = Mutex::new(Memory { replay, written: 0 });
        Ok(Self { root: root.to_owned(), path, token, file, memory, durable: Mutex::new(0) })
    }

    fn write(&self, entry: &Entry) -> Result<u64, Diagnostic> {
        let line = segment::line(entry).map_err(|error| unwritable(&self.path, &error.into()))?;
        let mut memory = lock(&self.memory);
        lease::check(&lease::read(&self.root)?, self.token)?;
        (&self.file).write_all(line.as_bytes()).map_err(|error| unwritable(&self.path, &error))?;
        memory.replay.apply(entry);
        memory.written += line.len() as u64;
        Ok(memory.written)
    }

    fn sync(&self, position: u64) -> Result<(), Diagnostic> {
        let mut durable = lock(&self.durable);
        if *durable >= position {
            return Ok(());
        }
        let written = lock(&self.memory).written;
        self.file.sync_data().map_err(|error| unwritable(&self.path, &error))?;
        *durable = written;
        Ok(())
    }
}

impl Writer for DirWriter {
    fn loaded(&self) -> Loaded {
        let memory = lock(&self.memory);
        Loaded { state: memory.replay.state.clone(), unfinished: memory.replay.unfinished() }
    }

    fn token(&self) -> u64 {
        self.token
    }

    fn append(&self, entry: &Entry) -> Result<(), Diagnostic> {
        self.write(entry).map(|_| ())
    }

    fn begin(&self, entry: &Entry) -> Result<(), Diagnostic> {
        let position = self.write(entry)?;
        self.sync(position)?;
        // The lease may have gone while waiting for the disk; the caller makes its call next.
        lease::check(&lease::read(&self.root)?, self.token)
    }

    fn renew(&self) -> Result<(), Diagnostic> {
        lease::renew(&self.root, self.token)
    }

    fn close(&self, outcome: &str, summary: &str) -> Result<State, Diagnostic> {
        let position = self.write(&Entry::Close { outcome: outcome.into(), summary: summary.into() })?;
        self.sync(position)?;
        let mut memory = lock(&self.memory);
        dir_store::append_history(&self.root, &std::mem::take(&mut memory.replay.closed))?;
        dir_store::write_snapshot(&self.root, (self.token, SEGMENT), &memory.replay)?;
        dir_store::remove_segments(&self.root, self.token);
        lease::release(&self.root, self.token)?;
        Ok(memory.replay.state.clone())
    }
}
