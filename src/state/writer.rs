//! The open journal of a directory store.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mlp_diag::Diagnostic;

use crate::crypt::Crypt;
use crate::dir_lease::change_lease;
use crate::files::{remove_segments, segment_path, sync_directory};
use crate::journal::Replay;
use crate::segment::{self, unwritable};
use crate::watch::Watch;
use crate::{Depot, DirStore, Entry, Loaded, State, Writer, history};

/// The number of the one segment a writer fills: each opening has a token of its own.
const SEGMENT: u64 = 1;

pub(crate) struct DirWriter {
    store: DirStore,
    crypt: Crypt,
    path: PathBuf,
    token: u64,
    file: File,
    memory: Mutex<Memory>,
    /// Bytes known to be durable; who holds it syncs for all who wait.
    durable: Mutex<u64>,
    /// The lease as it was last seen to be ours.
    watch: Mutex<Option<Watch>>,
}

struct Memory {
    replay: Replay,
    written: u64,
}

/// What is behind a lock, also after a thread panicked there.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panicking thread left is whole: every change under these locks is one assignment after the writing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl DirWriter {
    pub(crate) fn create(
        store: DirStore,
        token: u64,
        replay: Replay,
        crypt: Crypt,
    ) -> Result<Self, Diagnostic> {
        let path = segment_path(&store.root, token, SEGMENT);
        let create = || {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
                sync_directory(parent)?;
            }
            let file = File::options().append(true).create_new(true).mode(0o600).open(&path)?;
            sync_directory(&path)?;
            sync_directory(&store.root.join("journal"))?;
            Ok(file)
        };
        let file = create().map_err(|error| unwritable(&path, &error))?;
        let memory = Mutex::new(Memory { replay, written: 0 });
        Ok(Self { store, crypt, path, token, file, memory, durable: Mutex::new(0), watch: Mutex::new(None) })
    }

    fn still_ours(&self) -> Result<(), Diagnostic> {
        let mut watch = lock(&self.watch);
        if watch.as_ref().is_some_and(Watch::holds) {
            return Ok(());
        }
        let (seen, lease) = Watch::read(&self.store.root)?.unzip();
        lease.unwrap_or_default().check(self.token)?;
        *watch = seen;
        Ok(())
    }

    fn write(&self, entry: &Entry) -> Result<u64, Diagnostic> {
        let line =
            segment::line(entry, &self.crypt).map_err(|error| unwritable(&self.path, &error.into()))?;
        let mut memory = lock(&self.memory);
        self.still_ours()?;
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
        let _stage = mlp_trace::stage("sync journal");
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

    fn heartbeat(&self) -> Duration {
        self.store.lease_length() / 6
    }

    fn append(&self, entry: &Entry) -> Result<(), Diagnostic> {
        self.write(entry).map(|_| ())
    }

    fn begin(&self, entry: &Entry) -> Result<(), Diagnostic> {
        let position = self.write(entry)?;
        self.sync(position)?;
        // The lease may have gone while waiting for the disk; the caller makes its call next.
        self.still_ours()
    }

    fn renew(&self) -> Result<(), Diagnostic> {
        change_lease(&self.store.root, |lease| lease.renew(self.token, self.store.lease_length()))
    }

    fn close(&self, outcome: &str, summary: &str) -> Result<State, Diagnostic> {
        let position = self.write(&Entry::Close { outcome: outcome.into(), summary: summary.into() })?;
        self.sync(position)?;
        let mut memory = lock(&self.memory);
        let history_path = self.store.root.join("history.jsonl");
        history::append(&history_path, &std::mem::take(&mut memory.replay.closed), &self.crypt)?;
        self.store.write_snapshot((self.token, SEGMENT), &memory.replay, &self.crypt)?;
        remove_segments(&self.store.root, self.token);
        change_lease(&self.store.root, |lease| {
            lease.release(self.token);
            Ok(())
        })?;
        Ok(memory.replay.state.clone())
    }
}
