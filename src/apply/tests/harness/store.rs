//! A journal in memory that loses what was not synced, and the process that dies while writing it.

use std::sync::{Arc, Mutex};

use mlp_plan::mlp_provider::mlp_diag::Diagnostic;
use mlp_plan::mlp_state::{Entry, Loaded, State, Unfinished, Writer, replay};
use mlp_provider_testkit::{Crash, Dice, Moment};

use super::{Bug, ENVIRONMENT, PROJECT};

#[derive(Default)]
struct Log {
    entries: Vec<Entry>,
    durable: usize,
    token: u64,
    /// Over all that was ever written, in its order.
    digest: blake3::Hasher,
}

/// What lies on the disk, and what is still on its way there.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<Log>>);

impl Disk {
    /// Takes the lease, whoever holds it: one who stood still for too long has lost it. The token of the new holder.
    pub fn take(&self) -> u64 {
        let mut log = self.0.lock().unwrap();
        log.token += 1;
        log.token
    }

    /// The machine stops: of what was not synced a part is lost.
    pub fn lose(&self, dice: &mut Dice) {
        let mut log = self.0.lock().unwrap();
        let kept = log.durable as u64 + dice.below((log.entries.len() - log.durable) as u64 + 1);
        log.entries.truncate(usize::try_from(kept).unwrap());
        log.durable = log.entries.len();
    }

    /// Stands for all that was ever written, in its order.
    pub fn digest(&self) -> String {
        self.0.lock().unwrap().digest.finalize().to_hex().to_string()
    }

    pub fn read(&self) -> (State, Vec<Unfinished>) {
        let mut empty = State::empty(PROJECT, ENVIRONMENT);
        empty.lineage = "one".into();
        replay(empty, &self.0.lock().unwrap().entries)
    }

    fn push(&self, entry: &Entry, durable: bool, token: u64) -> Result<(), Diagnostic> {
        let mut log = self.0.lock().unwrap();
        if token != log.token {
            return Err(Diagnostic::error("SIM0003", "the lease was lost"));
        }
        log.digest.update(format!("{token} {entry:?}\n").as_bytes());
        log.entries.push(entry.clone());
        if durable {
            log.durable = log.entries.len();
        }
        Ok(())
    }
}

/// The journal of one process.
pub struct Journal {
    pub disk: Disk,
    pub token: u64,
    pub crash: Arc<Crash>,
    pub bug: Bug,
}

impl Journal {
    fn write(&self, entry: &Entry, durable: bool) -> Result<(), Diagnostic> {
        let dead = || Diagnostic::error("SIM0002", "this process is dead");
        let moment = self.crash.act();
        if matches!(moment, Moment::Before | Moment::Dead) {
            return Err(dead());
        }
        let forgotten = match (self.bug, entry) {
            (Bug::ForgetsBegin, Entry::Begin { .. }) => true,
            (Bug::ForgetsDone, Entry::Done { remove, .. }) => remove.is_some(),
            _ => false,
        };
        let token = match self.bug {
            Bug::NoFence => self.disk.0.lock().unwrap().token,
            _ => self.token,
        };
        if !forgotten {
            self.disk.push(entry, durable, token)?;
        }
        if moment == Moment::After { Err(dead()) } else { Ok(()) }
    }
}

impl Writer for Journal {
    fn loaded(&self) -> Loaded {
        let (state, unfinished) = self.disk.read();
        Loaded { state, unfinished }
    }

    fn token(&self) -> u64 {
        self.token
    }

    fn append(&self, entry: &Entry) -> Result<(), Diagnostic> {
        self.write(entry, false)
    }

    fn begin(&self, entry: &Entry) -> Result<(), Diagnostic> {
        self.write(entry, true)
    }

    fn begin_waits(&self) -> bool {
        false
    }

    fn renew(&self) -> Result<(), Diagnostic> {
        let lost = self.disk.0.lock().unwrap().token != self.token;
        if lost { Err(Diagnostic::error("SIM0003", "the lease was lost")) } else { Ok(()) }
    }

    fn close(&self, outcome: &str, summary: &str) -> Result<State, Diagnostic> {
        self.write(&Entry::Close { outcome: outcome.into(), summary: summary.into() }, true)?;
        Ok(self.disk.read().0)
    }
}
