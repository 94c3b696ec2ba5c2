//! The store of snapshots: objects by the digest of their content, and a manifest for each version of a data set.
//!
//! ```text
//! <root>/objects/ab/ab12…            the content, read-only
//! <root>/versions/<name>/ab12….json  what it is
//! <root>/tmp                         what is being written
//! ```

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::compare::{self, Comparison};
use super::protect::Protection;
use super::scan::{discover, scan};
use super::snapshot::{MANIFEST_VERSION, Manifest, Snapshot, SnapshotRequest, judge};
use super::stage::{Staged, manifest_of};
use crate::digest::digest_file;
use crate::files::{is_digest, is_plain_name, lock, sync_dir, write_atomic};
use crate::{Integrity, Problem};

/// A store of snapshots in a directory. Several processes may use it at the same time.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) root: PathBuf,
}

impl Store {
    /// A store in a directory, which is created when something is first written.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory of the store.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Checks the sources and makes a version of them. The same content is the same version and is not written again;
    /// nothing stays behind when it fails.
    pub fn snapshot(&self, request: &SnapshotRequest) -> Result<Snapshot, Problem> {
        check_name(&request.name)?;
        let (files, format) = discover(request)?;
        let protection = if request.protected {
            Protection::new(&[], &[])?
        } else {
            Protection::new(&request.mask, &request.redact)?
        };
        let mut scan = scan(request, &files, format, &protection)?;
        let warnings = judge(request, std::mem::take(&mut scan.schema_failures), &scan.quality)?;
        let staged = self.stage(request, &files, format, &protection, &scan)?;
        let manifest = manifest_of(request, format, &scan, &staged)?;
        let (manifest, created) = self.commit(manifest, &staged)?;
        let object = self.object_path(&manifest.digest);
        Ok(Snapshot { manifest, object, created, quality: scan.quality, warnings })
    }

    /// Gives the staged content its name, unless it is there already, and describes it.
    fn commit(&self, manifest: Manifest, staged: &Staged) -> Result<(Manifest, bool), Problem> {
        let _lock = self.lock()?;
        let object = self.object_path(&manifest.digest);
        if self.verify(&manifest.digest)? != Integrity::Intact {
            place(&staged.path.0, &object).map_err(|error| write_problem(&object, &error))?;
        }
        let path = self.manifest_path(&manifest.name, &manifest.digest);
        let manifest = match self.read_manifest(&path) {
            Ok(known)
                if known.schema_digest == manifest.schema_digest && known.columns == manifest.columns =>
            {
                return Ok((known, false));
            }
            // The same content under another schema: described anew, made when it was made.
            Ok(known) => Manifest { created_at: known.created_at, ..manifest },
            Err(_) => manifest,
        };
        let created = !path.exists();
        let text =
            serde_json::to_vec_pretty(&manifest).map_err(|error| write_problem(&path, &error.into()))?;
        let dir = self.versions_dir(&manifest.name);
        fs::create_dir_all(&dir).map_err(|error| write_problem(&dir, &error))?;
        write_atomic(&path, &text).map_err(|error| write_problem(&path, &error))?;
        Ok((manifest, created))
    }

    /// The versions of a data set, oldest first.
    pub fn versions(&self, name: &str) -> Result<Vec<Manifest>, Problem> {
        check_name(name)?;
        let dir = self.versions_dir(name);
        let mut found = Vec::new();
        for path in list(&dir)? {
            if path.extension().is_some_and(|extension| extension == "json") {
                found.push(self.read_manifest(&path)?);
            }
        }
        found.sort_by(|a, b| (&a.created_at, &a.digest).cmp(&(&b.created_at, &b.digest)));
        Ok(found)
    }

    /// The names of the data sets that have versions.
    pub fn names(&self) -> Result<Vec<String>, Problem> {
        let mut names = Vec::new();
        for dir in list(&self.root.join("versions"))? {
            if let Some(name) = dir.file_name().and_then(|name| name.to_str())
                && !list(&dir)?.is_empty()
            {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// The description of a version.
    pub fn manifest(&self, name: &str, digest: &str) -> Result<Manifest, Problem> {
        check_name(name)?;
        let path = self.manifest_path(name, digest);
        if !is_digest(digest) || !path.exists() {
            let known: Vec<_> = self.versions(name)?.into_iter().map(|known| known.digest).collect();
            return Err(Problem::new("MLP0709", format!("`{name}` has no version `{digest}`"))
                .note(format!("it has {} versions", known.len()))
                .with_notes(known));
        }
        self.read_manifest(&path)
    }

    /// Where the content of a digest is, or would be.
    #[must_use]
    pub fn object_path(&self, digest: &str) -> PathBuf {
        self.root.join("objects").join(digest.get(..2).unwrap_or("__")).join(digest)
    }

    /// Reads the content of a digest and says whether it is still what it was.
    pub fn verify(&self, digest: &str) -> Result<Integrity, Problem> {
        let path = self.object_path(digest);
        match digest_file(&path) {
            Ok(actual) if actual == digest => Ok(Integrity::Intact),
            Ok(actual) => Ok(Integrity::Damaged { actual }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Integrity::Missing),
            Err(error) => Err(Problem::io("MLP0708", "read", &path, &error)),
        }
    }

    /// Removes a version, and its content unless another version has the same. Says whether it was there.
    pub fn remove(&self, name: &str, digest: &str) -> Result<bool, Problem> {
        check_name(name)?;
        if !is_digest(digest) || !self.root.exists() {
            return Ok(false);
        }
        let _lock = self.lock()?;
        let path = self.manifest_path(name, digest);
        let removed = remove_file(&path)?;
        let dir = self.versions_dir(name);
        // Fails where other versions are left, and then the directory is to stay.
        let _ = fs::remove_dir(&dir);
        let used = self.names()?.iter().any(|other| self.manifest_path(other, digest).exists());
        if !used {
            remove_file(&self.object_path(digest))?;
        }
        Ok(removed)
    }

    /// The bytes of the versions of a data set.
    pub fn size(&self, name: &str) -> Result<u64, Problem> {
        let mut sum = 0;
        for manifest in self.versions(name)? {
            sum += fs::metadata(self.object_path(&manifest.digest)).map_or(0, |metadata| metadata.len());
        }
        Ok(sum)
    }

    /// How the version `to` of a data set differs from the version `from`.
    pub fn compare(&self, name: &str, from: &str, to: &str) -> Result<Comparison, Problem> {
        let (from, to) = (self.manifest(name, from)?, self.manifest(name, to)?);
        let (before, after) = (self.object_path(&from.digest), self.object_path(&to.digest));
        compare::compare((&from, &before), (&to, &after))
    }

    fn versions_dir(&self, name: &str) -> PathBuf {
        self.root.join("versions").join(name)
    }

    fn manifest_path(&self, name: &str, digest: &str) -> PathBuf {
        self.versions_dir(name).join(format!("{digest}.json"))
    }

    fn read_manifest(&self, path: &Path) -> Result<Manifest, Problem> {
        let text = fs::read(path).map_err(|error| Problem::io("MLP0708", "read", path, &error))?;
        let version = serde_json::from_slice::<serde_json::Value>(&text)
            .ok()
            .and_then(|value| value.get("format_version").and_then(serde_json::Value::as_u64));
        if version.is_some_and(|version| version > u64::from(MANIFEST_VERSION)) {
            return Err(Problem::new(
                "MLP0708",
                format!("`{}` was written by a newer version", path.display()),
            )
            .help("use the version that wrote it, or a newer one"));
        }
        serde_json::from_slice(&text).map_err(|error| {
            Problem::new("MLP0708", format!("`{}` is damaged: {error}", path.display()))
                .help("remove the file and apply again: the version is made anew from its sources")
        })
    }

    pub(super) fn lock(&self) -> Result<File, Problem> {
        let failed = |error| write_problem(&self.root, &error);
        fs::create_dir_all(&self.root).map_err(failed)?;
        lock(&self.root.join(".lock")).map_err(failed)
    }
}

/// Moves written content to its name, read-only and durably.
fn place(staged: &Path, object: &Path) -> io::Result<()> {
    let dir = object.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    fs::set_permissions(staged, Permissions::from_mode(0o444))?;
    fs::rename(staged, object)?;
    sync_dir(dir)
}

fn check_name(name: &str) -> Result<(), Problem> {
    if is_plain_name(name) {
        return Ok(());
    }
    Err(Problem::new("MLP0710", format!("`{name}` cannot be the name of a data set"))
        .help("use letters, digits, `_`, `-` and `.`, at most 128 of them"))
}

/// What is in a directory, sorted; nothing where there is none. Temporary files of writes are left out.
pub(super) fn list(dir: &Path) -> Result<Vec<PathBuf>, Problem> {
    let failed = |error: io::Error| Problem::io("MLP0708", "list", dir, &error);
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(failed)?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

pub(super) fn remove_file(path: &Path) -> Result<bool, Problem> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Problem::io("MLP0707", "remove", path, &error)),
    }
}

pub(super) fn write_problem(path: &Path, error: &io::Error) -> Problem {
    let problem = Problem::io("MLP0707", "write", path, error);
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            problem.help("free some space and try again")
        }
        io::ErrorKind::PermissionDenied => problem.help("make the directory writable"),
        _ => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Check, ColumnSchema, ColumnType, Expectation, OnFailure, Sample};

    const ROWS: &str = "id,age,mail\n1,30,a@b.example\n2,,call +49 151 1234567\n3,41,\n";

    fn setup(content: &str) -> (tempfile::TempDir, Store, SnapshotRequest) {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("people.csv");
        fs::write(&source, content).unwrap();
        let store = Store::new(dir.path().join("store"));
        let request = SnapshotRequest {
            name: "people".into(),
            sources: vec![source],
            created_at: "2026-01-31T12:00:00Z".into(),
            ..SnapshotRequest::default()
        };
        (dir, store, request)
    }

    fn files_below(dir: &Path) -> usize {
        list(dir).unwrap().iter().map(|path| if path.is_dir() { files_below(path) } else { 1 }).sum()
    }

    #[test]
    fn the_same_content_is_the_same_version() {
        let (_dir, store, request) = setup(ROWS);
        let first = store.snapshot(&request).unwrap();
        assert!(first.created);
        assert_eq!(first.manifest.rows, 3);
        assert_eq!(fs::read_to_string(&first.object).unwrap(), ROWS);
        assert_eq!(fs::metadata(&first.object).unwrap().permissions().mode() & 0o222, 0);
        let later = SnapshotRequest { created_at: "2027-01-01T00:00:00Z".into(), ..request };
        let second = store.snapshot(&later).unwrap();
        assert!(!second.created);
        assert_eq!(second.manifest, first.manifest);
        assert_eq!(store.versions("people").unwrap(), std::slice::from_ref(&first.manifest));
        assert_eq!(store.manifest("people", &first.manifest.digest).unwrap(), first.manifest);
        assert_eq!(store.size("people").unwrap(), ROWS.len() as u64);
        assert_eq!(store.names().unwrap(), ["people"]);
        assert_eq!(files_below(&store.root.join("tmp")), 0);
    }

    #[test]
    fn damage_is_seen_and_repaired() {
        let (_dir, store, request) = setup(ROWS);
        let snapshot = store.snapshot(&request).unwrap();
        let digest = snapshot.manifest.digest;
        fs::set_permissions(&snapshot.object, Permissions::from_mode(0o644)).unwrap();
        fs::write(&snapshot.object, "id\n").unwrap();
        assert!(matches!(store.verify(&digest).unwrap(), Integrity::Damaged { .. }));
        store.snapshot(&request).unwrap();
        assert_eq!(store.verify(&digest).unwrap(), Integrity::Intact);
        fs::remove_file(&snapshot.object).unwrap();
        assert_eq!(store.verify(&digest).unwrap(), Integrity::Missing);
    }

    #[test]
    fn content_goes_with_its_last_version() {
        let (_dir, store, request) = setup(ROWS);
        let digest = store.snapshot(&request).unwrap().manifest.digest;
        store.snapshot(&SnapshotRequest { name: "copy".into(), ..request }).unwrap();
        assert!(store.remove("people", &digest).unwrap());
        assert_eq!(store.verify(&digest).unwrap(), Integrity::Intact);
        assert!(store.remove("copy", &digest).unwrap());
        assert_eq!(store.verify(&digest).unwrap(), Integrity::Missing);
        assert!(!store.remove("copy", &digest).unwrap());
        assert_eq!(store.manifest("copy", &digest).unwrap_err().code, "MLP0709");
        assert!(store.names().unwrap().is_empty());
    }

    #[test]
    fn data_that_is_not_as_declared_leaves_nothing() {
        let (_dir, store, request) = setup(ROWS);
        let schema =
            vec![ColumnSchema::new("age", ColumnType::Integer), ColumnSchema::new("no", ColumnType::Bool)];
        let check = Check::NotNull { columns: vec!["mail".into()] };
        let quality = vec![Expectation { name: "mail".into(), check, at_least: 1.0 }];
        let refused = store
            .snapshot(&SnapshotRequest { schema: Some(schema), quality: quality.clone(), ..request.clone() })
            .unwrap_err();
        assert_eq!((refused.code, refused.notes.len()), ("MLP0703", 3), "{refused}");
        assert_eq!(files_below(&store.root), 0);
        let blocked =
            store.snapshot(&SnapshotRequest { quality: quality.clone(), ..request.clone() }).unwrap_err();
        assert_eq!((blocked.code, blocked.subject.as_deref()), ("MLP0704", Some("quality.mail")));
        assert_eq!(files_below(&store.root), 0);
        let warned = SnapshotRequest { quality, on_failure: OnFailure::Warn, ..request };
        let warned = store.snapshot(&warned).unwrap();
        assert_eq!(warned.warnings.len(), 1);
        assert!(!warned.manifest.quality[0].passed);
    }

    #[test]
    fn masked_and_redacted_values_never_reach_the_disk() {
        let (_dir, store, request) = setup(ROWS);
        let kinds = vec!["email".to_owned(), "phone".to_owned()];
        let request = SnapshotRequest { mask: vec!["age".into()], redact: kinds, ..request };
        let snapshot = store.snapshot(&request).unwrap();
        let text = fs::read_to_string(&snapshot.object).unwrap();
        let token = &blake3::hash(b"30").to_hex()[..16];
        let manifest = fs::read_to_string(store.manifest_path("people", &snapshot.manifest.digest)).unwrap();
        assert!(text.contains(&format!("1,{token},[email]\n2,,call [phone]\n")), "{text}");
        assert!(!manifest.contains("\"41\"") && !manifest.contains("b.example"), "{manifest}");
        let unknown = SnapshotRequest { mask: vec!["agee".into()], ..request };
        assert_eq!(store.snapshot(&unknown).unwrap_err().code, "MLP0706");
    }

    #[test]
    fn samples_are_the_same_rows_in_order_for_the_same_seed() {
        let lines: String = (0..1000).map(|row| format!("{row}\n")).collect();
        let (_dir, store, request) = setup(&format!("n\n{lines}"));
        let sample = |rows, fraction, seed| {
            let sample = Some(Sample { rows, fraction, seed });
            store.snapshot(&SnapshotRequest { sample, ..request.clone() }).unwrap()
        };
        let by_rows = sample(Some(100), None, 1);
        assert_eq!(by_rows.manifest.rows, 100);
        assert!(!sample(Some(100), None, 1).created);
        assert!(sample(Some(100), None, 2).created);
        let text = fs::read_to_string(by_rows.object).unwrap();
        let kept: Vec<u32> = text.lines().skip(1).map(|line| line.parse().unwrap()).collect();
        assert!(kept.is_sorted());
        let share = sample(None, Some(0.2), 1).manifest.rows;
        assert!((140..=260).contains(&share), "{share}");
        assert_eq!(sample(None, Some(1.0), 1).manifest.rows, 1000);
        let none = SnapshotRequest { sample: Some(Sample::default()), ..request.clone() };
        assert_eq!(store.snapshot(&none).unwrap_err().code, "MLP0711");
    }

    #[test]
    fn a_directory_of_json_lines_is_one_table() {
        let (dir, store, request) = setup(ROWS);
        let data = dir.path().join("data");
        fs::create_dir(&data).unwrap();
        fs::write(data.join("2.jsonl"), "{\"b\":1.50,\"c\":true}\n").unwrap();
        fs::write(data.join("1.jsonl"), "{\"a\":\"x\",\"b\":2}\n").unwrap();
        fs::write(data.join("README.md"), "notes").unwrap();
        let snapshot = store.snapshot(&SnapshotRequest { sources: vec![data], ..request.clone() }).unwrap();
        assert_eq!(
            fs::read_to_string(&snapshot.object).unwrap(),
            "{\"a\":\"x\",\"b\":2,\"c\":null}\n{\"a\":null,\"b\":1.50,\"c\":true}\n"
        );
        assert_eq!(snapshot.manifest.sources.len(), 2);
        let mixed = vec![dir.path().join("data/1.jsonl"), dir.path().join("people.csv")];
        assert_eq!(
            store.snapshot(&SnapshotRequest { sources: mixed, ..request }).unwrap_err().code,
            "MLP0702"
        );
    }

    #[test]
    fn csv_files_are_joined_by_column_name() {
        let (dir, store, request) = setup("a,b\n1,2\n");
        let other = dir.path().join("other.csv");
        fs::write(&other, "b,a\n4,3\n").unwrap();
        let sources = vec![request.sources[0].clone(), other.clone()];
        let request = SnapshotRequest { sources, ..request };
        let snapshot = store.snapshot(&request).unwrap();
        assert_eq!(fs::read_to_string(&snapshot.object).unwrap(), "a,b\n1,2\n3,4\n");
        fs::write(&other, "b,c\n4,3\n").unwrap();
        let refused = store.snapshot(&request).unwrap_err();
        assert_eq!(refused.notes, ["missing: `a`", "only here: `c`"]);
    }

    #[test]
    fn versions_are_compared_by_rows_and_columns() {
        let (_dir, store, request) = setup("a,b\n1,x\n1,x\n2,y\n");
        let from = store.snapshot(&request).unwrap().manifest.digest;
        fs::write(&request.sources[0], "c,a\n0,2\n0,1\n0,3\n0,4\n").unwrap();
        let to = store.snapshot(&request).unwrap().manifest.digest;
        let difference = store.compare("people", &from, &to).unwrap();
        assert_eq!((difference.rows_added, difference.rows_removed, difference.rows_common), (2, 1, 2));
        assert_eq!(
            (difference.columns_added, difference.columns_removed),
            (vec!["c".into()], vec!["b".into()])
        );
    }

    #[test]
    fn left_overs_of_dead_writers_are_removed_and_names_stay_inside() {
        let (_dir, store, request) = setup(ROWS);
        fs::create_dir_all(store.root.join("tmp")).unwrap();
        fs::write(store.root.join("tmp/object-1-0"), "half").unwrap();
        store.snapshot(&request).unwrap();
        assert_eq!(files_below(&store.root.join("tmp")), 0);
        let outside = SnapshotRequest { name: "../x".into(), ..request };
        assert_eq!(store.snapshot(&outside).unwrap_err().code, "MLP0710");
    }

    #[test]
    fn writers_at_the_same_time_make_one_version() {
        let (_dir, store, request) = setup(ROWS);
        let created: usize = std::thread::scope(|scope| {
            let runs: Vec<_> =
                (0..4).map(|_| scope.spawn(|| store.snapshot(&request).unwrap().created)).collect();
            runs.into_iter().map(|run| usize::from(run.join().unwrap())).sum()
        });
        assert_eq!(created, 1);
        assert_eq!(store.versions("people").unwrap().len(), 1);
    }
}
