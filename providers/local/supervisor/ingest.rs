//! Recorded requests become versions of a dataset.
//!
//! The router seals files of rows that are protected already; here they are joined to the newest version of the dataset
//! that its endpoint names. A file is removed after the record of the dataset says that the version holds it, so that a
//! crash between the two neither loses nor doubles a row.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mlp_floor::data::{Format, SourceData};
use mlp_floor::serve::sealed_captures;
use serde_json::json;

use crate::dataset;
use crate::documents::{Document, Found, Place};
use crate::fault::{Fallible, fault, io};
use crate::resources::local_dataset;

/// The shortest time between two looks.
const EVERY: Duration = Duration::from_secs(2);
/// A version is a copy of all rows: making versions may take this part of the time at most.
const PART: u32 = 20;
/// What a record says of the files that its version holds.
const HELD: &str = "captured";

/// When the next look is.
#[derive(Debug, Default)]
pub(super) struct Pace(Option<Instant>);

impl Pace {
    pub(super) fn is_due(&self) -> bool {
        self.0.is_none_or(|next| Instant::now() >= next)
    }

    /// Sets the next look by how long this one took.
    pub(super) fn took(&mut self, time: Duration) {
        self.0 = Some(Instant::now() + EVERY.max(time * PART));
    }
}

/// Takes what waits for the endpoints of an environment; what cannot be taken waits on, and is said.
pub(super) fn take_all(home: &Path) -> Vec<String> {
    let place = Place::new(home);
    let mut problems = Vec::new();
    for name in super::names(home) {
        let Ok(Found::Document(endpoint)) = place.find(&format!("endpoints/{name}")) else { continue };
        if let Err(error) = take(&place, &name, &endpoint) {
            problems.push(format!("{}: {}", endpoint.address(), error.diagnostic.headline));
        }
    }
    problems
}

/// Takes what waits for one endpoint, also for one whose record is gone.
pub(crate) fn take(place: &Place, name: &str, endpoint: &Document) -> Fallible<()> {
    let to = endpoint.config.field("capture").and_then(|capture| capture.field("to")?.as_text());
    let Some(to) = to else { return Ok(()) };
    let folder = place.captured(name);
    let sealed = sealed_captures(&folder).map_err(|error| io("read", &folder, &error))?;
    if sealed.is_empty() {
        return Ok(());
    }
    // One at a time, in whatever process: versions follow each other.
    let path = place.captured("lock");
    let lock = std::fs::File::create(&path).and_then(|file| file.lock().map(|()| file));
    let _lock = lock.map_err(|error| io("lock", &path, &error))?;
    let sealed = sealed_captures(&folder).map_err(|error| io("read", &folder, &error))?;
    let identity = format!("datasets/{to}");
    let document = place.get(&identity)?;
    let held = held(&document, name);
    let (old, new): (Vec<PathBuf>, Vec<PathBuf>) =
        sealed.into_iter().partition(|path| held.contains(&file_name(path)));
    if !new.is_empty() {
        join(place, &identity, &document, (name, &new))?;
    }
    for path in old.iter().chain(&new) {
        std::fs::remove_file(path).map_err(|error| io("remove", path, &error))?;
    }
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn held(document: &Document, endpoint: &str) -> BTreeSet<String> {
    let files = document.resolved.get(HELD).and_then(|held| held.get(endpoint)?.as_array());
    files.into_iter().flatten().filter_map(|file| file.as_str().map(str::to_owned)).collect()
}

/// Makes a version of the rows so far and those of new files.
fn join(place: &Place, identity: &str, document: &Document, new: (&str, &[PathBuf])) -> Fallible<()> {
    let store = place.store(&document.config);
    let mut request = dataset::request(&document.config, Vec::new())?;
    request.sources = new.1.iter().map(|path| SourceData::new(path, Some(Format::JsonLines))).collect();
    request.append_to = dataset::version_of(document).map(str::to_owned);
    request.format = Some(Format::JsonLines);
    // A column that no row had yet cannot be masked, and one that is masked already must not be again.
    request.protected = true;
    let made = store.snapshot(&request).map_err(|problem| fault(&problem, document.address()))?;
    let mut resolved = local_dataset::resolved(&made);
    let mut all = document.resolved.get(HELD).cloned().unwrap_or_else(|| json!({}));
    all[new.0] = new.1.iter().map(|path| file_name(path)).collect::<Vec<_>>().into();
    resolved[HELD] = all;
    // What was applied meanwhile stays: only what was found out is ours.
    let mut current = place.get(identity)?;
    current.resolved = resolved;
    current.digest = current.compute_digest();
    place.put(identity, &current)
}

#[cfg(test)]
mod tests {
    use mlp_floor::data::Table;
    use mlp_provider::Target;

    use serde_json::Value as Json;

    use super::*;
    use crate::mlp_value::KnownValue;

    fn record(place: &Place, kind: &str, identity: &str, config: Json) {
        let target: Target = serde_json::from_value(json!({
            "project": "p", "environment": "local", "lineage": "l", "directory": "/", "home": place.home,
            "provider": KnownValue::Null, "program": "mlp", "secrets": {},
        }))
        .unwrap();
        let config = KnownValue::from_json(&config).unwrap();
        place.put(identity, &Document::new(&target, kind, config, json!({}))).unwrap();
    }

    fn rows(place: &Place) -> Vec<String> {
        let document = place.get("datasets/log").unwrap();
        let store = place.store(&document.config);
        let digest = document.resolved["version"].as_str().unwrap().to_owned();
        let mut table = Table::open(&store.object_path(&digest), Format::JsonLines).unwrap();
        let mut found = Vec::new();
        while let Some(row) = table.next_row().unwrap() {
            found.push(row.cells[0].text().into_owned());
        }
        found
    }

    #[test]
    fn files_become_versions_once() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(folder.path());
        let capture = json!({"address": "endpoint.e", "capture": {"to": "log"}});
        record(&place, "local_endpoint", "endpoints/e", capture);
        let protected = json!({"address": "dataset.log", "version": "append-only", "protection": {"mask": ["id", "never"]}});
        record(&place, "local_dataset", "datasets/log", protected);
        std::fs::create_dir_all(place.captured("e")).unwrap();
        let first = place.captured("e").join("1.jsonl");
        std::fs::write(&first, "{\"id\": \"0011223344556677\", \"a\": 1}\n").unwrap();
        assert_eq!(take_all(folder.path()), Vec::<String>::new());
        assert!(!first.exists());
        std::fs::write(place.captured("e").join("2.jsonl"), "{\"id\": \"8899\", \"b\": 2}\n").unwrap();
        assert_eq!(take_all(folder.path()), Vec::<String>::new());
        assert_eq!(rows(&place), ["0011223344556677", "8899"]);
        // A crash before the file was removed.
        std::fs::write(place.captured("e").join("2.jsonl"), "{\"id\": \"8899\", \"b\": 2}\n").unwrap();
        assert_eq!(take_all(folder.path()), Vec::<String>::new());
        assert_eq!(rows(&place).len(), 2);
        assert!(sealed_captures(&place.captured("e")).unwrap().is_empty());
    }

    #[test]
    fn what_breaks_the_schema_waits_and_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(folder.path());
        let capture = json!({"address": "endpoint.e", "capture": {"to": "log"}});
        record(&place, "local_endpoint", "endpoints/e", capture);
        let strict =
            json!({"address": "dataset.log", "version": "append-only", "schema": {"a": {"type": "integer"}}});
        record(&place, "local_dataset", "datasets/log", strict);
        std::fs::create_dir_all(place.captured("e")).unwrap();
        std::fs::write(place.captured("e").join("1.jsonl"), "{\"a\": \"x\"}\n").unwrap();
        let problems = take_all(folder.path());
        assert!(problems.len() == 1 && problems[0].starts_with("endpoint.e: "), "{problems:?}");
        assert_eq!(sealed_captures(&place.captured("e")).unwrap().len(), 1);
    }
}
