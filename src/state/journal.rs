//! The journal: what was begun and what came of it, and the memory rebuilt from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use mlp_value::ResourceId;
use serde::{Deserialize, Serialize};

use crate::{Loaded, Record, State};

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "entry")]
pub enum Entry {
    /// An apply begins.
    Open {
        /// Its number, unique in the lineage.
        apply: String,
        /// Who: `user@host`.
        who: String,
        /// The command.
        command: String,
        /// RFC 3339.
        when: String,
        /// The plan's digest.
        plan_digest: String,
        /// The project's git commit, where there is one.
        commit: Option<String>,
    },
    /// A call is about to be made; durable before it is.
    Begin {
        /// The plan's step.
        step: u32,
        /// Which of the step's calls, from zero.
        call: u32,
        /// The resource.
        resource: ResourceId,
        /// The operation in the target's words.
        operation: String,
        /// Digest of the call.
        call_digest: String,
        /// Idempotency key.
        key: String,
        /// What will be remembered if it succeeds, without outputs; `None` for a delete.
        record: Option<Arc<Record>>,
    },
    /// It was done, or needed no call.
    Done {
        /// The plan's step.
        step: u32,
        /// Which of its calls.
        call: u32,
        /// What to remember.
        put: Option<Arc<Record>>,
        /// What to forget.
        remove: Option<ResourceId>,
    },
    /// What is remembered under one id is remembered under another from now on.
    Move {
        /// The plan's step.
        step: u32,
        /// The id it had.
        from: ResourceId,
        /// The id it has.
        to: ResourceId,
    },
    /// Everything that is remembered is replaced: a state was pushed, rebuilt, or brought from another store.
    Replace {
        /// What is remembered from now on; the lineage is part of it.
        state: Box<State>,
    },
    /// Everything that is remembered came from another store, with what was not settled there and the applies there were.
    Adopt {
        /// What is remembered from now on.
        state: Box<State>,
        /// Calls whose outcome is not known.
        unfinished: Vec<Unfinished>,
        /// Earlier applies, oldest first.
        closed: Vec<Closed>,
    },
    /// It failed.
    Failed {
        /// The plan's step.
        step: u32,
        /// Which of its calls.
        call: u32,
        /// What went wrong.
        message: String,
        /// Whether it may have happened all the same: then it stays unfinished until it is settled.
        uncertain: bool,
    },
    /// An unfinished call of an earlier apply was looked into.
    Settle {
        /// The earlier apply.
        apply: String,
        /// Its step.
        step: u32,
        /// Which of its calls.
        call: u32,
        /// What to remember.
        put: Option<Arc<Record>>,
        /// What to forget.
        remove: Option<ResourceId>,
    },
    /// The apply ends.
    Close {
        /// `done`, `failed`, `interrupted`.
        outcome: String,
        /// `3 added, 1 changed, 0 destroyed`.
        summary: String,
    },
}

/// A call that was begun and of which the outcome is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unfinished {
    /// The apply that began it.
    pub apply: String,
    /// Its step.
    pub step: u32,
    /// Which of its calls.
    pub call: u32,
    /// The resource.
    pub resource: ResourceId,
    /// The operation in the target's words.
    pub operation: String,
    /// Digest of the call.
    pub call_digest: String,
    /// Idempotency key.
    pub key: String,
    /// What will be remembered if it turns out to have succeeded; `None` for a delete.
    pub record: Option<Arc<Record>>,
}

/// One apply, as `mlp history` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// Its number.
    pub apply: String,
    /// Who.
    pub who: String,
    /// The command.
    pub command: String,
    /// RFC 3339.
    pub when: String,
    /// The plan's digest.
    pub plan_digest: String,
    /// The project's git commit.
    pub commit: Option<String>,
    /// `done`, `failed`, `interrupted`; `broken off` when it never said.
    pub outcome: String,
    /// What was done.
    pub summary: String,
    /// The state's serial after it.
    pub serial: u64,
}

type CallKey = (String, u32, u32);

/// Rebuilds memory entry by entry.
#[derive(Debug, Clone)]
pub(crate) struct Replay {
    pub(crate) state: State,
    unfinished: BTreeMap<CallKey, Unfinished>,
    open: Option<Closed>,
    pub(crate) closed: Vec<Closed>,
}

impl Replay {
    pub(crate) fn new(state: State, unfinished: Vec<Unfinished>) -> Self {
        let key = |left: Unfinished| ((left.apply.clone(), left.step, left.call), left);
        Self { state, unfinished: unfinished.into_iter().map(key).collect(), open: None, closed: Vec::new() }
    }

    pub(crate) fn loaded(self) -> Loaded {
        let unfinished = self.unfinished();
        Loaded { state: self.state, unfinished }
    }

    pub(crate) fn unfinished(&self) -> Vec<Unfinished> {
        self.unfinished.values().cloned().collect()
    }

    fn key(&self, step: u32, call: u32) -> CallKey {
        (self.open.as_ref().map(|open| open.apply.clone()).unwrap_or_default(), step, call)
    }

    fn change(&mut self, put: Option<&Arc<Record>>, remove: Option<&ResourceId>) {
        if let Some(id) = remove {
            self.state.remove(id);
        }
        if let Some(record) = put {
            self.state.put(record.clone());
        }
    }

    /// Ends an apply that never said how it ended.
    pub(crate) fn break_off(&mut self) {
        if let Some(mut open) = self.open.take() {
            open.serial = self.state.serial;
            self.closed.push(open);
        }
    }

    pub(crate) fn apply(&mut self, entry: &Entry) {
        match entry {
            Entry::Open { apply, who, command, when, plan_digest, commit } => {
                self.break_off();
                self.open = Some(Closed {
                    apply: apply.clone(),
                    who: who.clone(),
                    command: command.clone(),
                    when: when.clone(),
                    plan_digest: plan_digest.clone(),
                    commit: commit.clone(),
                    outcome: "broken off".to_owned(),
                    summary: String::new(),
                    serial: 0,
                });
            }
            Entry::Begin { step, call, resource, operation, call_digest, key, record } => {
                let at = self.key(*step, *call);
                let begun = Unfinished {
                    apply: at.0.clone(),
                    step: *step,
                    call: *call,
                    resource: resource.clone(),
                    operation: operation.clone(),
                    call_digest: call_digest.clone(),
                    key: key.clone(),
                    record: record.clone(),
                };
                self.unfinished.insert(at, begun);
            }
            Entry::Done { step, call, put, remove } => {
                self.unfinished.remove(&self.key(*step, *call));
                self.change(put.as_ref(), remove.as_ref());
            }
            Entry::Move { from, to, .. } => self.state.rename(from, to),
            Entry::Replace { state } => {
                // What was begun before it is not forgotten: what became of those calls is still to be asked.
                self.state = State::clone(state);
            }
            Entry::Adopt { state, unfinished, closed } => {
                let key = |left: &Unfinished| ((left.apply.clone(), left.step, left.call), left.clone());
                self.state = State::clone(state);
                self.unfinished = unfinished.iter().map(key).collect();
                self.closed.extend(closed.iter().cloned());
            }
            Entry::Failed { step, call, uncertain, .. } => {
                if !uncertain {
                    self.unfinished.remove(&self.key(*step, *call));
                }
            }
            Entry::Settle { apply, step, call, put, remove } => {
                self.unfinished.remove(&(apply.clone(), *step, *call));
                self.change(put.as_ref(), remove.as_ref());
            }
            Entry::Close { outcome, summary } => {
                if let Some(open) = &mut self.open {
                    open.outcome.clone_from(outcome);
                    open.summary.clone_from(summary);
                }
                self.break_off();
            }
        }
    }
}

/// The state after the entries, and the calls whose outcome is not known.
pub fn replay(snapshot: State, entries: &[Entry]) -> (State, Vec<Unfinished>) {
    let mut replay = Replay::new(snapshot, Vec::new());
    entries.iter().for_each(|entry| replay.apply(entry));
    let unfinished = replay.unfinished();
    (replay.state, unfinished)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::record::tests::record;

    pub(crate) fn open(apply: &str) -> Entry {
        Entry::Open {
            apply: apply.into(),
            who: "ada@here".into(),
            command: "mlp apply".into(),
            when: "2026-01-01T00:00:00Z".into(),
            plan_digest: "d".into(),
            commit: None,
        }
    }

    pub(crate) fn begin(step: u32, id: &str) -> Entry {
        Entry::Begin {
            step,
            call: 0,
            resource: id.parse().unwrap(),
            operation: "put".into(),
            call_digest: "d".into(),
            key: "k".into(),
            record: Some(Arc::new(record(id))),
        }
    }

    pub(crate) fn done(step: u32, id: &str) -> Entry {
        Entry::Done { step, call: 0, put: Some(Arc::new(record(id))), remove: None }
    }

    #[test]
    fn what_was_begun_and_not_done_is_unfinished() {
        let failed = |step, uncertain| Entry::Failed { step, call: 0, message: "no".into(), uncertain };
        let entries = [
            open("1"),
            begin(1, "model.a"),
            done(1, "model.a"),
            begin(2, "model.b"),
            begin(3, "model.c"),
            failed(3, false),
            begin(4, "model.d"),
            failed(4, true),
            open("2"),
            begin(2, "model.e"),
        ];
        let (state, unfinished) = replay(State::empty("p", "e"), &entries);
        assert_eq!((state.serial, state.resources.len()), (1, 1));
        let left: Vec<_> = unfinished.iter().map(|left| (left.apply.as_str(), left.step)).collect();
        assert_eq!(left, [("1", 2), ("1", 4), ("2", 2)]);
        let settle = Entry::Settle {
            apply: "1".into(),
            step: 2,
            call: 0,
            put: None,
            remove: Some("model.a".parse().unwrap()),
        };
        let (state, unfinished) = replay(State::empty("p", "e"), &[&entries[..], &[settle]].concat());
        assert!(state.resources.is_empty());
        assert_eq!(unfinished.len(), 2);
    }

    #[test]
    fn what_came_from_elsewhere_comes_whole() {
        let elsewhere = [open("1"), begin(1, "model.a"), done(1, "model.a"), begin(2, "model.b")];
        let mut replay = Replay::new(State::empty("p", "e"), Vec::new());
        elsewhere.iter().for_each(|entry| replay.apply(entry));
        replay.break_off();
        let (state, unfinished) = (replay.state.clone(), replay.unfinished());
        let adopt =
            Entry::Adopt { state: Box::new(state.clone()), unfinished, closed: replay.closed.clone() };
        let mut here = Replay::new(State::empty("p", "e"), Vec::new());
        [open("2"), begin(7, "model.x"), open("3"), adopt].iter().for_each(|entry| here.apply(entry));
        here.apply(&Entry::Close { outcome: "done".into(), summary: String::new() });
        assert_eq!((&here.state, here.unfinished()), (&state, replay.unfinished()));
        let applies: Vec<_> = here.closed.iter().map(|one| one.apply.as_str()).collect();
        assert_eq!(applies, ["2", "1", "3"]);
    }

    #[test]
    fn what_moved_is_remembered_under_its_new_id() {
        let id = |text: &str| -> ResourceId { text.parse().unwrap() };
        let moved = Entry::Move { step: 2, from: id("model.a"), to: id("module.m.model.b") };
        let entries = [open("1"), begin(1, "model.a"), done(1, "model.a"), open("2"), moved];
        let (state, unfinished) = replay(State::empty("p", "e"), &entries);
        assert!(unfinished.is_empty());
        let record = &state.resources[&id("module.m.model.b")];
        assert_eq!(record.made_as.as_ref().unwrap().to_string(), "model.a");
        let json = serde_json::to_string(&entries.to_vec()).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Entry>>(&json).unwrap(), entries);
    }
}
