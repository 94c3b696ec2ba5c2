//! Answers to what pure stages ask.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mlp_floor::extract::{self, Fingerprints, SourceSpec};
use mlp_value::facts::{Fact, Need, Refusal};

/// How long a program may take to print its version.
const VERSION_PATIENCE: Duration = Duration::from_secs(30);

/// The largest file whose bytes an expression may read.
const LARGEST: u64 = 16 << 20;
/// The most files of a directory that an expression may list.
const MOST_FILES: usize = 100_000;

/// Answers one question about a project; `home` is where the environment keeps its things.
pub fn answer(directory: &Path, home: &Path, need: &Need) -> Fact {
    match need {
        Need::Text(path) => text(&directory.join(path)),
        Need::Bytes(path) => bytes(&directory.join(path)),
        Need::Files(path) => files(&directory.join(path)),
        Need::Digest(path) if extract::is_pattern(path) && !directory.join(path).exists() => {
            pattern(directory, path)
        }
        Need::Digest(path) => digest(&directory.join(path)),
        Need::Source(text) => source(directory, text),
        Need::Secret(from) => match Fingerprints::new(&home.join("state")).of(directory, from) {
            Ok(fingerprint) => Fact::Text(fingerprint),
            Err(problem) => refused(&problem),
        },
        Need::Tree(path) => tree(directory, path),
        Need::Env(name) => match std::env::var(name) {
            Ok(text) => Fact::Text(text),
            Err(std::env::VarError::NotPresent) => Fact::Missing,
            Err(error) => Fact::Failed(error.to_string()),
        },
        Need::Program(name) => program(name),
        Need::Machine => {
            let found = mlp_floor::launch::Machine::here();
            Fact::Machine { cores: found.cores, memory: found.memory, gpus: found.gpus }
        }
        Need::Outputs { project, environment } => {
            crate::engine::outputs::of_other(directory, project, environment)
        }
        Need::Image { environment, runtime } => image(directory, environment, runtime),
        Need::Remembered(address) => Fact::Failed(format!(
            "what was told of `{address}` is asked while the specification is resolved, and not later"
        )),
        Need::Look { kind, .. } => Fact::Failed(format!(
            "a `{kind}` is looked up while the specification is resolved, and not later"
        )),
    }
}

fn text(path: &Path) -> Fact {
    match std::fs::read(path) {
        Ok(bytes) => {
            String::from_utf8(bytes).map_or_else(|_| Fact::Failed("it is not UTF-8".into()), Fact::Text)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Fact::Missing,
        Err(error) => Fact::Failed(error.to_string()),
    }
}

fn bytes(path: &Path) -> Fact {
    let too_large = |size: u64| format!("it has {size} bytes, more than {LARGEST}");
    match std::fs::metadata(path).and_then(|found| Ok((found.len(), std::fs::read(path)?))) {
        Ok((size, _)) if size > LARGEST => Fact::Failed(too_large(size)),
        Ok((_, bytes)) => Fact::Text(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Fact::Missing,
        Err(error) => Fact::Failed(error.to_string()),
    }
}

fn files(path: &Path) -> Fact {
    fn walk(directory: &Path, prefix: &str, all: &mut Vec<String>) -> std::io::Result<()> {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.path().is_dir() {
                if !matches!(name.as_str(), ".git" | ".mlp") {
                    walk(&entry.path(), &format!("{prefix}{name}/"), all)?;
                }
            } else {
                all.push(format!("{prefix}{name}"));
            }
            if all.len() > MOST_FILES {
                return Err(std::io::Error::other(format!("it has more than {MOST_FILES} files")));
            }
        }
        Ok(())
    }
    let mut all = Vec::new();
    match walk(path, "", &mut all) {
        Ok(()) => {
            all.sort();
            Fact::Text(serde_json::Value::from(all).to_string())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Fact::Missing,
        Err(error) => Fact::Failed(error.to_string()),
    }
}

/// The record of an image that was built.
fn image(directory: &Path, environment: &str, runtime: &str) -> Fact {
    match super::lock::images(directory) {
        Err(problem) => Fact::Failed(problem.headline),
        Ok(mut images) => match images.remove(&(environment.to_owned(), runtime.to_owned())) {
            None => Fact::Missing,
            Some(image) => {
                let record = mlp_provider::ImageRecord { reference: image.reference, inputs: image.inputs };
                serde_json::to_string(&record)
                    .map_or_else(|error| Fact::Failed(error.to_string()), Fact::Text)
            }
        },
    }
}

fn size(path: &Path) -> std::io::Result<u64> {
    let found = std::fs::metadata(path)?;
    if !found.is_dir() {
        return Ok(found.len());
    }
    let mut sum = 0;
    for entry in std::fs::read_dir(path)? {
        sum += size(&entry?.path())?;
    }
    Ok(sum)
}

/// The digest and size of a file or directory.
pub fn digest(path: &Path) -> Fact {
    match size(path).and_then(|size| Ok((mlp_floor::digest::digest_path(path)?, size))) {
        Ok((digest, size)) => Fact::Digest { digest, size },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Fact::Missing,
        Err(error) => Fact::Failed(error.to_string()),
    }
}

/// The digest of all files a pattern names.
fn pattern(directory: &Path, pattern: &str) -> Fact {
    let size = || -> std::io::Result<u64> {
        extract::expand(directory, pattern)?.iter().map(|path| size(&directory.join(path))).sum()
    };
    match extract::digest_files(directory, pattern).and_then(|digest| Ok((digest, size()?))) {
        Ok((Some(digest), size)) => Fact::Digest { digest, size },
        Ok((None, _)) => Fact::Missing,
        Err(error) => Fact::Failed(error.to_string()),
    }
}

/// Marks of what a source holds, as JSON; it is looked at, not read.
fn source(directory: &Path, text: &str) -> Fact {
    let spec: SourceSpec = match serde_json::from_str(text) {
        Ok(spec) => spec,
        Err(error) => return Fact::Failed(error.to_string()),
    };
    match extract::look(&spec, directory) {
        Ok(marks) => Fact::Text(serde_json::to_string(&marks).unwrap_or_default()),
        Err(problem) => refused(&problem),
    }
}

fn refused(problem: &mlp_floor::Problem) -> Fact {
    Fact::Refused(Box::new(Refusal {
        code: problem.code.to_owned(),
        text: problem.message.clone(),
        at: problem.subject.clone().unwrap_or_default(),
        notes: problem.notes.clone(),
        help: problem.help.clone().unwrap_or_default(),
        passing: extract::may_pass(problem),
    }))
}

fn tree(directory: &Path, path: &str) -> Fact {
    let code = directory.join(path);
    if !code.is_dir() {
        return Fact::Missing;
    }
    match mlp_floor::launch::scan_code(directory, &code) {
        Ok(found) => Fact::Digest { digest: found.digest, size: size(&code).unwrap_or_default() },
        Err(problem) => Fact::Failed(problem.to_string()),
    }
}

fn program(name: &str) -> Fact {
    let found = if name.contains('/') {
        Some(PathBuf::from(name)).filter(|path| path.is_file())
    } else {
        let search = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&search).map(|directory| directory.join(name)).find(|path| path.is_file())
    };
    let Some(path) = found else { return Fact::Missing };
    match version(&path) {
        Ok(version) => Fact::Program { path: path.display().to_string(), version },
        Err(why) => Fact::Failed(why),
    }
}

/// The first word that looks like a version in what the program prints for `--version`.
fn version(path: &Path) -> Result<String, String> {
    let mut child = Command::new(path)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let since = Instant::now();
    while child.try_wait().map_err(|error| error.to_string())?.is_none() {
        if since.elapsed() > VERSION_PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("it did not print its version within {} s", VERSION_PATIENCE.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let mut printed = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        let _ = stdout.read_to_string(&mut printed);
    }
    // Some interpreters tell their version as if it were an error.
    if let Some(mut stderr) = child.stderr.take() {
        let _ = stderr.read_to_string(&mut printed);
    }
    Ok(version_in(&printed))
}

/// The first word that looks like a version: `3.11.7`, `v20.1.0`, `(4.2.2)`.
fn version_in(printed: &str) -> String {
    let bare = |word: &str| {
        let word = word.trim_matches(|c: char| "()\"',".contains(c));
        word.strip_prefix('v').unwrap_or(word).to_owned()
    };
    let looks = |word: &String| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.');
    printed.split_whitespace().map(bare).find(looks).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_interpreters_print() {
        for (printed, version) in [
            ("Python 3.11.7\n", "3.11.7"),
            ("v20.20.2\n", "20.20.2"),
            ("openjdk 17.0.15 2025-04-15\nOpenJDK Runtime Environment\n", "17.0.15"),
            ("Rscript (R) version 4.2.2 (2022-10-31)\n", "4.2.2"),
            ("usage: dash [-c]\n", ""),
        ] {
            assert_eq!(version_in(printed), version, "{printed}");
        }
    }

    #[test]
    fn files_and_programs_are_found_or_missing() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a.txt"), "hello").unwrap();
        let home = directory.path().join(".mlp/local");
        let ask = |need: Need| answer(directory.path(), &home, &need);
        assert_eq!(ask(Need::Text("a.txt".into())), Fact::Text("hello".into()));
        assert_eq!(ask(Need::Bytes("a.txt".into())), Fact::Text("68656c6c6f".into()));
        assert_eq!(ask(Need::Bytes("b.txt".into())), Fact::Missing);
        assert!(matches!(ask(Need::Files(".".into())), Fact::Text(list) if list.contains("\"a.txt\"")));
        assert_eq!(ask(Need::Files("nowhere".into())), Fact::Missing);
        assert_eq!(ask(Need::Digest("b.txt".into())), Fact::Missing);
        assert!(matches!(ask(Need::Digest("a.txt".into())), Fact::Digest { size: 5, .. }));
        assert!(matches!(ask(Need::Digest("*.txt".into())), Fact::Digest { size: 5, .. }));
        assert_eq!(ask(Need::Digest("*.csv".into())), Fact::Missing);
        let secret = |from: &str| ask(Need::Secret(from.into()));
        assert!(matches!(secret("file:a.txt"), Fact::Text(print) if !print.contains("hello")));
        assert!(matches!(secret("file:b.txt"), Fact::Refused(why) if why.at == "from" && !why.passing));
        assert_eq!(ask(Need::Program("no-such-program-here".into())), Fact::Missing);
        let python = ask(Need::Program("python3".into()));
        assert!(matches!(python, Fact::Program { version, .. } if version.starts_with('3')));
    }
}
