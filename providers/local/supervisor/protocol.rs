//! What a command and the supervisor say to each other: one JSON line each way over a socket of the project.

use std::path::{Path, PathBuf};

use mlp_floor::serve::EndpointStatus;
use serde::{Deserialize, Serialize};

use super::vault::Variables;
use crate::mlp_diag::Diagnostic;

/// The version of the protocol.
pub(crate) const PROTOCOL: u32 = 1;
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
    /// Processes with the times they started at, so that a later supervisor can end what this one left.
    #[serde(default)]
    pub(crate) processes: Vec<(u32, u64)>,
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
