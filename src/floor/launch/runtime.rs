//! The environment of a language: the program found on this machine or, where packages are locked, a virtual
//! environment of its own, built once for each interpreter and content of the lock file.
//!
//! An environment is built in the place where it stays, since its scripts name it. It counts as built when its mark
//! is written, which is the last thing that happens; whatever has no mark was left by a build that did not end and is
//! made again. One lock file for each keeps two builders apart, and is handed on to the installer: one that outlives its
//! builder keeps the lock until the next builder ends it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};

use super::code::{remove_tree, unique_name};
use super::lockfile::LockFormat;
use super::report::{Runner, write_json};
use super::spec::Interpreter;
use crate::Problem;
use crate::digest::digest_file;

/// The file whose presence says that an environment is whole.
pub const ENVIRONMENT: &str = "mlp-runtime.json";
/// No installer works longer than this without being stuck.
const LONGEST_BUILD: Duration = Duration::from_secs(3600);
/// How many of the installer's last lines are shown.
const SHOWN: usize = 25;
/// Settings of the caller's shell that would lead an installer elsewhere.
const MISLEADING: &[&str] = &[
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "VIRTUAL_ENV",
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_USER",
    "PIP_REQUIREMENT",
    "PIP_REQUIRE_VIRTUALENV",
    "UV_PROJECT_ENVIRONMENT",
    "UV_PYTHON",
];

/// What an environment is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeSpec {
    /// The language, as people call it.
    pub language: String,
    /// The interpreter of this machine.
    pub program: PathBuf,
    /// Its version.
    pub version: String,
    /// The packages, where they are locked.
    #[serde(default)]
    pub lock: Option<LockFile>,
    /// Variables that its processes see.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// A lock file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockFile {
    /// Where it is, absolute.
    pub path: PathBuf,
    /// What wrote it.
    pub format: LockFormat,
    /// What it contains, by [`lock_digest`].
    pub digest: String,
    /// The program `uv`, for a lock file that only it installs.
    #[serde(default)]
    pub uv: Option<PathBuf>,
}

/// An environment that is there: what a process started in it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    /// The interpreter, absolute.
    pub interpreter: PathBuf,
    /// The directory of its programs, for the front of `PATH`.
    pub bin_dir: Option<PathBuf>,
    /// Variables that its processes see.
    pub env: BTreeMap<String, String>,
    /// What it is, in words that decide whether results are reused.
    pub label: String,
}

/// Whoever waits for a build.
pub trait Builder {
    /// Hears what happens.
    fn say(&self, text: &str);
    /// Whether the build is to be given up.
    fn cancelled(&self) -> bool {
        false
    }
}

/// The digest of a lock file and of what decides beside it.
///
/// # Errors
/// One of the files cannot be read.
pub fn lock_digest(path: &Path, format: LockFormat) -> std::io::Result<String> {
    let own = digest_file(path)?;
    match format.companion(path) {
        Some(companion) => Ok(joint_digest(&own, &digest_file(&companion)?)),
        None => Ok(own),
    }
}

/// One digest of a lock file's and its companion's.
#[must_use]
pub fn joint_digest(lock: &str, companion: &str) -> String {
    blake3::hash(format!("{lock} {companion}").as_bytes()).to_hex().to_string()
}

impl RuntimeSpec {
    /// The name of the environment below the root: of the interpreter and the content of the lock file.
    #[must_use]
    pub fn key(&self) -> Option<String> {
        let lock = self.lock.as_ref()?;
        let text =
            format!("1\n{}\n{}\n{}\n{}", self.program.display(), self.version, lock.format, lock.digest);
        Some(blake3::hash(text.as_bytes()).to_hex()[..32].to_string())
    }

    fn label(&self) -> String {
        let mut label = format!("{} {}", self.language, self.version).trim().to_string();
        if let Some(lock) = &self.lock {
            label.push_str(&format!(
                " with {} {}",
                lock.format,
                lock.digest.get(..12).unwrap_or(&lock.digest)
            ));
        }
        for (name, value) in &self.env {
            label.push_str(&format!(" {name}={value}"));
        }
        label
    }

    /// The environment as it is once it is built below `root`.
    #[must_use]
    pub fn planned(&self, root: &Path) -> Runtime {
        let (interpreter, bin_dir) = match self.key() {
            None => (self.program.clone(), self.program.parent().map(Path::to_path_buf)),
            Some(key) => (root.join(&key).join("bin/python3"), Some(root.join(key).join("bin"))),
        };
        Runtime { interpreter, bin_dir, env: self.env.clone(), label: self.label() }
    }

    /// The environment, if it is built below `root`. One without packages of its own always is.
    #[must_use]
    pub fn built(&self, root: &Path) -> Option<Runtime> {
        let runtime = self.planned(root);
        let whole = |key: String| root.join(key).join(ENVIRONMENT).is_file() && runtime.interpreter.is_file();
        self.key().is_none_or(whole).then_some(runtime)
    }

    /// Asks the interpreter whether it is still what was recorded: what decides about reuse has to be true.
    ///
    /// # Errors
    /// It has another version now, or cannot be asked.
    pub fn verify(&self, runtime: &Runtime) -> Result<(), Problem> {
        // Of a stand-in the record says `by java 17.0.1`; of what tells no version, nothing.
        let Some(recorded) = self.version.split_whitespace().last() else { return Ok(()) };
        let mut command = Command::new(&runtime.interpreter);
        let output = command.arg("--version").stdin(Stdio::null()).output().map_err(|error| {
            Problem::io("MLP0774", "start the interpreter", &runtime.interpreter, &error)
                .help("apply again, with an interpreter on the search path")
        })?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        if said.contains(recorded) {
            return Ok(());
        }
        let now = said.lines().next().unwrap_or_default().trim();
        let program = runtime.interpreter.display();
        let message = format!("`{program}` is no longer version {recorded}: it says `{now}`");
        Err(Problem::new("MLP0774", message).help("apply again, so that the new version is recorded"))
    }

    /// The environment, built below `root` if it is not there. Everything that is written is written there.
    ///
    /// # Errors
    /// The lock file is not what was recorded, or the installer failed: its last lines are among the notes.
    pub fn ensure(&self, root: &Path, builder: &dyn Builder) -> Result<Runtime, Problem> {
        let root = std::path::absolute(root).map_err(|error| Problem::io("MLP0763", "find", root, &error))?;
        if let Some(built) = self.built(&root) {
            return Ok(built);
        }
        let (Some(key), Some(lock)) = (self.key(), &self.lock) else { return Err(lost(&root)) };
        let failed = |error: std::io::Error| Problem::io("MLP0763", "write the environment", &root, &error);
        fs::create_dir_all(&root).map_err(failed)?;
        let guard = hold(&root, &key, builder)?;
        // Whoever had the lock before may have built it.
        if let Some(built) = self.built(&root) {
            return Ok(built);
        }
        let place = root.join(&key);
        if place.exists() {
            let aside = root.join(unique_name());
            fs::rename(&place, &aside).map_err(failed)?;
            remove_tree(&aside);
        }
        let build = Build { spec: self, lock, place: &place, root: &root, guard: &guard, builder };
        let outcome = build.carry_out();
        if outcome.is_err() {
            remove_tree(&place);
        }
        outcome?;
        self.built(&root).ok_or_else(|| lost(&place))
    }
}

impl From<&Runtime> for Interpreter {
    fn from(runtime: &Runtime) -> Self {
        Self { bin_dir: runtime.bin_dir.clone(), label: runtime.label.clone(), env: runtime.env.clone() }
    }
}

fn lost(place: &Path) -> Problem {
    Problem::new(
        "MLP0772",
        format!("the environment in `{}` is not there after it was built", place.display()),
    )
}

/// Who builds an environment: the process that asked for it, and the installer that it started.
#[derive(Debug, Serialize, Deserialize)]
struct AtWork {
    builder: Runner,
    installer: Runner,
}

impl AtWork {
    fn file(root: &Path, key: &str) -> PathBuf {
        root.join(format!(".{key}.at-work"))
    }

    /// Ends an installer whose builder is gone: nobody waits for what it does.
    fn end_orphan(root: &Path, key: &str) {
        let text = fs::read(Self::file(root, key)).unwrap_or_default();
        let Ok(found) = serde_json::from_slice::<Self>(&text) else { return };
        let known = found.installer.started_ticks != 0;
        if known && !found.builder.is_alive() && found.installer.is_alive() {
            end_group(found.installer.pid);
        }
    }
}

/// Takes the lock of an environment; says so when somebody else has it.
fn hold(root: &Path, key: &str, builder: &dyn Builder) -> Result<File, Problem> {
    let path = &root.join(format!(".{key}.lock"));
    let failed = |error: std::io::Error| Problem::io("MLP0763", "lock", path, &error);
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
    let mut said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(fs::TryLockError::Error(error)) => return Err(failed(error)),
            Err(fs::TryLockError::WouldBlock) => {}
        }
        if builder.cancelled() {
            return Err(cancelled());
        }
        AtWork::end_orphan(root, key);
        if !said {
            builder.say("waiting for another build of the same environment");
            said = true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn cancelled() -> Problem {
    Problem::new("MLP0772", "the build of the environment was cancelled")
}

/// One build, under the lock.
struct Build<'a> {
    spec: &'a RuntimeSpec,
    lock: &'a LockFile,
    place: &'a Path,
    root: &'a Path,
    guard: &'a File,
    builder: &'a dyn Builder,
}

impl Build<'_> {
    fn carry_out(&self) -> Result<(), Problem> {
        let digest = lock_digest(&self.lock.path, self.lock.format)
            .map_err(|error| Problem::io("MLP0772", "read the lock file", &self.lock.path, &error))?;
        if digest != self.lock.digest {
            let text = format!("`{}` changed since it was recorded", self.lock.path.display());
            return Err(Problem::new("MLP0772", text).help("apply again"));
        }
        self.builder.say(&format!("building an environment from {}", self.lock.format));
        self.make()?;
        let kept = self.place.join("lock");
        let failed = |error: std::io::Error| Problem::io("MLP0763", "write", &kept, &error);
        fs::create_dir_all(&kept).map_err(failed)?;
        for file in std::iter::once(self.lock.path.clone()).chain(self.lock.format.companion(&self.lock.path))
        {
            if let Some(name) = file.file_name() {
                fs::copy(&file, kept.join(name)).map_err(failed)?;
            }
        }
        write_json(&self.place.join(ENVIRONMENT), self.spec)
    }

    fn make(&self) -> Result<(), Problem> {
        let python = self.place.join("bin/python3");
        if !self.lock.format.needs_uv() {
            self.run(&self.spec.program, &["-m", "venv", &text(self.place)])?;
            let install = ["-m", "pip", "install", "--no-input", "--disable-pip-version-check", "-r"];
            return self.run(&python, &[&install[..], &[&text(&self.lock.path)]].concat());
        }
        let uv = self.lock.uv.as_ref().ok_or_else(|| {
            let text = format!(
                "`{}` is installed by `uv`, which is not on the search path",
                self.lock.path.display()
            );
            Problem::new("MLP0772", text).help("install uv")
        })?;
        let interpreter = text(&self.spec.program);
        self.run(uv, &["venv", "--no-project", "--python", &interpreter, &text(self.place)])?;
        let python = text(&python);
        if self.lock.format == LockFormat::Uv {
            let folder = text(self.lock.path.parent().unwrap_or(Path::new(".")));
            let sync =
                ["sync", "--frozen", "--no-install-project", "--project", &folder, "--python", &python];
            return self.run(uv, &sync);
        }
        self.run(uv, &["pip", "install", "--python", &python, "-r", &text(&self.lock.path)])
    }

    fn run(&self, program: &Path, arguments: &[&str]) -> Result<(), Problem> {
        let log =
            self.root.join(format!("{}.log", self.place.file_name().unwrap_or_default().to_string_lossy()));
        let failed = |error: std::io::Error| {
            Problem::io("MLP0772", "start", program, &error).help("see that it can be executed")
        };
        let output = File::create(&log).map_err(|error| Problem::io("MLP0763", "write", &log, &error))?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.lock.path.parent().unwrap_or(Path::new(".")));
        MISLEADING.iter().for_each(|name| _ = command.env_remove(name));
        let caches = self.root.join(".cache");
        command
            .env("PIP_CACHE_DIR", caches.join("pip"))
            .env("UV_CACHE_DIR", caches.join("uv"))
            .env("UV_PYTHON_DOWNLOADS", "never")
            .env("UV_LINK_MODE", "copy")
            .env("UV_PROJECT_ENVIRONMENT", self.place)
            .env("XDG_CACHE_HOME", &caches)
            .env("XDG_DATA_HOME", caches.join("data"))
            .env("PYTHONNOUSERSITE", "1");
        // The installer holds the lock as its standard input, which is empty.
        command.stdin(Stdio::from(self.guard.try_clone().map_err(failed)?));
        command.stdout(output.try_clone().map_err(failed)?).stderr(output);
        let mut child = command.process_group(0).spawn().map_err(failed)?;
        let key = self.place.file_name().unwrap_or_default().to_string_lossy();
        let at_work = AtWork { builder: Runner::current(), installer: Runner::of(child.id()) };
        if let Err(problem) = write_json(&AtWork::file(self.root, &key), &at_work) {
            end(&mut child);
            return Err(problem);
        }
        let status = self.wait(&mut child)?;
        if status.success() {
            return Ok(());
        }
        Err(self.refusal(program, arguments, status, &log))
    }

    fn wait(&self, child: &mut Child) -> Result<ExitStatus, Problem> {
        let since = Instant::now();
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) => {}
                Err(error) => return Err(Problem::io("MLP0772", "wait for", &self.spec.program, &error)),
            }
            let stuck = since.elapsed() > LONGEST_BUILD;
            if stuck || self.builder.cancelled() {
                end(child);
                let text = "the installer did not end within an hour and was ended";
                return Err(if stuck { Problem::new("MLP0772", text) } else { cancelled() });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn refusal(&self, program: &Path, arguments: &[&str], status: ExitStatus, log: &Path) -> Problem {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let words: Vec<&str> =
            arguments.iter().copied().take_while(|word| !word.starts_with("--")).take(3).collect();
        let message =
            format!("the environment cannot be built: `{name} {}` ended with {status}", words.join(" "));
        let said = String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
        let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = lines.iter().skip(lines.len().saturating_sub(SHOWN));
        Problem::new("MLP0772", message)
            .with_notes(last.map(|line| super::cache::shorten_to(line.trim_end(), 300)))
            .help(format!(
                "mend the lock file or the machine and try again; everything it said is in `{}`",
                log.display()
            ))
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Ends an installer with all that it started.
fn end(child: &mut Child) {
    end_group(child.id());
    let _ = child.wait();
}

fn end_group(leader: u32) {
    if let Some(group) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        // It may have ended by itself in this moment.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

#[cfg(test)]
mod tests;
