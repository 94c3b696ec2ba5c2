//! The embedded model registry: models, their versions and aliases, and runs, in SQLite; the models themselves as
//! directories beside it, under the digest of their content.

mod aliases;
mod artifacts;
mod decisions;
mod migrations;
mod models;
mod runs;
mod versions;

pub use aliases::{Act, Alias, AliasChange, AliasMove, LATEST, RolledBack};
pub use artifacts::StoredModel;
pub use decisions::{Decision, Outcome};
pub use models::Model;
pub use runs::{Origin, RunRecord};
pub use versions::{ModelVersion, NewVersion, Registered, Serve};

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Problem;
use crate::files::{is_plain_name, lock};

/// How long a write waits for the writes of other processes.
const BUSY: Duration = Duration::from_secs(30);

/// A registry. Several processes and threads may use it at the same time.
#[derive(Debug)]
pub struct Registry {
    connection: Mutex<Connection>,
    /// The directory of the database, in which the models are kept too.
    root: PathBuf,
}

impl Registry {
    /// Opens the registry at a path, and creates it where there is none. The models are kept in `models` beside it.
    pub fn open(path: &Path) -> Result<Self, Problem> {
        let root =
            path.parent().filter(|root| !root.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf();
        let failed = |error| Problem::io("MLP0740", "create", &root, &error);
        std::fs::create_dir_all(&root).map_err(failed)?;
        // Switching to the write-ahead log does not wait as other statements do, so one process opens at a time.
        let _lock = lock(&path.with_extension("lock")).map_err(failed)?;
        let connection = open(path).map_err(|error| {
            Problem::new("MLP0740", format!("cannot open the registry `{}`: {error}", path.display()))
                .help("check that the file is a registry, and that it and its directory are writable")
        })?;
        let mut registry = Self { connection: Mutex::new(connection), root };
        migrations::migrate(registry.connection.get_mut().unwrap_or_else(PoisonError::into_inner), path)?;
        Ok(registry)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic elsewhere rolls its transaction back; the connection stays usable.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads, at one point in time.
    fn read<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T, Problem>) -> Result<T, Problem> {
        self.transaction(TransactionBehavior::Deferred, work)
    }

    /// Writes whole or not at all.
    fn write<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T, Problem>) -> Result<T, Problem> {
        self.transaction(TransactionBehavior::Immediate, work)
    }

    fn transaction<T>(
        &self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(behavior).map_err(|error| sql(&error))?;
        let result = work(&transaction)?;
        transaction.commit().map_err(|error| sql(&error))?;
        Ok(result)
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    Ok(connection)
}

/// A failure of SQLite as a problem.
fn sql(error: &rusqlite::Error) -> Problem {
    let problem = Problem::new("MLP0741", format!("the registry cannot be read or written: {error}"));
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
            problem.help("another process is writing to it; try again when it has finished")
        }
        Some(rusqlite::ErrorCode::DiskFull) => problem.help("free some space and try again"),
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
            problem.help("the file is damaged: restore it from a backup")
        }
        _ => problem.help("check that the registry's file and directory are writable"),
    }
}

/// Plain data as the JSON text of a column.
fn to_text(value: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(value)
        .map_err(|error| Problem::new("MLP0741", format!("cannot be stored as JSON: {error}")))
}

/// A column of JSON text as plain data.
fn from_text<T: DeserializeOwned>(row: &rusqlite::Row<'_>, column: &str) -> rusqlite::Result<T> {
    let at = row.as_ref().column_index(column)?;
    let text: String = row.get(at)?;
    serde_json::from_str(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, Box::new(error))
    })
}

fn check_name(name: &str, what: &str) -> Result<(), Problem> {
    if is_plain_name(name) {
        return Ok(());
    }
    Err(Problem::new("MLP0751", format!("`{name}` cannot be the name of {what}"))
        .help("use letters, digits, `_`, `-` and `.`, at most 128 of them"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_created_and_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/registry.db");
        Registry::open(&path).unwrap().ensure_model("churn", &serde_json::json!({"owner": "x"})).unwrap();
        let models = Registry::open(&path).unwrap().models().unwrap();
        assert_eq!(models.len(), 1);
        assert_eq!(models[0].meta["owner"], "x");
    }

    #[test]
    fn what_is_no_registry_is_refused_with_help() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("registry.db");
        std::fs::write(&path, "not a database, but long enough to be looked at".repeat(40)).unwrap();
        let problem = Registry::open(&path).unwrap_err();
        assert_eq!(problem.code, "MLP0740");
        assert!(problem.help.is_some());
    }

    #[test]
    fn opening_at_the_same_time_works() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("registry.db");
        std::thread::scope(|scope| {
            for number in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    let registry = Registry::open(path).unwrap();
                    registry.ensure_model(&format!("m{number}"), &serde_json::Value::Null).unwrap();
                });
            }
        });
        assert_eq!(Registry::open(&path).unwrap().models().unwrap().len(), 8);
    }
}
