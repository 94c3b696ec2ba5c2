//! The command's side of the conversation; blocking.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use mlp_floor::serve::Keeper;
use mlp_provider::{ErrorClass, ProviderError, Target};

use super::process;
use super::protocol::{
    Ask, EndpointReport, PROTOCOL, Request, Response, Status, VERSION, boot, folder, is_older, keeper_folder,
    socket,
};
use crate::codes;
use crate::documents::Document;
use crate::fault::{Fallible, io};
use crate::lower::object_name;
use crate::mlp_diag::{Blame, Diagnostic};

/// How long an answer may take: ending an endpoint waits for its requests.
const ANSWER: Duration = Duration::from_secs(90);
const START: Duration = Duration::from_secs(30);
/// How a conversation ends whose other side is gone.
const CUT_OFF: &[ErrorKind] = &[ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::UnexpectedEof];
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(50);
/// The first protocol in which a supervisor leaves its endpoints to the next.
const RETIRES: u32 = 2;

/// An endpoint that nobody supervises.
pub(crate) struct Unsupervised {
    /// What was said of it last; its state is what it says now, if its process still runs.
    pub(crate) report: EndpointReport,
    /// When it was supervised last, in milliseconds since 1970.
    pub(crate) at: u64,
    /// Whether the machine was started anew since.
    pub(crate) rebooted: bool,
    /// Whether it serves.
    pub(crate) serves: bool,
}

/// Asks a supervisor that runs; none where there is none.
pub(crate) fn ask(directory: &Path, ask: Ask) -> Fallible<Option<Response>> {
    let folder = folder(directory);
    let Ok((path, _open)) = socket(&folder) else { return Ok(None) };
    let request = Request { protocol: PROTOCOL, ask };
    let mut attempts = 0;
    let answer = loop {
        let Ok(stream) = UnixStream::connect(&path) else { return Ok(None) };
        attempts += 1;
        match exchange(stream, &request) {
            Ok(answer) => break answer,
            // One that ends while it is asked; every question may be asked twice.
            Err(error) if CUT_OFF.contains(&error.kind()) && attempts < ATTEMPTS => std::thread::sleep(PAUSE),
            Err(error) => return Err(unanswered(&folder, &error.to_string())),
        }
    };
    match &answer.refused {
        Some(why) => Err(unanswered(&folder, why)),
        None => Ok(Some(answer)),
    }
}

fn exchange(mut stream: UnixStream, request: &Request) -> std::io::Result<Response> {
    stream.set_read_timeout(Some(ANSWER))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

fn unanswered(folder: &Path, why: &str) -> ProviderError {
    let found = Diagnostic::error(
        codes::SUPERVISOR,
        format!("the supervisor of this project does not do what it is asked: {why}"),
    )
    .blame(Blame::Provider)
    .help(format!("its log is `{}`", folder.join("log").display()));
    ProviderError::new(ErrorClass::Transient, found)
}

/// What a command does about the supervisor it finds.
#[derive(Debug, PartialEq, Eq)]
enum Succession {
    /// It understands us.
    Keep,
    /// It is older: it ends and leaves its endpoints to the next.
    Retire,
    /// It is older and knows no other end than with its endpoints.
    Shutdown,
    /// It is newer and does not understand us.
    Refuse,
}

fn succession(protocol: u32, version: &str) -> Succession {
    if protocol > PROTOCOL || (protocol != PROTOCOL && is_older(VERSION, version)) {
        Succession::Refuse
    } else if protocol == PROTOCOL && !is_older(version, VERSION) {
        Succession::Keep
    } else if protocol >= RETIRES {
        Succession::Retire
    } else {
        Succession::Shutdown
    }
}

/// Sees to it that a supervisor runs that understands this version.
pub(crate) fn ensure(target: &Target) -> Fallible<()> {
    let directory = Path::new(&target.directory);
    let folder = folder(directory);
    if let Some(answer) = ask(directory, Ask::Hello)? {
        match succession(answer.protocol, &answer.version) {
            Succession::Keep => return Ok(()),
            Succession::Refuse => return Err(newer(&answer)),
            Succession::Retire => ask(directory, Ask::Retire)?,
            Succession::Shutdown => ask(directory, Ask::Shutdown)?,
        };
    }
    let deadline = Instant::now() + START;
    process::start(&target.program, directory, &folder)
        .map_err(|error| io("start the supervisor in", &folder, &error))?;
    loop {
        match ask(directory, Ask::Hello) {
            Ok(Some(answer)) if succession(answer.protocol, &answer.version) == Succession::Keep => {
                return Ok(());
            }
            _ if Instant::now() > deadline => {
                return Err(unanswered(&folder, &format!("it did not start within {} s", START.as_secs())));
            }
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn newer(answer: &Response) -> ProviderError {
    let found = Diagnostic::error(
        codes::SUPERVISOR,
        format!(
            "the supervisor of this project is of mlp {} and does not understand mlp {VERSION}",
            answer.version
        ),
    )
    .help(format!("use mlp {} or a later one here", answer.version));
    ProviderError::new(ErrorClass::Invalid, found)
}

/// Tells the supervisor. Where there is none and one was there before, one is started: what it left may still run.
pub(crate) fn tell(target: &Target, asked: Ask) -> Fallible<()> {
    let directory = Path::new(&target.directory);
    if folder(directory).join("endpoints.json").is_file() {
        ensure(target)?;
    }
    ask(directory, asked).map(|_| ())
}

/// What runs; nothing where there is no supervisor.
pub(crate) fn status(target: &Target) -> Fallible<Option<Status>> {
    Ok(ask(Path::new(&target.directory), Ask::Status)?.and_then(|answer| answer.status))
}

/// What a supervisor last wrote down of what runs: for those that may be the supervisor themselves and cannot ask.
pub(crate) fn last_status(target: &Target) -> Status {
    super::protocol::last_status(&folder(Path::new(&target.directory))).unwrap_or_default()
}

/// Whether a supervisor runs that keeps the environment.
pub(crate) fn keeps(target: &Target) -> bool {
    let directory = Path::new(&target.directory);
    let homes = std::fs::read(folder(directory).join("homes.json")).ok();
    let homes: std::collections::BTreeSet<std::path::PathBuf> =
        homes.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    homes.contains(Path::new(&target.home)) && ask(directory, Ask::Hello).ok().flatten().is_some()
}

/// What is known of the endpoint of a record.
pub(crate) fn endpoint(target: &Target, document: &Document) -> Fallible<Option<EndpointReport>> {
    let found = status(target)?.map(|status| status.endpoints).unwrap_or_default();
    Ok(of_record(found, target, document))
}

fn of_record(reports: Vec<EndpointReport>, target: &Target, document: &Document) -> Option<EndpointReport> {
    let name = document.address().parse().map(|address| object_name(&address)).unwrap_or_default();
    reports.into_iter().find(|report| report.home == Path::new(&target.home) && report.name == name)
}

/// What is left of an endpoint that no supervisor keeps; none where one never did.
pub(crate) fn unsupervised(target: &Target, document: &Document) -> Option<Unsupervised> {
    let folder = folder(Path::new(&target.directory));
    let last = super::protocol::last_status(&folder)?;
    let rebooted = last.boot.is_some() && boot().is_some() && last.boot != boot();
    let mut report = of_record(last.endpoints, target, document)?;
    let view = Keeper::peek(&keeper_folder(&folder, &report.home, &report.name));
    let now = view.and_then(|view| view.status);
    let serves = now.is_some();
    report.state = now.or(report.state);
    Some(Unsupervised { report, at: last.at, rebooted, serves })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_supervisor_is_replaced_and_a_newer_one_left_alone() {
        assert_eq!(succession(PROTOCOL, VERSION), Succession::Keep);
        assert_eq!(succession(PROTOCOL, "999.0.0"), Succession::Keep);
        assert_eq!(succession(PROTOCOL, "0.0.1"), Succession::Retire);
        assert_eq!(succession(1, "0.0.1"), Succession::Shutdown);
        assert_eq!(succession(PROTOCOL + 1, "999.0.0"), Succession::Refuse);
    }
}
