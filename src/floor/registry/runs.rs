//! Runs of pipelines, as they are remembered.

use rusqlite::{Row, named_params, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Registry, from_text, sql, to_text};
use crate::Problem;

/// One run of a pipeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its identifier.
    pub id: String,
    /// The pipeline.
    pub pipeline: String,
    /// How it stands.
    pub status: String,
    /// When it started, RFC 3339.
    pub started: String,
    /// When it ended, RFC 3339.
    pub ended: Option<String>,
    /// Its parameters.
    pub params: Value,
    /// What it measured.
    pub metrics: Value,
    /// Its steps.
    pub steps: Value,
}

/// Where a run came from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Origin {
    /// Who asked for it.
    pub who: String,
    /// What caused it: empty for a command, else the trigger.
    pub cause: String,
}

impl Registry {
    /// Remembers where a run came from.
    pub fn record_origin(&self, run: &str, origin: &Origin) -> Result<(), Problem> {
        self.write(|tx| {
            tx.execute(
                "INSERT OR REPLACE INTO run_origins (run, who, cause) VALUES (?1, ?2, ?3)",
                params![run, origin.who, origin.cause],
            )
            .map(|_| ())
            .map_err(|error| sql(&error))
        })
    }

    /// Where a run came from, where that was remembered.
    pub fn origin(&self, run: &str) -> Result<Option<Origin>, Problem> {
        self.read(|tx| {
            let mut statement = tx
                .prepare_cached("SELECT who, cause FROM run_origins WHERE run = ?1")
                .map_err(|error| sql(&error))?;
            let mut rows = statement
                .query_map([run], |row| Ok(Origin { who: row.get(0)?, cause: row.get(1)? }))
                .map_err(|error| sql(&error))?;
            rows.next().transpose().map_err(|error| sql(&error))
        })
    }

    /// Remembers a run, or what has become of it.
    pub fn record_run(&self, run: &RunRecord) -> Result<(), Problem> {
        let (params, metrics, steps) = (to_text(&run.params)?, to_text(&run.metrics)?, to_text(&run.steps)?);
        self.write(|tx| {
            tx.execute(
                "INSERT OR REPLACE INTO runs (id, pipeline, status, started, ended, params, metrics, steps)
                 VALUES (:id, :pipeline, :status, :started, :ended, :params, :metrics, :steps)",
                named_params! {
                    ":id": run.id,
                    ":pipeline": run.pipeline,
                    ":status": run.status,
                    ":started": run.started,
                    ":ended": run.ended,
                    ":params": params,
                    ":metrics": metrics,
                    ":steps": steps,
                },
            )
            .map_err(|error| sql(&error))?;
            Ok(())
        })
    }

    /// The newest runs of a pipeline, or of all, newest first.
    pub fn runs(&self, pipeline: Option<&str>, limit: u32) -> Result<Vec<RunRecord>, Problem> {
        self.read(|tx| {
            let mut statement = tx
                .prepare_cached(
                    "SELECT * FROM runs WHERE ?1 IS NULL OR pipeline = ?1 ORDER BY started DESC, id DESC LIMIT ?2",
                )
                .map_err(|error| sql(&error))?;
            let rows = statement.query_map(params![pipeline, limit], read_run);
            rows.and_then(Iterator::collect).map_err(|error| sql(&error))
        })
    }

    /// A run by its identifier.
    pub fn run(&self, id: &str) -> Result<Option<RunRecord>, Problem> {
        self.read(|tx| {
            let mut statement =
                tx.prepare_cached("SELECT * FROM runs WHERE id = ?1").map_err(|error| sql(&error))?;
            let mut rows = statement.query_map([id], read_run).map_err(|error| sql(&error))?;
            rows.next().transpose().map_err(|error| sql(&error))
        })
    }
}

fn read_run(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    Ok(RunRecord {
        id: row.get("id")?,
        pipeline: row.get("pipeline")?,
        status: row.get("status")?,
        started: row.get("started")?,
        ended: row.get("ended")?,
        params: from_text(row, "params")?,
        metrics: from_text(row, "metrics")?,
        steps: from_text(row, "steps")?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::versions::tests::registry;
    use super::*;
    use serde_json::json;

    #[test]
    fn runs_are_remembered_and_found() {
        let (_dir, registry) = registry();
        let run = |id: &str, pipeline: &str, started: &str| RunRecord {
            id: id.into(),
            pipeline: pipeline.into(),
            status: "running".into(),
            started: started.into(),
            ended: None,
            params: json!({"lr": 0.1}),
            metrics: json!({}),
            steps: json!({}),
        };
        registry.record_run(&run("a", "train", "2026-01-01T00:00:00Z")).unwrap();
        registry.record_run(&run("b", "train", "2026-01-02T00:00:00Z")).unwrap();
        registry.record_run(&run("c", "score", "2026-01-03T00:00:00Z")).unwrap();
        let done = RunRecord { status: "succeeded".into(), ..run("a", "train", "2026-01-01T00:00:00Z") };
        registry.record_run(&done).unwrap();
        let ids = |runs: Vec<RunRecord>| runs.into_iter().map(|run| run.id).collect::<Vec<_>>();
        assert_eq!(ids(registry.runs(Some("train"), 10).unwrap()), ["b", "a"]);
        assert_eq!(ids(registry.runs(None, 2).unwrap()), ["c", "b"]);
        assert_eq!(registry.run("a").unwrap(), Some(done));
        assert_eq!(registry.run("x").unwrap(), None);
        let origin = Origin { who: "ana".into(), cause: "cron".into() };
        registry.record_origin("a", &origin).unwrap();
        assert_eq!((registry.origin("a").unwrap(), registry.origin("b").unwrap()), (Some(origin), None));
    }
}
