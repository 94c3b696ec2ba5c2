//! Secrets by reference: `env:NAME` and `file:PATH`; read when needed, compared by a keyed fingerprint, never kept.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::wire::SECRET;
use crate::Problem;
use crate::files::sync_dir;

/// Larger files are no secrets.
const LARGEST: u64 = 1024 * 1024;

/// The value a reference leads to. The newline that ends a file is no part of it.
///
/// # Errors
/// The variable or file is missing, cannot be read, or holds nothing.
pub fn read(project: &Path, from: &str) -> Result<String, Problem> {
    let refused = |text: String, help: &str| Problem::new(SECRET, text).at("from").help(help);
    let value = match from.split_once(':') {
        Some(("env", name)) => std::env::var(name).map_err(|error| match error {
            std::env::VarError::NotPresent => refused(
                format!("the environment has no variable `{name}`"),
                &format!("set it where `mlp` is started: `export {name}=...`"),
            ),
            std::env::VarError::NotUnicode(_) => {
                refused(format!("the variable `{name}` is not UTF-8"), "set it to text")
            }
        })?,
        Some(("file", name)) => file(&project.join(name)).map_err(|error| {
            let text = format!("the file `{name}` cannot be read: {error}");
            refused(text, "write the secret into that file, readable for you alone")
        })?,
        _ => {
            let text = format!("`{from}` is no reference that can be read here");
            return Err(refused(text, "use `env:NAME` or `file:PATH`"));
        }
    };
    if value.is_empty() {
        return Err(refused(format!("`{from}` is empty"), "give it the secret"));
    }
    Ok(value)
}

fn file(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let size = fs::File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
    if size as u64 > LARGEST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 MiB"));
    }
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}

/// Makes fingerprints of secrets with the key that is kept beside the state for everything that must not be shown.
#[derive(Debug, Clone)]
pub struct Fingerprints {
    key: PathBuf,
}

impl Fingerprints {
    /// With the key in this directory, where it is made when it is first needed.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self { key: directory.join("seal.key") }
    }

    /// `<key>:<fingerprint>`: fingerprints of different keys say nothing about each other.
    ///
    /// # Errors
    /// The secret or the key cannot be read.
    pub fn of(&self, project: &Path, from: &str) -> Result<String, Problem> {
        let value = read(project, from)?;
        let key = self.key().map_err(|error| Problem::io(SECRET, "use the key", &self.key, &error))?;
        let id = blake3::keyed_hash(&key, b"mlp secrets: the name of this key").to_hex();
        // A keyed BLAKE3 is a message authentication code: without the key it cannot be compared with guesses.
        let mut text = b"mlp secrets: a value\n".to_vec();
        text.extend_from_slice(value.as_bytes());
        let mark = blake3::keyed_hash(&key, &text).to_hex();
        Ok(format!("{}:{}", &id[..8], &mark[..32]))
    }

    fn key(&self) -> io::Result<[u8; 32]> {
        match fs::read(&self.key) {
            Ok(bytes) => <[u8; 32]>::try_from(bytes.as_slice())
                .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is damaged; remove it")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.make(),
            Err(error) => Err(error),
        }
    }

    /// Makes the key; when another process was faster, its key counts.
    fn make(&self) -> io::Result<[u8; 32]> {
        use std::io::Write;
        let mut key = [0; 32];
        fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
        let folder = self.key.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let temporary = crate::files::TempPath(folder.join(crate::files::unique_name(".seal-")));
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary.0)?;
        file.write_all(&key)?;
        file.sync_all()?;
        match fs::hard_link(&temporary.0, &self.key) {
            Ok(()) => sync_dir(folder).map(|()| key),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.key(),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_fingerprint_follows_the_value_and_tells_nothing_of_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("s"), "hunter22\n").unwrap();
        let prints = Fingerprints::new(&dir.path().join("state"));
        let of = || prints.of(dir.path(), "file:s").unwrap();
        let first = of();
        assert_eq!(first, of());
        assert!(!first.contains("hunter22"));
        let key = dir.path().join("state/seal.key");
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(dir.path().join("s"), "hunter23\n").unwrap();
        let changed = of();
        assert_eq!(first.split_once(':').unwrap().0, changed.split_once(':').unwrap().0);
        assert_ne!(first, changed);
        fs::remove_file(&key).unwrap();
        assert_ne!(of().split_once(':').unwrap().0, changed.split_once(':').unwrap().0);
        assert_eq!(fs::read_dir(dir.path().join("state")).unwrap().count(), 1);
    }

    #[test]
    fn what_is_missing_is_said_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("empty"), "\n").unwrap();
        for (from, said) in [
            ("env:MLP_TEST_NO_SUCH_VARIABLE", "no variable `MLP_TEST_NO_SUCH_VARIABLE`"),
            ("file:none", "the file `none` cannot be read"),
            ("file:empty", "`file:empty` is empty"),
            ("vault:kv/x", "is no reference"),
        ] {
            let problem = read(dir.path(), from).unwrap_err();
            assert_eq!((problem.code, problem.subject.as_deref()), (SECRET, Some("from")));
            assert!(problem.message.contains(said), "{problem}");
        }
        fs::write(dir.path().join("s"), "two\nlines\r\n").unwrap();
        assert_eq!(read(dir.path(), "file:s").unwrap(), "two\nlines");
    }
}
