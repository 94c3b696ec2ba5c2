//! What ends: deleted, or only forgotten.

use mlp_diag::Diagnostic;
use mlp_provider::{CallKind, ResourceKind, Seen};
use mlp_state::{Record, Status, successor};
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
            deposed: None,
            moved_from: self.input.refactor.moved.get(&record.id).cloned(),
        }
    }

    pub(super) fn forget(&mut self, record: &Record, reason: &str) {
        let step = self.ending(record, Action::Forget, reason);
        self.drafts.insert((record.id.clone(), Part::Old), step);
    }

    /// Whether the record stands for the old object of a replacement whose new one was never made.
    fn never_deposed(&mut self, record: &Record) -> bool {
        let Some(current) = successor(&record.id) else { return false };
        let same = self.input.state.resources.get(&current).is_some_and(|it| it.identity == record.identity);
        if same {
            let planned = self.drafts.get(&(current, Part::New)).and_then(|step| step.deposed.as_ref());
            // The replacement that is planned again remembers it anew.
            if planned != Some(&record.id) {
                self.forget(record, "its successor was never made");
            }
        }
        same
    }

    pub(super) fn unwanted(&mut self, record: &Record) {
        if self.never_deposed(record) {
            return;
        }
        if self.observed(&record.id) == Some(&Seen::Absent) {
            let why = match &record.status {
                Status::Tainted { reason } => reason,
                Status::Ready => "deleted outside mlp",
            };
            self.forget(record, why);
            return;
        }
        if self.input.mode == Mode::RefreshOnly {
            return;
        }
        let removed = self.input.refactor.removed.get(&record.id);
        if let Some(removed) = removed.filter(|removed| !removed.destroy && self.input.mode == Mode::Apply) {
            let why =
                format!("removed in {}: it stays in the target and is no longer remembered", removed.place);
            self.plan.kept.push(Kept { resource: record.id.clone(), reason: why.clone() });
            self.forget(record, &why);
            return;
        }
        let reason = match (self.input.mode, removed) {
            (Mode::Destroy, _) => "the environment is destroyed".to_owned(),
            (_, Some(removed)) => format!("removed in {}", removed.place),
            _ if successor(&record.id).is_some() => "its successor has taken its place".to_owned(),
            _ => "no longer in the specification".to_owned(),
        };
        if record.keep && removed.is_none() {
            let why = "on_destroy = \"keep\": it stays in the target and is no longer remembered";
            self.plan.kept.push(Kept { resource: record.id.clone(), reason: why.to_owned() });
            self.forget(record, why);
            return;
        }
        if record.protect && successor(&record.id).is_none() {
            self.protected(&record.id, "destroy", record.place.clone());
        }
        let mut step = self.ending(record, Action::Delete, &reason);
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
