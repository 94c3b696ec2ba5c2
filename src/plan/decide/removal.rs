//! What ends: deleted, or only forgotten.

use mlp_diag::Diagnostic;
use mlp_provider::{CallKind, ResourceKind, Seen};
use mlp_state::Record;
use mlp_value::ResourceId;

use super::Decider;
use crate::{Action, Kept, Mode, Part, PlanStep, codes};

impl Decider<'_, '_> {
    fn ending(&self, record: &Record, action: Action, reason: &str) -> PlanStep {
        let kind = (self.input.kinds)(&record.kind);
        let secret = |kind: &ResourceKind| {
            kind.fields.iter().filter(|field| field.secret).map(|field| field.name.clone()).collect()
        };
        PlanStep {
            number: 0,
            resource: record.id.clone(),
            kind: record.kind.clone(),
            identity: record.identity.clone(),
            provider: record.provider.clone(),
            action,
            part: None,
            reason: Some(reason.to_owned()),
            calls: Vec::new(),
            after: Vec::new(),
            changes: Vec::new(),
            record: None,
            before: Some(record.applied.clone()),
            config: None,
            outputs: Some(record.outputs.clone()),
            secret: kind.map(secret).unwrap_or_default(),
            stateful: kind.is_some_and(|kind| kind.stateful),
            place: record.place.clone(),
            removal: None,
        }
    }

    pub(super) fn forget(&mut self, record: &Record, reason: &str) {
        let step = self.ending(record, Action::Forget, reason);
        self.drafts.insert((record.id.clone(), Part::Old), step);
    }

    pub(super) fn unwanted(&mut self, record: &Record) {
        if self.observed(&record.id) == Some(&Seen::Absent) {
            self.forget(record, "deleted outside mlp");
            return;
        }
        if self.input.mode == Mode::RefreshOnly {
            return;
        }
        let reason = match self.input.mode {
            Mode::Destroy => "the environment is destroyed",
            _ => "no longer in the specification",
        };
        if record.keep {
            let why = "on_destroy = \"keep\": it stays in the target and is no longer remembered";
            self.plan.kept.push(Kept { resource: record.id.clone(), reason: why.to_owned() });
            self.forget(record, why);
            return;
        }
        if record.protect {
            self.protected(&record.id, "destroy", record.place.clone());
        }
        let mut step = self.ending(record, Action::Delete, reason);
        step.calls = self.calls(&step, CallKind::Delete);
        self.drafts.insert((record.id.clone(), Part::Old), step);
    }

    pub(super) fn protected(&mut self, id: &ResourceId, verb: &str, place: Option<String>) {
        let at = place.map(|place| format!(" ({place})")).unwrap_or_default();
        self.diagnostics.push(
            Diagnostic::error(codes::PROTECTED, format!("{id} is protected and this plan would {verb} it"))
                .on(&id.address, "lifecycle.protect")
                .help(format!(
                    "set `lifecycle {{ protect = false }}` in {}{at} and apply that first, or leave it out with \
                     `--exclude '{}'`",
                    id.address, id.address
                )),
        );
    }
}
