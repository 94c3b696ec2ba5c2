//! The objects of the target in memory; they outlive the processes that work on them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mlp_provider::mlp_value::{KnownValue, Value};
use mlp_provider::{Call, CallKind, Observed, Owner, Seen};

use crate::Faults;
use crate::chance::Dice;

/// A call as it reached the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedCall {
    /// What it did.
    pub kind: CallKind,
    /// To which object.
    pub identity: String,
    /// Fields it sent.
    pub fields: Vec<String>,
    /// The session it came from.
    pub session: usize,
}

#[derive(Debug, Clone)]
struct Object {
    config: KnownValue,
    /// How often the identity had been made, this time included.
    number: u64,
    version: u64,
    /// What looks see while there is a lag.
    before: Option<Observed>,
    lag: u64,
    not_ready: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Inner {
    objects: BTreeMap<String, Object>,
    /// Deleted objects that looks still see.
    ghosts: BTreeMap<String, (Observed, u64)>,
    creates: BTreeMap<String, u64>,
    attempts: BTreeMap<(String, String), u64>,
    calls: Vec<RecordedCall>,
    sessions: usize,
    violations: Vec<String>,
    wanted: BTreeSet<String>,
    pub(crate) faults: Faults,
}

/// A target in memory, shared by all processes that connect to it. It keeps a list of what must never happen.
#[derive(Debug, Clone, Default)]
pub struct World(Arc<Mutex<Inner>>);

impl World {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on it misbehaves like this.
    pub fn misbehave(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// Time passes: what was done is seen by everybody, and is ready.
    pub fn settle(&self) {
        let mut inner = self.lock();
        inner.ghosts.clear();
        for object in inner.objects.values_mut() {
            (object.lag, object.not_ready, object.before) = (0, 0, None);
        }
    }

    /// The identities that should be there in the end: only these may end while something needs them.
    pub fn want(&self, identities: impl IntoIterator<Item = String>) {
        self.lock().wanted = identities.into_iter().collect();
    }

    /// Identity and fields of every object there is.
    pub fn objects(&self) -> BTreeMap<String, KnownValue> {
        self.lock().objects.iter().map(|(name, object)| (name.clone(), object.config.clone())).collect()
    }

    /// What an object tells others.
    pub fn outputs(&self, identity: &str) -> Option<KnownValue> {
        self.lock().objects.get(identity).map(|object| seen(identity, object).outputs)
    }

    /// How often each identity was made.
    pub fn creates(&self) -> BTreeMap<String, u64> {
        self.lock().creates.clone()
    }

    /// Every call that had an effect.
    pub fn calls(&self) -> Vec<RecordedCall> {
        self.lock().calls.clone()
    }

    /// What must never happen and did.
    pub fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }

    /// Objects that no memory knows: alive, and not among `known`.
    pub fn orphans(&self, known: &BTreeSet<String>) -> Vec<String> {
        self.lock().objects.keys().filter(|identity| !known.contains(*identity)).cloned().collect()
    }

    /// Somebody deletes an object behind everybody's back.
    pub fn delete_behind(&self, identity: &str) {
        self.lock().objects.remove(identity);
    }

    /// Somebody changes a field behind everybody's back.
    pub fn edit_behind(&self, identity: &str, field: &str, value: KnownValue) {
        if let Some(object) = self.lock().objects.get_mut(identity) {
            object.config = merged(&object.config, &KnownValue::object([(field, value)]));
        }
    }
}

fn seen(identity: &str, object: &Object) -> Observed {
    let tags = KnownValue::object([("tags", KnownValue::text("mlp"))]);
    Observed {
        config: merged(&object.config, &tags),
        outputs: KnownValue::object([
            ("token", KnownValue::text(format!("{identity}#{}", object.number))),
            ("version", KnownValue::text(object.version.to_string())),
        ]),
        owner: Owner::Mine,
    }
}

/// The fields of `over` put over those of `under`; null takes away.
fn merged(under: &KnownValue, over: &KnownValue) -> KnownValue {
    let mut all = under.as_object().cloned().unwrap_or_default();
    all.extend(over.as_object().cloned().unwrap_or_default());
    all.retain(|_, value| !value.is_null());
    Value::object(all)
}

fn needs(config: &KnownValue) -> impl Iterator<Item = &str> {
    config.field("needs").and_then(Value::as_list).unwrap_or_default().iter().filter_map(Value::as_text)
}

impl Inner {
    /// The dice for this attempt of an operation on an object.
    pub(crate) fn dice(&mut self, operation: &str, identity: &str) -> Dice {
        let attempt = self.attempts.entry((operation.to_owned(), identity.to_owned())).or_default();
        *attempt += 1;
        self.faults.dice(operation, identity, *attempt)
    }

    pub(crate) fn look(&mut self, identity: &str) -> Seen {
        if let Some(object) = self.objects.get_mut(identity) {
            if object.lag > 0 {
                object.lag -= 1;
                return object.before.clone().map_or(Seen::Absent, Seen::Present);
            }
            return Seen::Present(seen(identity, object));
        }
        match self.ghosts.get_mut(identity) {
            Some((ghost, lag)) if *lag > 0 => {
                *lag -= 1;
                Seen::Present(ghost.clone())
            }
            _ => Seen::Absent,
        }
    }

    /// `None` when there is no such object; else whether everybody sees it as it is and it is ready.
    pub(crate) fn is_ready(&mut self, identity: &str) -> Option<bool> {
        let object = self.objects.get_mut(identity)?;
        let wait = object.lag > 0 || object.not_ready > 0;
        object.lag = object.lag.saturating_sub(1);
        object.not_ready = object.not_ready.saturating_sub(1);
        Some(!wait)
    }

    /// A number for a new session, and how many calls there were before it.
    pub(crate) fn session(&mut self) -> (usize, usize) {
        self.sessions += 1;
        (self.sessions, self.calls.len())
    }

    /// Whether another session has changed an object since so many calls.
    pub(crate) fn is_contested(&self, identity: &str, (session, since): (usize, usize)) -> bool {
        self.calls.iter().skip(since).any(|call| call.identity == identity && call.session != session)
    }

    /// Does what the call says; `lag` looks will not see it, and it is ready after `slow` looks.
    pub(crate) fn effect(
        &mut self,
        (session, call): (usize, &Call),
        body: &KnownValue,
        lag: u64,
        slow: u64,
    ) -> Result<(), String> {
        let identity = call.identity.clone();
        let fields = body.as_object().into_iter().flatten().map(|(name, _)| name.to_string()).collect();
        self.calls.push(RecordedCall { kind: call.kind, identity: identity.clone(), fields, session });
        let alive = self.objects.get(&identity).cloned();
        let before = alive.as_ref().map(|object| seen(&identity, object));
        match (call.kind, alive) {
            (CallKind::Create, alive) => {
                if alive.is_some() {
                    self.violations.push(format!("{identity} was made twice"));
                }
                let number = self.creates.entry(identity.clone()).or_default();
                *number += 1;
                let (number, config) = (*number, merged(&Value::object::<&str>([]), body));
                self.ghosts.remove(&identity);
                let object = Object { config, number, version: 1, before, lag, not_ready: slow };
                self.put(identity, object);
                Ok(())
            }
            (CallKind::Delete, None) => Ok(()),
            (CallKind::Delete, Some(_)) => {
                self.end(&identity, before, lag);
                Ok(())
            }
            (_, None) => Err(format!("{identity} does not exist")),
            (kind, Some(mut object)) => {
                let config = merged(&object.config, body);
                // Versions are addressed by content: the same again is no new one.
                if kind == CallKind::NewVersion && config != object.config {
                    object.version += 1;
                }
                let object = Object { config, before, lag, not_ready: slow, ..object };
                self.put(identity, object);
                Ok(())
            }
        }
    }

    fn put(&mut self, identity: String, object: Object) {
        let missing: Vec<String> = needs(&object.config)
            .filter(|other| !self.objects.contains_key(*other))
            .map(|other| {
                format!("{identity} was made or changed while {other}, which it needs, was not there")
            })
            .collect();
        self.violations.extend(missing);
        self.objects.insert(identity, object);
    }

    fn end(&mut self, identity: &str, before: Option<Observed>, lag: u64) {
        self.objects.remove(identity);
        if let Some(ghost) = before {
            self.ghosts.insert(identity.to_owned(), (ghost, lag));
        }
        if self.wanted.contains(identity) {
            return;
        }
        let users: Vec<String> = self
            .objects
            .iter()
            .filter(|(_, object)| needs(&object.config).any(|other| other == identity))
            .map(|(other, _)| format!("{identity} ended while {other} still needed it"))
            .collect();
        self.violations.extend(users);
    }
}
