//! The lock file of an image: packages with exact versions and hashes, in the format of pip.

use std::path::Path;

use mlp_floor::Problem;
use mlp_floor::launch::{LockFormat, lock_entries, loose_lines};

use crate::codes;
use crate::store::sha256;

/// Options that change nothing here: nothing is ever built from source, and hashes are always required.
const HARMLESS: &[&str] = &["--only-binary", "--prefer-binary", "--require-hashes", "--trusted-host"];

/// One package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Requirement {
    pub(crate) line: usize,
    /// As indexes call it.
    pub(crate) name: String,
    /// The version, or where the wheel is.
    pub(crate) at: At,
    pub(crate) marker: Option<String>,
    /// Lower-case SHA-256, one of which its file has.
    pub(crate) hashes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum At {
    Version(String),
    Url(String),
}

/// A whole file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Lock {
    /// Of its text.
    pub(crate) digest: String,
    pub(crate) packages: Vec<Requirement>,
    /// `--index-url`, where it names one.
    pub(crate) index: Option<String>,
    /// `--extra-index-url`.
    pub(crate) extra: Vec<String>,
}

/// A name as indexes compare it (PEP 503).
pub(crate) fn normal(name: &str) -> String {
    let mut found = String::new();
    for c in name.trim().chars() {
        match c {
            '-' | '_' | '.' if found.ends_with('-') => {}
            '-' | '_' | '.' => found.push('-'),
            other => found.extend(other.to_lowercase()),
        }
    }
    found
}

/// Reads the lock file `path` (as the specification names it) with that text.
pub(crate) fn read(path: &str, text: &str) -> Result<Lock, Problem> {
    match LockFormat::of(path) {
        Some(LockFormat::Requirements) => {}
        Some(other) => {
            let headline = format!("`{path}` ({other}) is not put into images");
            let uv = "`uv export --format requirements.txt --no-emit-project > requirements.lock`";
            return Err(
                Problem::new(codes::LOCK, headline).help(format!("name what uv exports with hashes: {uv}"))
            );
        }
        None => {
            return Err(Problem::new(codes::LOCK, format!("`{path}` is no lock file that is known here"))
                .help("name a `requirements.txt` or `requirements.lock` with hashes"));
        }
    }
    let at = |line: usize, why: &str| Problem::new(codes::LOCK, format!("line {line} of `{path}` {why}"));
    if let Some(loose) = loose_lines(text).first() {
        return Err(at(loose.line, loose.why)
            .note(format!("it says `{}`", loose.text))
            .help("write every package as `name==version` with its hashes, as `uv pip compile --generate-hashes` does"));
    }
    let mut lock = Lock { digest: sha256(text.as_bytes()), ..Lock::default() };
    for (line, entry) in lock_entries(text) {
        if entry.starts_with('-') {
            option(&mut lock, &entry).map_err(|why| at(line, &why))?;
        } else {
            lock.packages.push(requirement(line, &entry).map_err(|why| {
                at(line, &why).help("lock again with hashes: `uv pip compile --generate-hashes requirements.in -o requirements.lock`, or `pip-compile --generate-hashes`")
            })?);
        }
    }
    Ok(lock)
}

fn option(lock: &mut Lock, entry: &str) -> Result<(), String> {
    let (name, value) = entry.split_once([' ', '=']).unwrap_or((entry, ""));
    let value = value.trim().to_owned();
    match name {
        "-i" | "--index-url" | "--pypi-url" => lock.index = Some(value),
        "--extra-index-url" => lock.extra.push(value),
        name if HARMLESS.contains(&name) => {}
        "-f" | "--find-links" | "--no-index" => {
            return Err(format!("has `{name}`, and packages of an image come from an index"));
        }
        other => return Err(format!("has `{other}`, which is not known here")),
    }
    Ok(())
}

fn requirement(line: usize, entry: &str) -> Result<Requirement, String> {
    let mut words = entry.split(" --");
    let said = words.next().unwrap_or_default();
    let mut hashes = Vec::new();
    for word in words {
        match word.trim().strip_prefix("hash").map(|rest| rest.trim_start_matches(['=', ' '])) {
            Some(hash) => hashes.extend(hash.strip_prefix("sha256:").map(str::to_lowercase)),
            None => return Err(format!("has `--{}`, which is not known here", word.trim())),
        }
    }
    let (said, marker) = match said.split_once(';') {
        Some((said, marker)) => (said.trim(), Some(marker.trim().to_owned())),
        None => (said.trim(), None),
    };
    let (name, at) = match (said.split_once(" @ "), said.split_once("==")) {
        (Some((name, url)), _) => (name, At::Url(url.trim().to_owned())),
        (None, Some((name, version))) => {
            (name, At::Version(version.trim_start_matches('=').trim().to_owned()))
        }
        _ => return Err("has no exact version".to_owned()),
    };
    if let At::Url(url) = &at {
        if url.starts_with("git+") {
            return Err("is source under version control, which has no wheel".to_owned());
        }
        hashes.extend(url.split_once("#sha256=").map(|(_, hash)| hash.to_lowercase()));
    }
    if hashes.is_empty() {
        return Err("has no SHA-256, so that nobody could tell what was installed".to_owned());
    }
    let name = normal(name.split('[').next().unwrap_or(name));
    Ok(Requirement { line, name, at, marker, hashes })
}

/// The text of a lock file of the project.
pub(crate) fn text(directory: &Path, path: &str) -> Result<String, Problem> {
    let place = directory.join(path);
    std::fs::read_to_string(&place)
        .map_err(|error| Problem::io(codes::LOCK, "read", &place, &error).help("name a file of the project"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_have_versions_markers_and_hashes() {
        let text = "# locked\n--index-url https://a/simple\n--extra-index-url=https://b/simple\n--only-binary :all:\n\
                    Scikit_Learn[x]==1.8.0 ; python_version >= '3.9' \\\n    --hash=sha256:AA \\\n    --hash=sha256:bb\n\
                    x @ https://host/x-1.0-py3-none-any.whl#sha256=cc\n";
        let lock = read("requirements.lock", text).unwrap();
        assert_eq!(
            (lock.index.as_deref(), lock.extra.as_slice()),
            (Some("https://a/simple"), &["https://b/simple".to_owned()][..])
        );
        let first = &lock.packages[0];
        assert_eq!(
            (first.line, first.name.as_str(), &first.at),
            (5, "scikit-learn", &At::Version("1.8.0".into()))
        );
        assert_eq!(
            (first.marker.as_deref(), first.hashes.join(" ")),
            (Some("python_version >= '3.9'"), "aa bb".into())
        );
        assert_eq!(lock.packages[1].hashes, ["cc"]);
    }

    #[test]
    fn what_locks_nothing_is_refused_at_its_line() {
        for (name, text, expected) in [
            ("requirements.txt", "a==1\n", "line 1 of `requirements.txt` has no SHA-256"),
            ("requirements.txt", "\na>=1\n", "line 2"),
            ("requirements.txt", "a==1 --hash=sha512:aa\n", "no SHA-256"),
            ("requirements.txt", "--find-links wheels\n", "come from an index"),
            ("requirements.txt", "--no-binary :all:\n", "`--no-binary`"),
            ("requirements.txt", "a @ git+https://host/a --hash=sha256:aa\n", "version control"),
            ("uv.lock", "", "is not put into images"),
            ("poetry.lock", "", "no lock file"),
        ] {
            let found = read(name, text).unwrap_err();
            assert!(found.message.contains(expected), "{found}");
        }
    }
}
