//! How two versions of a data set differ.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::cell::Cell;
use super::schema::KeyHash;
use super::snapshot::Manifest;
use super::table::Table;
use crate::Problem;

/// How one version differs from another. Rows are compared by the columns both have; a changed row counts as one removed
/// and one added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// How many rows only the second version has.
    pub rows_added: u64,
    /// How many rows only the first version has.
    pub rows_removed: u64,
    /// How many rows both have.
    pub rows_common: u64,
    /// The columns only the second version has.
    pub columns_added: Vec<String>,
    /// The columns only the first version has.
    pub columns_removed: Vec<String>,
}

/// Compares two versions by their content, rows in any order.
pub(super) fn compare(from: (&Manifest, &Path), to: (&Manifest, &Path)) -> Result<Comparison, Problem> {
    let names =
        |manifest: &Manifest| manifest.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
    let (before, after) = (names(from.0), names(to.0));
    let common: Vec<String> = before.iter().filter(|name| after.contains(name)).cloned().collect();
    let mut counts: HashMap<[u8; 16], i64> = HashMap::new();
    each_row(from, &common, |hash| *counts.entry(hash).or_default() += 1)?;
    let mut result = Comparison {
        rows_added: 0,
        rows_removed: 0,
        rows_common: 0,
        columns_added: after.iter().filter(|name| !before.contains(name)).cloned().collect(),
        columns_removed: before.into_iter().filter(|name| !after.contains(name)).collect(),
    };
    each_row(to, &common, |hash| match counts.get_mut(&hash) {
        Some(count) if *count > 0 => {
            *count -= 1;
            result.rows_common += 1;
        }
        _ => result.rows_added += 1,
    })?;
    result.rows_removed = counts.values().map(|count| count.unsigned_abs()).sum();
    Ok(result)
}

fn each_row(
    (manifest, object): (&Manifest, &Path),
    columns: &[String],
    mut found: impl FnMut([u8; 16]),
) -> Result<(), Problem> {
    let mut table = Table::open(object, manifest.format)?;
    while let Some(row) = table.next_row()? {
        let mut hash = KeyHash::default();
        for name in columns {
            let at = table.columns().iter().position(|column| column == name);
            hash.add(at.and_then(|at| row.cells.get(at)).unwrap_or(&Cell::Null));
        }
        found(hash.finish());
    }
    Ok(())
}
