//! Models: the names versions are registered under.

use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Registry, check_name, from_text, sql, to_text};
use crate::Problem;

/// A registered model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// What is said about it.
    pub meta: Value,
    /// How many versions it has.
    pub versions: u64,
}

impl Registry {
    /// Makes a model, or changes what is said about it. Says whether anything changed.
    pub fn ensure_model(&self, name: &str, meta: &Value) -> Result<bool, Problem> {
        check_name(name, "a model")?;
        let text = to_text(meta)?;
        self.write(|tx| {
            let changed = tx.execute(
                "INSERT INTO models (name, meta) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET meta = excluded.meta WHERE meta <> excluded.meta",
                params![name, text],
            );
            Ok(changed.map_err(|error| sql(&error))? > 0)
        })
    }

    /// The models, by name.
    pub fn models(&self) -> Result<Vec<Model>, Problem> {
        self.read(|tx| select(tx, None))
    }

    /// A model, where there is one of the name.
    pub fn model(&self, name: &str) -> Result<Option<Model>, Problem> {
        self.read(|tx| Ok(select(tx, Some(name))?.pop()))
    }

    /// Removes a model with its stored directories. One that has versions is refused unless `force`. Says whether it
    /// was there.
    pub fn remove_model(&self, name: &str, force: bool) -> Result<bool, Problem> {
        check_name(name, "a model")?;
        // Held until the directories are gone, so that no version is registered on a directory that is going.
        let _lock = self.lock_models()?;
        let removed = self.write(|tx| {
            let Some(model) = select(tx, Some(name))?.pop() else { return Ok(false) };
            if model.versions > 0 && !force {
                let text = format!("the model `{name}` still has {} versions", model.versions);
                return Err(
                    Problem::new("MLP0745", text).help("delete its versions first, or force its removal")
                );
            }
            tx.execute("DELETE FROM aliases WHERE model = ?1", [name]).map_err(|error| sql(&error))?;
            tx.execute("DELETE FROM models WHERE name = ?1", [name]).map_err(|error| sql(&error))?;
            Ok(true)
        })?;
        self.remove_directories(name)?;
        Ok(removed)
    }
}

fn select(tx: &Transaction<'_>, name: Option<&str>) -> Result<Vec<Model>, Problem> {
    let mut statement = tx
        .prepare_cached(
            "SELECT name, meta, (SELECT count(*) FROM versions WHERE model = name) AS versions
             FROM models WHERE ?1 IS NULL OR name = ?1 ORDER BY name",
        )
        .map_err(|error| sql(&error))?;
    let rows = statement.query_map([name], |row| {
        Ok(Model { name: row.get("name")?, meta: from_text(row, "meta")?, versions: row.get("versions")? })
    });
    rows.and_then(Iterator::collect).map_err(|error| sql(&error))
}

/// Refuses a model that does not exist.
pub(super) fn known(tx: &Transaction<'_>, name: &str) -> Result<(), Problem> {
    let found = tx.query_row("SELECT 1 FROM models WHERE name = ?1", [name], |_| Ok(())).optional();
    match found.map_err(|error| sql(&error))? {
        Some(()) => Ok(()),
        None => {
            let names: Vec<_> = select(tx, None)?.into_iter().map(|model| model.name).collect();
            let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            Err(Problem::new("MLP0743", format!("there is no model `{name}` in the registry"))
                .note(format!("models: {known}"))
                .help("declare the model and apply, or correct the name"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::versions::tests::{registered, registry};
    use serde_json::json;

    #[test]
    fn a_model_is_made_once_and_changed_when_it_differs() {
        let (_dir, registry) = registry();
        assert!(registry.ensure_model("m", &json!({"a": 1})).unwrap());
        assert!(!registry.ensure_model("m", &json!({"a": 1})).unwrap());
        assert!(registry.ensure_model("m", &json!({"a": 2})).unwrap());
        assert_eq!(registry.model("m").unwrap().unwrap().meta["a"], 2);
        assert_eq!(registry.ensure_model("../m", &json!({})).unwrap_err().code, "MLP0751");
    }

    #[test]
    fn a_model_with_versions_goes_only_by_force() {
        let (dir, registry) = registry();
        registered(&registry, "churn", "r1");
        let refused = registry.remove_model("churn", false).unwrap_err();
        assert_eq!(refused.code, "MLP0745");
        assert!(registry.remove_model("churn", true).unwrap());
        assert!(!registry.remove_model("churn", true).unwrap());
        assert!(!dir.path().join("models/churn").exists());
        assert_eq!(registry.versions("churn").unwrap_err().code, "MLP0743");
    }
}
