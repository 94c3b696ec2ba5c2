//! What a store of states can do.

use std::time::Duration;

use mlp_diag::Diagnostic;

use crate::{Closed, Door, Entry, Holder, Lease, State, Unfinished};

/// What a store remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The state.
    pub state: State,
    /// Calls of earlier applies whose outcome is not known.
    pub unfinished: Vec<Unfinished>,
}

/// A place where states are kept.
pub trait Store: Send + Sync {
    /// Reads without a lease; an environment never applied gives an empty state.
    ///
    /// # Errors
    /// The state cannot be read, is damaged, or was written by a newer version.
    fn read(&self) -> Result<Loaded, Diagnostic>;

    /// Takes the lease and opens the journal.
    ///
    /// # Errors
    /// Somebody else holds the lease, or what `read` may say.
    fn open(&self, holder: &Holder) -> Result<Box<dyn Writer>, Diagnostic>;

    /// The applies there have been, oldest first.
    ///
    /// # Errors
    /// The history cannot be read.
    fn history(&self) -> Result<Vec<Closed>, Diagnostic>;
}

/// A store as commands use it: what it keeps beside a state, and what it says of itself.
pub trait Depot: Store {
    /// What was kept under a name; nothing where there is no such thing.
    ///
    /// # Errors
    /// It cannot be read.
    fn kept(&self, name: &str) -> Result<Option<Vec<u8>>, Diagnostic>;

    /// Keeps something under a name, readable for its owner alone; what is there already stays.
    ///
    /// # Errors
    /// It cannot be written.
    fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), Diagnostic>;

    /// The names of what was kept.
    ///
    /// # Errors
    /// They cannot be read.
    fn all_kept(&self) -> Result<Vec<String>, Diagnostic>;

    /// Keeps something under a name in place of what is there.
    ///
    /// # Errors
    /// It cannot be written.
    fn keep_anew(&self, name: &str, bytes: &[u8]) -> Result<(), Diagnostic>;

    /// Reads also what was moved elsewhere, or is not whole yet.
    ///
    /// # Errors
    /// What `read` may say of the rest.
    fn read_behind(&self) -> Result<Loaded, Diagnostic>;

    /// The applies there have been, also the last one that broke off; one that is still at work would look so.
    ///
    /// # Errors
    /// The history cannot be read.
    fn history_behind(&self) -> Result<Vec<Closed>, Diagnostic>;

    /// Takes the lease as one who comes for that, and opens the journal.
    ///
    /// # Errors
    /// What `open` may say.
    fn open_as(&self, holder: &Holder, door: &Door) -> Result<Box<dyn Writer>, Diagnostic>;

    /// How long a lease lasts without a sign of life.
    fn lease_length(&self) -> Duration;

    /// Changes the lease, with nobody else between.
    ///
    /// # Errors
    /// What `change` says: then nothing is written; or it cannot be written.
    fn swap_lease(
        &self,
        change: &mut dyn FnMut(&mut Lease) -> Result<(), Diagnostic>,
    ) -> Result<(), Diagnostic>;

    /// Whether who may read what is here is no longer what was asked for: the next writing makes a new key.
    ///
    /// # Errors
    /// The keys cannot be read.
    fn wants_new_key(&self) -> Result<bool, Diagnostic>;

    /// Who holds the lease, and until when.
    ///
    /// # Errors
    /// It cannot be read.
    fn lease(&self) -> Result<Lease, Diagnostic>;

    /// Moves a state that cannot be read out of the way, with nobody applying; gives where it is now. The lease stays: its token
    /// only grows.
    ///
    /// # Errors
    /// Somebody holds the lease, or it cannot be moved.
    fn set_aside(&self, holder: &Holder) -> Result<String, Diagnostic>;

    /// Where it is, for people.
    fn place(&self) -> String;

    /// Whether what it writes is encrypted.
    fn is_encrypted(&self) -> bool;
}

/// An open journal under a lease; may be used by many at once.
pub trait Writer: Send + Sync {
    /// What is remembered now.
    fn loaded(&self) -> Loaded;

    /// The fencing token.
    fn token(&self) -> u64;

    /// How often the lease wants to be prolonged.
    fn heartbeat(&self) -> Duration {
        crate::LEASE_LENGTH / 6
    }

    /// Appends an entry; it becomes durable with the next `begin` or `close`.
    ///
    /// # Errors
    /// The lease was lost, or the journal cannot be written.
    fn append(&self, entry: &Entry) -> Result<(), Diagnostic>;

    /// Appends an entry and returns when it is durable, sharing the wait with others who wait.
    ///
    /// # Errors
    /// The lease was lost, or the journal cannot be written.
    fn begin(&self, entry: &Entry) -> Result<(), Diagnostic>;

    /// Whether `begin` waits for a disk or a network, so that who has other work gives it a thread of its own. A journal in memory
    /// does not; then what happens next depends on no other thread, and a simulation repeats exactly.
    fn begin_waits(&self) -> bool {
        true
    }

    /// Prolongs the lease: the heartbeat.
    ///
    /// # Errors
    /// The lease was lost.
    fn renew(&self) -> Result<(), Diagnostic>;

    /// Writes the closing entry, compacts the journal into a snapshot and releases the lease.
    ///
    /// # Errors
    /// The lease was lost, or the state cannot be written; the journal still holds everything.
    fn close(&self, outcome: &str, summary: &str) -> Result<State, Diagnostic>;
}
