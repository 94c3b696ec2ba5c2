//! The commit that a directory is at, without asking git.

use std::path::Path;

/// The commit that is checked out in the repository around a directory; none where there is no repository.
#[must_use]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commit_is_found_loose_packed_and_detached() {
        let dir = tempfile::tempdir().unwrap();
        let git = dir.path().join(".git");
        std::fs::create_dir_all(git.join("refs/heads")).unwrap();
        let inner = dir.path().join("a/b");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        assert_eq!(commit(&inner), None);
        std::fs::write(git.join("packed-refs"), "# pack-refs\nabc refs/heads/main\n").unwrap();
        assert_eq!(commit(&inner).as_deref(), Some("abc"));
        std::fs::write(git.join("refs/heads/main"), "def\n").unwrap();
        assert_eq!(commit(&inner).as_deref(), Some("def"));
        std::fs::write(git.join("HEAD"), "0123\n").unwrap();
        assert_eq!(commit(&inner).as_deref(), Some("0123"));
    }
}
