//! Files named by a pattern: `*` and `?` within the names of a path, never across `/`.

use std::io;
use std::path::{Path, PathBuf};

/// Whether a path is a pattern.
#[must_use]
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?'])
}

/// The files a pattern names, below `base` unless it is absolute, in the order of their names. Names that begin with a dot
/// are only found where the pattern says so.
///
/// # Errors
/// A directory on the way cannot be listed.
pub fn expand(base: &Path, pattern: &str) -> io::Result<Vec<PathBuf>> {
    let start = if pattern.starts_with('/') { PathBuf::from("/") } else { PathBuf::new() };
    let words: Vec<&str> = pattern.split('/').filter(|word| !word.is_empty()).collect();
    let mut found = vec![start];
    for (index, word) in words.iter().enumerate() {
        let mut next = Vec::new();
        for path in &found {
            if !is_pattern(word) {
                next.push(path.join(word));
                continue;
            }
            let listed = match std::fs::read_dir(base.join(path)) {
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
                {
                    continue;
                }
                other => other?,
            };
            for entry in listed {
                let name = entry?.file_name();
                let text = name.to_string_lossy();
                if matches(word.as_bytes(), text.as_bytes())
                    && (word.starts_with('.') || !text.starts_with('.'))
                {
                    next.push(path.join(&name));
                }
            }
        }
        let last = index + 1 == words.len();
        next.retain(|path| if last { base.join(path).is_file() } else { base.join(path).is_dir() });
        found = next;
    }
    crate::digest::sort_paths(&mut found);
    Ok(found)
}

/// The digest of the files a pattern names, their names included; none where it names none.
///
/// # Errors
/// One of them cannot be read.
pub fn digest(base: &Path, pattern: &str) -> io::Result<Option<String>> {
    let files = expand(base, pattern)?;
    let mut hashed = Vec::new();
    for file in &files {
        hashed.push((file.as_path(), crate::digest::hash_file(&base.join(file))?));
    }
    if hashed.is_empty() {
        return Ok(None);
    }
    Ok(Some(crate::digest::combine(hashed.iter().map(|(path, hash)| (*path, false, hash)))))
}

/// Whether a name matches a word of a pattern.
fn matches(word: &[u8], name: &[u8]) -> bool {
    match (word.first(), name.first()) {
        (None, None) => true,
        (Some(b'*'), _) => matches(&word[1..], name) || (!name.is_empty() && matches(word, &name[1..])),
        (Some(b'?'), Some(_)) => matches(&word[1..], &name[1..]),
        (Some(a), Some(b)) if a == b => matches(&word[1..], &name[1..]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_find_files_in_order_and_their_digest_follows_them() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        };
        for name in ["2026/b.csv", "2026/a.csv", "2026/a.txt", "2026/.a.csv", "2025/z.csv", "x/a.csv"] {
            write(name);
        }
        let names = |pattern: &str| -> Vec<String> {
            let found = expand(dir.path(), pattern).unwrap();
            found.iter().map(|path| path.display().to_string()).collect()
        };
        assert_eq!(names("2026/*.csv"), ["2026/a.csv", "2026/b.csv"]);
        assert_eq!(names("202?/*.csv"), ["2025/z.csv", "2026/a.csv", "2026/b.csv"]);
        assert_eq!(names("2026/.*.csv"), ["2026/.a.csv"]);
        assert!(names("none/*.csv").is_empty());
        assert_eq!(digest(dir.path(), "none/*.csv").unwrap(), None);
        let first = digest(dir.path(), "2026/*.csv").unwrap();
        write("2026/c.csv");
        assert_ne!(digest(dir.path(), "2026/*.csv").unwrap(), first);
    }
}
