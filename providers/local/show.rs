//! `mlp show dataset.x`: its versions, what is in the current one, and how two of them differ.

use mlp_floor::data::{ColumnProfile, Comparison, DriftMeasure, Manifest};
use mlp_floor::registry::Registry;
use mlp_provider::{ShowQuery, Shown};
use serde_json::{Value as Json, json};

use crate::codes;
use crate::dataset::{self, Wanted};
use crate::documents::Document;
use crate::fault::{Fallible, fault, wrong};
use crate::mlp_value::{KnownValue, units};
use crate::resources::Ground;

/// How much of a version's name is shown.
const SHORT: usize = 12;
/// A population stability index, or a distance, from which a column is marked as moved.
const MOVED: (f64, f64) = (0.25, 0.1);

/// What is shown of a dataset.
pub(crate) fn dataset(ground: &Ground, query: &ShowQuery) -> Fallible<Shown> {
    let document = ground.place.get(&query.identity)?;
    let name = dataset::name_of(&document.config);
    let store = ground.place.store(&document.config);
    let failed = |problem: mlp_floor::Problem| fault(&problem, document.address());
    let versions = store.versions(&name).map_err(failed)?;
    match &query.compare {
        None => listed(ground, &document, &versions),
        Some((from, to)) => {
            let from = find(ground, &document, &versions, from)?;
            let to = find(ground, &document, &versions, to)?;
            let keys = dataset::key_columns(&document.config);
            let found = store.compare(&name, &from, &to, &keys).map_err(failed)?;
            Ok(compared(&document, (&from, &to), &found))
        }
    }
}

/// The version a word stands for: the start of its name, `current`, or `previous`, the newest other one.
fn find(ground: &Ground, document: &Document, versions: &[Manifest], word: &str) -> Fallible<String> {
    let current = dataset::version_of(document);
    let found = match word {
        "current" => current.map(str::to_owned),
        "previous" => {
            let others = versions.iter().rev().find(|one| Some(one.digest.as_str()) != current);
            others.map(|one| one.digest.clone())
        }
        start => dataset::version(&ground.place, document, &Wanted::Named(start))?,
    };
    found.ok_or_else(|| {
        let text = format!("`{}` has no {word} version", document.address());
        wrong(codes::NO_VERSION, text, document.address(), "")
    })
}

fn listed(ground: &Ground, document: &Document, versions: &[Manifest]) -> Fallible<Shown> {
    let current = dataset::version_of(document);
    let bytes: u64 = versions.iter().map(|one| one.bytes).sum();
    let plural = if versions.len() == 1 { "" } else { "s" };
    let mut lines = vec![format!(
        "{}  {} version{plural}, {}",
        document.address(),
        versions.len(),
        units::format_bytes(bytes)
    )];
    let governance = governance(&document.config);
    lines.extend(governance.iter().map(|(name, text)| format!("  {name}: {text}")));
    let mut table = vec![["version", "made", "rows", "size", "format", ""].map(str::to_owned)];
    let mut detail = Vec::new();
    for one in versions.iter().rev() {
        let is_current = current == Some(one.digest.as_str());
        let users = users(ground, document, one)?;
        let mut notes: Vec<String> = is_current.then(|| "current".to_owned()).into_iter().collect();
        notes.extend(one.sealed.is_some().then(|| "encrypted".to_owned()));
        notes.extend(users.iter().cloned());
        table.push([
            one.digest[..SHORT].to_owned(),
            // To the second: what is exact stands in the JSON.
            one.created_at.split_once('.').map_or(one.created_at.clone(), |(second, _)| format!("{second}Z")),
            one.rows.to_string(),
            units::format_bytes(one.bytes),
            one.format.name().to_owned(),
            notes.join(", "),
        ]);
        detail.push(json!({
            "version": one.digest, "created_at": one.created_at, "rows": one.rows, "bytes": one.bytes,
            "format": one.format.name(), "current": is_current, "encrypted": one.sealed.is_some(),
            "used_by": users, "columns": one.columns, "quality": one.quality, "sources": one.sources,
            "mask": one.mask, "redact": one.redact,
        }));
    }
    if versions.is_empty() {
        lines.push("  no version yet".to_owned());
    } else {
        lines.push(String::new());
        lines.extend(aligned(&table));
    }
    if let Some(one) = versions.iter().find(|one| current == Some(one.digest.as_str())) {
        lines.extend(contents(one));
    }
    Ok(Shown {
        lines,
        detail: json!({ "address": document.address(), "current": current, "versions": detail }),
    })
}

/// What its declaration says of who may do what with it.
fn governance(config: &KnownValue) -> Vec<(&'static str, String)> {
    let protection = config.field("protection");
    let of = |name: &str| protection.and_then(|protection| protection.field(name));
    let named = [
        ("owner", config.field("owner")),
        ("classification", config.field("classification")),
        ("legal basis", of("legal_basis")),
        ("kept for", of("retain")),
        ("masked", of("mask")),
        ("redacted", of("redact")),
    ];
    let text = |value: &KnownValue| match value.as_list() {
        Some(items) => items.iter().filter_map(KnownValue::as_text).collect::<Vec<_>>().join(", "),
        None => value.as_text().unwrap_or_default().to_owned(),
    };
    let shown = named.into_iter().filter_map(|(name, value)| Some((name, text(value?))));
    shown.filter(|(_, text)| !text.is_empty()).collect()
}

/// The columns of a version and what became of its expectations.
fn contents(version: &Manifest) -> Vec<String> {
    let mut table =
        vec![["column", "type", "missing", "different", "smallest", "largest"].map(str::to_owned)];
    let more = |column: &ColumnProfile| if column.distinct_capped { "+" } else { "" };
    for column in &version.columns {
        table.push([
            column.name.clone(),
            column.kind.clone(),
            column.nulls.to_string(),
            format!("{}{}", column.distinct, more(column)),
            column.min.clone().unwrap_or_default(),
            column.max.clone().unwrap_or_default(),
        ]);
    }
    let mut lines = vec![String::new()];
    lines.extend(aligned(&table));
    if !version.quality.is_empty() {
        lines.push(String::new());
        for result in &version.quality {
            let word = if result.passed { "met" } else { "NOT MET" };
            lines.push(format!("  {word}  {result}"));
        }
    }
    lines
}

/// Columns of text below each other.
fn aligned<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let widths: Vec<usize> =
        (0..N).map(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0)).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// What a version is in use by: versions of models that were trained with it, datasets made from it, and pins.
fn users(ground: &Ground, document: &Document, version: &Manifest) -> Fallible<Vec<String>> {
    let mut found = models(ground, document, &version.digest)?;
    let mark = format!("{}@{}", version.name, &version.digest[..SHORT]);
    let others = ground.place.documents("datasets")?;
    for other in others.iter().filter(|other| other.address() != document.address()) {
        let store = ground.place.store(&other.config);
        let Some(theirs) = dataset::version_of(other) else { continue };
        let reads = store
            .manifest(&dataset::name_of(&other.config), theirs)
            .is_ok_and(|manifest| manifest.sources.iter().any(|source| source.path == mark));
        if reads {
            found.push(other.address().to_owned());
        }
    }
    for folder in ["pipelines", "batch", "datasets"] {
        for other in ground.place.documents(folder)? {
            if pins(&other.config, version) {
                found.push(format!("pinned by {}", other.address()));
            }
        }
    }
    Ok(found)
}

/// Whether somewhere in a record this version of the dataset is named.
fn pins(config: &KnownValue, version: &Manifest) -> bool {
    let text =
        |value: &KnownValue, name: &str| value.field(name).and_then(KnownValue::as_text).map(str::to_owned);
    let pin = |value: &KnownValue| {
        text(value, "version").is_some_and(|start| !start.is_empty() && version.digest.starts_with(&start))
    };
    // A batch endpoint names its dataset beside the pin.
    let batch =
        text(config, "input").as_deref() == Some(&version.name) && config.field("pinned").is_some_and(pin);
    let mut found = batch;
    config.walk(&mut |_, value| {
        found |= text(value, "dataset").as_deref() == Some(&version.name) && pin(value);
    });
    found
}

fn models(ground: &Ground, document: &Document, digest: &str) -> Fallible<Vec<String>> {
    let path = ground.place.registry();
    if !path.exists() {
        return Ok(Vec::new());
    }
    let failed = |problem: mlp_floor::Problem| fault(&problem, document.address());
    let registry = Registry::open(&path).map_err(failed)?;
    let mut found = Vec::new();
    for model in registry.models().map_err(failed)? {
        let address = model.meta.get("address").and_then(Json::as_str).unwrap_or(&model.name).to_owned();
        let aliases = registry.aliases(&model.name).map_err(failed)?;
        for version in registry.versions(&model.name).map_err(failed)? {
            let read = version.lineage.get("datasets").and_then(|datasets| datasets.get(document.address()));
            if read.and_then(Json::as_str) != Some(digest) {
                continue;
            }
            let named: Vec<&str> = aliases
                .iter()
                .filter(|alias| alias.version == version.number)
                .map(|alias| alias.alias.as_str())
                .collect();
            let named = if named.is_empty() { String::new() } else { format!(" ({})", named.join(", ")) };
            found.push(format!("{address} version {}{named}", version.number));
        }
    }
    Ok(found)
}

fn compared(document: &Document, (from, to): (&str, &str), found: &Comparison) -> Shown {
    let mut lines = vec![
        format!("{}  {} -> {}", document.address(), &from[..SHORT], &to[..SHORT]),
        String::new(),
        format!(
            "  rows      {} added, {} removed, {} the same",
            found.rows_added, found.rows_removed, found.rows_common
        ),
    ];
    if found.key.is_empty() {
        lines.push("            compared whole: no column is declared `key`".to_owned());
    } else {
        lines.push(format!(
            "            {} changed; compared by {}",
            found.rows_changed,
            found.key.join(", ")
        ));
    }
    let mut columns: Vec<String> = Vec::new();
    columns.extend(found.columns_added.iter().map(|name| format!("+ {name}")));
    columns.extend(found.columns_removed.iter().map(|name| format!("- {name}")));
    let retyped = found.columns_retyped.iter();
    columns.extend(retyped.map(|one| format!("~ {} ({} -> {})", one.column, one.before, one.after)));
    if columns.is_empty() {
        columns.push("the same".to_owned());
    }
    for (at, column) in columns.iter().enumerate() {
        lines.push(format!("  {:8}  {column}", if at == 0 { "columns" } else { "" }));
    }
    let mut table = vec![["drift", "", "", "missing", ""].map(str::to_owned)];
    for one in &found.drift {
        let (measure, moved) = match one.measure {
            Some(DriftMeasure::Psi) => ("PSI", one.value.is_some_and(|value| value > MOVED.0)),
            Some(DriftMeasure::TotalVariation) => {
                ("distance", one.value.is_some_and(|value| value > MOVED.1))
            }
            None => ("not measured", false),
        };
        table.push([
            one.column.clone(),
            measure.to_owned(),
            one.value.map_or(String::new(), |value| format!("{value:.4}")),
            format!("{:.2} % -> {:.2} %", one.nulls_before * 100.0, one.nulls_after * 100.0),
            if moved { "moved".to_owned() } else { String::new() },
        ]);
    }
    lines.push(String::new());
    lines.extend(aligned(&table));
    let detail = json!({ "address": document.address(), "from": from, "to": to, "comparison": found });
    Shown { lines, detail }
}
