//! Aliases: names that move between versions, with the history of every move.

use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::versions::{ModelVersion, existing};
use super::{Registry, check_name, from_text, models, sql, to_text};
use crate::Problem;

/// The alias every new version gets.
pub const LATEST: &str = "latest";

/// Why, by whom and when an alias moves, or is held.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
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
    /// Why and by whom, where that is known.
    pub hold: Option<AliasMove>,
}

/// What was done to an alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// It went on to another version, or was removed.
    Move,
    /// It went back to an earlier version, and was held there.
    Rollback,
    /// It was held.
    Hold,
    /// It was let go.
    Release,
}

impl Act {
    fn word(self) -> &'static str {
        match self {
            Self::Move => "move",
            Self::Rollback => "rollback",
            Self::Hold => "hold",
            Self::Release => "release",
        }
    }

    fn of(word: &str) -> Self {
        match word {
            "rollback" => Self::Rollback,
            "hold" => Self::Hold,
            "release" => Self::Release,
            _ => Self::Move,
        }
    }
}

/// One thing that was done to an alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AliasChange {
    /// What.
    pub act: Act,
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
                .prepare_cached("SELECT * FROM aliases WHERE model = ?1 ORDER BY alias")
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

    /// What was done to an alias, oldest first.
    pub fn alias_history(&self, model: &str, alias: &str) -> Result<Vec<AliasChange>, Problem> {
        self.read(|tx| {
            models::known(tx, model)?;
            history(tx, model, alias)
        })
    }

    /// Moves an alias back and holds it there: to a version, or to the one it named before the present one. An alias that
    /// is held already may go further back.
    ///
    /// # Errors
    /// There is no such version or alias, or nothing to go back to.
    pub fn rollback(
        &self,
        model: &str,
        alias: &str,
        to: Option<u32>,
        by: &AliasMove,
    ) -> Result<RolledBack, Problem> {
        refuse_latest(alias)?;
        self.write(|tx| {
            models::known(tx, model)?;
            let now = find(tx, model, alias)?.ok_or_else(|| no_alias(model, alias))?;
            let to = match to {
                Some(to) => existing(tx, model, to)?.number,
                None => before(tx, model, alias, now.version)?,
            };
            set(tx, model, alias, Some(to))?;
            remember(tx, model, alias, Act::Rollback, (Some(now.version), Some(to)), by)?;
            hold(tx, model, alias, Some(by))?;
            Ok(RolledBack { from: now.version, to })
        })
    }

    /// The version that a rollback of an alias would go back to, where there is one.
    ///
    /// # Errors
    /// There is no such model, or the registry cannot be read.
    pub fn previous(&self, model: &str, alias: &str) -> Result<Option<u32>, Problem> {
        self.read(|tx| {
            models::known(tx, model)?;
            let Some(found) = find(tx, model, alias)? else { return Ok(None) };
            Ok(before(tx, model, alias, found.version).ok())
        })
    }

    /// Holds an alias where it is, until it is released. Says whether that is new.
    pub fn hold(&self, model: &str, alias: &str, by: &AliasMove) -> Result<bool, Problem> {
        refuse_latest(alias)?;
        self.set_held(model, alias, true, by)
    }

    /// Lets an alias move again. Says whether it was held.
    pub fn release(&self, model: &str, alias: &str, by: &AliasMove) -> Result<bool, Problem> {
        self.set_held(model, alias, false, by)
    }

    fn set_held(&self, model: &str, alias: &str, held: bool, by: &AliasMove) -> Result<bool, Problem> {
        self.write(|tx| {
            models::known(tx, model)?;
            let found = find(tx, model, alias)?.ok_or_else(|| no_alias(model, alias))?;
            if found.held == held {
                return Ok(false);
            }
            hold(tx, model, alias, held.then_some(by))?;
            let act = if held { Act::Hold } else { Act::Release };
            remember(tx, model, alias, act, (Some(found.version), Some(found.version)), by)?;
            Ok(true)
        })
    }
}

/// What became of a rollback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolledBack {
    /// The version it named.
    pub from: u32,
    /// The version it names now.
    pub to: u32,
}

fn no_alias(model: &str, alias: &str) -> Problem {
    Problem::new("MLP0747", format!("the model `{model}` has no alias `{alias}`"))
        .help("a run that registers a version under it, or a gate that leads to it, sets it first")
}

/// The version an alias named before the present one, among those there are. Going back is no step forward: a second
/// rollback goes further back, and not to what the first one left.
fn before(tx: &Transaction<'_>, model: &str, alias: &str, present: u32) -> Result<u32, Problem> {
    let history = history(tx, model, alias)?;
    let mut at = present;
    let mut seen = std::collections::BTreeSet::from([present]);
    loop {
        let reached = history.iter().rev().find(|change| change.act == Act::Move && change.to == Some(at));
        match reached.and_then(|change| change.from).filter(|from| seen.insert(*from)) {
            None => {
                let text = format!("the alias `{alias}` of `{model}` named no version before {present}");
                return Err(Problem::new("MLP0752", text).help("name the version with `--to`"));
            }
            Some(from) if existing(tx, model, from).is_ok() => return Ok(from),
            Some(from) => at = from,
        }
    }
}

fn history(tx: &Transaction<'_>, model: &str, alias: &str) -> Result<Vec<AliasChange>, Problem> {
    let mut statement = tx
        .prepare_cached(
            "SELECT from_version, to_version, at, why, who, act FROM alias_history
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
            act: Act::of(&row.get::<_, String>(5)?),
        })
    });
    rows.and_then(Iterator::collect).map_err(|error| sql(&error))
}

/// Holds an alias, or lets it go.
fn hold(tx: &Transaction<'_>, model: &str, alias: &str, by: Option<&AliasMove>) -> Result<(), Problem> {
    let held = tx.execute(
        "UPDATE aliases SET held = ?3, hold = ?4 WHERE model = ?1 AND alias = ?2",
        params![model, alias, by.is_some(), to_text(&by)?],
    );
    held.map(|_| ()).map_err(|error| sql(&error))
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
            Err(Problem::new("MLP0748", text).help("release it with `mlp rollback --release`"))
        }
        _ => Ok(()),
    }
}

fn find(tx: &Transaction<'_>, model: &str, alias: &str) -> Result<Option<Alias>, Problem> {
    tx.query_row("SELECT * FROM aliases WHERE model = ?1 AND alias = ?2", [model, alias], read_alias)
        .optional()
        .map_err(|error| sql(&error))
}

fn read_alias(row: &rusqlite::Row<'_>) -> rusqlite::Result<Alias> {
    Ok(Alias {
        alias: row.get("alias")?,
        version: row.get("version")?,
        held: row.get("held")?,
        hold: from_text(row, "hold")?,
    })
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
    set(tx, model, alias, to)?;
    remember(tx, model, alias, Act::Move, (from, to), by)?;
    Ok(true)
}

fn set(tx: &Transaction<'_>, model: &str, alias: &str, to: Option<u32>) -> Result<(), Problem> {
    let changed = match to {
        Some(version) => tx.execute(
            "INSERT INTO aliases (model, alias, version) VALUES (?1, ?2, ?3)
             ON CONFLICT (model, alias) DO UPDATE SET version = excluded.version",
            params![model, alias, version],
        ),
        None => tx.execute("DELETE FROM aliases WHERE model = ?1 AND alias = ?2", [model, alias]),
    };
    changed.map(|_| ()).map_err(|error| sql(&error))
}

fn remember(
    tx: &Transaction<'_>,
    model: &str,
    alias: &str,
    act: Act,
    (from, to): (Option<u32>, Option<u32>),
    by: &AliasMove,
) -> Result<(), Problem> {
    tx.execute(
        "INSERT INTO alias_history (model, alias, from_version, to_version, at, why, who, act)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![model, alias, from, to, by.at, by.why, by.who, act.word()],
    )
    .map(|_| ())
    .map_err(|error| sql(&error))
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
        assert_eq!(registry.hold("churn", "champion", &by("ana")).unwrap_err().code, "MLP0747");
        registry.set_alias("churn", "champion", 1, &by("ana")).unwrap();
        assert!(registry.hold("churn", "champion", &by("ana")).unwrap());
        assert!(!registry.hold("churn", "champion", &by("ana")).unwrap());
        assert_eq!(registry.set_alias("churn", "champion", 2, &by("ana")).unwrap_err().code, "MLP0748");
        assert_eq!(registry.remove_alias("churn", "champion", &by("ana")).unwrap_err().code, "MLP0748");
        assert!(registry.release("churn", "champion", &by("ana")).unwrap());
        assert!(registry.set_alias("churn", "champion", 2, &by("ana")).unwrap());
        assert!(registry.set_alias("churn", LATEST, 1, &by("ana")).is_err());
    }

    #[test]
    fn a_rollback_goes_back_step_by_step_and_holds() {
        let (_dir, registry) = registry();
        for run in ["r1", "r2", "r3"] {
            let version = registered(&registry, "churn", run).number;
            registry.set_alias("churn", "champion", version, &by("ana")).unwrap();
        }
        assert_eq!(
            registry.rollback("churn", "champion", None, &by("bo")).unwrap(),
            RolledBack { from: 3, to: 2 }
        );
        let alias = registry.aliases("churn").unwrap().remove(0);
        assert_eq!((alias.version, alias.held, alias.hold), (2, true, Some(by("bo"))));
        assert_eq!(registry.set_alias("churn", "champion", 3, &by("cron")).unwrap_err().code, "MLP0748");
        assert_eq!(
            registry.rollback("churn", "champion", None, &by("bo")).unwrap(),
            RolledBack { from: 2, to: 1 }
        );
        assert_eq!(registry.rollback("churn", "champion", None, &by("bo")).unwrap_err().code, "MLP0752");
        assert_eq!(registry.rollback("churn", "champion", Some(3), &by("bo")).unwrap().to, 3);
        assert_eq!(registry.rollback("churn", "champion", Some(9), &by("bo")).unwrap_err().code, "MLP0744");
        assert_eq!(registry.rollback("churn", "other", None, &by("bo")).unwrap_err().code, "MLP0747");
        assert_eq!(registry.previous("churn", "champion").unwrap(), Some(2));
        assert_eq!(registry.previous("churn", "other").unwrap(), None);
        assert!(registry.release("churn", "champion", &by("cy")).unwrap());
        let acts: Vec<Act> =
            registry.alias_history("churn", "champion").unwrap().iter().map(|change| change.act).collect();
        use Act::{Move, Release, Rollback};
        assert_eq!(acts, [Move, Move, Move, Rollback, Rollback, Rollback, Release]);
        // After a release the past is what it was before the rollbacks.
        assert_eq!(registry.rollback("churn", "champion", None, &by("bo")).unwrap().to, 2);
    }

    #[test]
    fn a_rollback_passes_over_versions_that_are_gone() {
        let (_dir, registry) = registry();
        for run in ["r1", "r2", "r3"] {
            let version = registered(&registry, "churn", run).number;
            registry.set_alias("churn", "champion", version, &by("ana")).unwrap();
        }
        registry.delete_version("churn", 2, &by("ana")).unwrap();
        assert_eq!(registry.rollback("churn", "champion", None, &by("bo")).unwrap().to, 1);
    }
}
