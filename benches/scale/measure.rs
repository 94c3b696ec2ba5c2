//! One command, run to its end or to its limits, and what it took.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use wait4::Wait4;

/// How often a running command is compared with its limits.
const LOOK: Duration = Duration::from_millis(20);

/// What one command took.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    /// From start to end.
    pub wall: Duration,
    /// Of all its threads, in user and system mode.
    pub cpu: Duration,
    /// The most memory it held, in bytes.
    pub peak: u64,
}

/// Beyond these a command is ended.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// From start to end.
    pub wall: Duration,
    /// Resident memory, in bytes.
    pub memory: u64,
}

/// Why there is no measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It took longer than its limit.
    TooLong(Duration),
    /// It held more memory than its limit, in bytes.
    TooLarge(u64),
    /// It ended with an error, or could not be started.
    Failed(String),
}

impl<E: std::error::Error> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Failed(error.to_string())
    }
}

/// A command to measure.
#[derive(Debug)]
pub struct Order<'a> {
    /// The program.
    pub program: &'a Path,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Where it runs.
    pub directory: &'a Path,
    /// Its limits.
    pub limits: Limits,
    /// Where its standard output goes; nowhere by default.
    pub output: Option<PathBuf>,
}

impl<'a> Order<'a> {
    /// A command.
    pub fn new(program: &'a Path, arguments: &[&str], directory: &'a Path, limits: Limits) -> Self {
        let arguments = arguments.iter().map(|&word| word.to_owned()).collect();
        Self { program, arguments, directory, limits, output: None }
    }

    /// Runs it; any exit code but 0 is a fault, with the last lines that it wrote.
    pub fn run(&self) -> Result<Measure, Fault> {
        let errors = tempfile::NamedTempFile::new()?;
        let output = match &self.output {
            Some(path) => Stdio::from(std::fs::File::create(path)?),
            None => Stdio::null(),
        };
        let mut command = Command::new(self.program);
        command.args(&self.arguments).current_dir(self.directory).stdin(Stdio::null()).stdout(output);
        command.stderr(errors.reopen()?).envs([("NO_COLOR", "1"), ("CHECKPOINT_DISABLE", "1")]);
        // A group of its own, so that whatever it starts ends with it.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let started = Instant::now();
        let mut child = command.spawn().map_err(|error| {
            Fault::Failed(format!("`{}` cannot be started: {error}", self.program.display()))
        })?;
        let (done, ended) = channel::<()>();
        let verdict = AtomicU8::new(FINE);
        let used = std::thread::scope(|scope| {
            let (process, limits, verdict) = (child.id(), self.limits, &verdict);
            scope.spawn(move || watch(process, limits, &ended, verdict));
            let used = child.wait4();
            drop(done);
            used
        })?;
        let wall = started.elapsed();
        match verdict.load(Ordering::Relaxed) {
            LONG => return Err(Fault::TooLong(self.limits.wall)),
            LARGE => return Err(Fault::TooLarge(self.limits.memory)),
            _ => {}
        }
        if !used.status.success() {
            let text = std::fs::read_to_string(errors.path()).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let last = lines[lines.len().saturating_sub(12)..].join("\n");
            let words = self.arguments.join(" ");
            let program = self.program.display();
            return Err(Fault::Failed(format!("{program} {words} ended with {}\n{last}", used.status)));
        }
        Ok(Measure { wall, cpu: used.rusage.utime + used.rusage.stime, peak: used.rusage.maxrss })
    }
}

const FINE: u8 = 0;
const LONG: u8 = 1;
const LARGE: u8 = 2;

/// Ends a process that goes beyond its limits.
fn watch(process: u32, limits: Limits, ended: &Receiver<()>, verdict: &AtomicU8) {
    let started = Instant::now();
    while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        let found = match () {
            () if started.elapsed() > limits.wall => LONG,
            () if resident(process) > limits.memory => LARGE,
            () => continue,
        };
        verdict.store(found, Ordering::Relaxed);
        if let Some(group) = i32::try_from(process).ok().and_then(Pid::from_raw) {
            // One that ended by itself meanwhile is gone all the same.
            let _ = kill_process_group(group, Signal::KILL);
        }
        return;
    }
}

/// The memory that a process holds now.
fn resident(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    line.and_then(|kilobytes| kilobytes.parse::<u64>().ok()).unwrap_or_default() * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(text: &str, wall: Duration, memory: u64) -> Result<Measure, Fault> {
        let limits = Limits { wall, memory };
        Order::new(Path::new("/bin/sh"), &["-c", text], Path::new("/"), limits).run()
    }

    #[test]
    fn a_command_ends_within_its_limits_or_is_ended() {
        let (long, much) = (Duration::from_secs(60), 1 << 40);
        assert!(sh("true", long, much).unwrap().peak > 0);
        assert!(
            matches!(sh("echo why >&2; exit 3", long, much), Err(Fault::Failed(why)) if why.contains("why"))
        );
        assert_eq!(
            sh("sleep 600", Duration::from_millis(50), much).unwrap_err(),
            Fault::TooLong(Duration::from_millis(50))
        );
        assert_eq!(sh("sleep 600", long, 1).unwrap_err(), Fault::TooLarge(1));
    }
}
