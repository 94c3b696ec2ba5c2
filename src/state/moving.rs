//! A state moved from one store to another.
//!
//! The state counts in one place at every instant. Under the lease of the old place, the new one is marked as one where a state
//! is arriving, everything is written there and compared; then, in one swap of its lease, the old place is marked as left; last,
//! the mark of the new one goes. Before that swap the old place is the one that counts, after it the new one. Whoever is killed
//! between leaves marks by which the next try knows where to go on, and by which nobody takes a half for a whole.

use std::time::{Duration, Instant};

use mlp_diag::{Blame, Diagnostic};

use crate::clock::{rfc3339, unix_now};
use crate::{Closed, Depot, Door, Elsewhere, Entry, Holder, Lease, Loaded, State, Writer, codes};

/// A store with what it is called and what opens it.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The store.
    pub depot: &'a dyn Depot,
    /// What tells it from others.
    pub name: &'a str,
    /// What opens it, for whoever finds a mark.
    pub settings: &'a str,
}

/// What is moved, and by whom.
pub struct Move<'a> {
    /// Where it is.
    pub from: Place<'a>,
    /// Where it is to be.
    pub to: Place<'a>,
    /// What else is kept there.
    pub beside: &'a [(String, Vec<u8>)],
    /// Who does it.
    pub holder: &'a Holder,
    /// `user@host`.
    pub who: &'a str,
    /// The command, for the history.
    pub command: &'a str,
    /// The project's git commit.
    pub commit: Option<String>,
}

/// What was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Records of the state.
    pub records: usize,
    /// Applies of the history.
    pub applies: usize,
    /// Things kept beside them.
    pub kept: usize,
    /// The digest of the state, the same in both places.
    pub digest: String,
    /// Whether it was moved already, and only its end was missing.
    pub finished: bool,
}

/// Everything that a store holds.
struct Cargo {
    loaded: Loaded,
    history: Vec<Closed>,
    kept: Vec<(String, Vec<u8>)>,
}

/// Moves it, or finishes a move that broke off.
///
/// # Errors
/// A lease is held, another state is in the way, or one of the stores cannot be read or written. The state counts where it did.
pub fn move_state(job: &Move<'_>) -> Result<Moved, Diagnostic> {
    if let Some(moved) = finished(job)? {
        return Ok(moved);
    }
    let token = hold(job)?;
    let moved = under_lease(job, token);
    if moved.is_err() {
        // It counts here as before, and whoever comes next need not wait.
        let _ = job.from.depot.swap_lease(&mut |lease| {
            lease.release(token);
            Ok(())
        });
    }
    let moved = moved?;
    settle(job)?;
    Ok(moved)
}

/// The end of a move that broke off after its old place was marked as left.
fn finished(job: &Move<'_>) -> Result<Option<Moved>, Diagnostic> {
    let left = job.from.depot.lease()?.moved;
    if left.is_none_or(|to| to.place != job.to.name) {
        return Ok(None);
    }
    let arriving = job.to.depot.lease()?.arriving;
    if let Some(from) = arriving {
        if from.place != job.from.name {
            return Ok(None);
        }
        settle(job)?;
    }
    let cargo = Cargo::of(job.to.depot, &[], &mut || Ok(()))?;
    Ok(Some(Moved { finished: true, ..cargo.moved() }))
}

fn settle(job: &Move<'_>) -> Result<(), Diagnostic> {
    job.to.depot.swap_lease(&mut |lease| {
        (lease.arriving, lease.moved) = (None, None);
        Ok(())
    })
}

fn hold(job: &Move<'_>) -> Result<u64, Diagnostic> {
    let length = job.from.depot.lease_length();
    let mut entered = Ok(Lease::default());
    job.from.depot.swap_lease(&mut |lease| {
        entered = lease.enter(job.holder, length, &Door::Leaving)?;
        Ok(())
    })?;
    entered.map(|lease| lease.token)
}

fn under_lease(job: &Move<'_>, token: u64) -> Result<Moved, Diagnostic> {
    let mut beat = Beat::new(job, token);
    let cargo = Cargo::of(job.from.depot, job.beside, &mut || beat.tick(None))?;
    welcome(job, &cargo.loaded.state, &job.to.depot.read_behind()?)?;
    let mark = |place: &Place<'_>| Elsewhere {
        place: place.name.to_owned(),
        settings: place.settings.to_owned(),
        who: job.who.to_owned(),
        when: rfc3339(unix_now()),
        token,
    };
    let writer = job.to.depot.open_as(job.holder, &Door::Arriving(mark(&job.from)))?;
    let there = writer.token();
    let brought = bring(job, &cargo, &*writer, &mut beat);
    if brought.is_err() {
        let _ = job.to.depot.swap_lease(&mut |lease| {
            lease.release(there);
            Ok(())
        });
    }
    brought?;
    drop(writer);
    compare(job, &cargo, &mut || beat.tick(None))?;
    job.from.depot.swap_lease(&mut |lease| {
        lease.check(token)?;
        lease.moved = Some(mark(&job.to));
        lease.release(token);
        Ok(())
    })?;
    Ok(cargo.moved())
}

/// Writes everything into the new place.
fn bring(job: &Move<'_>, cargo: &Cargo, writer: &dyn Writer, beat: &mut Beat<'_>) -> Result<(), Diagnostic> {
    let when = rfc3339(unix_now());
    writer.append(&Entry::Open {
        apply: format!("{when}-{}", writer.token()),
        who: job.who.to_owned(),
        command: job.command.to_owned(),
        when,
        plan_digest: String::new(),
        commit: job.commit.clone(),
    })?;
    let there = job.to.depot.history()?;
    let is_new = |one: &&Closed| !there.iter().any(|known| known.apply == one.apply);
    for (name, bytes) in &cargo.kept {
        job.to.depot.keep_anew(name, bytes)?;
        beat.tick(Some(writer))?;
    }
    writer.begin(&Entry::Adopt {
        state: Box::new(cargo.loaded.state.clone()),
        unfinished: cargo.loaded.unfinished.clone(),
        closed: cargo.history.iter().filter(is_new).cloned().collect(),
    })?;
    writer.close("done", &format!("moved here from {}", job.from.name)).map(drop)
}

/// Refuses to put a state where another one would be lost.
fn welcome(job: &Move<'_>, state: &State, there: &Loaded) -> Result<(), Diagnostic> {
    let of = |state: &State| format!("project {}, environment {}", state.project, state.environment);
    let (coming, here) = (of(state), of(&there.state));
    if coming != here {
        let headline = format!("the state in {} is of {coming}, and this is {here}", job.from.name);
        return Err(Diagnostic::error(codes::STATE_FOREIGN, headline)
            .help("give the project its old name back: a state stays with its project and environment"));
    }
    let lease = job.to.depot.lease()?;
    let of_this_move = lease.arriving.is_some_and(|from| from.place == job.from.name);
    let there_state = &there.state;
    let is_empty = there_state.resources.is_empty() && there.unfinished.is_empty();
    let is_older = there_state.lineage == state.lineage
        && (there_state.serial < state.serial
            || there_state == state
            || lease.moved.is_some() && there_state.serial == state.serial);
    if of_this_move || is_empty || is_older {
        return Ok(());
    }
    let why = match there_state.lineage == state.lineage {
        true => format!(
            "it is of the same lineage and went on: its serial is {}, and here it is {}",
            there_state.serial, state.serial
        ),
        false => "it is of another lineage: it did not come from this one".to_owned(),
    };
    let headline =
        format!("there is a state in {} already, with {} records", job.to.name, there_state.resources.len());
    Err(Diagnostic::error(codes::STATE_IN_THE_WAY, headline)
        .note(why)
        .note(format!("the one in {} has {} records; neither was changed", job.from.name, state.resources.len()))
        .help("`mlp init -reconfigure` goes on with the one that is there, and leaves the other where it is; or name another place"))
}

/// Refuses a copy that is not what was copied.
fn compare(
    job: &Move<'_>,
    cargo: &Cargo,
    beat: &mut dyn FnMut() -> Result<(), Diagnostic>,
) -> Result<(), Diagnostic> {
    let differs = |what: &str| {
        Diagnostic::error(
            codes::STATE_DAMAGED,
            format!("{what} reads otherwise in {} than in {}", job.to.name, job.from.name),
        )
        .blame(Blame::Provider)
        .note("the old place was not marked as left: the state counts there as before")
        .help("do this again; if it stays so, the new place does not keep what it is given")
    };
    let there = job.to.depot.read_behind()?;
    if there != cargo.loaded {
        return Err(differs("the state"));
    }
    let history = job.to.depot.history()?;
    if cargo.history.iter().any(|one| !history.contains(one)) {
        return Err(differs("the history"));
    }
    for (name, bytes) in &cargo.kept {
        if job.to.depot.kept(name)?.as_ref() != Some(bytes) {
            return Err(differs(&format!("`{name}`")));
        }
        beat()?;
    }
    Ok(())
}

impl Cargo {
    /// Everything of a store, and what is kept beside it.
    fn of(
        depot: &dyn Depot,
        beside: &[(String, Vec<u8>)],
        beat: &mut dyn FnMut() -> Result<(), Diagnostic>,
    ) -> Result<Self, Diagnostic> {
        let (loaded, history) = (depot.read_behind()?, depot.history_behind()?);
        let mut kept = Vec::new();
        for name in depot.all_kept()? {
            if let Some(bytes) =
                depot.kept(&name)?.filter(|_| !beside.iter().any(|(other, _)| *other == name))
            {
                kept.push((name, bytes));
            }
            beat()?;
        }
        kept.extend(beside.iter().cloned());
        Ok(Self { loaded, history, kept })
    }

    fn moved(&self) -> Moved {
        Moved {
            records: self.loaded.state.resources.len(),
            applies: self.history.len(),
            kept: self.kept.len(),
            digest: self.loaded.state.digest(),
            finished: false,
        }
    }
}

/// The signs of life in both places while much is copied.
struct Beat<'a> {
    from: &'a dyn Depot,
    token: u64,
    every: Duration,
    last: Instant,
}

impl<'a> Beat<'a> {
    fn new(job: &Move<'a>, token: u64) -> Self {
        let from = job.from.depot;
        let every = from.lease_length().min(job.to.depot.lease_length()) / 6;
        Self { from, token, every, last: Instant::now() }
    }

    fn tick(&mut self, writer: Option<&dyn Writer>) -> Result<(), Diagnostic> {
        if self.last.elapsed() < self.every {
            return Ok(());
        }
        let (token, length) = (self.token, self.from.lease_length());
        self.from.swap_lease(&mut |lease| lease.renew(token, length))?;
        writer.map_or(Ok(()), Writer::renew)?;
        self.last = Instant::now();
        Ok(())
    }
}
