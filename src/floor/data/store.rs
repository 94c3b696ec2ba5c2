//! The store of snapshots: objects by the digest of their content, and a manifest for each version of a data set.
//!
//! ```text
//! <root>/objects/ab/ab12…            the content, read-only
//! <root>/versions/<name>/ab12….json  what it is
//! <root>/tmp                         what is being written
//! ```

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::compare::{self, Comparison};
use super::keys::{Key, Keys};
use super::protect::Protection;
use super::scan::{discover, scan};
use super::seal::{self, Blob, BlobReader, damaged};
use super::snapshot::{MANIFEST_VERSION, Manifest, Snapshot, SnapshotRequest, judge};
use super::source::SourceData;
use super::stage::{Pass, Staged, manifest_of};
use super::table::{Table, read_problem};
use super::writer::DIGEST;
use crate::digest::digest_file;
use crate::files::{TempPath, is_digest, is_plain_name, lock, sync_dir, unique_name, write_atomic};
use crate::{Integrity, Problem};

/// A store of snapshots in a directory. Several processes may use it at the same time.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) root: PathBuf,
    keys: Keys,
}

impl Store {
    /// A store in a directory, which is created when something is first written. Its key is beside what it holds.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let keys = Keys::new(root.join(".key"));
        Self { root, keys }
    }

    /// The same store with its keys elsewhere.
    #[must_use]
    pub fn with_keys(mut self, keys: Keys) -> Self {
        self.keys = keys;
        self
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
        let mut request = request.clone();
        if let Some(earlier) = &request.append_to {
            let masked = self.manifest(&request.name, earlier)?.mask;
            let earlier = self.source(&request.name, earlier)?.accepted_with(masked);
            // Without a format of its own it stays what it is.
            request.format = request.format.or(earlier.format);
            request.sources.insert(0, earlier);
        }
        let (files, format) = discover(&request)?;
        let mask_key = if request.mask.is_empty() { None } else { Some(self.mask_key(&request.name)?) };
        let seal = if request.encrypt { Some(self.seal_key(&request.name)?) } else { None };
        let protection = if request.protected {
            Protection::new(&[], None, &[])?
        } else {
            Protection::new(&request.mask, mask_key.as_ref(), &request.redact)?
        };
        let protection = protection.keep_secret(request.encrypt);
        let mut scan = scan(&request, &files, &protection)?;
        let warnings = judge(&request, std::mem::take(&mut scan.schema_failures), &scan.quality)?;
        let pass =
            Pass { request: &request, files: &files, format, protection: &protection, seal: seal.as_ref() };
        let staged = self.stage(&pass, &scan)?;
        let manifest = manifest_of(&pass, &scan, &staged, mask_key.as_ref())?;
        let (manifest, created) = self.commit(manifest, &staged)?;
        let object = self.object_path(&manifest.digest);
        Ok(Snapshot { manifest, object, created, quality: scan.quality, warnings })
    }

    /// The key of the tokens of masked values. One that versions were made with is never replaced by a new one: the same values would get
    /// other tokens.
    pub fn mask_key(&self, name: &str) -> Result<Key, Problem> {
        self.keys.project_or_new(|| Ok(self.versions(name)?.iter().any(|known| known.mask_key.is_some())))
    }

    fn seal_key(&self, name: &str) -> Result<Key, Problem> {
        self.keys.sealing(|| Ok(self.versions(name)?.iter().any(|known| known.sealed.is_some())))
    }

    /// A version as what another snapshot is read from.
    pub fn source(&self, name: &str, digest: &str) -> Result<SourceData, Problem> {
        let manifest = self.manifest(name, digest)?;
        let key = self.key_of(&manifest)?;
        let source = SourceData::new(self.object_path(digest), Some(manifest.format));
        Ok(source.named(format!("{name}@{}", &digest[..12])).opened_with(key))
    }

    /// The key that a version is read with.
    fn key_of(&self, manifest: &Manifest) -> Result<Option<Key>, Problem> {
        manifest.sealed.as_deref().map(|id| self.keys.opening(id)).transpose()
    }

    /// Opens the rows of a version.
    pub fn open(&self, name: &str, digest: &str) -> Result<Table, Problem> {
        Table::open_source(&self.source(name, digest)?, &[])
    }

    /// A file with the content of a version, for a program to read: the object itself, or where it is encrypted a private
    /// copy of it in the clear at `copy`, which the caller removes.
    pub fn readable(&self, name: &str, digest: &str, copy: &Path) -> Result<PathBuf, Problem> {
        let manifest = self.manifest(name, digest)?;
        let object = self.object_path(digest);
        let Some(key) = self.key_of(&manifest)? else { return Ok(object) };
        let mut input = BlobReader::new(Blob::open(&object, Some(&key))?, 0);
        let failed = |error: io::Error| write_problem(copy, &error);
        let dir = copy.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(dir).map_err(failed)?;
        let path = TempPath(dir.join(unique_name(".clear-")));
        let mut output =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path.0).map_err(failed)?;
        let mut hasher = blake3::Hasher::new_keyed(&key.derive(DIGEST));
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count =
                input.read(&mut buffer).map_err(|error| read_problem(&object.to_string_lossy(), &error))?;
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
            output.write_all(&buffer[..count]).map_err(failed)?;
        }
        if hasher.finalize().to_hex().as_str() != digest {
            return Err(damaged(&object));
        }
        fs::rename(&path.0, copy).map_err(failed)?;
        Ok(copy.to_owned())
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
        match content_digest(&path, digest) {
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

    /// How the version `to` of a data set differs from the version `from`. Rows are told apart by the key columns, where
    /// there are some and both versions have them.
    pub fn compare(&self, name: &str, from: &str, to: &str, keys: &[String]) -> Result<Comparison, Problem> {
        let side = |digest: &str| {
            Ok::<_, Problem>(compare::Side {
                manifest: self.manifest(name, digest)?,
                source: self.source(name, digest)?,
            })
        };
        compare::compare(&side(from)?, &side(to)?, keys)
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

/// The digest a stored object has. Of an encrypted one it is the expected digest where the file is what was written, which
/// can be said without the key.
fn content_digest(path: &Path, expected: &str) -> io::Result<String> {
    if seal::key_of(path)?.is_none() {
        return digest_file(path);
    }
    let (actual, written) = seal::digests(path)?;
    if actual == written {
        return Ok(expected.to_owned());
    }
    // A file in the clear may begin as an encrypted one does.
    digest_file(path)
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
#[path = "format_tests.rs"]
mod format_tests;
#[cfg(test)]
#[path = "secret_tests.rs"]
mod secret_tests;
#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
