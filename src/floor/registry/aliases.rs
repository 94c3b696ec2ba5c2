//! Aliases: names that move between versions, with the history of every move.

use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::versions::{ModelVersion, existing};
use super::{Registry, check_name, models, sql};
use crate::Problem;

/// The alias every new version gets.
pub const LATEST: &str = "latest";

/// Why, by whom and when an alias moves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AliasMove {
    /// The reason.
    pub why: String,
    /// Who does it.
    pub who: String,
    /// When, RFC 3339.
    pub at: String,
}

/// An alias of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// Its name.
    pub alias: String,
    /// The version it names.
    pub version: u32,
    /// Whether it is held where it is.
    pub held: bool,
}

/// One move of an alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AliasChange {
    /// The version it named before.
    pub from: Option<u32>,
    /// The version it named then; none where it was removed.
    pub to: Option<u32>,
    /// When, RFC 3339.
    pub at: String,
    /// The reason.
    pub why: String,
    /// Who did it.
    pub who: String,
}

impl Registry {
    /// The version an alias names.
    pub fn resolve(&self, model: &str, alias: &str) -> Result<Option<ModelVersion>, Problem> {
        self.read(|tx| {
            models::known(tx, model)?;
            find(tx, model, alias)?.map(|found| existing(tx, model, found.version)).transpose()
        })
    }

    /// The aliases of a model, by name.
    pub fn aliases(&self, model: &str) -> Result<Vec<Alias>, Problem> {
        self.read(|tx| {
            models::known(tx, model)?;
            let mut statement = tx
                .prepare_cached("SELECT alias, version, held FROM aliases WHERE model = ?1 ORDER BY alias")
                .map_err(|error| sql(&error))?;
            let rows = statement.query_map([model], read_alias);
            rows.and_then(Iterator::collect).map_err(|error| sql(&error))
        })
    }

    /// Moves an alias to a version, and remembers why. Says whether it moved. One that is held is refused.
    pub fn set_alias(&self, model: &str, alias: &str, version: u32, by: &AliasMove) -> Result<bool, Problem> {
        check_name(alias, "an alias")?;
        refuse_latest(alias)?;
        self.write(|tx| {
            models::known(tx, model)?;
            existing(tx, model, version)?;
            refuse_held(model, alias, find(tx, model, alias)?.as_ref(), version)?;
            move_alias(tx, model, alias, Some(version), by)
        })
    }

    /// Removes an alias; its history stays. Says whether it was there. One that is held is refused.
    pub fn remove_alias(&self, model: &str, alias: &str, by: &AliasMove) -> Result<bool, Problem> {
        refuse_latest(alias)?;
        self.write(|tx| {
            models::known(tx, model)?;
            // No version has the number 0, so any hold refuses.
            refuse_held(model, alias, find(tx, model, alias)?.as_ref(), 0)?;
            move_alias(tx, model, alias, None, by)
        })
    }

    /// The moves of an alias, oldest first.
    pub fn alias_history(&self, model: &str, alias: &str) -> Result<Vec<AliasChange>, Problem> {
        self.read(|tx| {
            models::known(tx, model)?;
            let mut statement = tx
                .prepare_cached(
                    "SELECT from_version, to_version, at, why, who FROM alias_history
                     WHERE model = ?1 AND alias = ?2 ORDER BY id",
                )
                .map_err(|error| sql(&error))?;
            let rows = statement.query_map([model, alias], |row| {
                Ok(AliasChange {
                    from: row.get(0)?,
                    to: row.get(1)?,
                    at: row.get(2)?,
                    why: row.get(3)?,
                    who: row.get(4)?,
                })
            });
            rows.and_then(Iterator::collect).map_err(|error| sql(&error))
        })
    }

    /// Holds an alias where it is, until it is released. Says whether that is new.
    pub fn hold(&self, model: &str, alias: &str) -> Result<bool, Problem> {
        refuse_latest(alias)?;
        self.set_held(model, alias, true)
    }

    /// Lets an alias move again. Says whether it was held.
    pub fn release(&self, model: &str, alias: &str) -> Result<bool, Problem> {
        self.set_held(model, alias, false)
    }

    fn set_held(&self, model: &str, alias: &str, held: bool) -> Result<bool, Problem> {
        self.write(|tx| {
            models::known(tx, model)?;
            let Some(found) = find(tx, model, alias)? else {
                return Err(Problem::new("MLP0747", format!("the model `{model}` has no alias `{alias}`"))
                    .help("set the alias first"));
            };
            tx.execute(
                "UPDATE aliases SET held = ?3 WHERE model = ?1 AND alias = ?2",
                params![model, alias, held],
            )
            .map_err(|error| sql(&error))?;
            Ok(found.held != held)
        })
    }
}

fn refuse_latest(alias: &str) -> Result<(), Problem> {
    if alias != LATEST {
        return Ok(());
    }
    Err(Problem::new(
        "MLP0751",
        "`latest` always names the newest version and cannot be moved, held or removed",
    )
    .help("choose another alias"))
}

fn refuse_held(model: &str, alias: &str, found: Option<&Alias>, to: u32) -> Result<(), Problem> {
    match found {
        Some(Alias { held: true, version, .. }) if *version != to => {
            let text = format!("the alias `{alias}` of `{model}` is held at version {version}");
            Err(Problem::new("MLP0748", text).help("release it first"))
        }
        _ => Ok(()),
    }
}

fn find(tx: &Transaction<'_>, model: &str, alias: &str) -> Result<Option<Alias>, Problem> {
    tx.query_row(
        "SELECT alias, version, held FROM aliases WHERE model = ?1 AND alias = ?2",
        [model, alias],
        read_alias,
    )
    .optional()
    .map_err(|error| sql(&error))
}

fn read_alias(row: &rusqlite::Row<'_>) -> rusqlite::Result<Alias> {
    Ok(Alias { alias: row.get(0)?, version: row.get(1)?, held: row.get(2)? })
}

/// Moves or removes an alias with its history, inside the caller's transaction. Says whether anything changed.
pub(super) fn move_alias(
    tx: &Transaction<'_>,
    model: &str,
    alias: &str,
    to: Option<u32>,
    by: &AliasMove,
) -> Result<bool, Problem> {
    let from = find(tx, model, alias)?.map(|found| found.version);
    if from == to {
        return Ok(false);
    }
    let changed = match to {
        Some(version) => tx.execute(
            "INSERT INTO aliases (model, alias, version) VALUES (?1, ?2, ?3)
             ON CONFLICT (model, alias) DO UPDATE SET version = excluded.version",
            params![model, alias, version],
        ),
        None => tx.execute("DELETE FROM aliases WHERE model = ?1 AND alias = ?2", [model, alias]),
    };
    changed.map_err(|error| sql(&error))?;
    tx.execute(
        "INSERT INTO alias_history (model, alias, from_version, to_version, at, why, who)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![model, alias, from, to, by.at, by.why, by.who],
    )
    .map_err(|error| sql(&error))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::super::versions::tests::{by, registered, registry};
    use super::*;

    #[test]
    fn an_alias_moves_and_every_move_is_remembered() {
        let (_dir, registry) = registry();
        registered(&registry, "churn", "r1");
        registered(&registry, "churn", "r2");
        assert_eq!(registry.resolve("churn", "champion").unwrap(), None);
        assert!(registry.set_alias("churn", "champion", 1, &by("ana")).unwrap());
        assert!(!registry.set_alias("churn", "champion", 1, &by("ana")).unwrap());
        assert!(registry.set_alias("churn", "champion", 2, &by("bo")).unwrap());
        assert_eq!(registry.resolve("churn", "champion").unwrap().unwrap().number, 2);
        assert!(registry.remove_alias("churn", "champion", &by("ana")).unwrap());
        let history = registry.alias_history("churn", "champion").unwrap();
        let moves: Vec<_> =
            history.iter().map(|change| (change.from, change.to, change.who.as_str())).collect();
        assert_eq!(moves, [(None, Some(1), "ana"), (Some(1), Some(2), "bo"), (Some(2), None, "ana")]);
        assert_eq!(registry.set_alias("churn", "champion", 9, &by("ana")).unwrap_err().code, "MLP0744");
        assert_eq!(registry.aliases("churn").unwrap().len(), 1);
    }

    #[test]
    fn a_held_alias_stays_until_it_is_released() {
        let (_dir, registry) = registry();
        registered(&registry, "churn", "r1");
        registered(&registry, "churn", "r2");
        assert_eq!(registry.hold("churn", "champion").unwrap_err().code, "MLP0747");
        registry.set_alias("churn", "champion", 1, &by("ana")).unwrap();
        assert!(registry.hold("churn", "champion").unwrap());
        assert!(!registry.hold("churn", "champion").unwrap());
        assert_eq!(registry.set_alias("churn", "champion", 2, &by("ana")).unwrap_err().code, "MLP0748");
        assert_eq!(registry.remove_alias("churn", "champion", &by("ana")).unwrap_err().code, "MLP0748");
        assert!(registry.release("churn", "champion").unwrap());
        assert!(registry.set_alias("churn", "champion", 2, &by("ana")).unwrap());
        assert!(registry.set_alias("churn", LATEST, 1, &by("ana")).is_err());
    }
}
