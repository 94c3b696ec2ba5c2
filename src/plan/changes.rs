//! Which fields differ, and what each difference does.

use std::collections::BTreeSet;
use std::sync::Arc;

use mlp_eval::{PlanValue, Quoted, reference_of};
use mlp_provider::{Change, Equality, Field, Ownership, Presence, ResourceKind};
use mlp_value::{KnownValue, Object, Path, Step, Value, fingerprint_of, has_sealed};

use crate::compare::{Same, same};
use crate::{Action, Cause, FieldChange, OriginText};

/// Finds where a field's new value came from.
pub(crate) type OriginOf<'a> = &'a dyn Fn(&Path) -> Option<OriginText>;

/// What is compared.
pub(crate) struct Sides<'a> {
    /// The field table.
    pub kind: &'a ResourceKind,
    /// As it should be.
    pub desired: &'a PlanValue,
    /// As last applied.
    pub applied: &'a KnownValue,
    /// As it is.
    pub observed: Option<&'a KnownValue>,
}

fn names<H>(value: &Value<H>) -> impl Iterator<Item = &Arc<str>> {
    value.as_object().into_iter().flat_map(Object::keys)
}

/// A field the table does not know is compared exactly and updated in place.
fn field_of(kind: &ResourceKind, name: &str) -> Field {
    kind.field(name).cloned().unwrap_or_else(|| Field::optional(name, ""))
}

fn at<'v, H>(value: &'v Value<H>, name: &str) -> Option<&'v Value<H>> {
    value.field(name)
}

impl Sides<'_> {
    /// Changes that make what is there what it should be.
    pub fn changes(&self, origin: OriginOf<'_>) -> Vec<FieldChange> {
        let all: BTreeSet<&Arc<str>> = names(self.desired).chain(names(self.applied)).collect();
        all.into_iter().flat_map(|name| self.field_changes(name, origin)).collect()
    }

    fn field_changes(&self, name: &str, origin: OriginOf<'_>) -> Vec<FieldChange> {
        let field = field_of(self.kind, name);
        if field.ownership == Ownership::Runtime {
            return Vec::new();
        }
        let applied = at(self.applied, name);
        let wanted: Option<PlanValue> = match field.presence {
            // What the target gives is put back when it changed behind our back.
            Presence::Computed => applied.map(KnownValue::lift),
            Presence::ServerDefault if at(self.desired, name).is_none() => return Vec::new(),
            _ => at(self.desired, name).cloned(),
        };
        let current = match self.observed {
            Some(observed) if !field.write_only => at(observed, name),
            _ => applied,
        };
        let wanted = wanted.unwrap_or(Value::Null);
        let mut found = Vec::new();
        differ(&Path::of(&[name]), &lift(current), &wanted, &field.equality, &mut found);
        found
            .into_iter()
            .map(|(path, before, after)| {
                let cause = self.cause(&field, &path, &before, &after);
                FieldChange { origin: origin(&path), ..change(&field, (path, before, after), cause) }
            })
            .collect()
    }

    /// What a difference between what is there and what should be comes from.
    fn cause(&self, field: &Field, path: &Path, before: &PlanValue, after: &PlanValue) -> Cause {
        let was = lift(self.applied.get(path));
        let drifted = self.observed.is_some()
            && !field.write_only
            && field.ownership == Ownership::Ours
            && same(before, &was, &field.equality) == Same::No;
        match drifted {
            true if same(after, &was, &field.equality) == Same::Yes => Cause::Outside,
            true => Cause::Both,
            false if after.has_holes() => Cause::Reference,
            false if after.is_null() => Cause::Unset,
            false => Cause::Specification,
        }
    }

    /// What changed outside `mlp`: `before` as remembered, `after` as found.
    pub fn drift(&self) -> Vec<FieldChange> {
        self.found(Ownership::Ours, Cause::Found)
    }

    /// What the running platform moved on by itself: `before` as remembered, `after` as found.
    pub fn events(&self) -> Vec<FieldChange> {
        self.found(Ownership::Advances, Cause::Event)
    }

    fn found(&self, ownership: Ownership, cause: Cause) -> Vec<FieldChange> {
        let Some(observed) = self.observed else { return Vec::new() };
        let mut all = Vec::new();
        for name in names(self.applied) {
            let field = field_of(self.kind, name);
            if field.ownership != ownership || field.write_only {
                continue;
            }
            let mut found = Vec::new();
            let (left, right) = (lift(at(self.applied, name)), lift(at(observed, name)));
            differ(&Path::of(&[name]), &left, &right, &field.equality, &mut found);
            all.extend(found.into_iter().map(|difference| read(&field, difference, cause)));
        }
        all
    }

    /// What an object tells others now and did not tell when it was applied.
    pub fn told(before: &KnownValue, after: &KnownValue) -> Vec<FieldChange> {
        let mut all = Vec::new();
        for name in names(after) {
            let mut found = Vec::new();
            let (left, right) = (lift(at(before, name)), lift(at(after, name)));
            differ(&Path::of(&[name]), &left, &right, &Equality::Exact, &mut found);
            let field = Field::computed(name, "");
            all.extend(found.into_iter().map(|difference| read(&field, difference, Cause::Event)));
        }
        all
    }
}

/// A change that is only taken note of.
fn read(field: &Field, difference: Difference, cause: Cause) -> FieldChange {
    FieldChange { action: Action::Read, reason: None, ..change(field, difference, cause) }
}

/// What a new object is given.
pub(crate) fn created(kind: &ResourceKind, desired: &PlanValue, origin: OriginOf<'_>) -> Vec<FieldChange> {
    let mut all = Vec::new();
    for name in names(desired) {
        let field = field_of(kind, name);
        let mut found = Vec::new();
        let after = at(desired, name).cloned().unwrap_or(Value::Null);
        differ(&Path::of(&[name]), &Value::Null, &after, &field.equality, &mut found);
        all.extend(found.into_iter().map(|difference| {
            let origin = origin(&difference.0);
            FieldChange {
                origin,
                action: Action::Create,
                reason: None,
                ..change(&field, difference, Cause::New)
            }
        }));
    }
    all
}

fn lift(value: Option<&KnownValue>) -> PlanValue {
    value.map_or(Value::Null, KnownValue::lift)
}

fn change(field: &Field, (path, before, after): Difference, cause: Cause) -> FieldChange {
    let (action, reason) = match &field.change {
        Change::Update => (Action::Update, None),
        Change::Resize => (Action::Resize, None),
        Change::Replace(reason) => (Action::Replace, Some(reason.clone())),
        Change::NewVersion(reason) => (Action::NewVersion, Some(reason.clone())),
    };
    // A computed field cannot be set: the object is mended in place.
    let (action, reason) =
        if field.presence == Presence::Computed { (Action::Update, None) } else { (action, reason) };
    let secret = field.secret || has_sealed(&before) || has_sealed(&after);
    let shown = |value: PlanValue| (!value.is_null() && !secret).then_some(value);
    FieldChange {
        path,
        before: shown(before).and_then(|value| value.known().ok()),
        after: shown(after),
        action,
        cause,
        reason,
        origin: None,
        sensitive: secret,
    }
}

type Difference = (Path, PlanValue, PlanValue);

/// The smallest parts that differ.
fn differ(
    path: &Path,
    before: &PlanValue,
    after: &PlanValue,
    equality: &Equality,
    found: &mut Vec<Difference>,
) {
    if same(before, after, equality) == Same::Yes {
        return;
    }
    match (before, after) {
        (Value::List(a), Value::List(b))
            if a.len() == b.len()
                && *equality == Equality::Exact
                && a.iter().chain(b.iter()).all(is_structure) =>
        {
            for (index, (a, b)) in a.iter().zip(b.iter()).enumerate() {
                differ(&path.index(index), a, b, equality, found);
            }
        }
        _ if (is_structure(before) || is_structure(after))
            && [before, after].iter().all(|side| is_structure(side) || side.is_null()) =>
        {
            let all: BTreeSet<&Arc<str>> = names(before).chain(names(after)).collect();
            for name in all {
                let side = |value: &PlanValue| value.field(name).cloned().unwrap_or(Value::Null);
                differ(&path.field(name), &side(before), &side(after), equality, found);
            }
        }
        _ => found.push((path.clone(), before.clone(), after.clone())),
    }
}

/// An object a person sees as one, with at least one attribute: not a reference or a quoted expression.
fn is_structure(value: &PlanValue) -> bool {
    value.as_object().is_some_and(|items| items.values().any(|item| !item.is_null()))
        && reference_of(value).is_none()
        && fingerprint_of(value).is_none()
        && Quoted::of(value).is_none()
}

/// What is asked for with the fields put back that are not ours to change: ignored ones and those the platform owns.
pub(crate) fn settle(
    kind: &ResourceKind,
    ignored: &[Path],
    desired: &PlanValue,
    applied: &KnownValue,
    observed: Option<&KnownValue>,
) -> PlanValue {
    let mut settled = desired.clone();
    for path in ignored {
        let kept = observed.and_then(|value| value.get(path)).or_else(|| applied.get(path));
        set(&mut settled, path.steps(), kept.map(KnownValue::lift));
    }
    for field in kind.fields.iter().filter(|field| field.ownership == Ownership::Runtime) {
        let path = Path::of(&[&field.name]);
        let kept = observed.and_then(|value| value.get(&path)).or_else(|| applied.get(&path));
        if settled.get(&path).is_some() && kept.is_some() {
            set(&mut settled, path.steps(), kept.map(KnownValue::lift));
        }
    }
    settled
}

/// Puts a value at a path whose parents are there; `None` takes it away.
fn set(value: &mut PlanValue, steps: &[Step], new: Option<PlanValue>) {
    match (value, steps) {
        (Value::Object(items), [Step::Field(name)]) => {
            let items = Arc::make_mut(items);
            match new {
                Some(new) => items.insert(name.clone(), new),
                None => items.remove(name),
            };
        }
        (Value::Object(items), [Step::Field(name), rest @ ..]) => {
            if let Some(inner) = Arc::make_mut(items).get_mut(name) {
                set(inner, rest, new);
            }
        }
        (Value::List(items), [Step::Index(index)]) => {
            if let (Some(item), Some(new)) = (Arc::make_mut(items).get_mut(*index), new) {
                *item = new;
            }
        }
        (Value::List(items), [Step::Index(index), rest @ ..]) => {
            if let Some(item) = Arc::make_mut(items).get_mut(*index) {
                set(item, rest, new);
            }
        }
        _ => {}
    }
}

/// The gravest of the changes.
pub(crate) fn gravest(changes: &[FieldChange]) -> Action {
    let rank = |action: &Action| match action {
        Action::Resize => 1,
        Action::Update => 2,
        Action::NewVersion => 3,
        Action::Replace => 4,
        _ => 0,
    };
    changes.iter().map(|change| change.action).max_by_key(rank).unwrap_or(Action::NoOp)
}
