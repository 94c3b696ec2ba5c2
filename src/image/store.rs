//! What was fetched and made before: blobs by their SHA-256, and notes on what was made of what. Everything in it can be made again.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use mlp_floor::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::codes;

/// A blob that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blob {
    /// `sha256:…`.
    pub(crate) digest: String,
    /// Bytes.
    pub(crate) size: u64,
    /// The file.
    pub(crate) path: PathBuf,
}

/// The cache of a user.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// In `$XDG_CACHE_HOME/mlp/images`, by default `~/.cache/mlp/images`.
    ///
    /// # Errors
    /// Neither variable says where that is.
    pub fn of_user() -> Result<Self, Problem> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
        root.map(|root| Self::at(&root.join("mlp/images"))).ok_or_else(|| {
            Problem::new(codes::WRITE, "it is not known where things are cached")
                .help("set `HOME` or `XDG_CACHE_HOME`")
        })
    }

    /// In that directory.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn place(&self, digest: &str) -> PathBuf {
        let (kind, hex) = digest.split_once(':').unwrap_or(("sha256", digest));
        self.root.join("blobs").join(kind).join(hex)
    }

    /// A blob that was kept.
    pub(crate) fn blob(&self, digest: &str) -> Option<Blob> {
        let path = self.place(digest);
        let size = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?.len();
        Some(Blob { digest: digest.to_owned(), size, path })
    }

    /// A file that becomes a blob once it is written.
    pub(crate) fn begin(&self) -> Result<NamedTempFile, Problem> {
        let folder = self.root.join("blobs/sha256");
        let failed = |error: io::Error| unwritten(&folder, &error);
        fs::create_dir_all(&folder).map_err(failed)?;
        tempfile::Builder::new().prefix(".new-").tempfile_in(&folder).map_err(failed)
    }

    /// Keeps a file whose digest its writer has computed.
    pub(crate) fn keep(&self, file: NamedTempFile, digest: &str) -> Result<Blob, Problem> {
        let path = self.place(digest);
        let failed = |error: io::Error| unwritten(&path, &error);
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&path).map_err(|error| unwritten(&path, &error.error))?;
        self.blob(digest).ok_or_else(|| failed(io::Error::other("it went away")))
    }

    /// What was noted under a key.
    pub(crate) fn noted<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        serde_json::from_slice(&fs::read(self.root.join("notes").join(key)).ok()?).ok()
    }

    /// Notes what is true of a key for ever.
    pub(crate) fn note<T: Serialize>(&self, key: &str, value: &T) -> Result<(), Problem> {
        let folder = self.root.join("notes");
        let failed = |error: io::Error| unwritten(&folder, &error);
        fs::create_dir_all(&folder).map_err(failed)?;
        let mut file = NamedTempFile::new_in(&folder).map_err(failed)?;
        serde_json::to_writer(&mut file, value).map_err(|error| failed(error.into()))?;
        file.persist(folder.join(key)).map_err(|error| unwritten(&folder, &error.error))?;
        Ok(())
    }

    /// Takes a note back.
    pub(crate) fn forget(&self, key: &str) {
        let _ = fs::remove_file(self.root.join("notes").join(key));
    }
}

/// A key of notes: of what decides, in order.
pub(crate) fn key<'a>(what: &str, parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut all = blake3::Hasher::new();
    for part in parts {
        all.update(&(part.len() as u64).to_le_bytes());
        all.update(part.as_bytes());
    }
    format!("{what}-{}", all.finalize().to_hex())
}

/// What is said when the disk says no.
pub(crate) fn unwritten(path: &Path, error: &io::Error) -> Problem {
    let problem = Problem::io(codes::WRITE, "write", path, error);
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            problem.help("make room, or let `XDG_CACHE_HOME` name a directory with room")
        }
        _ => problem.help("see that the directory may be written"),
    }
}

pub(crate) fn unread(path: &Path, error: &io::Error) -> Problem {
    Problem::io(codes::WRITE, "read", path, error)
}

/// Opens a file for reading.
pub(crate) fn open(path: &Path) -> Result<BufReader<File>, Problem> {
    File::open(path).map(BufReader::new).map_err(|error| unread(path, &error))
}

/// Passes on what is written, and knows its digest and size.
pub(crate) struct Hashing<W> {
    inner: W,
    hash: Sha256,
    size: u64,
}

impl<W> Hashing<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, hash: Sha256::new(), size: 0 }
    }

    /// What was written to, its digest and its size.
    pub(crate) fn finish(self) -> (W, String, u64) {
        (self.inner, named(&self.hash.finalize()), self.size)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn named(digest: &[u8]) -> String {
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// The digest of bytes.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    named(&Sha256::digest(bytes))
}

/// The digest of a file.
pub(crate) fn sha256_of(path: &Path) -> Result<String, Problem> {
    let mut file = open(path)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece).map_err(|error| unread(path, &error))? {
            0 => return Ok(named(&hash.finalize())),
            read => hash.update(&piece[..read]),
        }
    }
}
