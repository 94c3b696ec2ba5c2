//! The lease: who may write, until when, and the fencing token that makes every earlier holder's writing void.
//!
//! A takeover has two parts. First the lease is written with the next token: from then on every earlier holder finds, when it
//! looks, that it lost. Then what earlier holders wrote is read and sealed at that length. What one of them wrote before it
//! could know is part of what counts, and what it writes later is not.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use mlp_diag::{Blame, Diagnostic};
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

use crate::clock::{rfc3339, unix_now};
use crate::codes;
use crate::crypt::hex;
use crate::random;

/// How long a lease lasts without a heartbeat, unless the specification says otherwise.
pub const LEASE_LENGTH: Duration = Duration::from_secs(60);

/// The shortest lease: below it a busy disk would lose it.
pub const SHORTEST_LEASE: Duration = Duration::from_secs(2);

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
    /// This process, of the user that the environment names.
    pub fn here() -> Self {
        let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
        Self::of(&user.unwrap_or_else(|_| "somebody".into()))
    }

    /// This process, of that user.
    pub fn of(user: &str) -> Self {
        let name = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
        let pid = i32::try_from(std::process::id()).unwrap_or_default();
        Self {
            user: user.to_owned(),
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

/// What counts of the segments of each token: bytes in a directory, 1 for a segment that is one object.
pub(crate) type Lengths = BTreeMap<u64, BTreeMap<u64, u64>>;

/// Another place of a state: where it went, or where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// The place, for people, and to tell one from another.
    pub place: String,
    /// What opens it; who moves states knows what it means.
    pub settings: String,
    /// Who moves it: `user@host`.
    pub who: String,
    /// RFC 3339.
    pub when: String,
    /// The fencing token there: applies are numbered on from it, so that no two of a lineage are called the same.
    pub token: u64,
}

/// As what somebody comes who wants the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door {
    /// To work with the state.
    Work,
    /// To move the state away.
    Leaving,
    /// To bring a state from there.
    Arriving(Elsewhere),
}

/// A lease as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The newest fencing token; it only grows.
    pub token: u64,
    /// Who holds it; nobody after a release.
    pub holder: Option<Holder>,
    /// What tells this taking from any other, also of the same process in the same second.
    #[serde(default)]
    pub taking: String,
    /// Seconds since 1970.
    pub expires: u64,
    /// Segments of older tokens with the length that counts; what was written after is ignored.
    pub sealed: BTreeMap<u64, BTreeMap<u64, u64>>,
    /// How long its holder asked for, in seconds.
    #[serde(default)]
    pub length: u64,
    /// Where the state went: what is here is what it was before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<Elsewhere>,
    /// Where a state is being brought from: what is here does not count yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arriving: Option<Elsewhere>,
}

impl Lease {
    /// Gives it to `holder` under the next token.
    ///
    /// # Errors
    /// Somebody else has it.
    pub(crate) fn take(&mut self, holder: &Holder, length: Duration) -> Result<(), Diagnostic> {
        if let Some(other) = &self.holder
            && self.expires > unix_now()
            && !other.is_gone(&holder.host)
        {
            let other = other.clone();
            let before = self.bound(length);
            return Err(held(&other, self.expires, before));
        }
        self.token += 1;
        self.holder = Some(holder.clone());
        self.taking = hex(&random::bytes::<16>());
        self.length = length.as_secs();
        self.expires = unix_now() + self.length;
        Ok(())
    }

    /// Ends a lease that lies far in the future after its length from now: the clock of whoever wrote it is ahead of this one.
    /// One who still works prolongs it with the next sign of life. Gives when it was to end before.
    fn bound(&mut self, length: Duration) -> Option<u64> {
        let length = if self.length == 0 { length.as_secs() } else { self.length };
        // Clocks differ by a little everywhere.
        let is_far = self.expires > unix_now() + 2 * length;
        is_far.then(|| std::mem::replace(&mut self.expires, unix_now() + length))
    }

    /// Gives it to who comes through that door; whoever is refused is told why, in the inner result where the lease is to be
    /// written all the same because it was bounded.
    pub(crate) fn enter(
        &mut self,
        holder: &Holder,
        length: Duration,
        door: &Door,
    ) -> Result<Result<Self, Diagnostic>, Diagnostic> {
        match door {
            Door::Work => self.usable()?,
            Door::Leaving => match (&self.moved, &self.arriving) {
                (None, Some(from)) => return Err(arriving(from)),
                (Some(to), _) => return Err(moved(to)),
                (None, None) => {}
            },
            Door::Arriving(from) => {
                if let Some(other) = self.arriving.as_ref().filter(|other| other.place != from.place) {
                    return Err(arriving(other));
                }
            }
        }
        let expires = self.expires;
        match self.take(holder, length) {
            Ok(()) => {
                if let Door::Arriving(from) = door {
                    self.token = self.token.max(from.token + 1);
                    self.arriving = Some(from.clone());
                }
                Ok(Ok(self.clone()))
            }
            Err(refusal) if self.expires != expires => Ok(Err(refusal)),
            Err(refusal) => Err(refusal),
        }
    }

    /// Whether the state that it guards is here.
    ///
    /// # Errors
    /// It went elsewhere, or is only being brought.
    pub(crate) fn usable(&self) -> Result<(), Diagnostic> {
        match (&self.arriving, &self.moved) {
            (Some(from), _) => Err(arriving(from)),
            (None, Some(to)) => Err(moved(to)),
            (None, None) => Ok(()),
        }
    }

    /// Prolongs it for the holder of that token.
    ///
    /// # Errors
    /// It was taken over.
    pub(crate) fn renew(&mut self, token: u64, length: Duration) -> Result<(), Diagnostic> {
        self.check(token)?;
        self.expires = unix_now() + length.as_secs();
        Ok(())
    }

    /// Gives it back. Who has been taken over by then has nothing left to give: what it wrote before it could know counts.
    pub(crate) fn release(&mut self, token: u64) {
        if self.token == token {
            self.holder = None;
            self.expires = 0;
        }
    }

    /// Whether the token is still the newest.
    ///
    /// # Errors
    /// It is not.
    pub(crate) fn check(&self, token: u64) -> Result<(), Diagnostic> {
        if self.token == token {
            return Ok(());
        }
        let who = self.holder.as_ref().map_or_else(|| "somebody else".to_owned(), ToString::to_string);
        Err(Diagnostic::error(codes::LEASE_LOST, "the lease was lost while applying")
            .blame(Blame::Provider)
            .note(format!(
                "{who} took it over (token {}, ours was {token}); nothing more is written",
                self.token
            ))
            .help("wait until they are done, then plan and apply again"))
    }
}

/// Somebody else came between: the try to take it lost, and whose it is has to be read.
fn held(holder: &Holder, expires: u64, before: Option<u64>) -> Diagnostic {
    let until = rfc3339(expires);
    let headline = format!("{holder} is applying to this environment until {until}");
    let mut error = Diagnostic::error(codes::LEASE_HELD, headline)
        .blame(Blame::Provider)
        .note("a lease that is not renewed is taken over by itself: there is nothing to unlock");
    if let Some(before) = before {
        error = error.note(format!(
            "it was to last until {}, by a clock that is ahead of the one here; without a sign of life it ends earlier now",
            rfc3339(before)
        ));
    }
    error.help(format!("wait until they are done, or until {until}"))
}

fn moved(to: &Elsewhere) -> Diagnostic {
    let headline = format!("the state that was here was moved to {} on {} by {}", to.place, to.when, to.who);
    Diagnostic::error(codes::STATE_ELSEWHERE, headline)
        .note("what is here is as it was then: nothing is planned from it, and nothing is written to it")
        .help("use the specification whose `state` names that place; `mlp init -migrate-state` brings it back here")
}

fn arriving(from: &Elsewhere) -> Diagnostic {
    let headline =
        format!("the state is being moved here from {} by {} since {}", from.place, from.who, from.when);
    Diagnostic::error(codes::STATE_ELSEWHERE, headline)
        .note("what is here does not count before all of it is here and was compared")
        .help("wait until they are done; if that broke off, `mlp init -migrate-state` finishes it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_taken_once_and_the_other_is_told_who_has_it_and_until_when() {
        let here = Holder::here();
        let mut lease = Lease::default();
        lease.take(&here, LEASE_LENGTH).unwrap();
        let error = lease.take(&here, LEASE_LENGTH).unwrap_err();
        assert_eq!(error.code, "MLP0610");
        let until = rfc3339(lease.expires);
        assert!(error.headline.contains(&here.to_string()) && error.headline.contains(&until), "{error:?}");
        lease.release(1);
        lease.take(&here, LEASE_LENGTH).unwrap();
        assert_eq!(lease.token, 2);
        assert_eq!(lease.renew(1, LEASE_LENGTH).unwrap_err().code, "MLP0611");
        lease.release(1);
        assert_eq!(lease.holder, Some(here));
    }

    #[test]
    fn a_dead_or_expired_holder_is_taken_over() {
        let here = Holder::here();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        child.wait().unwrap();
        let dead = Holder { pid, started: Some(1), ..here.clone() };
        let mut lease = Lease::default();
        lease.take(&dead, LEASE_LENGTH).unwrap();
        lease.take(&here, LEASE_LENGTH).unwrap();
        assert_eq!(lease.token, 2);
        let far = Holder { host: "elsewhere".into(), ..dead };
        (lease.holder, lease.expires) = (Some(far.clone()), 1);
        lease.take(&here, LEASE_LENGTH).unwrap();
        assert_eq!(lease.token, 3);
        lease.holder = Some(far);
        assert!(lease.take(&here, LEASE_LENGTH).is_err());
    }

    #[test]
    fn a_lease_by_a_clock_that_is_ahead_ends_after_its_length_from_now() {
        let here = Holder::here();
        let far = Holder { host: "elsewhere".into(), ..here.clone() };
        let mut lease = Lease::default();
        lease.take(&far, LEASE_LENGTH).unwrap();
        // Clocks that differ by a little change nothing.
        lease.expires += 20;
        let before = lease.clone();
        assert_eq!(lease.enter(&here, LEASE_LENGTH, &Door::Work).unwrap_err().code, "MLP0610");
        assert_eq!(lease, before);
        lease.expires = unix_now() + 31_536_000;
        let refused = lease.enter(&here, LEASE_LENGTH, &Door::Work).unwrap().unwrap_err();
        assert!(refused.notes.iter().any(|note| note.contains("ahead of the one here")), "{refused:?}");
        assert!(refused.headline.contains(&rfc3339(lease.expires)), "{refused:?}");
        assert!(lease.expires <= unix_now() + LEASE_LENGTH.as_secs());
        assert_eq!((lease.token, lease.holder.as_ref()), (1, Some(&far)));
        // Whoever holds it and lives goes on.
        lease.renew(1, LEASE_LENGTH).unwrap();
        // One that asked for longer keeps what it asked for.
        lease.length = 6000;
        lease.expires = unix_now() + 6000;
        assert!(lease.enter(&here, LEASE_LENGTH, &Door::Work).is_err());
    }

    #[test]
    fn a_state_that_is_elsewhere_is_not_worked_with() {
        let here = Holder::here();
        let at = |place: &str| Elsewhere {
            place: place.into(),
            settings: String::new(),
            who: "ann@here".into(),
            when: "2026-01-01T00:00:00Z".into(),
            token: 7,
        };
        let enter = |lease: &Lease, door: &Door| lease.clone().enter(&here, LEASE_LENGTH, door);
        let moved = Lease { moved: Some(at("b")), ..Lease::default() };
        for door in [Door::Work, Door::Leaving] {
            let error = enter(&moved, &door).unwrap_err();
            assert!(error.code == "MLP0607" && error.headline.contains("moved to b on 2026"), "{error:?}");
        }
        assert!(enter(&moved, &Door::Arriving(at("b"))).unwrap().is_ok());
        let arriving = Lease { arriving: Some(at("a")), ..Lease::default() };
        for door in [Door::Work, Door::Leaving, Door::Arriving(at("c"))] {
            assert!(enter(&arriving, &door).unwrap_err().headline.contains("moved here from a"));
        }
        assert_eq!(enter(&arriving, &Door::Arriving(at("a"))).unwrap().unwrap().token, 8);
    }
}
