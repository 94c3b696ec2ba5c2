//! The schema of the registry, as the list of steps that lead to it.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::sql;
use crate::Problem;

/// Each entry leads from its index to the next schema version; entries are added, never edited.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE models (
        name        TEXT PRIMARY KEY,
        meta        TEXT NOT NULL,
        next_number INTEGER NOT NULL DEFAULT 1
    ) STRICT;
    CREATE TABLE versions (
        model      TEXT NOT NULL REFERENCES models(name) ON DELETE CASCADE,
        number     INTEGER NOT NULL,
        digest     TEXT NOT NULL,
        path       TEXT NOT NULL,
        created_at TEXT NOT NULL,
        metrics    TEXT NOT NULL,
        signature  TEXT NOT NULL,
        tags       TEXT NOT NULL,
        run        TEXT NOT NULL,
        lineage    TEXT NOT NULL,
        serve      TEXT NOT NULL,
        PRIMARY KEY (model, number),
        UNIQUE (model, run, digest)
    ) STRICT;
    CREATE TABLE aliases (
        model   TEXT NOT NULL,
        alias   TEXT NOT NULL,
        version INTEGER NOT NULL,
        held    INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (model, alias),
        FOREIGN KEY (model, version) REFERENCES versions(model, number)
    ) STRICT;
    CREATE TABLE alias_history (
        id           INTEGER PRIMARY KEY,
        model        TEXT NOT NULL REFERENCES models(name) ON DELETE CASCADE,
        alias        TEXT NOT NULL,
        from_version INTEGER,
        to_version   INTEGER,
        at           TEXT NOT NULL,
        why          TEXT NOT NULL,
        who          TEXT NOT NULL
    ) STRICT;
    CREATE INDEX alias_history_by_alias ON alias_history (model, alias, id);
    CREATE TABLE runs (
        id       TEXT PRIMARY KEY,
        pipeline TEXT NOT NULL,
        status   TEXT NOT NULL,
        started  TEXT NOT NULL,
        ended    TEXT,
        params   TEXT NOT NULL,
        metrics  TEXT NOT NULL,
        steps    TEXT NOT NULL
    ) STRICT;
    CREATE INDEX runs_by_pipeline ON runs (pipeline, started);
",
    "
    ALTER TABLE aliases ADD COLUMN hold TEXT NOT NULL DEFAULT 'null';
    ALTER TABLE alias_history ADD COLUMN act TEXT NOT NULL DEFAULT 'move';
    ALTER TABLE versions ADD COLUMN card TEXT NOT NULL DEFAULT 'null';
    CREATE TABLE decisions (
        id         INTEGER PRIMARY KEY,
        model      TEXT NOT NULL REFERENCES models(name) ON DELETE CASCADE,
        version    INTEGER NOT NULL,
        gate       TEXT NOT NULL,
        alias      TEXT NOT NULL,
        outcome    TEXT NOT NULL,
        conditions TEXT NOT NULL,
        at         TEXT NOT NULL,
        run        TEXT NOT NULL
    ) STRICT;
    CREATE INDEX decisions_by_model ON decisions (model, id);
    CREATE TABLE run_origins (
        run   TEXT PRIMARY KEY,
        who   TEXT NOT NULL,
        cause TEXT NOT NULL
    ) STRICT;
",
];

/// Brings a registry to the newest schema; one of a newer program is left as it is.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Problem> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|error| sql(&error))?;
    let version: i64 = transaction
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|error| sql(&error))?;
    let known = MIGRATIONS.len();
    let Some(pending) = usize::try_from(version).ok().and_then(|done| MIGRATIONS.get(done..)) else {
        let text =
            format!("the registry `{}` has schema {version}; this version knows {known}", path.display());
        return Err(Problem::new("MLP0742", text).help("use the version that wrote it, or a newer one"));
    };
    for step in pending {
        transaction.execute_batch(step).map_err(|error| sql(&error))?;
    }
    transaction.pragma_update(None, "user_version", known as i64).map_err(|error| sql(&error))?;
    transaction.commit().map_err(|error| sql(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_older_program_wrote_is_kept() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(MIGRATIONS[0]).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        connection
            .execute_batch(
                "INSERT INTO models (name, meta) VALUES ('m', '{}');
                 INSERT INTO versions VALUES ('m', 1, 'd', 'p', 't', '{}', 'null', '{}', 'r', '{}', 'null');
                 INSERT INTO aliases VALUES ('m', 'a', 1, 1);
                 INSERT INTO alias_history VALUES (1, 'm', 'a', NULL, 1, 't', 'w', 'x');",
            )
            .unwrap();
        migrate(&mut connection, Path::new("r.db")).unwrap();
        let one = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
        assert_eq!(one("SELECT act FROM alias_history"), "move");
        assert_eq!(one("SELECT card FROM versions"), "null");
        assert_eq!(one("SELECT hold FROM aliases WHERE held = 1"), "null");
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, Path::new("r.db")).unwrap();
        migrate(&mut connection, Path::new("r.db")).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        assert_eq!(migrate(&mut connection, Path::new("r.db")).unwrap_err().code, "MLP0742");
    }
}
