//! What running work needs, written down before it starts, so that collecting garbage beside it takes nothing from it.
//!
//! A run reads its pipeline's record and the versions of its datasets when it begins and uses them for hours; meanwhile an
//! apply may lead the records elsewhere. So everything that the records lead to at its begin is held until it ends. The
//! lock orders the two: a collection sees a run's hold, or the run sees what the collection left.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use mlp_floor::launch::Runner;
use mlp_floor::registry::Origin;
use serde::{Deserialize, Serialize};

use crate::codes;
use crate::documents::{Place, write_json};
use crate::fault::{Fallible, io, wrong};
use crate::time;

/// What a piece of work needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Hold {
    /// The process that works.
    pub(crate) runner: Runner,
    /// What it works on: an identity.
    pub(crate) what: String,
    /// Who asked for it, and what caused it.
    #[serde(default)]
    pub(crate) origin: Origin,
    /// When it began, in milliseconds of Unix time.
    pub(crate) since: u64,
    /// Digests of everything that records led to then.
    pub(crate) digests: BTreeSet<String>,
}

/// A hold that ends when it is dropped.
pub(crate) struct Held(PathBuf);

impl Drop for Held {
    fn drop(&mut self) {
        // One that stays is recognised by its process, which ends some time.
        let _ = fs::remove_file(&self.0);
    }
}

fn folder(place: &Place) -> PathBuf {
    place.home.join("holds")
}

fn open_lock(place: &Place) -> Fallible<(PathBuf, File)> {
    let folder = folder(place);
    let path = folder.join("lock");
    let opened = fs::create_dir_all(&folder)
        .and_then(|()| OpenOptions::new().write(true).create(true).truncate(false).open(&path));
    opened.map(|file| (path.clone(), file)).map_err(|error| io("open", &path, &error))
}

/// Keeps collections away while records and what they lead to are changed together.
pub(crate) fn changing(place: &Place) -> Fallible<File> {
    let (path, file) = open_lock(place)?;
    file.lock_shared().map_err(|error| io("lock", &path, &error))?;
    Ok(file)
}

/// Keeps changes and the beginnings of runs away while garbage is collected.
pub(crate) fn collecting(place: &Place) -> Fallible<File> {
    let (path, file) = open_lock(place)?;
    file.lock().map_err(|error| io("lock", &path, &error))?;
    Ok(file)
}

/// Holds what the records lead to now, for work on one of them.
pub(crate) fn hold(place: &Place, what: &str, origin: Origin) -> Fallible<Held> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let _lock = changing(place)?;
    let hold = Hold {
        runner: Runner::current(),
        what: what.to_owned(),
        origin,
        since: time::now_ms(),
        digests: recorded(place)?,
    };
    let name = format!("{}-{}.json", hold.runner.pid, NEXT.fetch_add(1, Ordering::Relaxed));
    let path = folder(place).join(name);
    write_json(&path, &hold).map_err(|error| io("write", &path, &error))?;
    Ok(Held(path))
}

/// All holds, also of processes that are gone.
pub(crate) fn all(place: &Place) -> Fallible<Vec<(PathBuf, Hold)>> {
    let mut found = Vec::new();
    for path in files(&folder(place)).into_iter().filter(|path| is_json(path)) {
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            // Its work ended in this moment.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(io("read", &path, &error)),
        };
        let hold: Hold =
            serde_json::from_slice(&bytes).map_err(|error| unreadable(&path, &error.to_string()))?;
        found.push((path, hold));
    }
    Ok(found)
}

/// The holds of work that goes on; those of processes that are gone are removed.
pub(crate) fn living(place: &Place) -> Fallible<Vec<Hold>> {
    let mut found = Vec::new();
    for (path, hold) in all(place)? {
        if hold.runner.is_alive() {
            found.push(hold);
        } else {
            drop(Held(path));
        }
    }
    Ok(found)
}

/// The digests that the records of an environment name, in whatever field: what none of them names, nothing leads to.
pub(crate) fn recorded(place: &Place) -> Fallible<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for folder in files(&place.home).into_iter().filter(|path| path.is_dir() && holds_records(path)) {
        for path in files(&folder).into_iter().filter(|path| is_json(path)) {
            let text = fs::read_to_string(&path).map_err(|error| io("read", &path, &error))?;
            found.extend(digests_in(&text));
        }
    }
    Ok(found)
}

/// What is in an environment beside records: stores, work and what is said of it.
const NO_RECORDS: &[&str] = &[
    "cache", "captured", "code", "data", "extract", "holds", "keys", "logs", "registry", "runs", "runtimes",
    "state", "storage", "tmp",
];

fn holds_records(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    !NO_RECORDS.contains(&name.as_str()) && !name.starts_with('.')
}

/// The digests in a text: 64 hexadecimal digits that stand by themselves, or 32 in the name of an environment.
pub(crate) fn digests_in(text: &str) -> impl Iterator<Item = String> + '_ {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let is_digest = |word: &&str| {
        matches!(word.len(), 32 | 64) && word.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    words.filter(is_digest).map(str::to_owned)
}

pub(crate) fn unreadable(path: &Path, why: &str) -> mlp_provider::ProviderError {
    let text = format!("`{}` cannot be read: {why}", path.display());
    let mut error = wrong(codes::COLLECT, text, "", "");
    error.diagnostic.help =
        Some("repair or remove it: nothing is collected while it is not known what is needed".to_owned());
    error
}

pub(crate) fn is_json(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    !hidden && path.extension().is_some_and(|end| end == "json")
}

/// What is in a folder, sorted; nothing where there is none.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_found_wherever_they_stand() {
        let digest = "a".repeat(64);
        let text = format!("{{\"code\": \"{digest}\", \"path\": \"/x/{digest}/y\", \"no\": \"{digest}0\"}}");
        assert_eq!(digests_in(&text).collect::<Vec<_>>(), [digest.clone(), digest]);
        assert_eq!(digests_in(&"A".repeat(64)).count(), 0);
    }

    #[test]
    fn a_hold_lasts_as_long_as_its_work_or_its_process() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::new(dir.path());
        let digest = "b".repeat(64);
        fs::create_dir_all(dir.path().join("pipelines")).unwrap();
        fs::write(dir.path().join("pipelines/p.json"), format!("{{\"x\": \"{digest}\"}}")).unwrap();
        let held = hold(&place, "pipelines/p", Origin::default()).unwrap();
        let found = living(&place).unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].digests.contains(&digest));
        drop(held);
        assert!(living(&place).unwrap().is_empty());

        let mut child = std::process::Command::new("true").spawn().unwrap();
        let gone = Hold { runner: Runner { pid: child.id(), started_ticks: 1 }, ..found[0].clone() };
        child.wait().unwrap();
        write_json(&folder(&place).join("1-1.json"), &gone).unwrap();
        assert!(living(&place).unwrap().is_empty());
        assert!(!folder(&place).join("1-1.json").exists());
        fs::write(folder(&place).join("2-2.json"), "{").unwrap();
        assert_eq!(living(&place).unwrap_err().diagnostic.code, codes::COLLECT);
    }
}
