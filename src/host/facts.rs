//! Answers to what pure stages ask.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mlp_value::facts::{Fact, Need};

/// How long a program may take to print its version.
const VERSION_PATIENCE: Duration = Duration::from_secs(5);

/// Answers one question about a project.
pub fn answer(directory: &Path, need: &Need) -> Fact {
    match need {
        Need::Text(path) => text(&directory.join(path)),
        Need::Digest(path) => digest(&directory.join(path)),
        Need::Tree(path) => tree(directory, path),
        Need::Env(name) => match std::env::var(name) {
            Ok(text) => Fact::Text(text),
            Err(std::env::VarError::NotPresent) => Fact::Missing,
            Err(error) => Fact::Failed(error.to_string()),
        },
        Need::Program(name) => program(name),
        Need::Outputs { project, environment } => {
            crate::engine::outside::outputs(directory, project, environment)
        }
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

fn digest(path: &Path) -> Fact {
    match size(path).and_then(|size| Ok((mlp_floor::digest::digest_path(path)?, size))) {
        Ok((digest, size)) => Fact::Digest { digest, size },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Fact::Missing,
        Err(error) => Fact::Failed(error.to_string()),
    }
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
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let since = Instant::now();
    while child.try_wait().map_err(|error| error.to_string())?.is_none() {
        if since.elapsed() > VERSION_PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            return Err("it did not print its version within 5 s".into());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let mut printed = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        let _ = stdout.read_to_string(&mut printed);
    }
    let looks = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.');
    Ok(printed.split_whitespace().find(looks).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_programs_are_found_or_missing() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("a.txt"), "hello").unwrap();
        let ask = |need: Need| answer(directory.path(), &need);
        assert_eq!(ask(Need::Text("a.txt".into())), Fact::Text("hello".into()));
        assert_eq!(ask(Need::Digest("b.txt".into())), Fact::Missing);
        assert!(matches!(ask(Need::Digest("a.txt".into())), Fact::Digest { size: 5, .. }));
        assert_eq!(ask(Need::Program("no-such-program-here".into())), Fact::Missing);
        let python = ask(Need::Program("python3".into()));
        assert!(matches!(python, Fact::Program { version, .. } if version.starts_with('3')));
    }
}
