//! The directories of models, kept beside the registry under the digest of their content:
//! `<root>/models/<model>/<digest>/`.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{Registry, check_name};
use crate::digest::{digest_tree, list_files};
use crate::files::{TempPath, is_digest, lock, sync_dir, unique_name};
use crate::{Integrity, Problem};

/// A stored directory of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredModel {
    /// The digest of its content.
    pub digest: String,
    /// Where it is.
    pub path: PathBuf,
    /// The bytes of its files.
    pub bytes: u64,
}

impl Registry {
    /// Copies a directory of a model into the registry, whole or not at all. The same content is stored once.
    pub fn store_directory(&self, model: &str, source: &Path) -> Result<StoredModel, Problem> {
        check_name(model, "a model")?;
        if !source.is_dir() {
            let text = format!("`{}` is no directory, and a model is a directory", source.display());
            return Err(Problem::new("MLP0749", text).help("let the step write its model as a directory"));
        }
        let _lock = self.lock_models()?;
        let parent = self.root.join("models").join(model);
        let failed = |error| Problem::io("MLP0749", "store the model in", &parent, &error);
        fs::create_dir_all(&parent).map_err(failed)?;
        remove_left_overs(&parent).map_err(failed)?;
        let copy = TempPath(parent.join(unique_name(".new-")));
        let bytes = copy_tree(source, &copy.0).map_err(|error| {
            Problem::io("MLP0749", "store the model", source, &error)
                .help("a model consists of files and directories; a link may lead elsewhere later, so copy what it shows")
        })?;
        // Of the copy, not of the source, which somebody might be writing to.
        let digest = digest_tree(&copy.0).map_err(failed)?;
        let path = parent.join(&digest);
        if verify(&path, &digest)? != Integrity::Intact {
            if path.exists() {
                fs::remove_dir_all(&path).map_err(failed)?;
            }
            fs::rename(&copy.0, &path).and_then(|()| sync_dir(&parent)).map_err(failed)?;
        }
        Ok(StoredModel { digest, path, bytes })
    }

    /// Where the directory of a digest is, or would be.
    #[must_use]
    pub fn directory(&self, model: &str, digest: &str) -> PathBuf {
        self.root.join("models").join(model).join(digest)
    }

    /// Reads the stored directory of a model and says whether it is still what it was.
    pub fn verify_directory(&self, model: &str, digest: &str) -> Result<Integrity, Problem> {
        check_name(model, "a model")?;
        if !is_digest(digest) {
            return Ok(Integrity::Missing);
        }
        verify(&self.directory(model, digest), digest)
    }

    /// The bytes of the stored directories of a model.
    pub fn size(&self, model: &str) -> Result<u64, Problem> {
        check_name(model, "a model")?;
        let dir = self.root.join("models").join(model);
        if !dir.exists() {
            return Ok(0);
        }
        let sum = list_files(&dir).and_then(|files| {
            files.iter().map(|file| Ok(fs::metadata(dir.join(file))?.len())).sum::<io::Result<u64>>()
        });
        sum.map_err(|error| Problem::io("MLP0750", "read", &dir, &error))
    }

    /// Keeps other processes from storing and removing directories.
    pub(super) fn lock_models(&self) -> Result<File, Problem> {
        let dir = self.root.join("models");
        let failed = |error| Problem::io("MLP0749", "lock", &dir, &error);
        fs::create_dir_all(&dir).map_err(failed)?;
        lock(&dir.join(".lock")).map_err(failed)
    }

    /// Removes one stored directory; the caller holds the lock.
    pub(super) fn remove_directory(&self, model: &str, digest: &str) -> Result<(), Problem> {
        remove(&self.directory(model, digest))
    }

    /// Removes all stored directories of a model; the caller holds the lock.
    pub(super) fn remove_directories(&self, model: &str) -> Result<(), Problem> {
        remove(&self.root.join("models").join(model))
    }
}

fn remove(path: &Path) -> Result<(), Problem> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Problem::io("MLP0749", "remove", path, &error))
        }
        _ => Ok(()),
    }
}

fn verify(path: &Path, digest: &str) -> Result<Integrity, Problem> {
    match digest_tree(path) {
        Ok(actual) if actual == digest => Ok(Integrity::Intact),
        Ok(actual) => Ok(Integrity::Damaged { actual }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Integrity::Missing),
        Err(error) => Err(Problem::io("MLP0750", "read", path, &error)),
    }
}

/// Copies that a process left when it died; nobody else copies while the lock is held.
fn remove_left_overs(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(".new-") {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Copies the files of a tree, durably and read-only. Gives their bytes.
fn copy_tree(source: &Path, target: &Path) -> io::Result<u64> {
    fs::create_dir(target)?;
    let mut bytes = 0;
    for file in list_files(source)? {
        let to = target.join(&file);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        bytes += fs::copy(source.join(&file), &to)?;
        // Directories stay writable, so that the tree can be removed.
        let mode = fs::metadata(&to)?.permissions().mode() & 0o111;
        File::open(&to)?.sync_all()?;
        fs::set_permissions(&to, Permissions::from_mode(0o444 | mode))?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::versions::tests::registry;
    use super::*;

    fn model() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        fs::write(dir.path().join("a/weights"), "1 2 3").unwrap();
        fs::write(dir.path().join("config"), "{}").unwrap();
        dir
    }

    #[test]
    fn a_directory_is_stored_once_read_only_and_verified() {
        let (_dir, registry) = registry();
        let source = model();
        let stored = registry.store_directory("churn", source.path()).unwrap();
        assert_eq!(stored, registry.store_directory("churn", source.path()).unwrap());
        assert_eq!((stored.bytes, registry.size("churn").unwrap()), (7, 7));
        assert_eq!(stored.digest, digest_tree(source.path()).unwrap());
        let weights = stored.path.join("a/weights");
        assert_eq!(fs::metadata(&weights).unwrap().permissions().mode() & 0o222, 0);
        assert_eq!(registry.verify_directory("churn", &stored.digest).unwrap(), Integrity::Intact);
        fs::remove_file(&weights).unwrap();
        assert!(matches!(
            registry.verify_directory("churn", &stored.digest).unwrap(),
            Integrity::Damaged { .. }
        ));
        registry.store_directory("churn", source.path()).unwrap();
        assert_eq!(registry.verify_directory("churn", &stored.digest).unwrap(), Integrity::Intact);
        assert_eq!(registry.verify_directory("other", &stored.digest).unwrap(), Integrity::Missing);
    }

    #[test]
    fn what_is_no_plain_tree_is_refused_and_leaves_nothing() {
        let (dir, registry) = registry();
        let source = model();
        assert_eq!(
            registry.store_directory("churn", &source.path().join("config")).unwrap_err().code,
            "MLP0749"
        );
        std::os::unix::fs::symlink("/etc", source.path().join("link")).unwrap();
        assert_eq!(registry.store_directory("churn", source.path()).unwrap_err().code, "MLP0749");
        assert_eq!(fs::read_dir(dir.path().join("models/churn")).unwrap().count(), 0);
    }
}
