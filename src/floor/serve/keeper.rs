//! The process that keeps one endpoint, from the outside: finding, starting, asking and replacing it.
//!
//! The router and the replicas of an endpoint live in a process of their own, so that whoever decides about them may end,
//! crash and be replaced while requests go on. What is said goes over a socket in the endpoint's folder, one JSON line each
//! way. The folder's record says which process it is; whether it lives is what its socket answers, and the record only
//! helps to end what does not answer any more.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::endpoint::EndpointStatus;
use super::process::kill_marked;
use super::spec::EndpointSpec;
use crate::Problem;
use crate::launch::{is_alive, start_ticks};

/// The version of what is said. `status`, `hand_over`, `leave` and `stop` are understood by every version.
pub(super) const PROTOCOL: u32 = 1;
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
const RECORD: &str = "record.json";
/// How long a short answer may take.
const SHORT: Duration = Duration::from_secs(5);
/// How long a process may take to listen.
const START: Duration = Duration::from_secs(15);
/// A log longer than this is put aside when a process starts.
const MAX_LOG: u64 = 16 * 1024 * 1024;

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) protocol: u32,
    pub(super) ask: Ask,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ask {
    /// Who is there, and what the endpoint looks like.
    Status,
    /// The endpoint is to be this; answered when it is.
    Apply(Box<EndpointSpec>),
    /// Start this program with the listening socket; answered with its process.
    HandOver { argv: Vec<String> },
    /// Another process serves the port: end without a failed request.
    Leave,
    /// End; answered when everything has.
    Stop,
}

/// What is answered.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) protocol: u32,
    pub(super) version: String,
    pub(super) pid: u32,
    /// The digest of the specification it runs by.
    #[serde(default)]
    pub(super) spec: Option<String>,
    /// What the endpoint looks like, in the words of the version that says it: another one may not understand it all.
    #[serde(default)]
    pub(super) status: Option<Box<RawValue>>,
    /// The process that was started.
    #[serde(default)]
    pub(super) started: Option<u32>,
    #[serde(default)]
    pub(super) problem: Option<Said>,
}

/// A problem on its way between processes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Said {
    code: String,
    message: String,
    notes: Vec<String>,
    help: Option<String>,
    subject: Option<String>,
}

/// What a folder says about its process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) format_version: u32,
    pub(super) pid: u32,
    /// When it started, in ticks since the machine did; 0 where that is not known.
    pub(super) started: u64,
    /// Which start of the machine that counts from, where the machine says.
    #[serde(default)]
    boot: Option<String>,
    /// What its replicas carry in their environment.
    pub(super) mark: String,
}

impl Record {
    /// Whether its process is there, and no other one with its number.
    fn lives(&self) -> bool {
        self.boot == boot() && is_alive(self.pid, self.started)
    }
}

/// What tells one start of the machine from the next.
fn boot() -> Option<String> {
    let found = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(found.trim().to_owned())
}

/// What a process says about its endpoint.
#[derive(Debug, Clone)]
pub struct View {
    /// The process.
    pub pid: u32,
    /// The version of its program.
    pub version: String,
    /// The digest of the specification it runs by, as [`EndpointSpec::digest`] makes it.
    pub spec: Option<String>,
    /// The endpoint, once there is one.
    pub status: Option<EndpointStatus>,
}

/// The process that keeps an endpoint.
#[derive(Debug, Clone)]
pub struct Keeper {
    folder: PathBuf,
    pid: u32,
}

impl From<Answer> for View {
    fn from(answer: Answer) -> Self {
        let status = answer.status.and_then(|status| serde_json::from_str(status.get()).ok());
        Self { pid: answer.pid, version: answer.version, spec: answer.spec, status }
    }
}

impl From<Problem> for Said {
    fn from(problem: Problem) -> Self {
        let Problem { code, message, notes, help, subject } = problem;
        Self { code: code.to_owned(), message, notes, help, subject }
    }
}

impl From<Said> for Problem {
    fn from(said: Said) -> Self {
        let known = crate::codes::CODES.iter().map(|(code, _)| *code).find(|code| *code == said.code);
        let Said { message, notes, help, subject, .. } = said;
        Self { code: known.unwrap_or("MLP0786"), message, notes, help, subject }
    }
}

pub(super) fn unreachable(message: impl Into<String>) -> Problem {
    Problem::new("MLP0786", message)
}

/// The socket of a process of a folder; the file has to stay open while the path is used, which is short enough for an
/// address (108 bytes) wherever the folder is.
pub(super) fn socket(folder: &Path, pid: u32) -> io::Result<(PathBuf, File)> {
    use std::os::fd::AsRawFd;
    let open = File::open(folder)?;
    let plain = folder.join(format!("k{pid}"));
    if plain.as_os_str().len() < 100 {
        return Ok((plain, open));
    }
    Ok((PathBuf::from(format!("/proc/self/fd/{}/k{pid}", open.as_raw_fd())), open))
}

pub(super) fn read_record(folder: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(folder.join(RECORD)).ok()?).ok()
}

/// Says whose the folder is from now on.
pub(super) fn write_record(folder: &Path, mark: &str) -> io::Result<()> {
    let pid = std::process::id();
    let started = start_ticks(pid).unwrap_or(0);
    let record = Record { format_version: 1, pid, started, boot: boot(), mark: mark.to_owned() };
    let part = folder.join(format!(".{RECORD}.{pid}"));
    fs::write(&part, serde_json::to_vec_pretty(&record)?)?;
    fs::rename(part, folder.join(RECORD))
}

pub(super) fn remove_record(folder: &Path) {
    if read_record(folder).is_some_and(|record| record.pid == std::process::id()) {
        let _ = fs::remove_file(folder.join(RECORD));
    }
}

pub(super) async fn ask(folder: &Path, pid: u32, ask: Ask, time: Option<Duration>) -> io::Result<Answer> {
    let exchange = async {
        let (path, _open) = socket(folder, pid)?;
        let mut stream = UnixStream::connect(path).await?;
        let mut line = serde_json::to_vec(&Request { protocol: PROTOCOL, ask })?;
        line.push(b'\n');
        stream.write_all(&line).await?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).await?;
        Ok(serde_json::from_str(&answer)?)
    };
    match time {
        Some(time) => {
            tokio::time::timeout(time, exchange).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
        }
        None => exchange.await,
    }
}

impl Keeper {
    /// The process that keeps the endpoint of a folder, if one answers.
    pub async fn find(folder: &Path) -> Option<Self> {
        let record = read_record(folder)?;
        let keeper = Self { folder: folder.to_owned(), pid: record.pid };
        // One that lives and does not answer yet is not given up for that.
        (keeper.view().await.is_ok() || keeper.lives()).then_some(keeper)
    }

    /// Starts a process, `argv` with the folder after it, that outlives this one; it has no endpoint yet.
    ///
    /// # Errors
    /// It cannot be started, or does not answer.
    pub async fn start(folder: &Path, argv: &[String]) -> Result<Self, Problem> {
        let child = spawn(folder, argv, Stdio::null());
        let mut child = child.map_err(|error| Problem::io("MLP0786", "start a router in", folder, &error))?;
        let keeper = Self { folder: folder.to_owned(), pid: child.id() };
        // It is to live on; only a dead one is collected, so that it does not linger.
        std::thread::spawn(move || child.wait());
        keeper.listening().await?;
        Ok(keeper)
    }

    async fn listening(&self) -> Result<(), Problem> {
        let answers = async {
            while self.view().await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(START, answers).await.map_err(|_| {
            unreachable("the process of an endpoint does not answer")
                .help(format!("its log is `{}`", self.folder.join("log").display()))
        })
    }

    /// Whether its process is there, whatever it answers.
    #[must_use]
    pub fn lives(&self) -> bool {
        let started = read_record(&self.folder).filter(|record| record.pid == self.pid);
        started.is_some_and(|record| record.lives())
    }

    /// What the process of a folder says, asked by a program that waits for it.
    #[must_use]
    pub fn peek(folder: &Path) -> Option<View> {
        let record = read_record(folder)?;
        let (path, _open) = socket(folder, record.pid).ok()?;
        let mut stream = std::os::unix::net::UnixStream::connect(path).ok()?;
        stream.set_read_timeout(Some(SHORT)).ok()?;
        let line = serde_json::to_string(&Request { protocol: PROTOCOL, ask: Ask::Status }).ok()?;
        writeln!(stream, "{line}").ok()?;
        let mut answer = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stream), &mut answer).ok()?;
        Some(serde_json::from_str::<Answer>(&answer).ok()?.into())
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What it says about itself and its endpoint.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn view(&self) -> Result<View, Problem> {
        let answer =
            ask(&self.folder, self.pid, Ask::Status, Some(SHORT)).await.map_err(|error| self.lost(&error))?;
        Ok(answer.into())
    }

    /// Makes the endpoint what the specification says, as [`super::Endpoint::start`] and [`super::Endpoint::apply`].
    ///
    /// # Errors
    /// As those, or it does not answer.
    pub async fn apply(&self, spec: EndpointSpec) -> Result<(), Problem> {
        let answer = ask(&self.folder, self.pid, Ask::Apply(Box::new(spec)), None).await;
        match answer.map_err(|error| self.lost(&error))?.problem {
            Some(said) => Err(said.into()),
            None => Ok(()),
        }
    }

    /// Puts a process of another program in its place without a failed request: that one gets the listening socket, is
    /// ready, and then tells this one to leave.
    ///
    /// # Errors
    /// The other one does not become ready; everything is then as it was.
    pub async fn replace(&self, argv: Vec<String>, spec: EndpointSpec) -> Result<Self, Problem> {
        let answer = ask(&self.folder, self.pid, Ask::HandOver { argv }, Some(SHORT)).await;
        let answer = answer.map_err(|error| self.lost(&error))?;
        if let Some(said) = answer.problem {
            return Err(said.into());
        }
        let pid =
            answer.started.ok_or_else(|| unreachable("the process of an endpoint does not hand over"))?;
        let next = Self { folder: self.folder.clone(), pid };
        next.listening().await?;
        match next.apply(spec).await {
            Ok(()) => Ok(next),
            Err(problem) => {
                let _ = next.stop().await;
                Err(problem)
            }
        }
    }

    /// Ends the endpoint and its process, and waits for it.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn stop(&self) -> Result<(), Problem> {
        ask(&self.folder, self.pid, Ask::Stop, None).await.map(|_| ()).map_err(|error| self.lost(&error))
    }

    fn lost(&self, error: &io::Error) -> Problem {
        unreachable(format!("the process of an endpoint ({}) does not answer: {error}", self.pid))
            .help(format!("its log is `{}`", self.folder.join("log").display()))
    }

    /// Ends what a process that no longer answers has left: itself, where it hangs, and its replicas.
    pub async fn clear(folder: &Path) {
        let Some(record) = read_record(folder) else { return };
        if record.lives()
            && let Some(group) = i32::try_from(record.pid).ok().and_then(Pid::from_raw)
        {
            // An error says that nobody is left to hear it.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let mark = record.mark.clone();
        let _ = tokio::task::spawn_blocking(move || {
            kill_marked(|variable| carries(variable, &mark));
        })
        .await;
        let _ = fs::remove_file(folder.join(format!("k{}", record.pid)));
        let _ = fs::remove_file(folder.join(RECORD));
    }
}

/// Whether a variable of a process says that it belongs to a mark: `MLP_REPLICA=label/mark-number`.
fn carries(variable: &[u8], mark: &str) -> bool {
    let text = String::from_utf8_lossy(variable);
    let Some(value) = text.strip_prefix("MLP_REPLICA=") else { return false };
    let last = value.rsplit('/').next().unwrap_or_default();
    last.rsplit_once('-').is_some_and(|(found, _)| found == mark)
}

/// Starts a program with the folder as its last word and its output in the folder's log.
pub(super) fn spawn(folder: &Path, argv: &[String], stdin: Stdio) -> io::Result<std::process::Child> {
    fs::create_dir_all(folder)?;
    let path = folder.join("log");
    if fs::metadata(&path).is_ok_and(|metadata| metadata.len() > MAX_LOG) {
        fs::rename(&path, folder.join("log.1"))?;
    }
    let log = OpenOptions::new().create(true).append(true).open(path)?;
    let (program, arguments) = argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    // No group of its own: it makes a session of its own, which the leader of a group cannot.
    Command::new(program)
        .args(arguments)
        .arg(folder)
        .stdin(stdin)
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

impl EndpointSpec {
    /// What tells one specification from another, keys and environments included.
    #[must_use]
    pub fn digest(&self) -> String {
        // A specification is plain data: what cannot be written differs from everything.
        serde_json::to_vec(self).map(|text| blake3::hash(&text).to_hex().to_string()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_another_version_tells_at_least_who_is_there() {
        let text = r#"{"protocol": 9, "version": "9.0.0", "pid": 7, "status": {"shape": "new"}, "more": []}"#;
        let view = View::from(serde_json::from_str::<Answer>(text).unwrap());
        assert_eq!((view.pid, view.version.as_str(), view.status), (7, "9.0.0", None));
    }

    #[test]
    fn a_number_of_another_start_of_the_machine_is_another_process() {
        let folder = tempfile::tempdir().unwrap();
        write_record(folder.path(), "1.2").unwrap();
        let record = read_record(folder.path()).unwrap();
        assert!(record.lives());
        assert!(!Record { boot: Some("another".into()), ..record.clone() }.lives());
        assert!(!Record { started: record.started + 1, ..record }.lives());
    }

    #[test]
    fn a_mark_is_that_of_one_process() {
        let carried = b"MLP_REPLICA=e/v-0/12.345-7";
        assert!(carries(carried, "12.345"));
        assert!(!carries(carried, "2.345") && !carries(carried, "12.34"));
        assert!(!carries(b"OTHER=e/v-0/12.345-7", "12.345"));
    }
}
