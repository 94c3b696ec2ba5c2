//! What a snapshot is read from: files, versions of other data sets, and rows that are on their way.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::keys::Key;
use super::seal::SealWriter;
use super::table::Format;
use crate::Problem;
use crate::files::{TempPath, unique_name};

/// One thing a snapshot is read from: a file, or a directory of files.
#[derive(Debug, Clone)]
pub struct SourceData {
    /// Where it is.
    pub path: PathBuf,
    /// What it is called in messages and in the manifest.
    pub label: String,
    /// Its format; by default what its extension says.
    pub format: Option<Format>,
    /// The key it is encrypted with.
    pub(super) key: Option<Key>,
    /// For an earlier version of the same data set, whose rows were checked: the columns that are masked in it.
    pub(super) masked: Option<Vec<String>>,
    /// Held so that what is only on its way is removed in the end.
    _temporary: Option<Arc<Held>>,
}

/// A temporary file, and the hold on it that tells it from what a dead process left.
#[derive(Debug)]
struct Held {
    _path: TempPath,
    _lock: File,
}

impl SourceData {
    /// A file or directory of a format.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, format: Option<Format>) -> Self {
        let path = path.into();
        let label = path.display().to_string();
        Self { path, label, format, key: None, masked: None, _temporary: None }
    }

    /// Calls it something else than its path.
    #[must_use]
    pub fn named(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Calls it by its path in a directory, where it is in there and is called by its path.
    #[must_use]
    pub fn in_directory(mut self, dir: &Path) -> Self {
        if let Ok(inside) = Path::new(&self.label).strip_prefix(dir) {
            self.label = inside.display().to_string();
        }
        self
    }

    pub(super) fn opened_with(mut self, key: Option<Key>) -> Self {
        self.key = key;
        self
    }

    pub(super) fn accepted_with(mut self, masked: Vec<String>) -> Self {
        self.masked = Some(masked);
        self
    }
}

impl From<PathBuf> for SourceData {
    fn from(path: PathBuf) -> Self {
        Self::new(path, None)
    }
}

impl From<&Path> for SourceData {
    fn from(path: &Path) -> Self {
        Self::new(path, None)
    }
}

/// What the files of rows on their way are called.
const PREFIX: &str = "rows-";

/// Rows on their way into a snapshot, encrypted with a key that is only in memory: before they are masked and redacted
/// nothing of them can be read on the disk. What is written is the text of a file of the given format.
pub struct Spool {
    writer: SealWriter<BufWriter<File>>,
    path: TempPath,
    lock: File,
    key: Key,
    format: Format,
}

impl Spool {
    /// Begins one in a directory. What processes that died left there is removed.
    pub fn new(dir: &Path, format: Format) -> Result<Self, Problem> {
        for old in super::store::list(dir)? {
            let is_ours = old.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
            if is_ours && File::open(&old).is_ok_and(|file| file.try_lock().is_ok()) {
                super::store::remove_file(&old)?;
            }
        }
        let path = TempPath(dir.join(unique_name(PREFIX)));
        let failed = |error: io::Error| super::store::write_problem(&path.0, &error);
        fs::create_dir_all(dir).map_err(failed)?;
        let file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path.0).map_err(failed)?;
        let lock = file.try_clone().map_err(failed)?;
        lock.lock().map_err(failed)?;
        let key = Key::random()?;
        let writer = SealWriter::new(BufWriter::with_capacity(128 * 1024, file), &key)?;
        Ok(Self { writer, path, lock, key, format })
    }

    /// Ends it; the rows are there until the last copy of the result is dropped.
    pub fn finish(self, label: &str) -> Result<SourceData, Problem> {
        let failed = |error: io::Error| super::store::write_problem(&self.path.0, &error);
        self.writer.finish().and_then(|mut file| file.flush()).map_err(failed)?;
        let path = self.path.0.clone();
        Ok(SourceData {
            path,
            label: label.to_owned(),
            format: Some(self.format),
            key: Some(self.key),
            masked: None,
            _temporary: Some(Arc::new(Held { _path: self.path, _lock: self.lock })),
        })
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::Table;
    use super::*;

    #[test]
    fn rows_on_their_way_cannot_be_read_on_the_disk_and_go_in_the_end() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("rows-1-0"), "what a dead process left").unwrap();
        fs::write(dir.path().join("other"), "not ours").unwrap();
        let mut spool = Spool::new(dir.path(), Format::JsonLines).unwrap();
        for row in 0..5000 {
            writeln!(spool, "{{\"id\":{row},\"mail\":\"jo@mail.example\"}}").unwrap();
        }
        let source = spool.finish("source.crm").unwrap();
        let raw = fs::read(&source.path).unwrap();
        assert!(!raw.windows(12).any(|part| part == b"mail.example"));
        let mut table = Table::open_source(&source, &[]).unwrap();
        let mut rows = 0;
        while let Some(row) = table.next_row().unwrap() {
            assert_eq!(row.cells[1].text(), "jo@mail.example");
            rows += 1;
        }
        assert_eq!((rows, table.label()), (5000, "source.crm"));
        let count = || fs::read_dir(dir.path()).unwrap().count();
        let other = Spool::new(dir.path(), Format::JsonLines).unwrap();
        assert_eq!(count(), 3, "one that is in use stays");
        drop((source, other));
        assert_eq!(count(), 1);
    }
}
