//! What is read, as plain data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::wire::SETTING;
use super::{http, postgres_uri, sqlite};
use crate::Problem;

/// The kinds of sources that are read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// A resource on a web server.
    Http,
    /// Tables of a SQLite file.
    Sqlite,
    /// Tables of a PostgreSQL server.
    Postgres,
}

/// How a secret is shown to a web server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authorization {
    /// `Authorization: Bearer <secret>`.
    #[default]
    Bearer,
    /// `Authorization: Basic`, the secret being `user:password`.
    Basic,
}

/// One source as a data set reads it. It holds references to secrets, never their values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceSpec {
    /// Its kind.
    pub kind: SourceKind,
    /// Where it is.
    pub uri: String,
    /// The format of a resource (`csv`, `jsonl`, `json`, `parquet`); tables are read as JSON Lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The reference of its secret (`env:NAME`, `file:PATH`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// How the secret is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Authorization>,
    /// Further header lines.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// How long it may be silent, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// The tables, for databases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TableSpec>,
}

/// One table, or a query that stands for one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TableSpec {
    /// Its name; `schema.name` where it is not in the default schema.
    pub name: String,
    /// The column to read on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The columns that identify a row, where the database does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// A query to read instead of the table of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
}

impl TableSpec {
    /// The attribute of this table in the specification.
    pub(super) fn at(&self, attribute: &str) -> String {
        if attribute.is_empty() || (self.cursor.is_none() && self.key.is_empty() && self.query.is_none()) {
            return "tables".to_owned();
        }
        // A name with a dot is one key of the map.
        if self.name.contains('.') {
            format!("tables[\"{}\"].{attribute}", self.name)
        } else {
            format!("tables.{}.{attribute}", self.name)
        }
    }

    /// What stands behind `FROM`.
    pub(super) fn relation(&self) -> String {
        match &self.query {
            Some(query) => format!("({}\n) AS mlp_query", query.trim().trim_end_matches(';')),
            None => super::wire::quoted(&self.name),
        }
    }
}

/// Refuses what cannot be meant.
pub(super) fn check(spec: &SourceSpec) -> Result<(), Problem> {
    let refused = |at: &str, text: String, help: &str| Err(Problem::new(SETTING, text).at(at).help(help));
    if spec.kind == SourceKind::Http {
        return http::check(spec);
    }
    if spec.tables.is_empty() {
        return refused(
            "tables",
            "it is not said which tables are read".to_owned(),
            "name them: `tables = [\"orders\"]`, or `tables = { orders = { cursor = \"updated_at\" } }`",
        );
    }
    for table in &spec.tables {
        let names = std::iter::once(&table.name).chain(&table.cursor).chain(&table.key);
        for name in names {
            if name.is_empty() || name.contains('\0') || name.starts_with('.') || name.ends_with('.') {
                return refused("tables", format!("`{name}` is no name of a table or column"), "correct it");
            }
        }
        if let Some(query) = &table.query {
            let word = query.trim_start().get(..6).unwrap_or_default().to_ascii_lowercase();
            if !(word == "select" || word.starts_with("with") || word == "values") {
                return refused(
                    &table.at("query"),
                    format!("the query of `{}` is no SELECT", table.name),
                    "a source is only read: write a `SELECT`",
                );
            }
        }
    }
    match spec.kind {
        SourceKind::Postgres => postgres_uri::parse(&spec.uri).map(|_| ()),
        SourceKind::Sqlite | SourceKind::Http => sqlite::check(spec),
    }
}
