//! Remember: what was applied, a journal that survives a crash, leases, and stores.
//!
//! State is a replay of the journal over a snapshot; this room knows nothing of how a step is done.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod clock;
mod codes;
mod dir_store;
mod journal;
mod lease;
mod record;
mod segment;
mod store;
mod writer;

pub use clock::{rfc3339, unix_now};
pub use codes::CODES;
pub use dir_store::DirStore;
pub use journal::{Closed, Entry, Unfinished, replay};
pub use lease::{Holder, Lease};
pub use record::{FORMAT_VERSION, Record, State, Status, deposed, successor};
pub use store::{Loaded, Store, Writer};
