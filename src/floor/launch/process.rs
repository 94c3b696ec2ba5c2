//! One attempt of a step as a process: started in its own group, bounded in time, ended with all it started.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::leftovers::ProcessScope;
use super::log::StepLog;

/// What to start.
pub(crate) struct Attempt {
    /// The text for the shell.
    pub(crate) command: String,
    /// The working directory.
    pub(crate) dir: PathBuf,
    /// The whole environment.
    pub(crate) env: BTreeMap<String, String>,
    /// The directory of the step, by which its processes are known.
    pub(crate) step_dir: PathBuf,
    /// The longest duration.
    pub(crate) timeout: Option<Duration>,
    /// The time between being told to end and being killed.
    pub(crate) grace: Duration,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Exit(i32),
    Signal(i32),
    TimedOut,
    Cancelled,
}

impl From<ExitStatus> for Ended {
    fn from(status: ExitStatus) -> Self {
        match status.code() {
            Some(code) => Self::Exit(code),
            None => Self::Signal(status.signal().unwrap_or(0)),
        }
    }
}

/// Runs the attempt. When this returns, or is dropped, none of its processes is left.
pub(crate) async fn run(
    attempt: &Attempt,
    log: &StepLog,
    cancel: &mut watch::Receiver<bool>,
) -> std::io::Result<Ended> {
    // One pipe for both streams keeps the order in which they were written.
    let (reader, writer) = std::io::pipe()?;
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(&attempt.command).current_dir(&attempt.dir).env_clear().envs(&attempt.env);
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.process_group(0).kill_on_drop(true).spawn()?;
    // The command holds our copies of the writing end; with them the reader would never see the end.
    drop(command);
    let scope = ProcessScope::new(child.id(), &attempt.step_dir);
    let reader = tokio::net::unix::pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?;
    let pump = tokio::spawn(log.clone().pump(reader));

    let grace = attempt.grace;
    let ended = tokio::select! {
        status = child.wait() => status.map(Ended::from),
        () = elapsed(attempt.timeout) => stop(&mut child, &scope, grace).await.map(|()| Ended::TimedOut),
        () = cancelled(cancel) => stop(&mut child, &scope, grace).await.map(|()| Ended::Cancelled),
    };
    scope.finish().await;
    // Everybody who could write is gone; what they wrote is still in the pipe.
    let abort = pump.abort_handle();
    if timeout(Duration::from_secs(5), pump).await.is_err() {
        abort.abort();
    }
    ended
}

/// Ends when the run is cancelled; never when nobody can cancel it any more.
pub(crate) async fn cancelled(cancel: &mut watch::Receiver<bool>) {
    if cancel.wait_for(|cancelled| *cancelled).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn elapsed(limit: Option<Duration>) {
    match limit {
        Some(limit) => sleep(limit).await,
        None => std::future::pending().await,
    }
}

/// Asks all processes to end, waits, and kills the leader; the caller kills whatever else is left.
async fn stop(child: &mut Child, scope: &ProcessScope, grace: Duration) -> std::io::Result<()> {
    scope.signal(Signal::TERM);
    let deadline = Instant::now() + grace;
    let ended = tokio::select! {
        status = child.wait() => Some(status),
        () = sleep_until(deadline) => None,
    };
    match ended {
        Some(status) => {
            status?;
            while !scope.is_empty() && Instant::now() < deadline {
                sleep(Duration::from_millis(20)).await;
            }
        }
        None => {
            scope.signal(Signal::KILL);
            child.wait().await?;
        }
    }
    Ok(())
}
