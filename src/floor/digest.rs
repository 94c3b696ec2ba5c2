//! Digests of files and directory trees: BLAKE3, as lower-case hex.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The first bytes of every tree digest, so that a tree never has the digest of a file.
const TREE_DOMAIN: &[u8] = b"mlp-tree-1\n";

/// The digest of one file's content.
pub fn digest_file(path: &Path) -> io::Result<String> {
    Ok(hash_file(path)?.to_hex().to_string())
}

/// The digest of a directory tree: its files' relative paths in order, whether each is executable, and their
/// contents. Empty directories do not count; symbolic links are an error, since what they show may change.
pub fn digest_tree(root: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    for relative in list_files(root)? {
        let path = root.join(&relative);
        let executable = is_executable(&path)?;
        files.push((relative, executable, hash_file(&path)?));
    }
    Ok(combine(files.iter().map(|(path, executable, hash)| (path.as_path(), *executable, hash))))
}

/// The digest of a path: `digest_tree` of a directory, `digest_file` of anything else.
pub fn digest_path(path: &Path) -> io::Result<String> {
    if path.is_dir() { digest_tree(path) } else { digest_file(path) }
}

/// The regular files below `root` as relative paths, sorted by their bytes.
pub fn list_files(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(relative) = pending.pop() {
        for entry in std::fs::read_dir(root.join(&relative))? {
            let entry = entry?;
            let path = relative.join(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                pending.push(path);
            } else if kind.is_file() {
                found.push(path);
            } else {
                let what = format!("{} is neither a file nor a directory", root.join(path).display());
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
        }
    }
    sort_paths(&mut found);
    Ok(found)
}

pub(crate) fn sort_paths(paths: &mut [PathBuf]) {
    paths.sort_by(|a, b| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()));
}

pub(crate) fn hash_file(path: &Path) -> io::Result<blake3::Hash> {
    let mut file = File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    // Most files are small, and a large buffer costs more to clear than they cost to read.
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let mut buffer = vec![0_u8; length.saturating_add(1).clamp(1024, 128 * 1024)];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finalize()),
            read => hasher.update(&buffer[..read]),
        };
    }
}

pub(crate) fn is_executable(path: &Path) -> io::Result<bool> {
    Ok(std::fs::metadata(path)?.permissions().mode() & 0o111 != 0)
}

/// Joins the hashes of files, given in the order of their paths, into the digest of their tree.
pub(crate) fn combine<'a>(files: impl Iterator<Item = (&'a Path, bool, &'a blake3::Hash)>) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(TREE_DOMAIN);
    for (path, executable, hash) in files {
        let bytes = path.as_os_str().as_encoded_bytes();
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
        hasher.update(&[u8::from(executable)]);
        hasher.update(hash.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_digest_follows_names_contents_and_the_executable_bit() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("a")).unwrap();
        std::fs::write(dir.path().join("a/x"), "1").unwrap();
        std::fs::write(dir.path().join("b"), "2").unwrap();
        let first = digest_tree(dir.path()).unwrap();
        assert_eq!(first, digest_tree(dir.path()).unwrap());
        std::fs::write(dir.path().join("b"), "3").unwrap();
        let edited = digest_tree(dir.path()).unwrap();
        assert_ne!(first, edited);
        std::fs::rename(dir.path().join("b"), dir.path().join("c")).unwrap();
        let renamed = digest_tree(dir.path()).unwrap();
        assert_ne!(edited, renamed);
        std::fs::set_permissions(dir.path().join("c"), std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_ne!(renamed, digest_tree(dir.path()).unwrap());
    }

    #[test]
    fn a_link_in_a_tree_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("link")).unwrap();
        assert!(digest_tree(dir.path()).unwrap_err().to_string().contains("link"));
    }

    #[test]
    fn a_file_digest_is_the_blake3_of_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(digest_file(&path).unwrap(), blake3::hash(b"abc").to_hex().to_string());
        assert_eq!(digest_path(&path).unwrap(), digest_file(&path).unwrap());
    }
}
