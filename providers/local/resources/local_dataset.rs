//! `local_dataset`: content-addressed snapshots of files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use mlp_floor::Integrity;
use mlp_floor::data::{
    Check, ColumnSchema, Expectation, Format, OnFailure, RowPredicate, Sample, Snapshot, SnapshotRequest,
};
use mlp_provider::{ErrorClass, Event, Field, Removal, Reporter, ResourceKind};
use serde_json::{Value as Json, json};

use super::{Ground, Handler, Observation, removal, seen, with_common};
use crate::documents::Document;
use crate::fault::{Fallible, fault, io, wrong};
use crate::gate;
use crate::lower::{combined_digest, object_name};
use crate::mlp_eval::Quoted;
use crate::mlp_value::{KnownValue, Number, units};
use crate::{codes, time};

pub(super) struct Dataset;

fn text<'v>(value: &'v KnownValue, name: &str) -> Option<&'v str> {
    value.field(name).and_then(KnownValue::as_text)
}

fn address_of(config: &KnownValue) -> &str {
    text(config, "address").unwrap_or_default()
}

pub(crate) fn name_of(config: &KnownValue) -> String {
    address_of(config).parse().map(|address| object_name(&address)).unwrap_or_default()
}

impl Handler for Dataset {
    fn kind(&self) -> ResourceKind {
        let fields = with_common(vec![
            Field::optional("sources", "The files it is read from.").new_version("it is read from elsewhere"),
            Field::new(
                "source_digest",
                mlp_provider::Presence::ServerDefault,
                mlp_provider::Change::Update,
                "What the files hold.",
            )
            .new_version("the data changed"),
            Field::optional("format", "The format of its versions.").new_version("the format changed"),
            Field::optional("schema", "Its columns.").new_version("the schema changed"),
            Field::optional("quality", "What is expected of every version."),
            Field::optional("sample", "How much of it is kept.").new_version("other rows are kept"),
            Field::optional("protection", "What is masked and redacted.")
                .new_version("other values are protected"),
            Field::optional("classification", "What is sensitive about it."),
            Field::required("version", "What makes a version of it."),
            Field::optional("storage", "Where its versions are kept.")
                .replaces("its versions are kept elsewhere"),
        ]);
        ResourceKind::new("local_dataset", "Content-addressed snapshots of files.", fields).stateful()
    }

    fn realise(
        &self,
        ground: &Ground,
        before: Option<&Document>,
        config: &KnownValue,
        reporter: &dyn Reporter,
    ) -> Fallible<Json> {
        let address = address_of(config);
        let paths = generate(ground, config, reporter)?;
        if paths.is_empty() {
            let kept = before.map(|before| before.resolved.clone()).unwrap_or(Json::Null);
            return Ok(if kept.is_object() {
                kept
            } else {
                json!({ "version": null, "rows": 0, "bytes": 0 })
            });
        }
        let digests = digests(&paths)?;
        let digest = combined_digest(&digests);
        if text(config, "source_digest").is_some_and(|planned| planned != digest) {
            let mut error = wrong(
                codes::CHANGED,
                format!("the data of `{address}` changed since the plan was made"),
                address,
                "from",
            );
            error.class = ErrorClass::Conflict;
            error.diagnostic.help = Some("plan again".to_owned());
            return Err(error);
        }
        let request = request(config, paths)?;
        let made =
            ground.place.store(config).snapshot(&request).map_err(|problem| fault(&problem, address))?;
        for warning in &made.warnings {
            reporter.event(Event::Progress { subject: address.to_owned(), text: warning.message.clone() });
        }
        let mut resolved = resolved(&made);
        resolved["source_digest"] = Json::from(digest);
        Ok(resolved)
    }

    fn observe(&self, ground: &Ground, document: &Document) -> Fallible<Observation> {
        let mut seen = seen("yes");
        if let Some(digest) = document.resolved.get("source_digest").and_then(Json::as_str) {
            seen.computed.insert("source_digest", KnownValue::text(digest));
        }
        let Some(version) = document.resolved.get("version").and_then(Json::as_str) else { return Ok(seen) };
        let failed = |problem: mlp_floor::Problem| fault(&problem, document.address());
        let store = ground.place.store(&document.config);
        let intact = match store.verify(version).map_err(failed)? {
            Integrity::Intact if store.manifest(&name_of(&document.config), version).is_err() => {
                "its description is missing"
            }
            Integrity::Intact => "yes",
            Integrity::Missing => "its data is missing",
            Integrity::Damaged { .. } => "its data was edited",
        };
        seen.computed.insert("intact", KnownValue::text(intact));
        seen.outputs.insert("version", KnownValue::text(version));
        for name in ["rows", "bytes"] {
            let number = document.resolved.get(name).and_then(Json::as_i64).unwrap_or(0);
            seen.outputs.insert(name, KnownValue::int(number));
        }
        Ok(seen)
    }

    fn remove(&self, ground: &Ground, document: &Document) -> Fallible<()> {
        let failed = |problem: mlp_floor::Problem| fault(&problem, document.address());
        let (store, name) = (ground.place.store(&document.config), name_of(&document.config));
        for version in store.versions(&name).map_err(failed)? {
            store.remove(&name, &version.digest).map_err(failed)?;
        }
        Ok(())
    }

    fn removal(&self, ground: &Ground, document: &Document) -> Fallible<Option<Removal>> {
        let failed = |problem: mlp_floor::Problem| fault(&problem, document.address());
        let (store, name) = (ground.place.store(&document.config), name_of(&document.config));
        let versions = store.versions(&name).map_err(failed)?.len();
        Ok(removal(versions, "version", store.size(&name).map_err(failed)?))
    }
}

/// What a record says of the version it leads to.
pub(crate) fn resolved(made: &Snapshot) -> Json {
    let manifest = &made.manifest;
    json!({ "version": manifest.digest, "rows": manifest.rows, "bytes": manifest.bytes })
}

/// The files of the sources; those that are missing are made first.
fn generate(
    ground: &Ground,
    config: &KnownValue,
    reporter: &dyn Reporter,
) -> Fallible<Vec<(String, PathBuf)>> {
    let project = Path::new(&ground.target.directory);
    let mut found = Vec::new();
    for source in config.field("sources").and_then(KnownValue::as_list).unwrap_or_default() {
        let Some(name) = text(source, "path") else { continue };
        let path = project.join(name);
        if let (false, Some(command)) = (path.exists(), text(source, "generate")) {
            reporter.event(Event::Started { subject: name.to_owned() });
            run_command(project, command, address_of(config))?;
            reporter.event(Event::Finished {
                subject: name.to_owned(),
                text: "generated".to_owned(),
                good: true,
            });
        }
        if !path.exists() {
            let mut error =
                wrong(codes::SOURCE_MISSING, format!("`{name}` does not exist"), address_of(config), "from");
            error.diagnostic.help =
                Some("put the file there, or correct the command that makes it".to_owned());
            return Err(error);
        }
        found.push((name.to_owned(), path));
    }
    Ok(found)
}

fn run_command(project: &Path, command: &str, address: &str) -> Fallible<()> {
    let output =
        Command::new("/bin/sh").arg("-c").arg(command).current_dir(project).stdin(Stdio::null()).output();
    let output = output.map_err(|error| io("start the command in", project, &error))?;
    if output.status.success() {
        return Ok(());
    }
    let mut error =
        wrong(codes::GENERATE, format!("`{command}` failed ({})", output.status), address, "from");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<&str> = log.lines().collect();
    error.diagnostic.notes =
        lines.iter().skip(lines.len().saturating_sub(10)).map(ToString::to_string).collect();
    Err(error)
}

fn digests(paths: &[(String, PathBuf)]) -> Fallible<Vec<(String, String)>> {
    let digest = |(name, path): &(String, PathBuf)| {
        let digest = mlp_floor::digest::digest_path(path).map_err(|error| io("read", path, &error))?;
        Ok((name.clone(), digest))
    };
    paths.iter().map(digest).collect()
}

fn strings(value: Option<&KnownValue>) -> Vec<String> {
    let items = value.and_then(KnownValue::as_list).unwrap_or_default();
    items.iter().filter_map(|item| item.as_text().map(str::to_owned)).collect()
}

pub(crate) fn format_of(config: &KnownValue) -> Option<Format> {
    match text(config, "format") {
        Some("csv") => Some(Format::Csv),
        Some("jsonl") => Some(Format::JsonLines),
        _ => None,
    }
}

/// The request for a snapshot of these files as a dataset's record declares it.
pub(crate) fn request(config: &KnownValue, paths: Vec<(String, PathBuf)>) -> Fallible<SnapshotRequest> {
    let protection =
        |name: &str| strings(config.field("protection").and_then(|protection| protection.field(name)));
    let (quality, predicates) = quality(config)?;
    let block = config.field("quality").and_then(|quality| text(quality, "on_failure"));
    let now = time::now_ms();
    Ok(SnapshotRequest {
        name: name_of(config),
        sources: paths.into_iter().map(|(_, path)| path).collect(),
        format: format_of(config),
        schema: schema(config)?,
        strict: false,
        quality,
        predicates,
        on_failure: if block == Some("warn") { OnFailure::Warn } else { OnFailure::Block },
        sample: config.field("sample").map(sample),
        mask: protection("mask"),
        redact: protection("redact"),
        protected: false,
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of this age are exact")]
        now: now as f64 / 1000.0,
        created_at: time::rfc3339(now),
    })
}

fn sample(value: &KnownValue) -> Sample {
    let whole = |name: &str| {
        value
            .field(name)
            .and_then(KnownValue::as_number)
            .and_then(Number::to_i64)
            .and_then(|n| u64::try_from(n).ok())
    };
    Sample {
        rows: whole("rows"),
        fraction: value.field("fraction").and_then(KnownValue::as_number).map(Number::to_f64),
        seed: whole("seed").unwrap_or(0),
    }
}

fn schema(config: &KnownValue) -> Fallible<Option<Vec<ColumnSchema>>> {
    let Some(columns) = config.field("schema").and_then(KnownValue::as_object) else { return Ok(None) };
    let mut found = Vec::new();
    for (name, column) in columns.iter() {
        let mut fields = match column.as_text() {
            Some(kind) => json!({ "type": kind }),
            None => column.to_plain_json(),
        };
        // `any` is a column that must be there, whatever it holds: nothing of it is checked.
        if fields["type"] == "any" {
            continue;
        }
        fields["name"] = Json::from(name.as_ref());
        let parsed = serde_json::from_value(fields).map_err(|error| {
            wrong(
                codes::VALUE,
                format!("column `{name}`: {error}"),
                address_of(config),
                &format!("schema.{name}"),
            )
        })?;
        found.push(parsed);
    }
    Ok(Some(found))
}

type Quality = (Vec<Expectation>, BTreeMap<String, Arc<RowPredicate>>);

fn quality(config: &KnownValue) -> Fallible<Quality> {
    let expected = config.field("quality").and_then(|quality| quality.field("expect")?.as_object());
    let mut expectations = Vec::new();
    let mut predicates = BTreeMap::new();
    for (name, fields) in expected.into_iter().flat_map(|expected| expected.iter()) {
        let refused =
            |why: String| wrong(codes::VALUE, why, address_of(config), &format!("quality.expect.{name}"));
        let check = match fields.field("assert").and_then(Quoted::of) {
            Some(quoted) => {
                let text = quoted.text.clone();
                predicates.insert(name.to_string(), predicate(quoted));
                Check::Row { text }
            }
            None => built_in(fields).map_err(refused)?,
        };
        let at_least = fields.field("at_least").and_then(KnownValue::as_number).map_or(1.0, Number::to_f64);
        expectations.push(Expectation { name: name.to_string(), check, at_least });
    }
    Ok((expectations, predicates))
}

fn built_in(fields: &KnownValue) -> Result<Check, String> {
    let column = || text(fields, "column").map(str::to_owned).ok_or_else(|| "`column` is missing".to_owned());
    let columns = || {
        let mut columns = strings(fields.field("columns"));
        columns.extend(text(fields, "column").map(str::to_owned));
        if columns.is_empty() { Err("`columns` is missing".to_owned()) } else { Ok(columns) }
    };
    let plain = |name: &str| fields.field(name).map(KnownValue::to_plain_json);
    let count = |name: &str| plain(name).and_then(|value| value.as_u64());
    Ok(match text(fields, "check").unwrap_or_default() {
        "not_null" => Check::NotNull { columns: columns()? },
        "unique" => Check::Unique { columns: columns()? },
        "row_count" => Check::RowCount { min: count("min"), max: count("max") },
        "range" => Check::InRange { column: column()?, min: plain("min"), max: plain("max") },
        "allowed" => Check::InSet {
            column: column()?,
            values: fields
                .field("values")
                .and_then(KnownValue::as_list)
                .unwrap_or_default()
                .iter()
                .map(KnownValue::to_plain_json)
                .collect(),
        },
        "pattern" => Check::Matches {
            column: column()?,
            pattern: text(fields, "pattern").unwrap_or_default().to_owned(),
        },
        "fresh" => {
            let lag = units::duration(text(fields, "max_lag").ok_or("`max_lag` is missing")?)?;
            Check::Fresh { column: column()?, max_lag_seconds: lag.as_secs_f64() }
        }
        other => return Err(format!("an expectation needs `check` or `assert`, and `{other}` is no check")),
    })
}

/// The meaning of an expression about a row. Where a value it names is null and the expression cannot be computed for
/// that reason, the row is not as expected.
fn predicate(quoted: Quoted) -> Arc<RowPredicate> {
    let mut named = BTreeSet::new();
    quoted.expr.traversals(&mut |traversal, _| {
        if traversal.root.as_ref() == "row" {
            named.extend(gate::first_word(traversal));
        }
    });
    Arc::new(move |cells| {
        let mut row = BTreeMap::new();
        let mut has_null = false;
        for (name, cell) in cells.iter().filter(|(name, _)| named.contains(*name)) {
            has_null |= cell.is_null();
            row.insert(*name, cell_value(cell));
        }
        match gate::holds(&quoted, BTreeMap::from([("row", KnownValue::object(row))])) {
            Ok(held) => Ok(held),
            Err(_) if has_null => Ok(false),
            Err(why) => Err(why.headline),
        }
    })
}

fn cell_value(cell: &mlp_floor::data::Cell) -> KnownValue {
    use mlp_floor::data::Cell;
    match cell {
        Cell::Null => KnownValue::Null,
        Cell::Bool(value) => KnownValue::Bool(*value),
        Cell::Number { text, .. } => text.parse().map_or(KnownValue::Null, KnownValue::Number),
        other => KnownValue::text(other.text()),
    }
}
