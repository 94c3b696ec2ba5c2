//! Processes of one directory, found as the system lists them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// A process that has to do with a directory.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its command line, separated by spaces.
    pub command: String,
    /// Its environment, one variable a line.
    pub environment: String,
}

fn text(path: String, separator: char) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', &separator.to_string())
}

/// Processes whose command line, environment or working directory lies in a directory. This one is not among them.
pub fn mentioning(directory: &Path) -> Vec<Process> {
    let words = directory.to_string_lossy().into_owned();
    let numbers = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let mut found = Vec::new();
    for pid in numbers.filter(|pid| *pid != std::process::id()) {
        // A process that has ended and waits for its parent to look runs no more.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        if stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')) {
            continue;
        }
        let command = text(format!("/proc/{pid}/cmdline"), ' ');
        let environment = text(format!("/proc/{pid}/environ"), '\n');
        let place = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
        if command.contains(&words) || environment.contains(&words) || place.starts_with(directory) {
            found.push(Process { pid, command, environment });
        }
    }
    found
}

fn number(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// Ends one process at once.
pub fn kill(pid: u32) {
    if let Some(pid) = number(pid) {
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Asks one process to end.
pub fn terminate(pid: u32) {
    if let Some(pid) = number(pid) {
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// The session a process belongs to.
pub fn session(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(3)?.parse().ok()
}

/// Ends a process group at once.
pub fn kill_group(leader: u32) {
    if let Some(leader) = number(leader) {
        // It may have ended by itself.
        let _ = kill_process_group(leader, Signal::KILL);
    }
}

/// Ends everything that mentions a directory, also what is started meanwhile by something that is being ended.
pub fn kill_all(directory: &Path) {
    for _ in 0..20 {
        let left = mentioning(directory);
        if left.is_empty() {
            return;
        }
        left.iter().for_each(|process| kill(process.pid));
        std::thread::sleep(Duration::from_millis(50));
    }
}
