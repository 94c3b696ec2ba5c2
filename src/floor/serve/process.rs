//! One replica process: started in a clean environment on a free port, ended with everything it started.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, ChildStdin, Command};
use tokio::task::JoinHandle;

use super::hush::Secrets;
use super::launch::Launch;
use super::replica::unix_ms;
use super::spec::VariantSpec;
use crate::Problem;

const WORKER: &str = include_str!("worker.py");
/// How long a replica has after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
/// A log longer than this is put aside when a replica starts.
const MAX_LOG: u64 = 16 * 1024 * 1024;
/// The exit code by which the worker says that its port is taken.
const EXIT_PORT_TAKEN: i32 = 4;
const TAIL_LINES: usize = 20;
/// How long the end of a log is waited for once its process ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What a replica process is made of.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    /// Who it is: `endpoint/variant-0`.
    pub(super) label: String,
    /// The attribute that problems are about; empty for the whole.
    pub(super) place: String,
    pub(super) launch: Launch,
    pub(super) env: Vec<(String, String)>,
    /// Values of it that must not be shown.
    pub(super) secrets: Secrets,
    pub(super) worker: PathBuf,
    pub(super) log: PathBuf,
    pub(super) request_timeout: Duration,
}

/// A running replica.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    pub(super) pid: u32,
    port: Lease,
    marker: String,
    log: PathBuf,
    log_from: u64,
    /// The other end of its standard input: closed, however this process ends, it tells the worker to end.
    lifeline: Option<ChildStdin>,
    /// Who writes its log.
    pumps: Vec<JoinHandle<()>>,
}

/// Ports given to replicas of this process, so that two that start together never get the same.
static LEASED: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
static STARTED: AtomicU64 = AtomicU64::new(0);
static BORN: OnceLock<u64> = OnceLock::new();

/// What all replicas of this process carry in their environment, and those of no other.
pub(super) fn mark() -> String {
    format!("{}.{}", std::process::id(), BORN.get_or_init(unix_ms))
}

#[derive(Debug)]
struct Lease(u16);

impl Lease {
    fn take() -> io::Result<Self> {
        let mut leased = LEASED.lock().unwrap_or_else(PoisonError::into_inner);
        // The refused listeners stay open until the end, or the next bind could give the same port again.
        let mut refused = Vec::new();
        loop {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let port = listener.local_addr()?.port();
            if leased.insert(port) {
                return Ok(Self(port));
            }
            refused.push(listener);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        LEASED.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// Writes the python worker into a folder, unless it is there already.
pub(super) fn install_worker(folder: &Path) -> Result<PathBuf, Problem> {
    let path = folder.join("worker.py");
    let write = || -> io::Result<()> {
        fs::create_dir_all(folder)?;
        if fs::read(&path).is_ok_and(|there| there == WORKER.as_bytes()) {
            return Ok(());
        }
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let part = folder.join(format!(".worker.py.{}-{number}", std::process::id()));
        let mut file = File::create(&part)?;
        file.write_all(WORKER.as_bytes())?;
        fs::rename(&part, &path)
    };
    write().map_err(|error| Problem::io("MLP0784", "write", &path, &error))?;
    // The replica has another working directory than the caller.
    std::path::absolute(&path).map_err(|error| Problem::io("MLP0784", "find", &path, &error))
}

impl Recipe {
    /// The recipe of one replica of a variant.
    pub(super) fn of(
        endpoint: &str,
        variant: &VariantSpec,
        index: u32,
        worker: &Path,
        request_timeout: Duration,
    ) -> Self {
        let name = format!("{}-{index}", variant.name);
        Self {
            label: format!("{endpoint}/{name}"),
            place: format!("variant.{}", variant.shown()),
            launch: variant.launch.clone(),
            env: variant.env.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            secrets: Secrets::of(&variant.env, &variant.secret),
            worker: worker.to_path_buf(),
            log: worker.with_file_name(format!("{name}.log")),
            request_timeout,
        }
    }

    fn argv(&self) -> (OsString, Vec<OsString>) {
        match &self.launch {
            Launch::PythonClass { interpreter, class, .. } => {
                (interpreter.into(), vec![self.worker.clone().into(), class.into()])
            }
            Launch::Mlmodel { interpreter, .. } => {
                (interpreter.into(), vec![self.worker.clone().into(), "--mlmodel".into()])
            }
            Launch::Command { argv, .. } => {
                let mut words = argv.iter().map(OsString::from);
                (words.next().unwrap_or_default(), words.collect())
            }
        }
    }

    /// The command, for a message.
    pub(super) fn command(&self) -> String {
        let (program, arguments) = self.argv();
        let words = std::iter::once(program).chain(arguments);
        words.map(|word| format!("`{}`", word.to_string_lossy())).collect::<Vec<_>>().join(" ")
    }

    fn path_variable(&self) -> OsString {
        let inherited = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        match &self.launch {
            Launch::PythonClass { interpreter, .. } | Launch::Mlmodel { interpreter, .. }
                if interpreter.is_absolute() =>
            {
                let own = interpreter.parent().map(Path::to_path_buf);
                let all = own.into_iter().chain(std::env::split_paths(&inherited));
                std::env::join_paths(all).unwrap_or(inherited)
            }
            _ => inherited,
        }
    }

    /// Starts the process on a free port.
    pub(super) fn spawn(&self) -> io::Result<Process> {
        let port = Lease::take()?;
        let (log, log_from) = open_log(&self.log)?;
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let marker = format!("MLP_REPLICA={}/{}-{number}", self.label, mark());
        let code_dir = std::path::absolute(self.launch.code_dir())?;
        let (program, arguments) = self.argv();
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(&code_dir)
            .env_clear()
            .env("PATH", self.path_variable())
            .env("LANG", "C.UTF-8")
            .env("TZ", "UTC")
            .env("HOME", std::path::absolute(self.log.parent().unwrap_or(Path::new(".")))?)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONUNBUFFERED", "1")
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .env("MLP_PORT", port.0.to_string())
            .env("MLP_MODEL", std::path::absolute(self.launch.model_dir())?)
            .env("MLP_CODE", &code_dir)
            .env("MLP_REQUEST_TIMEOUT_MS", self.request_timeout.as_millis().to_string())
            .env("MLP_REPLICA", marker.trim_start_matches("MLP_REPLICA="))
            .process_group(0)
            .stdin(Stdio::piped())
            .kill_on_drop(true);
        let hushed = !self.secrets.is_empty();
        match hushed {
            true => command.stdout(Stdio::piped()).stderr(Stdio::piped()),
            false => command.stdout(log.try_clone()?).stderr(log.try_clone()?),
        };
        let mut child = command.spawn()?;
        let pumps = if hushed { self.pumps(&mut child, &log)? } else { Vec::new() };
        let pid = child.id().unwrap_or_default();
        let lifeline = child.stdin.take();
        Ok(Process { child, pid, port, marker, log: self.log.clone(), log_from, lifeline, pumps })
    }

    /// What it says goes to its log without the secrets it was given.
    fn pumps(&self, child: &mut Child, log: &File) -> io::Result<Vec<JoinHandle<()>>> {
        let mut pumps = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            pumps.push(tokio::spawn(self.secrets.clone().pump(stdout, log.try_clone()?)));
        }
        if let Some(stderr) = child.stderr.take() {
            pumps.push(tokio::spawn(self.secrets.clone().pump(stderr, log.try_clone()?)));
        }
        Ok(pumps)
    }
}

fn open_log(path: &Path) -> io::Result<(File, u64)> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.len() > MAX_LOG) {
        fs::rename(path, path.with_extension("log.1"))?;
    }
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    let length = file.metadata()?.len();
    Ok((file, length))
}

impl Process {
    /// The port it was given.
    pub(super) fn port(&self) -> u16 {
        self.port.0
    }

    /// Waits until it ends by itself.
    pub(super) async fn ended(&mut self) -> String {
        let ended = match self.child.wait().await {
            Ok(status) => describe(status),
            Err(error) => format!("cannot be waited for: {error}"),
        };
        // Its last words are worth a moment; what it started itself may hold its streams open for ever.
        for pump in &mut self.pumps {
            let _ = tokio::time::timeout(LAST_WORDS, pump).await;
        }
        self.pumps.clear();
        ended
    }

    /// After its end: whether it ended because another process had its port.
    pub(super) fn lost_its_port(&mut self) -> bool {
        let code = self.child.try_wait().ok().flatten().and_then(|status| status.code());
        code == Some(EXIT_PORT_TAKEN)
            || (code != Some(0) && self.log_tail().iter().any(|line| line.contains("Address already in use")))
    }

    /// The last lines it wrote.
    pub(super) fn log_tail(&self) -> Vec<String> {
        tail(&self.log, self.log_from).unwrap_or_default()
    }

    /// Ends it and everything it started: SIGTERM to its group, SIGKILL to what is left.
    pub(super) async fn end(mut self) {
        self.signal(Signal::TERM);
        let _ = tokio::time::timeout(GRACE, self.child.wait()).await;
        self.signal(Signal::KILL);
        let _ = self.child.wait().await;
        drop(self.lifeline.take());
        // What left the group still carries the marker in its environment.
        let marker = std::mem::take(&mut self.marker);
        let _ = tokio::task::spawn_blocking(move || kill_marked(|found| found == marker.as_bytes())).await;
    }

    /// Closes the lifeline, as the end of this program would.
    #[cfg(test)]
    pub(super) fn let_go(&mut self) {
        self.lifeline = None;
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            // An error says that nobody is left to hear it.
            let _ = kill_process_group(group, signal);
        }
    }
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".into(),
    }
}

/// Kills the processes that carry a variable in their environment, where the system shows environments.
pub(super) fn kill_marked(meant: impl Fn(&[u8]) -> bool) {
    let Ok(entries) = fs::read_dir("/proc") else { return };
    for entry in entries.flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        let Some(pid) = pid else { continue };
        let carries = fs::read(entry.path().join("environ"))
            .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(&meant));
        if carries {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

fn tail(path: &Path, from: u64) -> io::Result<Vec<String>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(from.max(length.saturating_sub(16 * 1024))))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    Ok(lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(ToString::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(folder: &Path, script: &str) -> Recipe {
        Recipe {
            label: "e/v-0".into(),
            place: String::new(),
            launch: Launch::Command {
                argv: vec!["/bin/sh".into(), "-c".into(), script.into()],
                code_dir: folder.into(),
                model_dir: folder.into(),
            },
            env: vec![("GIVEN".into(), "yes".into())],
            secrets: Secrets::default(),
            worker: folder.join("worker.py"),
            log: folder.join("v-0.log"),
            request_timeout: Duration::from_secs(1),
        }
    }

    #[tokio::test]
    async fn the_environment_is_clean_and_the_log_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = recipe(folder.path(), "env; exit 7").spawn().unwrap();
        assert_eq!(process.ended().await, "ended with exit code 7");
        let log = fs::read_to_string(folder.path().join("v-0.log")).unwrap();
        assert!(log.contains("GIVEN=yes") && log.contains("MLP_PORT=") && log.contains("TZ=UTC"));
        assert!(!log.contains("CARGO"), "{log}");
        assert!(process.log_tail().len() <= TAIL_LINES);
        process.end().await;
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_child_in_its_own_session_ends_too() {
        let folder = tempfile::tempdir().unwrap();
        let script = "setsid sleep 1000 & echo $! > child; trap '' TERM; sleep 1000";
        let process = recipe(folder.path(), script).spawn().unwrap();
        let child = folder.path().join("child");
        while fs::read_to_string(&child).unwrap_or_default().trim().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let marker = process.marker.clone();
        process.signal(Signal::KILL);
        process.end().await;
        let alive = || {
            fs::read_dir("/proc").unwrap().flatten().any(|entry| {
                fs::read(entry.path().join("environ")).is_ok_and(|environ| {
                    environ.split(|byte| *byte == 0).any(|variable| variable == marker.as_bytes())
                })
            })
        };
        // One that was killed shows its environment until the system has taken it down.
        while alive() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[test]
    fn the_worker_is_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = install_worker(folder.path()).unwrap();
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(install_worker(folder.path()).unwrap(), path);
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
    }
}
