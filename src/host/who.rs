//! Who works here, and on which commit.

use std::path::Path;

/// `user@host`.
pub fn who() -> String {
    let user =
        std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "unknown".into());
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{user}@{host}")
}

/// The commit that is checked out in the repository around a directory.
pub fn commit(directory: &Path) -> Option<String> {
    let repository =
        directory.ancestors().map(|ancestor| ancestor.join(".git")).find(|path| path.is_dir())?;
    let head = std::fs::read_to_string(repository.join("HEAD")).ok()?;
    let Some(name) = head.trim().strip_prefix("ref: ") else { return Some(head.trim().to_owned()) };
    if let Ok(commit) = std::fs::read_to_string(repository.join(name)) {
        return Some(commit.trim().to_owned());
    }
    let packed = std::fs::read_to_string(repository.join("packed-refs")).ok()?;
    packed.lines().find_map(|line| line.strip_suffix(name).map(|commit| commit.trim().to_owned()))
}
