//! One command, run to its end, and what it took.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use wait4::Wait4;

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

/// Runs a program in a directory; any exit code but 0 is an error, with the last lines that it wrote.
pub fn command(program: &str, arguments: &[&str], directory: &Path) -> Result<Measure, String> {
    let errors = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    let file = errors.reopen().map_err(|error| error.to_string())?;
    let started = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .env("NO_COLOR", "1")
        .env("CHECKPOINT_DISABLE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        .spawn()
        .map_err(|error| format!("cannot start {program}: {error}"))?;
    let used = child.wait4().map_err(|error| error.to_string())?;
    let wall = started.elapsed();
    if !used.status.success() {
        let text = std::fs::read_to_string(errors.path()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(10)..].join("\n");
        return Err(format!("{program} {} ended with {}\n{last}", arguments.join(" "), used.status));
    }
    Ok(Measure { wall, cpu: used.rusage.utime + used.rusage.stime, peak: used.rusage.maxrss })
}
