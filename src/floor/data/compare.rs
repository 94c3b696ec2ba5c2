//! How two versions of a data set differ.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::cell::Cell;
use super::drift::{Drift, Values, drift};
use super::schema::KeyHash;
use super::snapshot::Manifest;
use super::source::SourceData;
use super::table::Table;
use crate::Problem;

/// A column whose type changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retyped {
    /// The column.
    pub column: String,
    /// Its type before.
    pub before: String,
    /// Its type after.
    pub after: String,
}

/// How one version differs from another. Rows are told apart by their key; without one by the columns both versions have,
/// and a changed row then counts as one removed and one added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The columns of the key; empty where rows are compared whole.
    pub key: Vec<String>,
    /// How many rows only the second version has.
    pub rows_added: u64,
    /// How many rows only the first version has.
    pub rows_removed: u64,
    /// How many rows have the same key and other values; none without a key.
    pub rows_changed: u64,
    /// How many rows both have.
    pub rows_common: u64,
    /// The columns only the second version has.
    pub columns_added: Vec<String>,
    /// The columns only the first version has.
    pub columns_removed: Vec<String>,
    /// The columns whose type changed.
    pub columns_retyped: Vec<Retyped>,
    /// How the values of each column moved that both have.
    pub drift: Vec<Drift>,
}

/// One of the two versions.
pub(super) struct Side {
    pub(super) manifest: Manifest,
    pub(super) source: SourceData,
}

impl Side {
    fn columns(&self) -> Vec<String> {
        self.manifest.columns.iter().map(|column| column.name.clone()).collect()
    }

    fn kind(&self, name: &str) -> &str {
        let column = self.manifest.columns.iter().find(|column| column.name == name);
        column.map_or("", |column| column.kind.as_str())
    }
}

/// A row by the hash of its key and that of all of it.
type Hashes = ([u8; 16], [u8; 16]);

/// Compares two versions by their content, rows in any order.
pub(super) fn compare(from: &Side, to: &Side, keys: &[String]) -> Result<Comparison, Problem> {
    let (before, after) = (from.columns(), to.columns());
    let common: Vec<String> = before.iter().filter(|name| after.contains(name)).cloned().collect();
    let key: &[String] = if keys.iter().all(|name| common.contains(name)) { keys } else { &[] };
    let mut rows: HashMap<[u8; 16], Vec<[u8; 16]>> = HashMap::new();
    let old = read(from, &common, key, |(key, row)| rows.entry(key).or_default().push(row))?;
    let (mut added, mut changed, mut same) = (0, 0, 0);
    let new =
        read(to, &common, key, |(key, row)| match rows.get_mut(&key).filter(|left| !left.is_empty()) {
            None => added += 1,
            Some(left) => match left.iter().position(|known| *known == row) {
                Some(at) => {
                    left.swap_remove(at);
                    same += 1;
                }
                None => {
                    left.pop();
                    changed += 1;
                }
            },
        })?;
    let removed: usize = rows.values().map(Vec::len).sum();
    let retyped = |name: &&String| from.kind(name) != to.kind(name);
    let retyped = common.iter().filter(retyped).map(|name| Retyped {
        column: name.clone(),
        before: from.kind(name).to_owned(),
        after: to.kind(name).to_owned(),
    });
    Ok(Comparison {
        key: key.to_vec(),
        rows_added: added,
        rows_removed: removed as u64,
        rows_changed: changed,
        rows_common: same,
        columns_added: after.iter().filter(|name| !before.contains(name)).cloned().collect(),
        columns_removed: before.iter().filter(|name| !after.contains(name)).cloned().collect(),
        columns_retyped: retyped.collect(),
        drift: common
            .iter()
            .zip(old.into_iter().zip(new))
            .map(|(name, (old, new))| drift(name, old, new))
            .collect(),
    })
}

/// Reads a version: hands on the hashes of each row and gives the values of each of the columns.
fn read(
    side: &Side,
    columns: &[String],
    key: &[String],
    mut found: impl FnMut(Hashes),
) -> Result<Vec<Values>, Problem> {
    // A field of CSV has no type of its own: what a column of texts holds is text.
    let texts: HashSet<&str> =
        columns.iter().map(String::as_str).filter(|name| side.kind(name) == "string").collect();
    let mut values: Vec<Values> = columns.iter().map(|_| Values::new()).collect();
    let mut table = Table::open_source(&side.source, &[])?;
    while let Some(row) = table.next_row()? {
        let (mut of_key, mut of_row) = (KeyHash::default(), KeyHash::default());
        for (name, values) in columns.iter().zip(&mut values) {
            let at = table.columns().iter().position(|column| column == name);
            let cell = at.and_then(|at| row.cells.get(at)).unwrap_or(&Cell::Null);
            // The same value is the same in every format.
            let cell = match cell {
                Cell::Number { text, .. } if texts.contains(name.as_str()) => &Cell::Text(text.clone()),
                cell => cell,
            };
            of_row.add(cell);
            if key.contains(name) {
                of_key.add(cell);
            }
            values.add(cell);
        }
        let row = of_row.finish();
        found((if key.is_empty() { row } else { of_key.finish() }, row));
    }
    Ok(values)
}
