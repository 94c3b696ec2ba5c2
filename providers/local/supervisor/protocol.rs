//! What a command and the supervisor say to each other: one JSON line each way over a socket of the project.

use std::path::{Path, PathBuf};

use mlp_floor::serve::EndpointStatus;
use serde::{Deserialize, Serialize};

use super::vault::Variables;
use crate::mlp_diag::Diagnostic;

/// The version of the protocol.
pub(crate) const PROTOCOL: u32 = 2;
/// The version of the program.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) protocol: u32,
    #[serde(flatten)]
    pub(crate) ask: Ask,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum Ask {
    /// Only who is there.
    Hello,
    /// An environment's records changed. What they read from the environment's variables comes with it.
    Reconcile {
        home: PathBuf,
        #[serde(default)]
        variables: Variables,
    },
    /// What runs.
    Status,
    /// An endpoint whose record is gone is to end; answered when it has.
    StopEndpoint { home: PathBuf, name: String },
    /// An environment is to be left alone; answered when all of it has ended. The last one ends the supervisor.
    Forget { home: PathBuf },
    /// Versions that were taken out may be tried again.
    Release { home: PathBuf, name: String },
    /// The supervisor is to end and to leave its endpoints to the next one; since protocol 2.
    Retire,
    /// Everything is to end.
    Shutdown,
}

/// What is answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Response {
    pub(crate) protocol: u32,
    pub(crate) version: String,
    /// Why it could not be done.
    #[serde(default)]
    pub(crate) refused: Option<String>,
    #[serde(default)]
    pub(crate) status: Option<Status>,
}

/// What runs.
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq)]
pub(crate) struct Status {
    pub(crate) pid: u32,
    pub(crate) endpoints: Vec<EndpointReport>,
    /// What tells one start of the machine from the next, where the machine says.
    #[serde(default)]
    pub(crate) boot: Option<String>,
    /// When this was still so, in milliseconds since 1970.
    #[serde(default)]
    pub(crate) at: u64,
}

/// What is known of one endpoint.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub(crate) struct EndpointReport {
    pub(crate) home: PathBuf,
    pub(crate) name: String,
    /// The digest of the record that this is about.
    pub(crate) document: String,
    pub(crate) error: Option<Diagnostic>,
    pub(crate) state: Option<EndpointStatus>,
    /// Versions on their way, and versions that were taken out.
    #[serde(default)]
    pub(crate) rollouts: Vec<RolloutReport>,
}

/// A version that takes over a variant, or was kept from it.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct RolloutReport {
    pub(crate) variant: String,
    pub(crate) version: u64,
    /// When it was taken out, in milliseconds since 1970; none while it takes over.
    pub(crate) held_at: Option<u64>,
    /// What is being done, without the figures that change all the time.
    #[serde(default)]
    pub(crate) step: String,
    /// All of it for people.
    pub(crate) text: String,
}

/// What tells one start of the machine from the next.
pub(crate) fn boot() -> Option<String> {
    let found = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(found.trim().to_owned())
}

/// The last status that a supervisor wrote down.
pub(crate) fn last_status(folder: &Path) -> Option<Status> {
    serde_json::from_slice(&std::fs::read(folder.join("status.json")).ok()?).ok()
}

/// The folder of the process that keeps an endpoint.
pub(crate) fn keeper_folder(folder: &Path, home: &Path, name: &str) -> PathBuf {
    let key = format!("{}\n{name}", home.display());
    folder.join("endpoints").join(&blake3::hash(key.as_bytes()).to_hex()[..16])
}

/// Whether a version of the program is older than another, as far as both say.
pub(crate) fn is_older(version: &str, other: &str) -> bool {
    let numbers = |text: &str| -> Vec<u64> {
        let plain = text.split(['-', '+']).next().unwrap_or_default();
        plain.split('.').map(|part| part.parse().unwrap_or(0)).collect()
    };
    numbers(version) < numbers(other)
}

/// The folder of a project's supervisor.
pub(crate) fn folder(directory: &Path) -> PathBuf {
    directory.join(".mlp").join("supervisor")
}

/// A path to the socket that fits an address (108 bytes): through the opened folder where the folder's own is too long.
/// The file has to stay open while the path is used.
pub(crate) fn socket(folder: &Path) -> std::io::Result<(PathBuf, std::fs::File)> {
    use std::os::fd::AsRawFd;
    let open = std::fs::File::open(folder)?;
    let plain = folder.join("s");
    if plain.as_os_str().len() < 100 {
        return Ok((plain, open));
    }
    let short = PathBuf::from(format!("/proc/self/fd/{}/s", open.as_raw_fd()));
    Ok((short, open))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_their_numbers() {
        assert!(is_older("0.9.0", "0.10.0") && is_older("0.1.9", "1.0.0-rc1"));
        assert!(!is_older("0.1.0", "0.1.0") && !is_older("1.0.0", "0.9.9"));
    }

    #[test]
    fn what_an_older_version_wrote_is_read() {
        let status: Status =
            serde_json::from_str(r#"{"pid": 1, "endpoints": [], "processes": [[1, 2]]}"#).unwrap();
        assert_eq!((status.pid, status.at, status.boot), (1, 0, None));
        let request: Request = serde_json::from_str(r#"{"protocol": 7, "op": "retire"}"#).unwrap();
        assert_eq!((request.protocol, request.ask), (7, Ask::Retire));
    }
}
