//! What is asked of a target between applies: its runs, the way back, what may go.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Moves an alias of a model back and holds it there, or lets it go again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackRequest {
    /// Native kind of the model.
    pub resource: String,
    /// Its identity.
    pub identity: String,
    /// The alias; the one that is meant where only one can be.
    pub alias: Option<String>,
    /// What to do.
    pub act: RollbackAct,
    /// Who asked.
    pub who: String,
    /// Why, in the asker's words.
    pub why: Option<String>,
}

/// What a rollback does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RollbackAct {
    /// Back to the version before the present one.
    Back,
    /// To a version.
    To(u32),
    /// Lets later runs move the alias again.
    Release,
}

/// One run of a pipeline or batch endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunEntry {
    /// Its number.
    pub run: String,
    /// What was run: an address.
    pub id: String,
    /// `running`, `succeeded`, `failed`, `cancelled`, `interrupted`.
    pub status: String,
    /// RFC 3339.
    pub started: String,
    /// Seconds it took, or has taken so far.
    pub seconds: f64,
    /// Why it failed; empty where it did not.
    pub why: String,
    /// Who asked; empty where that was not recorded.
    pub who: String,
    /// What caused it: empty for a command, else the trigger.
    pub cause: String,
}

/// Asks for what nothing needs any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectRequest {
    /// Only say it.
    pub dry_run: bool,
    /// What is younger stays.
    pub grace: Duration,
    /// How many runs of each pipeline keep their directories.
    pub keep_runs: usize,
    /// Who asked.
    pub who: String,
}

/// Something that nothing needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Garbage {
    /// `run`, `code`, `cached result`, `model version`, …
    pub what: String,
    /// Its name or path.
    pub name: String,
    /// Why it may go.
    pub why: String,
    /// Bytes that are freed.
    pub bytes: u64,
}

/// What a collection came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Collected {
    /// What went, or would go.
    pub garbage: Vec<Garbage>,
    /// What was left alone and why, a line each.
    pub kept: Vec<String>,
}
