//! What is remembered and wanted: the three-way comparison, and what follows from it.

use mlp_eval::PlanValue;
use mlp_provider::{CallKind, Desired, Observed, ResourceKind};
use mlp_state::{Record, Status};
use mlp_value::KnownValue;

use super::Decider;
use crate::changes::{Sides, gravest, settle};
use crate::select::matches;
use crate::words::{BY_REQUEST, TAINTED, TRIGGERED};
use crate::{Action, DriftItem, EventItem, FieldChange, Mode, Part, PlanStep, Unchanged};

impl Decider<'_, '_> {
    pub(super) fn known(
        &mut self,
        desired: &Desired,
        kind: &ResourceKind,
        config: PlanValue,
        record: &Record,
        found: Option<&Observed>,
    ) {
        let seen = found.map(|found| &found.config);
        let config = settle(kind, &desired.lifecycle.ignore_changes, &config, &record.applied, seen);
        let sides = Sides { kind, desired: &config, applied: &record.applied, observed: seen };
        let mut moved = self.ours(sides.drift(), desired);
        self.drifted(record, &moved, seen);
        moved.extend(self.events(&sides, record, found));
        if self.input.mode == Mode::RefreshOnly {
            self.remember(&Known { desired, kind, record, found }, moved);
            return;
        }
        let origins = self.input.origins;
        let changes = self.ours(sides.changes(&|path| origins(&desired.id, path)), desired);
        self.act(&Known { desired, kind, record, found }, changes, config);
    }

    /// A step of something that is remembered.
    fn step_of(&self, known: &Known<'_>, action: Action) -> PlanStep {
        let Known { desired, kind, record, found, .. } = known;
        let mut step = self.step(desired, kind, &record.identity, action);
        step.before = Some(found.map_or(&record.applied, |found| &found.config).clone());
        step.outputs = Some(found.map_or(&record.outputs, |found| &found.outputs).clone());
        step
    }

    /// Notes what was changed outside `mlp`.
    pub(super) fn drifted(&mut self, record: &Record, changes: &[FieldChange], seen: Option<&KnownValue>) {
        if !changes.is_empty() {
            self.plan.drift.push(DriftItem {
                resource: record.id.clone(),
                kind: record.kind.clone(),
                gone: false,
                before: record.applied.clone(),
                after: seen.cloned(),
                changes: changes.to_vec(),
            });
        }
    }

    /// Notes what the running platform moved by itself.
    pub(super) fn events(
        &mut self,
        sides: &Sides<'_>,
        record: &Record,
        found: Option<&Observed>,
    ) -> Vec<FieldChange> {
        let mut changes = sides.events();
        changes.extend(found.into_iter().flat_map(|found| Sides::told(&record.outputs, &found.outputs)));
        if !changes.is_empty() {
            let (resource, kind) = (record.id.clone(), record.kind.clone());
            self.plan.events.push(EventItem { resource, kind, changes: changes.clone() });
        }
        changes
    }

    /// Remembers what was found, and nothing else.
    fn remember(&mut self, known: &Known<'_>, moved: Vec<FieldChange>) {
        match known.found.filter(|_| !moved.is_empty()) {
            Some(found) => {
                let mut step = self.step_of(known, Action::Read);
                step.changes = moved;
                step.config = Some(found.config.lift());
                self.drafts.insert((known.record.id.clone(), Part::New), step);
            }
            None => self.stays(known.record),
        }
    }

    /// Notes what stays as it is.
    pub(super) fn stays(&mut self, record: &Record) {
        self.plan.unchanged.push(Unchanged {
            resource: record.id.clone(),
            kind: record.kind.clone(),
            provider: record.provider.clone(),
            identity: record.identity.clone(),
            config: record.applied.clone(),
            depends_on: record.depends_on.clone(),
            place: record.place.clone(),
        });
    }

    /// Whether it is made anew for another reason than its fields.
    fn anew(&self, desired: &Desired) -> Option<String> {
        let triggers = desired.lifecycle.replace_triggered_by.iter();
        if let Some(trigger) = triggers.filter(|address| self.changed.contains(*address)).min() {
            return Some(format!("{TRIGGERED}{trigger} changes"));
        }
        if let Some(why) = self.input.anew.get(&desired.id) {
            return Some(why.clone());
        }
        let asked = self.input.options.replace.iter().any(|selector| matches(selector, &desired.id));
        asked.then(|| BY_REQUEST.to_owned())
    }

    /// What is done to it for what differs, why, and whether it is mended in place.
    fn verdict(&self, known: &Known<'_>, changes: &[FieldChange]) -> (Action, Option<String>, bool) {
        let Known { desired, kind, record, .. } = known;
        if let Some(reason) = self.anew(desired) {
            return (Action::Replace, Some(reason), false);
        }
        let action = gravest(changes);
        if let Status::Tainted { reason } = &record.status {
            // What holds data is made whole in place: to make it anew would throw the data away.
            let mend = kind.stateful;
            let action = if mend { Action::Update.max(action) } else { Action::Replace };
            return (action, Some(format!("{TAINTED}{reason}")), mend);
        }
        let otherwise = action != Action::NoOp && record.lowering_version != desired.lowering_version;
        (action, otherwise.then(|| "this version of mlp makes it differently".to_owned()), false)
    }

    fn act(&mut self, known: &Known<'_>, mut changes: Vec<FieldChange>, config: PlanValue) {
        let Known { desired, record, .. } = *known;
        let (action, reason, mend) = self.verdict(known, &changes);
        if action != Action::Replace {
            changes.extend(self.memory_changes(record, desired));
        }
        let tells = known.found.map(|found| Sides::told(&record.outputs, &found.outputs)).unwrap_or_default();
        let moved = self.input.refactor.moved.get(&desired.id);
        // Of most resources this is the end: what a step carries is put together for the others only.
        if action == Action::NoOp && changes.is_empty() && tells.is_empty() && moved.is_none() {
            self.stays(record);
            return;
        }
        let mut step = self.step_of(known, action);
        (step.reason, step.changes, step.config) = (reason, changes, Some(config));
        match action {
            Action::Replace => {
                self.replace(desired, step);
                return;
            }
            Action::NoOp => {}
            Action::NewVersion => step.calls = self.calls(&step, CallKind::NewVersion),
            _ => step.calls = self.calls(&step, CallKind::Update),
        }
        let bare = step.changes.is_empty() && !mend;
        if let Some(from) = moved {
            step.reason.get_or_insert_with(|| format!("moved from {from}"));
            if bare {
                step.action = Action::Move;
                self.begin(step, desired);
                return;
            }
        }
        if bare {
            // Nothing is done to it, but what it tells now is remembered.
            step.action = Action::Read;
            step.changes = tells;
            step.config = Some(record.applied.lift());
            self.drafts.insert((record.id.clone(), Part::New), step);
            return;
        }
        if step.action == Action::NoOp {
            step.action = Action::Update;
        }
        self.begin(step, desired);
    }
}

/// Something that is remembered and wanted.
struct Known<'k> {
    desired: &'k Desired,
    kind: &'k ResourceKind,
    record: &'k Record,
    found: Option<&'k Observed>,
}
