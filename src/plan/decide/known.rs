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
        let mut step = self.step(desired, kind, &record.identity, Action::NoOp);
        step.before = Some(seen.unwrap_or(&record.applied).clone());
        step.outputs = Some(found.map_or(&record.outputs, |found| &found.outputs).clone());
        if self.input.mode == Mode::RefreshOnly {
            self.remember(step, record, moved, seen);
            return;
        }
        let origins = self.input.origins;
        step.changes = self.ours(sides.changes(&|path| origins(&desired.id, path)), desired);
        step.config = Some(config);
        self.act(step, desired, kind, record);
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
    fn remember(
        &mut self,
        mut step: PlanStep,
        record: &Record,
        moved: Vec<FieldChange>,
        seen: Option<&KnownValue>,
    ) {
        match seen.filter(|_| !moved.is_empty()) {
            Some(seen) => {
                step.action = Action::Read;
                step.changes = moved;
                step.config = Some(seen.lift());
                self.drafts.insert((record.id.clone(), Part::New), step);
            }
            None => self.stays(record),
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

    fn act(&mut self, mut step: PlanStep, desired: &Desired, kind: &ResourceKind, record: &Record) {
        step.action = gravest(&step.changes);
        if step.action != Action::NoOp && record.lowering_version != desired.lowering_version {
            step.reason = Some("this version of mlp makes it differently".to_owned());
        }
        let mut mend = false;
        if let Status::Tainted { reason } = &record.status {
            // What holds data is made whole in place: to make it anew would throw the data away.
            mend = kind.stateful;
            let action = if mend { Action::Update.max(step.action) } else { Action::Replace };
            (step.action, step.reason) = (action, Some(format!("{TAINTED}{reason}")));
        }
        if let Some(reason) = self.anew(desired) {
            (step.action, step.reason) = (Action::Replace, Some(reason));
        }
        match step.action {
            Action::NoOp => {}
            Action::Replace => {
                self.replace(desired, step);
                return;
            }
            Action::NewVersion => step.calls = self.calls(&step, CallKind::NewVersion),
            _ => step.calls = self.calls(&step, CallKind::Update),
        }
        step.changes.extend(self.memory_changes(record, desired));
        if let Some(from) = step.moved_from.clone() {
            step.reason.get_or_insert_with(|| format!("moved from {from}"));
            if step.changes.is_empty() && !mend {
                step.action = Action::Move;
                self.begin(step, desired);
                return;
            }
        }
        if step.changes.is_empty() && !mend {
            let tells =
                step.outputs.as_ref().map(|now| Sides::told(&record.outputs, now)).unwrap_or_default();
            if tells.is_empty() {
                self.stays(record);
                return;
            }
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
