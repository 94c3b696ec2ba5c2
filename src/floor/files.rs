//! Small file work that has to be right everywhere: whole-or-nothing writes, locks between processes, plain names.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Whether stored content is still what its digest says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Integrity {
    /// The content has the digest it is stored under.
    Intact,
    /// There is nothing stored under the digest.
    Missing,
    /// The content has another digest now.
    Damaged {
        /// The digest of what is there.
        actual: String,
    },
}

/// Longest name that becomes a file name.
const MAX_NAME: usize = 128;

/// Whether a name can be a file name: letters, digits, `_`, `-`, `.`, not starting with `.` or `-`.
pub(crate) fn is_plain_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    !name.is_empty() && name.len() <= MAX_NAME && !name.starts_with(['.', '-']) && name.bytes().all(allowed)
}

/// Whether a text has the form of a digest.
pub(crate) fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Returns once a directory that was opened under a path is no longer the one there: a process that keeps its things in
/// it has nothing to work on any more.
pub async fn ground_lost(open: &File, path: &Path) {
    use std::os::unix::fs::MetadataExt;
    let same =
        |open: &fs::Metadata, there: &fs::Metadata| (open.dev(), open.ino()) == (there.dev(), there.ino());
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        match (open.metadata(), fs::metadata(path)) {
            (Ok(open), Ok(there)) if !same(&open, &there) => return,
            (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => return,
            // What cannot be told now is asked again.
            _ => {}
        }
    }
}

/// A file name no other process or thread uses at the same time.
pub(crate) fn unique_name(prefix: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{prefix}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Makes a rename or removal in a directory durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Writes a file whole or not at all, durably.
pub(crate) fn write_atomic(path: &Path, content: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let temporary = TempPath(dir.join(unique_name(".new-")));
    let mut file = OpenOptions::new().write(true).create_new(true).open(&temporary.0)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary.0, path)?;
    sync_dir(dir)
}

/// Takes an exclusive lock between processes; it ends when the returned file is dropped or its process dies.
pub(crate) fn lock(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    file.lock()?;
    Ok(file)
}

/// A file or directory that is removed when dropped; after a rename there is nothing left to remove.
#[derive(Debug)]
pub(crate) struct TempPath(pub(crate) PathBuf);

impl Drop for TempPath {
    fn drop(&mut self) {
        if self.0.is_dir() {
            let _ = fs::remove_dir_all(&self.0);
        } else {
            let _ = fs::remove_file(&self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_leave_the_directory_are_not_plain() {
        assert!(is_plain_name("churn_v2.orders-1"));
        for bad in ["", ".", "..", "../x", "a/b", "-rf", "a b", "é", &"x".repeat(129)] {
            assert!(!is_plain_name(bad), "{bad}");
        }
    }

    #[test]
    fn a_file_is_replaced_whole_and_no_temporary_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
