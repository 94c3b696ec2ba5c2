//! The lease: who may write, until when, and the fencing token that makes every earlier holder's writing void.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;

use mlp_diag::{Blame, Diagnostic};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

use crate::clock::{rfc3339, unix_now};
use crate::segment::{unreadable, unwritable};
use crate::{codes, dir_store};

/// Seconds a lease lasts without a heartbeat.
pub(crate) const LENGTH: u64 = 60;

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The user.
    pub user: String,
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: i32,
    /// When the process started, in the machine's own count, so that a reused number is not mistaken for it.
    pub started: Option<u64>,
}

impl Holder {
    /// This process.
    pub fn here() -> Self {
        let name = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
        let pid = i32::try_from(std::process::id()).unwrap_or_default();
        Self {
            user: std::env::var("USER")
                .or_else(|_| std::env::var("LOGNAME"))
                .unwrap_or_else(|_| "somebody".into()),
            host: name("/proc/sys/kernel/hostname").or_else(|| name("/etc/hostname")).unwrap_or_default(),
            pid,
            started: start_of(pid),
        }
    }

    /// Whether its process is certainly gone, as seen from `host`.
    fn is_gone(&self, host: &str) -> bool {
        if self.host != host {
            return false;
        }
        let Some(pid) = Pid::from_raw(self.pid) else { return true };
        if matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH)) {
            return true;
        }
        self.started.is_some() && start_of(self.pid).is_some_and(|now| Some(now) != self.started)
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{} (process {})", self.user, self.host, self.pid)
    }
}

/// When a process started, where the machine says so.
fn start_of(pid: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name stands in parentheses and may hold blanks; the start is the 20th word after it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// Lengths in bytes by token and segment.
pub(crate) type Lengths = BTreeMap<u64, BTreeMap<u64, u64>>;

/// A lease as it lies on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The newest fencing token; it only grows.
    pub token: u64,
    /// Who holds it; nobody after a release.
    pub holder: Option<Holder>,
    /// Seconds since 1970.
    pub expires: u64,
    /// Segments of older tokens with the length that counts; what was written after is ignored.
    pub sealed: BTreeMap<u64, BTreeMap<u64, u64>>,
}

/// Reads the lease; none yet is one of token 0.
pub(crate) fn read(root: &Path) -> Result<Lease, Diagnostic> {
    let path = root.join("lease.json");
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Lease::default()),
        Err(error) => return Err(unreadable(&path, &error)),
    };
    serde_json::from_slice(&bytes).map_err(|error| {
        Diagnostic::error(codes::STATE_DAMAGED, format!("{} is damaged: {error}", path.display()))
            .blame(Blame::Provider)
            .help("restore it from a backup: it holds the number that keeps two applies apart")
    })
}

/// Reads, changes and writes the lease with nobody else between.
pub(crate) fn change<T>(
    root: &Path,
    change: impl FnOnce(&mut Lease) -> Result<T, Diagnostic>,
) -> Result<T, Diagnostic> {
    let path = root.join("lease.lock");
    let lock = File::create(&path).map_err(|error| unwritable(&path, &error))?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|error| unwritable(&path, &error.into()))?;
    let mut lease = read(root)?;
    let result = change(&mut lease)?;
    dir_store::write_whole(&root.join("lease.json"), &lease)?;
    Ok(result)
}

/// Takes the lease for `holder`; `seal` tells what of each older segment counts.
pub(crate) fn acquire(
    root: &Path,
    holder: &Holder,
    seal: impl FnOnce(&Lease) -> Result<Lengths, Diagnostic>,
) -> Result<Lease, Diagnostic> {
    change(root, |lease| {
        if let Some(other) = &lease.holder
            && lease.expires > unix_now()
            && !other.is_gone(&holder.host)
        {
            return Err(held(other, lease.expires));
        }
        lease.sealed = seal(lease)?;
        lease.token += 1;
        lease.holder = Some(holder.clone());
        lease.expires = unix_now() + LENGTH;
        Ok(lease.clone())
    })
}

/// Prolongs the lease of that token.
pub(crate) fn renew(root: &Path, token: u64) -> Result<(), Diagnostic> {
    change(root, |lease| {
        check(lease, token)?;
        lease.expires = unix_now() + LENGTH;
        Ok(())
    })
}

/// Gives the lease of that token back.
pub(crate) fn release(root: &Path, token: u64) -> Result<(), Diagnostic> {
    change(root, |lease| {
        check(lease, token)?;
        lease.holder = None;
        lease.expires = 0;
        Ok(())
    })
}

/// Whether the token is still the newest.
pub(crate) fn check(lease: &Lease, token: u64) -> Result<(), Diagnostic> {
    if lease.token == token {
        return Ok(());
    }
    let who = lease.holder.as_ref().map_or_else(|| "somebody else".to_owned(), ToString::to_string);
    Err(Diagnostic::error(codes::LEASE_LOST, "the lease was lost while applying")
        .blame(Blame::Provider)
        .note(format!(
            "{who} took it over (token {}, ours was {token}); nothing more is written",
            lease.token
        ))
        .help("wait until they are done, then plan and apply again"))
}

fn held(holder: &Holder, expires: u64) -> Diagnostic {
    let until = rfc3339(expires);
    Diagnostic::error(codes::LEASE_HELD, format!("{holder} is applying to this environment until {until}"))
        .blame(Blame::Provider)
        .note("a lease that is not renewed is taken over by itself: there is nothing to unlock")
        .help(format!("wait until they are done, or until {until}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(root: &Path, holder: &Holder) -> Result<Lease, Diagnostic> {
        acquire(root, holder, |_| Ok(BTreeMap::new()))
    }

    #[test]
    fn one_wins_and_the_other_is_told_who_and_until_when() {
        let dir = tempfile::tempdir().unwrap();
        let here = Holder::here();
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| take(dir.path(), &here))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        let error = results.into_iter().find_map(Result::err).unwrap();
        assert_eq!(error.code, "MLP0610");
        assert!(
            error.headline.contains(&here.to_string()) && error.headline.contains('T'),
            "{}",
            error.headline
        );
        release(dir.path(), 1).unwrap();
        assert_eq!(take(dir.path(), &here).unwrap().token, 2);
        assert_eq!(renew(dir.path(), 1).unwrap_err().code, "MLP0611");
    }

    #[test]
    fn a_dead_or_expired_holder_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let here = Holder::here();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        child.wait().unwrap();
        let dead = Holder { pid, started: Some(1), ..here.clone() };
        take(dir.path(), &dead).unwrap();
        let far = Holder { host: "elsewhere".into(), ..dead };
        assert_eq!(take(dir.path(), &here).unwrap().token, 2);
        change(dir.path(), |lease| {
            (lease.holder, lease.expires) = (Some(far.clone()), 1);
            Ok(())
        })
        .unwrap();
        assert_eq!(take(dir.path(), &here).unwrap().token, 3);
        change(dir.path(), |lease| {
            lease.holder = Some(far.clone());
            Ok(())
        })
        .unwrap();
        assert!(take(dir.path(), &here).is_err());
    }
}
