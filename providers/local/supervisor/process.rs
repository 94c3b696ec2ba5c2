//! Processes: starting the supervisor, and ending what an earlier one left.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

/// When a process started, in ticks since boot; none where there is no such process.
pub(super) fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in brackets and may hold spaces; the state follows it, and the start is the 20th from there.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Ends processes that are still the ones they were, with their groups.
pub(super) async fn end(processes: &[(u32, u64)]) {
    let alive = || processes.iter().filter(|(pid, at)| started(*pid) == Some(*at));
    let signal = |signal| {
        for (pid, _) in alive() {
            if let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw) {
                // One that ended meanwhile is what was wanted.
                let _ = kill_process_group(pid, signal);
            }
        }
    };
    signal(Signal::TERM);
    for _ in 0..30 {
        if alive().next().is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    signal(Signal::KILL);
}

/// Starts a supervisor that outlives this process.
pub(super) fn start(program: &str, directory: &Path, folder: &Path) -> std::io::Result<()> {
    use std::os::unix::process::CommandExt;
    std::fs::create_dir_all(folder)?;
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log"))?;
    let child = Command::new(program)
        .args(["background", "local"])
        .arg(directory)
        .current_dir(directory)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    // It is to live on; only a dead one is collected, so that it does not linger while this process lives.
    std::thread::spawn(move || {
        let mut child = child;
        let _ = child.wait();
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_process_that_was_meant_is_ended() {
        use std::os::unix::process::CommandExt;
        let mut child = Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
        let at = started(child.id()).unwrap();
        end(&[(child.id(), at + 1)]).await;
        assert!(child.try_wait().unwrap().is_none());
        end(&[(child.id(), at)]).await;
        child.wait().unwrap();
        assert_eq!(started(child.id()), None);
    }
}
