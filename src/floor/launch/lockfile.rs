//! Lock files of packages: which they are, and whether they say everything by themselves.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What wrote a lock file, and so what installs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockFormat {
    /// A `requirements.txt` or `requirements.lock` with exact versions, with or without hashes, which `pip` installs.
    Requirements,
    /// `uv.lock`, which only `uv` reads, together with the `pyproject.toml` beside it.
    Uv,
    /// `pylock.toml` (PEP 751), which only `uv` installs.
    Pylock,
}

impl LockFormat {
    /// The format of a file of that name; nothing where no lock file is called so.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        let name = Path::new(path).file_name()?.to_str()?;
        let is_pylock = |name: &str| name == "pylock.toml" || name.starts_with("pylock.");
        match name {
            "uv.lock" => Some(Self::Uv),
            name if name.ends_with(".toml") && is_pylock(name) => Some(Self::Pylock),
            name if name.ends_with(".txt") => Some(Self::Requirements),
            name if name.starts_with("requirements") && name.ends_with(".lock") => Some(Self::Requirements),
            _ => None,
        }
    }

    /// Whether only `uv` can install it.
    #[must_use]
    pub fn needs_uv(self) -> bool {
        self != Self::Requirements
    }

    /// The file beside it whose content decides as well.
    #[must_use]
    pub fn companion(self, lock: &Path) -> Option<PathBuf> {
        (self == Self::Uv).then(|| lock.with_file_name("pyproject.toml"))
    }
}

impl fmt::Display for LockFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requirements => "requirements",
            Self::Uv => "uv.lock",
            Self::Pylock => "pylock.toml",
        })
    }
}

/// A line of a requirements file because of which it locks nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loose {
    /// The line, from 1.
    pub line: usize,
    /// What stands there.
    pub text: String,
    /// Why that is not exact.
    pub why: &'static str,
}

/// The lines of a requirements file that do not say by themselves, exactly, what is installed.
#[must_use]
pub fn loose_lines(text: &str) -> Vec<Loose> {
    let mut found = Vec::new();
    for (line, entry) in lock_entries(text) {
        if let Some(why) = looseness(&entry) {
            found.push(Loose { line, text: entry, why });
        }
    }
    found
}

/// The entries of a requirements file with the number of their first line; an entry goes on where a line ends in a backslash.
#[must_use]
pub fn lock_entries(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        let bare = match line.split_once(" #") {
            Some((before, _)) => before.trim(),
            None if line.trim_start().starts_with('#') => "",
            None => line.trim(),
        };
        let goes_on = bare.ends_with('\\');
        let part = bare.trim_end_matches('\\').trim();
        let (first, mut entry) = open.take().unwrap_or((index + 1, String::new()));
        if !entry.is_empty() && !part.is_empty() {
            entry.push(' ');
        }
        entry.push_str(part);
        if goes_on {
            open = Some((first, entry));
        } else if !entry.is_empty() {
            found.push((first, entry));
        }
    }
    found.extend(open.filter(|(_, entry)| !entry.is_empty()));
    found
}

fn looseness(entry: &str) -> Option<&'static str> {
    let option = entry.split([' ', '=']).next().unwrap_or_default();
    let files = ["-r", "--requirement", "-c", "--constraint"];
    if files.contains(&option) || entry.starts_with("-r") || entry.starts_with("-c") {
        return Some("names another file, whose content is not part of this one");
    }
    if option == "--editable" || entry.starts_with("-e") {
        return Some("is a directory, whose content can change");
    }
    if entry.starts_with('-') {
        return None;
    }
    let requirement = entry.split(" --").next().unwrap_or(entry);
    let requirement = requirement.split(';').next().unwrap_or(requirement).trim();
    if let Some((_, place)) = requirement.split_once(" @ ") {
        let remote = ["http://", "https://", "git+"].iter().any(|scheme| place.trim().starts_with(scheme));
        return (!remote).then_some("is a file of this machine, whose content can change");
    }
    if requirement.contains("://") {
        return None;
    }
    if requirement.starts_with(['.', '/']) || requirement.contains('/') {
        return Some("is a file of this machine, whose content can change");
    }
    match requirement.split_once("==") {
        Some((_, version)) if !version.contains('*') && !version.trim().is_empty() => None,
        _ => Some("has no exact version"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_files_are_known_by_their_names() {
        for (name, expected) in [
            ("requirements.txt", Some(LockFormat::Requirements)),
            ("locks/train.txt", Some(LockFormat::Requirements)),
            ("requirements.lock", Some(LockFormat::Requirements)),
            ("requirements-dev.lock", Some(LockFormat::Requirements)),
            ("uv.lock", Some(LockFormat::Uv)),
            ("env/pylock.gpu.toml", Some(LockFormat::Pylock)),
            ("pyproject.toml", None),
            ("poetry.lock", None),
        ] {
            assert_eq!(LockFormat::of(name), expected, "{name}");
        }
    }

    #[test]
    fn a_lock_names_every_package_with_its_version() {
        let exact = "# by hand\n--no-index\n--find-links wheels\nsix==1.16.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n\
                     pandas[all]==2.1.0 ; python_version >= '3.8'  # why\nx @ https://host/x-1.0-py3-none-any.whl\n";
        assert_eq!(loose_lines(exact), []);
        let loose = "six\nsix>=1.0\nsix==1.*\n-r base.txt\n-e .\n./x.whl\nx @ file:///x.whl\n";
        let lines: Vec<usize> = loose_lines(loose).iter().map(|found| found.line).collect();
        assert_eq!(lines, [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn an_entry_over_several_lines_has_the_number_of_the_first() {
        let found = loose_lines("a==1\n\nsix>=1 \\\n  --hash=sha256:aa\n");
        assert_eq!((found[0].line, found[0].why), (3, "has no exact version"));
    }
}
