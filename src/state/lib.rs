//! Remember: what was applied, a journal that survives a crash, leases, and stores.
//!
//! State is a replay of the journal over a snapshot; this room knows nothing of how a step is done.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

#[cfg(any(feature = "s3", feature = "kubernetes"))]
mod aside;
#[cfg(any(test, feature = "s3", feature = "kubernetes"))]
mod blob_store;
#[cfg(test)]
mod blob_tests;
#[cfg(any(test, feature = "s3", feature = "kubernetes"))]
mod blob_writer;
#[cfg(any(test, feature = "s3", feature = "kubernetes"))]
mod blobs;
mod clock;
#[cfg(feature = "kubernetes")]
mod cluster_lease;
mod codes;
mod crypt;
mod dir_lease;
mod dir_store;
#[cfg(test)]
mod dir_tests;
mod files;
mod history;
mod journal;
mod keyring;
mod lease;
mod moving;
#[cfg(test)]
mod moving_tests;
mod random;
mod record;
#[cfg(feature = "s3")]
mod s3;
#[cfg(all(test, feature = "s3"))]
mod s3_tests;
#[cfg(feature = "kubernetes")]
mod secrets;
#[cfg(all(test, feature = "kubernetes"))]
mod secrets_tests;
mod segment;
mod snapshot;
mod store;
mod watch;
mod wrap;
mod writer;

#[cfg(any(test, feature = "s3", feature = "kubernetes"))]
pub use blob_store::BlobStore;
pub use clock::{rfc3339, unix_now};
pub use codes::CODES;
pub use dir_store::DirStore;
pub use journal::{Closed, Entry, Unfinished, replay};
pub use keyring::{Encryption, KeySource};
pub use lease::{Door, Elsewhere, Holder, LEASE_LENGTH, Lease, SHORTEST_LEASE};
pub use moving::{Move, Moved, Place, move_state};
pub use record::{FORMAT_VERSION, Record, State, Status, deposed, successor};
#[cfg(feature = "s3")]
pub use s3::{S3Settings, s3_store};
#[cfg(feature = "kubernetes")]
pub use secrets::{ClusterSettings, cluster_store};
pub use snapshot::{export, import};
pub use store::{Depot, Loaded, Store, Writer};
pub use wrap::{is_wrapped, unwrap, wrap};
