//! The open journal of an object store: what was said since the last object becomes the next one.

use std::sync::Mutex;
use std::time::Duration;

use mlp_diag::Diagnostic;

use crate::blob_store::{BlobStore, segment_name};
use crate::crypt::Crypt;
use crate::journal::Replay;
use crate::writer::lock;
use crate::{Depot, Entry, Loaded, State, Writer, codes, segment};

pub(crate) struct BlobWriter {
    store: BlobStore,
    crypt: Crypt,
    token: u64,
    memory: Mutex<Memory>,
    /// The entries known to be durable, and the last object; who holds it writes for all who wait.
    durable: Mutex<Durable>,
}

struct Memory {
    replay: Replay,
    said: u64,
    pending: String,
}

#[derive(Default)]
struct Durable {
    entries: u64,
    number: u64,
}

impl BlobWriter {
    pub(crate) fn new(store: BlobStore, token: u64, replay: Replay, crypt: Crypt) -> Self {
        let memory = Mutex::new(Memory { replay, said: 0, pending: String::new() });
        Self { store, crypt, token, memory, durable: Mutex::default() }
    }

    fn say(&self, entry: &Entry) -> Result<u64, Diagnostic> {
        let line = segment::line(entry, &self.crypt).map_err(|error| {
            Diagnostic::error(codes::STATE_UNWRITABLE, format!("an entry cannot be written: {error}"))
                .help("this is a mistake in mlp; please report it")
        })?;
        let mut memory = lock(&self.memory);
        memory.replay.apply(entry);
        memory.pending.push_str(&line);
        memory.said += 1;
        Ok(memory.said)
    }

    fn flush(&self, upto: u64) -> Result<(), Diagnostic> {
        let mut durable = lock(&self.durable);
        while durable.entries < upto {
            let (text, said) = {
                let memory = lock(&self.memory);
                (memory.pending.clone(), memory.said)
            };
            // Only what is durable goes: what could not be written is written with the next object.
            let written =
                self.store.create(&segment_name(self.token, durable.number + 1), text.as_bytes())?;
            lock(&self.memory).pending.drain(..written);
            let entries = if written == text.len() { said } else { durable.entries };
            *durable = Durable { entries, number: durable.number + 1 };
        }
        Ok(())
    }

    fn still_ours(&self) -> Result<(), Diagnostic> {
        self.store.read_lease()?.0.check(self.token)
    }
}

impl Writer for BlobWriter {
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
        self.say(entry).map(|_| ())
    }

    fn begin(&self, entry: &Entry) -> Result<(), Diagnostic> {
        let position = self.say(entry)?;
        self.flush(position)?;
        // The lease may have gone meanwhile; the caller makes its call next.
        self.still_ours()
    }

    fn renew(&self) -> Result<(), Diagnostic> {
        self.store.change_lease(|lease| lease.renew(self.token, self.store.lease_length()))
    }

    fn close(&self, outcome: &str, summary: &str) -> Result<State, Diagnostic> {
        let position = self.say(&Entry::Close { outcome: outcome.into(), summary: summary.into() })?;
        self.flush(position)?;
        self.still_ours()?;
        let last = lock(&self.durable).number;
        let mut memory = lock(&self.memory);
        let closed = std::mem::take(&mut memory.replay.closed);
        self.store.append_history((self.token, 1), &closed, &self.crypt)?;
        self.store.write_snapshot(self.token, (self.token, last), &memory.replay, &self.crypt)?;
        self.store.change_lease(|lease| {
            lease.release(self.token);
            Ok(())
        })?;
        Ok(memory.replay.state.clone())
    }
}
