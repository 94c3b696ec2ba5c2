//! The processes of a step, found through `/proc`: members of its group, and those that left the group but
//! still carry its environment.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// The variable whose value is the directory of the step, and so names it among all runs of the machine.
pub(crate) const MARKER: &str = "MLP_STEP_DIR";

/// Ids of processes are given away in turn. In this time no machine gives away the 32,768 that there are at the least, so that
/// who came later has an id between that of the first and that of the last.
const ROUND: Duration = Duration::from_millis(250);

/// The processes of one step. Dropped before `finish`, it kills them at once: no run leaves any.
pub(crate) struct ProcessScope {
    group: Option<u32>,
    /// When the leader started, to tell it from a later process with its id.
    started: Option<u64>,
    /// The same by the clock of this process.
    since: Instant,
    marker: PathBuf,
    finished: bool,
}

impl ProcessScope {
    /// The scope of the process `group`, which leads its own process group.
    pub(crate) fn new(group: Option<u32>, step_dir: &Path) -> Self {
        let (started, marker) = (group.and_then(began), step_dir.to_path_buf());
        Self { group, started, since: Instant::now(), marker, finished: false }
    }

    /// Sends a signal to all of them. Only while the leader was not waited for: its id is not reused then.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(group) = self.group.and_then(pid) {
            // The group may have ended by itself in this moment; then there is nobody to signal.
            let _ = kill_process_group(group, signal);
        }
        for outside in self.members().into_iter().filter(|member| Some(member.group) != self.group) {
            outside.kill(signal);
        }
    }

    /// Whether any is left, after the leader has been waited for.
    pub(crate) fn is_empty(&self) -> bool {
        self.members().is_empty()
    }

    /// Kills what is left, after the leader has been waited for, and waits until it is gone.
    pub(crate) async fn finish(mut self) {
        self.kill_without_proc();
        for _ in 0..1000 {
            let members = self.members();
            if members.is_empty() {
                break;
            }
            members.iter().for_each(|member| member.kill(Signal::KILL));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.finished = true;
    }

    /// Where the system does not list its processes, the group is all that can be reached.
    fn kill_without_proc(&self) {
        if !has_proc()
            && let Some(group) = self.group.and_then(pid)
        {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    fn members(&self) -> Vec<Member> {
        // What the leader started began after it, and most of a machine's processes began long before.
        let mut all = processes(self.group.filter(|_| self.since.elapsed() < ROUND));
        all.retain(|member| self.started.is_none_or(|started| member.started >= started));
        // A living process with the id of the leader that is not the leader has taken over the number.
        let reused = |group: &u32| start_ticks(*group).is_some_and(|ticks| self.started != Some(ticks));
        let group = self.group.filter(|group| !reused(group));
        all.iter().filter(|m| Some(m.group) == group || self.is_marked(m)).copied().collect()
    }

    fn is_marked(&self, member: &Member) -> bool {
        marker_of(member.pid).is_some_and(|found| found == self.marker)
    }
}

impl Drop for ProcessScope {
    fn drop(&mut self) {
        if !self.finished {
            self.kill_without_proc();
        }
        for _ in 0..50 {
            let members = if self.finished { Vec::new() } else { self.members() };
            if members.is_empty() {
                break;
            }
            members.iter().for_each(|member| member.kill(Signal::KILL));
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Kills the processes of all steps of a run, of which the directory is given.
pub(crate) fn kill_run(work_root: &Path) {
    for _ in 0..200 {
        let of_run = |member: &Member| marker_of(member.pid).is_some_and(|dir| dir.starts_with(work_root));
        let members: Vec<Member> = processes(None).into_iter().filter(of_run).collect();
        if members.is_empty() {
            break;
        }
        members.iter().for_each(|member| member.kill(Signal::KILL));
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process is there that started at this moment; a moment of 0 is not known.
pub(crate) fn is_alive(id: u32, started: u64) -> bool {
    if !has_proc() {
        return pid(id).is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok());
    }
    start_ticks(id).is_some_and(|ticks| started == 0 || ticks == started)
}

fn has_proc() -> bool {
    Path::new("/proc/self/stat").exists()
}

/// When a process started, in clock ticks since the machine started; nothing when there is no such process.
pub(crate) fn start_ticks(pid: u32) -> Option<u64> {
    began_while(pid, |state| state != "Z")
}

/// When a process started, also where it has ended and waits to be noticed.
fn began(pid: u32) -> Option<u64> {
    began_while(pid, |_| true)
}

fn began_while(pid: u32, counts: impl Fn(&str) -> bool) -> Option<u64> {
    let text = stat_text(pid)?;
    let mut fields = fields_of(&text)?;
    // Counted after the state, which is field 3: the start is field 22.
    counts(fields.next()?).then(|| fields.nth(18)?.parse().ok()).flatten()
}

#[derive(Debug, Clone, Copy)]
struct Member {
    pid: u32,
    group: u32,
    /// In clock ticks since the machine started.
    started: u64,
}

impl Member {
    fn kill(self, signal: Signal) {
        if let Some(pid) = pid(self.pid) {
            // It may have ended by itself since it was found.
            let _ = kill_process(pid, signal);
        }
    }
}

fn pid(raw: u32) -> Option<Pid> {
    i32::try_from(raw).ok().and_then(Pid::from_raw)
}

/// All processes of the machine but those that have ended and wait to be noticed; of those that are older than `first`, which
/// was given its id less than [`ROUND`] ago, none.
fn processes(first: Option<u32>) -> Vec<Member> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let mut pids: Vec<u32> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    // Read after the list: all that are in it and younger lie between the two.
    if let Some((first, last)) = first.zip(last_pid()) {
        let between = |pid: &u32| {
            if first <= last { (first..=last).contains(pid) } else { *pid >= first || *pid <= last }
        };
        pids.retain(between);
    }
    let member = |pid: u32| {
        let text = stat_text(pid)?;
        let mut fields = fields_of(&text)?;
        let ended = matches!(fields.next()?, "Z" | "X");
        let group = fields.nth(1)?.parse().ok()?;
        // The state is field 3, the group field 5 and the start field 22.
        let started = fields.nth(16)?.parse().ok()?;
        (!ended).then_some(Member { pid, group, started })
    };
    pids.into_iter().filter_map(member).collect()
}

/// The id that was given away last: the end of `/proc/loadavg`.
fn last_pid() -> Option<u32> {
    std::fs::read_to_string("/proc/loadavg")
        .ok()?
        .split_whitespace()
        .last()?
        .parse()
        .ok()
        .filter(|last| *last > 0)
}

fn stat_text(pid: u32) -> Option<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The fields of `/proc/<pid>/stat` from the state on; the name before it may contain anything.
fn fields_of(text: &str) -> Option<std::str::SplitWhitespace<'_>> {
    Some(text.rsplit_once(')')?.1.split_whitespace())
}

fn marker_of(pid: u32) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
    let value = environment
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(MARKER.as_bytes())?.strip_prefix(b"="))?;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_of_a_process_is_known_until_it_ends() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let ticks = start_ticks(child.id());
        assert!(ticks.is_some());
        assert_eq!(ticks, start_ticks(child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(start_ticks(child.id()), None);
    }

    #[test]
    fn processes_of_a_run_are_found_by_their_environment_and_killed() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = std::process::Command::new("sleep");
        let mut child = command.arg("60").env(MARKER, dir.path().join("fit")).spawn().unwrap();
        while marker_of(child.id()).is_none() {
            std::thread::yield_now();
        }
        // This test is its parent, so it stays as an ended process until it is waited for.
        kill_run(dir.path());
        assert!(child.wait().unwrap().code().is_none());
    }
}
