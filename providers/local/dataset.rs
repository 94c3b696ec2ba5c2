//! What a dataset's record means to the floor: what is checked of its rows, how they are protected, and with which keys;
//! and how its versions are read by steps and by other datasets.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mlp_floor::Problem;
use mlp_floor::data::{
    Cell, Check, ColumnSchema, Expectation, Format, Key, Keys, Manifest, OnFailure, RowPredicate, Sample,
    Snapshot, SnapshotRequest, SourceData,
};
use serde_json::{Value as Json, json};

use crate::documents::{Document, Place};
use crate::fault::{Fallible, fault, io, wrong};
use crate::gate;
use crate::lower::object_name;
use crate::mlp_eval::Quoted;
use crate::mlp_value::{KnownValue, Number, units};
use crate::resources::Ground;
use crate::run::text;
use crate::{codes, time};

fn address_of(config: &KnownValue) -> &str {
    text(config, "address").unwrap_or_default()
}

/// The name its versions are kept under.
pub(crate) fn name_of(config: &KnownValue) -> String {
    address_of(config).parse().map(|address| object_name(&address)).unwrap_or_default()
}

/// The version its record leads to.
pub(crate) fn version_of(document: &Document) -> Option<&str> {
    document.resolved.get("version").and_then(Json::as_str)
}

/// Whether its versions are encrypted.
pub(crate) fn is_encrypted(config: &KnownValue) -> bool {
    let encrypt = config.field("protection").and_then(|protection| protection.field("encrypt"));
    encrypt.is_some_and(|encrypt| encrypt.as_bool() == Some(true) || encrypt.field("key").is_some())
}

/// Where the environment's own key is.
pub(crate) fn key_file(home: &Path) -> PathBuf {
    home.join("keys").join("data.key")
}

/// The keys of a dataset: the project's own beside its data, and the customer's where it names one. `home` is
/// `.mlp/<environment>` of the project.
pub(crate) fn keys(home: &Path, config: &KnownValue) -> Keys {
    let keys = Keys::new(key_file(home));
    let customer = config.field("protection").and_then(|protection| protection.field("encrypt"));
    let Some(from) = customer.and_then(|encrypt| text(encrypt, "key")).map(str::to_owned) else {
        return keys;
    };
    let project = home.ancestors().nth(2).unwrap_or(home).to_owned();
    keys.with_customer(Arc::new(move || Key::of_secret(&secret(&project, &from)?)))
}

fn secret(project: &Path, from: &str) -> Result<String, Problem> {
    let failed = |what: String| Problem::new("MLP0730", what).at("protection.encrypt.key");
    match from.split_once(':') {
        Some(("env", name)) => {
            std::env::var(name).map_err(|_| failed(format!("the environment has no variable `{name}`")))
        }
        _ => {
            let path = project.join(from.trim_start_matches("file:"));
            std::fs::read_to_string(&path)
                .map_err(|error| failed(format!("cannot read the key in `{}`: {error}", path.display())))
        }
    }
}

fn strings(value: Option<&KnownValue>) -> Vec<String> {
    let items = value.and_then(KnownValue::as_list).unwrap_or_default();
    items.iter().filter_map(|item| item.as_text().map(str::to_owned)).collect()
}

/// The request for a snapshot of these sources as a dataset's record declares it.
pub(crate) fn request(config: &KnownValue, sources: Vec<SourceData>) -> Fallible<SnapshotRequest> {
    let protection =
        |name: &str| strings(config.field("protection").and_then(|protection| protection.field(name)));
    let (quality, predicates) = quality(config)?;
    let block = config.field("quality").and_then(|quality| text(quality, "on_failure"));
    let now = time::now_ms();
    Ok(SnapshotRequest {
        name: name_of(config),
        sources,
        format: text(config, "format").and_then(Format::named),
        append_to: None,
        only_new: false,
        schema: schema(config)?,
        strict: false,
        quality,
        predicates,
        on_failure: if block == Some("warn") { OnFailure::Warn } else { OnFailure::Block },
        sample: config.field("sample").map(sample),
        mask: protection("mask"),
        redact: protection("redact"),
        protected: false,
        encrypt: is_encrypted(config),
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of this age are exact")]
        now: now as f64 / 1000.0,
        created_at: time::rfc3339_exact(now),
    })
}

/// Makes a version of a dataset that the platform writes, and keeps it as the one its record leads to: of these rows, after
/// those of the version before where they are appended.
pub(crate) fn publish(
    ground: &Ground,
    identity: &str,
    source: SourceData,
    append: bool,
    run: &str,
) -> Fallible<Snapshot> {
    let document = ground.place.get(identity)?;
    let mut request = request(&document.config, vec![source])?;
    request.append_to = version_of(&document).filter(|_| append).map(str::to_owned);
    let store = ground.place.store(&document.config);
    let made = store.snapshot(&request).map_err(|problem| fault(&problem, document.address()))?;
    let mut resolved = crate::resources::local_dataset::resolved(&made);
    resolved["run"] = Json::from(run);
    let kept = Document::new(&ground.target, &document.kind, document.config, resolved);
    ground.place.put(identity, &kept)?;
    Ok(made)
}

/// A dataset by its name in this environment.
pub(crate) fn get(place: &Place, name: &str) -> Fallible<Document> {
    place.get(&format!("datasets/{name}"))
}

/// The version of a dataset that is meant: one by the start of its name, one by a moment, or that of now.
pub(crate) fn version(place: &Place, document: &Document, wanted: &Wanted<'_>) -> Fallible<Option<String>> {
    let failed = |problem: Problem| fault(&problem, document.address());
    let versions = || place.store(&document.config).versions(&name_of(&document.config)).map_err(failed);
    let none = |what: String, versions: &[Manifest]| {
        let mut error = wrong(codes::NO_VERSION, what, document.address(), "");
        error.diagnostic.notes = versions
            .iter()
            .rev()
            .take(10)
            .map(|one| format!("{} of {}", &one.digest[..12], one.created_at))
            .collect();
        error.diagnostic.help = Some(format!("`mlp show {}` lists its versions", document.address()));
        error
    };
    match wanted {
        Wanted::Now => Ok(version_of(document).map(str::to_owned)),
        Wanted::Named(start) => {
            let versions = versions()?;
            let found: Vec<&Manifest> =
                versions.iter().filter(|one| one.digest.starts_with(*start)).collect();
            match found.as_slice() {
                [one] if start.len() >= SHORTEST => Ok(Some(one.digest.clone())),
                [_, _, ..] => {
                    Err(none(format!("`{start}` is the start of {} versions", found.len()), &versions))
                }
                _ => Err(none(format!("`{}` has no version `{start}`", document.address()), &versions)),
            }
        }
        Wanted::At(moment) => {
            let versions = versions()?;
            let seconds = |text: &str| {
                mlp_floor::data::parse_timestamp(text).or_else(|| mlp_floor::data::parse_date(text))
            };
            let Some(limit) = seconds(moment) else {
                return Err(none(format!("`{moment}` is neither a date nor a time"), &[]));
            };
            let before = |one: &&Manifest| seconds(&one.created_at).is_some_and(|made| made <= limit);
            match versions.iter().rev().find(before) {
                Some(found) => Ok(Some(found.digest.clone())),
                None => Err(none(format!("`{}` had no version at {moment}", document.address()), &versions)),
            }
        }
    }
}

/// Fewest letters of a version's name that are taken for it.
const SHORTEST: usize = 6;

/// Which version of a dataset is meant.
pub(crate) enum Wanted<'a> {
    /// The one its record leads to.
    Now,
    /// The one whose name starts so.
    Named(&'a str),
    /// The newest that was there then.
    At(&'a str),
}

impl<'a> Wanted<'a> {
    /// What `{ version }` or `{ at }` beside a dataset's name says.
    pub(crate) fn of(value: &'a KnownValue) -> Self {
        match (text(value, "version"), text(value, "at")) {
            (Some(start), _) => Self::Named(start),
            (None, Some(moment)) => Self::At(moment),
            (None, None) => Self::Now,
        }
    }
}

/// A file that a step may read with the content of a version. Where it is encrypted that is a private copy below `copies`,
/// which has to be removed.
pub(crate) fn readable(
    place: &Place,
    document: &Document,
    version: &str,
    copies: &Path,
) -> Fallible<PathBuf> {
    let name = name_of(&document.config);
    let copy = copies.join(format!("{name}-{}", &version[..12]));
    place
        .store(&document.config)
        .readable(&name, version, &copy)
        .map_err(|problem| fault(&problem, document.address()))
}

/// Holds the private copies that the steps of one run read; they are removed with it. What a run left that was killed is
/// removed by the next one.
pub(crate) struct Copies {
    folder: PathBuf,
    _lock: File,
}

impl Copies {
    /// Where the copies of a run are.
    pub(crate) fn folder(runs: &Path, run: &str) -> PathBuf {
        runs.join(run).join(".private")
    }

    /// Removes what runs that died left.
    pub(crate) fn sweep(runs: &Path) {
        for entry in fs::read_dir(runs).into_iter().flatten().flatten() {
            let folder = entry.path().join(".private");
            // Who still runs holds the lock.
            if File::open(folder.join("lock")).is_ok_and(|lock| lock.try_lock().is_ok()) {
                let _ = fs::remove_dir_all(folder);
            }
        }
    }

    /// Begins to hold those of a run.
    pub(crate) fn begin(runs: &Path, run: &str) -> Fallible<Self> {
        Self::sweep(runs);
        let folder = Self::folder(runs, run);
        let failed = |error: std::io::Error| io("create", &folder, &error);
        fs::create_dir_all(&folder).map_err(failed)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).map_err(failed)?;
        let lock = File::create(folder.join("lock")).map_err(failed)?;
        lock.lock().map_err(failed)?;
        Ok(Self { folder, _lock: lock })
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Refuses code that holds the data of a protected dataset: its snapshot would be a copy in the clear.
pub(crate) fn refuse_copies(
    place: &Place,
    project: &Path,
    code: &Path,
    (address, path): (&str, &str),
) -> Fallible<()> {
    let protected = |config: &KnownValue| {
        let protection = config.field("protection");
        is_encrypted(config)
            || ["mask", "redact"]
                .iter()
                .any(|word| !strings(protection.and_then(|of| of.field(word))).is_empty())
    };
    let documents: Vec<Document> =
        place.documents("datasets")?.into_iter().filter(|one| protected(&one.config)).collect();
    if documents.is_empty() {
        return Ok(());
    }
    let snapshot =
        mlp_floor::launch::scan_code(project, code).map_err(|problem| fault(&problem.at(path), address))?;
    for document in documents {
        for source in document.config.field("sources").and_then(KnownValue::as_list).unwrap_or_default() {
            let Some(name) = text(source, "path") else { continue };
            let file = project.join(name);
            let Ok(inside) = file.strip_prefix(code.canonicalize().unwrap_or_else(|_| code.to_owned()))
            else {
                continue;
            };
            if snapshot.files.keys().any(|known| Path::new(known).starts_with(inside)) {
                let text = format!(
                    "the code holds `{name}`, the data of `{}`, and its snapshot would be a copy that is not protected",
                    document.address()
                );
                let mut error = wrong(codes::STEP, text, address, path);
                error.diagnostic.help =
                    Some("name the data in `.mlpignore`, or set `code` to a directory without it".to_owned());
                return Err(error);
            }
        }
    }
    Ok(())
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

/// The columns that identify a row.
pub(crate) fn key_columns(config: &KnownValue) -> Vec<String> {
    let columns = config.field("schema").and_then(KnownValue::as_object);
    let is_key = |column: &KnownValue| column.field("key").and_then(KnownValue::as_bool) == Some(true);
    let columns = columns.into_iter().flat_map(|columns| columns.iter());
    columns.filter(|(_, column)| is_key(column)).map(|(name, _)| name.to_string()).collect()
}

fn schema(config: &KnownValue) -> Fallible<Option<Vec<ColumnSchema>>> {
    let Some(columns) = config.field("schema").and_then(KnownValue::as_object) else { return Ok(None) };
    let mut found = Vec::new();
    for (name, column) in columns.iter() {
        let mut fields = match column.as_text() {
            Some(kind) => json!({ "type": kind }),
            None => column.to_plain_json(),
        };
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
        "in_range" | "range" => Check::InRange { column: column()?, min: plain("min"), max: plain("max") },
        "in_set" | "allowed" => Check::InSet {
            column: column()?,
            values: fields
                .field("values")
                .and_then(KnownValue::as_list)
                .unwrap_or_default()
                .iter()
                .map(KnownValue::to_plain_json)
                .collect(),
        },
        "matches" | "pattern" => Check::Matches {
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

fn cell_value(cell: &Cell) -> KnownValue {
    match cell {
        Cell::Null => KnownValue::Null,
        Cell::Bool(value) => KnownValue::Bool(*value),
        Cell::Number { text, .. } => text.parse().map_or(KnownValue::Null, KnownValue::Number),
        other => KnownValue::text(other.text()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_copies_go_with_their_run_and_with_runs_that_died() {
        let dir = tempfile::tempdir().unwrap();
        let runs = dir.path().join("runs");
        let dead = Copies::folder(&runs, "dead");
        fs::create_dir_all(&dead).unwrap();
        fs::write(dead.join("lock"), "").unwrap();
        fs::write(dead.join("people"), "jo").unwrap();
        let first = Copies::begin(&runs, "first").unwrap();
        assert!(!dead.exists());
        fs::write(Copies::folder(&runs, "first").join("people"), "jo").unwrap();
        let second = Copies::begin(&runs, "second").unwrap();
        assert!(Copies::folder(&runs, "first").join("people").exists(), "it still runs");
        drop((first, second));
        assert!(!Copies::folder(&runs, "first").exists() && !Copies::folder(&runs, "second").exists());
    }

    #[test]
    fn the_key_of_a_customer_is_read_from_its_secret() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("key"), format!("{}\n", "k".repeat(40))).unwrap();
        assert!(Key::of_secret(&secret(dir.path(), "file:key").unwrap()).is_ok());
        let missing = secret(dir.path(), "env:MLP_NO_SUCH_KEY").unwrap_err();
        assert!(missing.code == "MLP0730" && missing.message.contains("MLP_NO_SUCH_KEY"));
        assert!(secret(dir.path(), "file:gone").is_err());
    }
}
