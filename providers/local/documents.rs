//! The record of each object: what it is to be, whose it is, and what was found out when it was made. One JSON file
//! each, written as a whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mlp_provider::{Owner, Target};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::codes;
use crate::fault::{Fallible, io as io_fault, wrong};
use crate::mlp_value::KnownValue;

const FORMAT_VERSION: u32 = 1;

/// The record of one object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Document {
    pub(crate) format_version: u32,
    pub(crate) kind: String,
    pub(crate) project: String,
    pub(crate) environment: String,
    pub(crate) lineage: String,
    /// What was asked for.
    pub(crate) config: KnownValue,
    /// What was found out: versions, digests of code.
    #[serde(default)]
    pub(crate) resolved: Json,
    /// Of all of the above, so that an edit by hand is seen.
    #[serde(default)]
    pub(crate) digest: String,
}

/// A record as it was found.
pub(crate) enum Found {
    Absent,
    /// It cannot be read as one; why.
    Broken(String),
    Document(Box<Document>),
}

impl Document {
    pub(crate) fn new(target: &Target, kind: &str, config: KnownValue, resolved: Json) -> Self {
        let mut made = Self {
            format_version: FORMAT_VERSION,
            kind: kind.to_owned(),
            project: target.project.clone(),
            environment: target.environment.clone(),
            lineage: target.lineage.clone(),
            config,
            resolved,
            digest: String::new(),
        };
        made.digest = made.compute_digest();
        made
    }

    pub(crate) fn compute_digest(&self) -> String {
        let marks = [&self.kind, &self.project, &self.environment, &self.lineage];
        let text = serde_json::json!([marks, self.config, self.resolved]).to_string();
        blake3::hash(text.as_bytes()).to_hex().to_string()
    }

    pub(crate) fn is_untouched(&self) -> bool {
        self.digest == self.compute_digest()
    }

    pub(crate) fn owner(&self, target: &Target) -> Owner {
        if self.lineage == target.lineage { Owner::Mine } else { Owner::Foreign }
    }

    /// The address of the declaration, for messages.
    pub(crate) fn address(&self) -> &str {
        self.config.field("address").and_then(KnownValue::as_text).unwrap_or("?")
    }
}

/// Where things are in an environment.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) home: PathBuf,
}

impl Place {
    pub(crate) fn new(home: impl Into<PathBuf>) -> Self {
        Self { home: home.into() }
    }

    pub(crate) fn document(&self, identity: &str) -> PathBuf {
        self.home.join(format!("{identity}.json"))
    }

    pub(crate) fn registry(&self) -> PathBuf {
        self.home.join("registry").join("registry.db")
    }

    pub(crate) fn code(&self) -> PathBuf {
        self.home.join("code")
    }

    pub(crate) fn runs(&self) -> PathBuf {
        self.home.join("runs")
    }

    /// Where the requests of an endpoint wait that are recorded.
    pub(crate) fn captured(&self, endpoint: &str) -> PathBuf {
        self.home.join("captured").join(endpoint)
    }

    pub(crate) fn logs(&self, endpoint: &str) -> PathBuf {
        self.home.join("logs").join(endpoint)
    }

    /// Where the versions of a dataset are kept.
    pub(crate) fn store(&self, config: &KnownValue) -> mlp_floor::data::Store {
        let root = match config.field("storage").and_then(KnownValue::as_text) {
            Some(storage) => self.home.join("storage").join(storage),
            None => self.home.join("data"),
        };
        mlp_floor::data::Store::new(root).with_keys(crate::dataset::keys(&self.home, config))
    }

    pub(crate) fn find(&self, identity: &str) -> Fallible<Found> {
        let path = self.document(identity);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Absent),
            Err(error) => return Err(io_fault("read", &path, &error)),
        };
        match serde_json::from_slice::<Document>(&text) {
            Ok(document) if document.format_version > FORMAT_VERSION => {
                let text = format!("`{}` was written by a newer version", path.display());
                Err(wrong(codes::DOCUMENT, text, document.address(), ""))
            }
            Ok(document) => Ok(Found::Document(Box::new(document))),
            Err(error) => Ok(Found::Broken(error.to_string())),
        }
    }

    /// The record of something that has to be there.
    pub(crate) fn get(&self, identity: &str) -> Fallible<Document> {
        match self.find(identity)? {
            Found::Document(document) => Ok(*document),
            Found::Absent => {
                let mut error = wrong(
                    codes::DOCUMENT,
                    format!("there is no `{identity}` in this environment"),
                    identity,
                    "",
                );
                error.diagnostic.help = Some("apply first".to_owned());
                Err(error)
            }
            Found::Broken(why) => {
                let text = format!("`{}` is damaged: {why}", self.document(identity).display());
                Err(wrong(codes::DOCUMENT, text, identity, ""))
            }
        }
    }

    /// The records of a folder, in the order of their names.
    pub(crate) fn documents(&self, folder: &str) -> Fallible<Vec<Document>> {
        let entries = fs::read_dir(self.home.join(folder)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".json").map(str::to_owned))
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        let mut found = Vec::new();
        for name in names {
            if let Found::Document(document) = self.find(&format!("{folder}/{name}"))? {
                found.push(*document);
            }
        }
        Ok(found)
    }

    pub(crate) fn put(&self, identity: &str, document: &Document) -> Fallible<()> {
        let path = self.document(identity);
        write_json(&path, document).map_err(|error| io_fault("write", &path, &error))
    }

    pub(crate) fn remove(&self, identity: &str) -> Fallible<()> {
        let path = self.document(identity);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_fault("remove", &path, &error)),
            _ => Ok(()),
        }
    }
}

/// Removes what processes were writing to a folder when they died.
pub(crate) fn sweep_unfinished(folder: &Path) {
    // Where processes cannot be looked up, nobody can tell which of them died.
    let processes = Path::new("/proc");
    if !processes.join("self").exists() {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let writer =
            name.to_str().and_then(|name| name.strip_suffix(".tmp")?.rsplit('.').next()?.split('-').next());
        let writer = writer.and_then(|writer| writer.parse::<u32>().ok());
        if writer.is_some_and(|writer| !processes.join(writer.to_string()).exists()) {
            // What cannot be removed now is looked at again by the next apply.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Makes the names of temporary files of one process differ.
static WRITES: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

/// Writes JSON whole or not at all.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let temporary = folder.join(format!(
        ".{}.{}-{}.tmp",
        path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        std::process::id(),
        WRITES.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    ));
    let text = serde_json::to_vec_pretty(value).map_err(io::Error::other)?;
    {
        use io::Write;
        let mut file = fs::File::create(&temporary)?;
        file.write_all(&text)?;
        file.sync_data()?;
    }
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_process_was_writing_is_swept_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        let dead = format!(".a.json.{}-3.tmp", ended.id());
        let names =
            [".a.json", "b.json", &format!(".c.json.{}-1.tmp", std::process::id()), ".d.tmp", "e.x-1.tmp"];
        for name in names.iter().chain([&dead.as_str()]) {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        sweep_unfinished(dir.path());
        assert!(!dir.path().join(&dead).exists());
        assert!(names.iter().all(|name| dir.path().join(name).exists()));
    }
}
