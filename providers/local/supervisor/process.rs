//! Starting the supervisor, and knowing what is started for it.

use std::path::Path;
use std::process::{Command, Stdio};

/// Starts a supervisor that outlives this process.
pub(super) fn start(program: &str, directory: &Path, folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log"))?;
    // No group of its own: it makes a session of its own, which the leader of a group cannot.
    let child = Command::new(program)
        .args(["background", "local"])
        .arg(directory)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    // It is to live on; only a dead one is collected, so that it does not linger while this process lives.
    std::thread::spawn(move || {
        let mut child = child;
        let _ = child.wait();
    });
    Ok(())
}

/// What is started to keep an endpoint. The name this program was started by leads to its next version once that has been
/// put in its place.
pub(super) fn keeper() -> Vec<String> {
    let program = std::env::args().next().unwrap_or_else(|| "mlp".to_owned());
    [program.as_str(), "background", "endpoint"].map(str::to_owned).to_vec()
}
