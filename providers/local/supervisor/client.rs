//! The command's side of the conversation; blocking.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use mlp_provider::{ErrorClass, ProviderError, Target};

use super::process;
use super::protocol::{Ask, EndpointReport, PROTOCOL, Request, Response, Status, VERSION, folder, socket};
use crate::codes;
use crate::documents::Document;
use crate::fault::{Fallible, io};
use crate::lower::object_name;
use crate::mlp_diag::{Blame, Diagnostic};

/// How long an answer may take: ending an endpoint waits for its requests.
const ANSWER: Duration = Duration::from_secs(90);
const START: Duration = Duration::from_secs(15);

/// Asks a supervisor that runs; none where there is none.
pub(crate) fn ask(directory: &Path, ask: Ask) -> Fallible<Option<Response>> {
    let folder = folder(directory);
    let Ok((path, _open)) = socket(&folder) else { return Ok(None) };
    let Ok(stream) = UnixStream::connect(path) else { return Ok(None) };
    let answer = exchange(stream, &Request { protocol: PROTOCOL, ask });
    let answer = answer.map_err(|error| unanswered(&folder, &error.to_string()))?;
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
        format!("the supervisor of this project does not answer: {why}"),
    )
    .blame(Blame::Provider)
    .help(format!("its log is `{}`", folder.join("log").display()));
    ProviderError::new(ErrorClass::Transient, found)
}

/// Sees to it that a supervisor of this version runs.
pub(crate) fn ensure(target: &Target) -> Fallible<()> {
    let directory = Path::new(&target.directory);
    let folder = folder(directory);
    let deadline = Instant::now() + START;
    if let Some(answer) = ask(directory, Ask::Hello)? {
        if answer.version == VERSION && answer.protocol == PROTOCOL {
            return Ok(());
        }
        ask(directory, Ask::Shutdown)?;
    }
    process::start(&target.program, directory, &folder)
        .map_err(|error| io("start the supervisor in", &folder, &error))?;
    loop {
        match ask(directory, Ask::Hello) {
            Ok(Some(answer)) if answer.version == VERSION => return Ok(()),
            _ if Instant::now() > deadline => {
                return Err(unanswered(&folder, &format!("it did not start within {} s", START.as_secs())));
            }
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// What runs; nothing where there is no supervisor.
pub(crate) fn status(target: &Target) -> Fallible<Option<Status>> {
    Ok(ask(Path::new(&target.directory), Ask::Status)?.and_then(|answer| answer.status))
}

/// What a supervisor last wrote down of what runs: for those that may be the supervisor themselves and cannot ask.
pub(crate) fn last_status(target: &Target) -> Status {
    let path = folder(Path::new(&target.directory)).join("status.json");
    std::fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
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
    let name = document.address().parse().map(|address| object_name(&address)).unwrap_or_default();
    let found = status(target)?.map(|status| status.endpoints).unwrap_or_default();
    Ok(found.into_iter().find(|report| report.home == Path::new(&target.home) && report.name == name))
}
