//! What a store of states can do.

use std::time::Duration;

use mlp_diag::Diagnostic;

use crate::{Closed, Entry, Holder, Lease, State, Unfinished};

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
