//! What gates decided, and why.

use rusqlite::params;
use serde::{Deserialize, Serialize};

use super::{Registry, from_text, models, sql, to_text};
use crate::Problem;

/// What a gate came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The alias moved to the version.
    Passed,
    /// The version is not good enough.
    Refused,
    /// It is good enough, but the alias is held.
    Held,
    /// It could not be decided: a metric is missing.
    Undecided,
}

/// One decision of a gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The model.
    pub model: String,
    /// The version that was judged.
    pub version: u32,
    /// The gate.
    pub gate: String,
    /// The alias it leads to.
    pub alias: String,
    /// What it came to.
    pub outcome: Outcome,
    /// What it looked at, a line each: `candidate.auc = 0.81`.
    pub conditions: Vec<String>,
    /// When, RFC 3339.
    pub at: String,
    /// The run that asked.
    pub run: String,
}

impl Registry {
    /// Remembers a decision.
    pub fn record_decision(&self, decision: &Decision) -> Result<(), Problem> {
        let outcome = to_text(&decision.outcome)?;
        let conditions = to_text(&decision.conditions)?;
        self.write(|tx| {
            models::known(tx, &decision.model)?;
            tx.execute(
                "INSERT INTO decisions (model, version, gate, alias, outcome, conditions, at, run)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    decision.model,
                    decision.version,
                    decision.gate,
                    decision.alias,
                    outcome,
                    conditions,
                    decision.at,
                    decision.run
                ],
            )
            .map(|_| ())
            .map_err(|error| sql(&error))
        })
    }

    /// The newest decisions about a model, newest first.
    pub fn decisions(&self, model: &str, limit: u32) -> Result<Vec<Decision>, Problem> {
        self.read(|tx| {
            models::known(tx, model)?;
            let mut statement = tx
                .prepare_cached("SELECT * FROM decisions WHERE model = ?1 ORDER BY id DESC LIMIT ?2")
                .map_err(|error| sql(&error))?;
            let rows = statement.query_map(params![model, limit], |row| {
                Ok(Decision {
                    model: row.get("model")?,
                    version: row.get("version")?,
                    gate: row.get("gate")?,
                    alias: row.get("alias")?,
                    outcome: from_text(row, "outcome")?,
                    conditions: from_text(row, "conditions")?,
                    at: row.get("at")?,
                    run: row.get("run")?,
                })
            });
            rows.and_then(Iterator::collect).map_err(|error| sql(&error))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::versions::tests::{registered, registry};
    use super::*;

    #[test]
    fn decisions_are_remembered_newest_first() {
        let (_dir, registry) = registry();
        let version = registered(&registry, "churn", "r1").number;
        let decision = |outcome| Decision {
            model: "churn".into(),
            version,
            gate: "better".into(),
            alias: "champion".into(),
            outcome,
            conditions: vec!["candidate.auc = 0.81".into()],
            at: "2026-01-31T12:00:00Z".into(),
            run: "r1".into(),
        };
        registry.record_decision(&decision(Outcome::Refused)).unwrap();
        registry.record_decision(&decision(Outcome::Passed)).unwrap();
        let found = registry.decisions("churn", 10).unwrap();
        assert_eq!(found, [decision(Outcome::Passed), decision(Outcome::Refused)]);
        assert_eq!(registry.decisions("churn", 1).unwrap().len(), 1);
        let unknown = Decision { model: "chrun".into(), ..decision(Outcome::Passed) };
        assert_eq!(registry.record_decision(&unknown).unwrap_err().code, "MLP0743");
    }
}
