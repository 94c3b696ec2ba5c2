//! Data: tables in files, their schema and quality, and content-addressed snapshots of them.

mod cell;
mod compare;
mod drift;
mod guard;
mod keys;
mod parquet;
mod profile;
mod protect;
mod quality;
mod rows;
mod scan;
mod schema;
mod seal;
mod snapshot;
mod source;
mod stage;
mod store;
mod table;
pub(crate) mod time;
mod writer;

pub use cell::Cell;
pub use compare::{Comparison, Retyped};
pub use drift::{Drift, DriftMeasure};
pub use keys::{FindKey, Key, Keys};
pub use profile::ColumnProfile;
pub use quality::{Check, Expectation, ExpectationResult, RowPredicate};
pub use rows::RowProtection;
pub use schema::{ColumnSchema, ColumnType};
pub use snapshot::{Manifest, OnFailure, Sample, Snapshot, SnapshotRequest, SourceFile};
pub use source::{SourceData, Spool};
pub use store::Store;
pub use table::{Format, Row, Table};
pub use time::{parse_date, parse_timestamp};

use serde::{Deserialize, Serialize};

/// A row that a check did not accept: where it is, and the value (never a masked one).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// The file of the row.
    pub file: String,
    /// The line the row starts on, from 1.
    pub line: u64,
    /// The value as it may be shown; empty where the whole row is meant.
    pub value: String,
}

impl std::fmt::Display for Example {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        if self.value.is_empty() { Ok(()) } else { write!(f, " {}", self.value) }
    }
}

/// How many rows are shown for one failure.
const EXAMPLES: usize = 3;
