//! Versions of models: what was registered, from which run, with which metrics, and how it is served.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Row, Transaction, named_params, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::aliases::{LATEST, move_alias};
use super::{AliasMove, Registry, from_text, models, sql, to_text};
use crate::Problem;
use crate::files::is_digest;

/// How a version is served, recorded when it was registered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Serve {
    /// A python class, `module:Class`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// A command, word by word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Whether the directory is an MLflow model.
    #[serde(default)]
    pub mlmodel: bool,
    /// The directory of the code, as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The interpreter of the runtime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpreter: Option<String>,
    /// The environment variables of the runtime.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

/// A version to register.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NewVersion {
    /// The model.
    pub model: String,
    /// The digest of its directory.
    pub digest: String,
    /// Where the directory is.
    pub path: String,
    /// The present, RFC 3339.
    pub created_at: String,
    /// What was measured.
    pub metrics: Value,
    /// What it takes and gives.
    pub signature: Value,
    /// Labels.
    pub tags: BTreeMap<String, String>,
    /// The run that made it.
    pub run: Option<String>,
    /// What it was made from.
    pub lineage: Value,
    /// How it is served.
    pub serve: Option<Serve>,
    /// What a user should know of it.
    pub card: Value,
    /// Who registers it.
    pub who: String,
}

/// A registered version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelVersion {
    /// The model.
    pub model: String,
    /// The number, from 1; never used again.
    pub number: u32,
    /// The digest of its directory.
    pub digest: String,
    /// Where the directory is.
    pub path: String,
    /// When it was registered, RFC 3339.
    pub created_at: String,
    /// What was measured.
    pub metrics: Value,
    /// What it takes and gives.
    pub signature: Value,
    /// Labels.
    pub tags: BTreeMap<String, String>,
    /// The run that made it.
    pub run: Option<String>,
    /// What it was made from.
    pub lineage: Value,
    /// How it is served.
    pub serve: Option<Serve>,
    /// What a user should know of it.
    #[serde(default)]
    pub card: Value,
}

/// What became of a registration.
#[derive(Debug, Clone, PartialEq)]
pub struct Registered {
    /// The version.
    pub version: ModelVersion,
    /// Whether it is new; else the same run had registered the same content before.
    pub created: bool,
}

impl Registry {
    /// Registers a version of a stored directory and moves `latest` to it. The same content from the same run is the same version, and nothing
    /// changes.
    pub fn register(&self, new: &NewVersion) -> Result<Registered, Problem> {
        // Held so that the directory is not removed with another version of the same content.
        let _lock = self.lock_models()?;
        self.write(|tx| {
            models::known(tx, &new.model)?;
            if let Some(version) = find_same(tx, new)? {
                return Ok(Registered { version, created: false });
            }
            if !is_digest(&new.digest) || !self.directory(&new.model, &new.digest).is_dir() {
                let text = format!("the model `{}` has no stored directory `{}`", new.model, new.digest);
                return Err(Problem::new("MLP0750", text).help("store the directory before it is registered"));
            }
            let number = insert(tx, new)?;
            let why = match &new.run {
                Some(run) => format!("registered by run {run}"),
                None => "registered".to_owned(),
            };
            let to = AliasMove { why, who: new.who.clone(), at: new.created_at.clone() };
            move_alias(tx, &new.model, LATEST, Some(number), &to)?;
            Ok(Registered { version: existing(tx, &new.model, number)?, created: true })
        })
    }

    /// The versions of a model, oldest first.
    pub fn versions(&self, model: &str) -> Result<Vec<ModelVersion>, Problem> {
        self.read(|tx| {
            models::known(tx, model)?;
            let mut statement = tx
                .prepare_cached("SELECT * FROM versions WHERE model = ?1 ORDER BY number")
                .map_err(|error| sql(&error))?;
            let rows = statement.query_map([model], read_version);
            rows.and_then(Iterator::collect).map_err(|error| sql(&error))
        })
    }

    /// A version by its number.
    pub fn version(&self, model: &str, number: u32) -> Result<ModelVersion, Problem> {
        self.read(|tx| {
            models::known(tx, model)?;
            existing(tx, model, number)
        })
    }

    /// Deletes a version, and its directory unless another version has the same content. One that an alias other than
    /// `latest` names is refused; `latest` moves to the newest version that is left.
    pub fn delete_version(&self, model: &str, number: u32, by: &AliasMove) -> Result<(), Problem> {
        let _lock = self.lock_models()?;
        let digest = self.write(|tx| {
            models::known(tx, model)?;
            let digest = existing(tx, model, number)?.digest;
            let aliases = aliases_of(tx, model, number)?;
            let in_use: Vec<_> = aliases.iter().filter(|alias| *alias != LATEST).cloned().collect();
            if !in_use.is_empty() {
                let text = format!("version {number} of `{model}` is in use by: {}", in_use.join(", "));
                return Err(Problem::new("MLP0746", text).help("move or remove the alias first"));
            }
            if !aliases.is_empty() {
                let newest = tx.query_row(
                    "SELECT max(number) FROM versions WHERE model = ?1 AND number <> ?2",
                    params![model, number],
                    |row| row.get(0),
                );
                move_alias(tx, model, LATEST, newest.map_err(|error| sql(&error))?, by)?;
            }
            tx.execute("DELETE FROM versions WHERE model = ?1 AND number = ?2", params![model, number])
                .map_err(|error| sql(&error))?;
            let used = tx
                .query_row(
                    "SELECT 1 FROM versions WHERE model = ?1 AND digest = ?2",
                    [model, &digest],
                    |_| Ok(()),
                )
                .optional()
                .map_err(|error| sql(&error))?;
            Ok(used.is_none().then_some(digest))
        })?;
        match digest {
            Some(digest) => self.remove_directory(model, &digest),
            None => Ok(()),
        }
    }
}

fn find_same(tx: &Transaction<'_>, new: &NewVersion) -> Result<Option<ModelVersion>, Problem> {
    tx.query_row(
        "SELECT * FROM versions WHERE model = ?1 AND run = ?2 AND digest = ?3",
        params![new.model, new.run.as_deref().unwrap_or_default(), new.digest],
        read_version,
    )
    .optional()
    .map_err(|error| sql(&error))
}

fn insert(tx: &Transaction<'_>, new: &NewVersion) -> Result<u32, Problem> {
    let number: u32 = tx
        .query_row(
            "UPDATE models SET next_number = next_number + 1 WHERE name = ?1 RETURNING next_number - 1",
            [&new.model],
            |row| row.get(0),
        )
        .map_err(|error| sql(&error))?;
    tx.execute(
        "INSERT INTO versions
             (model, number, digest, path, created_at, metrics, signature, tags, run, lineage, serve, card)
         VALUES (:model, :number, :digest, :path, :created_at, :metrics, :signature, :tags, :run, :lineage, :serve,
             :card)",
        named_params! {
            ":model": new.model,
            ":number": number,
            ":digest": new.digest,
            ":path": new.path,
            ":created_at": new.created_at,
            ":metrics": to_text(&new.metrics)?,
            ":signature": to_text(&new.signature)?,
            ":tags": to_text(&new.tags)?,
            ":run": new.run.as_deref().unwrap_or_default(),
            ":lineage": to_text(&new.lineage)?,
            ":serve": to_text(&new.serve)?,
            ":card": to_text(&new.card)?,
        },
    )
    .map_err(|error| sql(&error))?;
    Ok(number)
}

/// A version that must exist.
pub(super) fn existing(tx: &Transaction<'_>, model: &str, number: u32) -> Result<ModelVersion, Problem> {
    let found = tx
        .query_row(
            "SELECT * FROM versions WHERE model = ?1 AND number = ?2",
            params![model, number],
            read_version,
        )
        .optional()
        .map_err(|error| sql(&error))?;
    found.ok_or_else(|| {
        Problem::new("MLP0744", format!("the model `{model}` has no version {number}"))
            .help("choose one of the versions that are registered")
    })
}

fn aliases_of(tx: &Transaction<'_>, model: &str, number: u32) -> Result<Vec<String>, Problem> {
    let mut statement = tx
        .prepare_cached("SELECT alias FROM aliases WHERE model = ?1 AND version = ?2 ORDER BY alias")
        .map_err(|error| sql(&error))?;
    let rows = statement.query_map(params![model, number], |row| row.get(0));
    rows.and_then(Iterator::collect).map_err(|error| sql(&error))
}

fn read_version(row: &Row<'_>) -> rusqlite::Result<ModelVersion> {
    let run: String = row.get("run")?;
    Ok(ModelVersion {
        model: row.get("model")?,
        number: row.get("number")?,
        digest: row.get("digest")?,
        path: row.get("path")?,
        created_at: row.get("created_at")?,
        metrics: from_text(row, "metrics")?,
        signature: from_text(row, "signature")?,
        tags: from_text(row, "tags")?,
        run: (!run.is_empty()).then_some(run),
        lineage: from_text(row, "lineage")?,
        serve: from_text(row, "serve")?,
        card: from_text(row, "card")?,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    pub(in crate::registry) fn registry() -> (tempfile::TempDir, Registry) {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::open(&dir.path().join("registry.db")).unwrap();
        (dir, registry)
    }

    pub(in crate::registry) fn by(who: &str) -> AliasMove {
        AliasMove { why: "test".into(), who: who.into(), at: "2026-01-31T12:00:00Z".into() }
    }

    fn new_version(registry: &Registry, model: &str, run: &str) -> NewVersion {
        let source = tempfile::tempdir().unwrap();
        std::fs::write(source.path().join("weights"), run).unwrap();
        let stored = registry.store_directory(model, source.path()).unwrap();
        NewVersion {
            model: model.into(),
            digest: stored.digest,
            path: stored.path.display().to_string(),
            created_at: "2026-01-31T12:00:00Z".into(),
            metrics: json!({"auc": 0.81}),
            tags: BTreeMap::from([("team".into(), "risk".into())]),
            run: Some(run.into()),
            lineage: json!({"dataset": "abc"}),
            serve: Some(Serve { class: Some("model:Churn".into()), ..Serve::default() }),
            card: json!({"intended_use": "tests"}),
            who: "ana".into(),
            ..NewVersion::default()
        }
    }

    pub(in crate::registry) fn registered(registry: &Registry, model: &str, run: &str) -> ModelVersion {
        registry.ensure_model(model, &json!({})).unwrap();
        registry.register(&new_version(registry, model, run)).unwrap().version
    }

    #[test]
    fn a_version_keeps_everything_and_is_registered_once_per_run() {
        let (_dir, registry) = registry();
        let first = registered(&registry, "churn", "r1");
        assert_eq!((first.number, first.metrics["auc"].as_f64()), (1, Some(0.81)));
        assert_eq!(first.serve.as_ref().unwrap().class.as_deref(), Some("model:Churn"));
        assert_eq!(first.card["intended_use"], "tests");
        let again = registry.register(&new_version(&registry, "churn", "r1")).unwrap();
        assert_eq!((again.created, &again.version), (false, &first));
        let same_content = NewVersion { run: Some("r2".into()), ..new_version(&registry, "churn", "r1") };
        assert_eq!(registry.register(&same_content).unwrap().version.number, 2);
        assert_eq!(registry.versions("churn").unwrap().len(), 2);
        assert_eq!(registry.version("churn", 1).unwrap(), first);
        assert_eq!(registry.resolve("churn", LATEST).unwrap().unwrap().number, 2);
        let absent = NewVersion { digest: "../..".into(), ..new_version(&registry, "churn", "r1") };
        assert_eq!(registry.register(&absent).unwrap_err().code, "MLP0750");
        assert_eq!(registry.version("churn", 3).unwrap_err().code, "MLP0744");
        assert_eq!(registry.version("chrun", 1).unwrap_err().notes, ["models: churn"]);
    }

    #[test]
    fn numbers_are_not_used_again_and_directories_go_with_their_last_version() {
        let (_dir, registry) = registry();
        let first = registered(&registry, "churn", "r1");
        let second = registered(&registry, "churn", "r2");
        registry.set_alias("churn", "champion", 2, &by("ana")).unwrap();
        let refused = registry.delete_version("churn", 2, &by("ana")).unwrap_err();
        assert_eq!(refused.message, "version 2 of `churn` is in use by: champion");
        registry.set_alias("churn", "champion", 1, &by("ana")).unwrap();
        registry.delete_version("churn", 2, &by("ana")).unwrap();
        assert!(!std::path::Path::new(&second.path).exists());
        assert!(std::path::Path::new(&first.path).exists());
        assert_eq!(registry.resolve("churn", LATEST).unwrap().unwrap().number, 1);
        assert_eq!(registered(&registry, "churn", "r3").number, 3);
    }

    #[test]
    fn processes_that_register_at_the_same_time_get_different_numbers() {
        let (dir, registry) = registry();
        registry.ensure_model("churn", &json!({})).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let path = dir.path().join("registry.db");
                scope.spawn(move || {
                    let own = Registry::open(&path).unwrap();
                    for run in 0..5 {
                        own.register(&new_version(&own, "churn", &format!("{thread}-{run}"))).unwrap();
                    }
                });
            }
        });
        let numbers: Vec<u32> =
            registry.versions("churn").unwrap().iter().map(|version| version.number).collect();
        assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
    }
}
