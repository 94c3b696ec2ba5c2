//! The keys of data: one of the project for masks and for encryption, and a customer's where one is given.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Problem;
use crate::files::{TempPath, sync_dir, unique_name};

/// Shortest secret that is taken for a key: what is shorter can be found by trying.
const SHORTEST: usize = 32;

/// A key, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id())
    }
}

impl Key {
    /// A key from the secret of a customer.
    pub fn of_secret(text: &str) -> Result<Self, Problem> {
        let text = text.trim();
        if text.len() < SHORTEST {
            return Err(Problem::new("MLP0730", format!("the key is shorter than {SHORTEST} characters"))
                .help("make one with `openssl rand -hex 32`")
                .at("protection.encrypt.key"));
        }
        Ok(Self(blake3::derive_key("mlp 2026 a customer's key of data", text.as_bytes())))
    }

    /// A key that nobody else has, and that is gone with the process.
    pub(super) fn random() -> Result<Self, Problem> {
        let mut bytes = [0; 32];
        fill_random(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The name of the key, by which it is told from others; it says nothing of the key itself.
    #[must_use]
    pub fn id(&self) -> String {
        blake3::Hash::from_bytes(self.derive("mlp 2026 name of a key")).to_hex()[..16].to_owned()
    }

    /// A key for one purpose.
    pub(super) fn derive(&self, purpose: &str) -> [u8; 32] {
        blake3::derive_key(purpose, &self.0)
    }
}

pub(super) fn fill_random(bytes: &mut [u8]) -> Result<(), Problem> {
    let mut filled = 0;
    while filled < bytes.len() {
        filled += rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())
            .map_err(|error| {
                Problem::new("MLP0730", format!("the machine gives no random numbers: {error}"))
            })?;
    }
    Ok(())
}

/// How the key of a customer is found when it is needed.
pub type FindKey = dyn Fn() -> Result<Key, Problem> + Send + Sync;

/// Where the keys of a store are.
#[derive(Clone)]
pub struct Keys {
    file: PathBuf,
    customer: Option<Arc<FindKey>>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("file", &self.file).field("customer", &self.customer.is_some()).finish()
    }
}

impl Keys {
    /// The project's key is in this file, which is made when it is first needed.
    #[must_use]
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into(), customer: None }
    }

    /// Encrypts with the key of a customer instead of the project's.
    #[must_use]
    pub fn with_customer(mut self, find: Arc<FindKey>) -> Self {
        self.customer = Some(find);
        self
    }

    /// The key that masks are made with.
    pub(super) fn project(&self) -> Result<Key, Problem> {
        let text = fs::read_to_string(&self.file).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                Problem::new("MLP0730", format!("the project's key `{}` is missing", self.file.display()))
                    .help("put it back from a copy; what was encrypted with it cannot be read without it")
            }
            _ => Problem::io("MLP0730", "read", &self.file, &error),
        })?;
        let damaged = || {
            Problem::new("MLP0730", format!("the project's key `{}` is damaged", self.file.display()))
                .help("put it back from a copy; what was encrypted with it cannot be read without it")
        };
        blake3::Hash::from_hex(text.trim()).map(|hash| Key(*hash.as_bytes())).map_err(|_| damaged())
    }

    /// The same, made where there is none yet. `used` says whether something depends on the one that is gone.
    pub(super) fn project_or_new(
        &self,
        used: impl FnOnce() -> Result<bool, Problem>,
    ) -> Result<Key, Problem> {
        if self.file.exists() || used()? {
            return self.project();
        }
        let made = Key::random()?;
        match create(&self.file, &made) {
            // Another process was faster, and its key counts.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.project(),
            Err(error) => Err(Problem::io("MLP0730", "write", &self.file, &error)),
            Ok(()) => Ok(made),
        }
    }

    /// The key that content is encrypted with.
    pub(super) fn sealing(&self, used: impl FnOnce() -> Result<bool, Problem>) -> Result<Key, Problem> {
        match &self.customer {
            Some(find) => find(),
            None => self.project_or_new(used),
        }
    }

    /// The key of this name, to read with.
    pub(super) fn opening(&self, id: &str) -> Result<Key, Problem> {
        let customer = self.customer.as_ref().map(|find| find()).transpose();
        if let Ok(Some(key)) = &customer
            && key.id() == id
        {
            return Ok(key.clone());
        }
        let project = self.project();
        match (&project, customer) {
            (Ok(key), _) if key.id() == id => return project,
            (_, Err(why)) => return Err(why),
            (Err(_), Ok(None)) => return project,
            _ => {}
        }
        Err(Problem::new("MLP0731", format!("it is encrypted with the key {id}, which is not the one given"))
            .help("give the key that it was encrypted with"))
    }
}

/// Writes the key whole, readable by its owner alone, and never over another one.
fn create(path: &Path, key: &Key) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let temporary = TempPath(dir.join(unique_name(".key-")));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary.0)?;
    writeln!(file, "{}", blake3::Hash::from_bytes(key.0).to_hex())?;
    file.sync_all()?;
    fs::hard_link(&temporary.0, path)?;
    sync_dir(dir)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_project_key_is_made_once_private_and_never_anew() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::new(dir.path().join("keys/data.key"));
        let first = keys.project_or_new(|| Ok(false)).unwrap();
        assert_eq!(keys.project_or_new(|| Ok(false)).unwrap(), first);
        assert_eq!(keys.opening(&first.id()).unwrap(), first);
        assert_eq!(fs::metadata(&keys.file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path().join("keys")).unwrap().count(), 1);
        assert!(!format!("{first:?}").contains(fs::read_to_string(&keys.file).unwrap().trim()));
        assert_eq!(keys.opening("another").unwrap_err().code, "MLP0731");
        fs::write(&keys.file, "short").unwrap();
        assert!(keys.project().unwrap_err().message.contains("damaged"));
        fs::remove_file(&keys.file).unwrap();
        assert!(keys.project_or_new(|| Ok(true)).unwrap_err().message.contains("is missing"));
        assert!(!keys.file.exists());
    }

    #[test]
    fn a_short_secret_is_no_key() {
        assert_eq!(Key::of_secret("password").unwrap_err().code, "MLP0730");
        let (one, two) = ("k".repeat(32), "l".repeat(32));
        assert_ne!(Key::of_secret(&one).unwrap().id(), Key::of_secret(&two).unwrap().id());
        assert_eq!(Key::of_secret(&one).unwrap(), Key::of_secret(&format!("{one}\n")).unwrap());
    }
}
