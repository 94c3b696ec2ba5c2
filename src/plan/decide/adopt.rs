//! What exists and is not remembered: taken over, in place or not at all.

use mlp_diag::Diagnostic;
use mlp_eval::PlanValue;
use mlp_provider::{CallKind, Desired, Observed, Owner, ResourceKind};

use super::Decider;
use crate::changes::{Sides, gravest, settle};
use crate::{Action, Mode, PlanStep, codes};

impl Decider<'_, '_> {
    pub(super) fn adopt(
        &mut self,
        desired: &Desired,
        kind: &ResourceKind,
        config: PlanValue,
        found: &Observed,
    ) {
        if self.input.mode == Mode::RefreshOnly {
            return;
        }
        let seen = &found.config;
        let import = self.input.refactor.imports.get(&desired.id);
        let config = settle(kind, &desired.lifecycle.ignore_changes, &config, seen, Some(seen));
        let sides = Sides { kind, desired: &config, applied: seen, observed: Some(seen) };
        let origins = self.input.origins;
        let identity = import.map_or(&desired.identity, |import| &import.identity);
        let mut step = self.step(desired, kind, identity, Action::Import);
        step.changes = sides.changes(&|path| origins(&desired.id, path));
        step.reason = Some(match import {
            Some(import) => format!("import in {}", import.place),
            None => "found with our marks".to_owned(),
        });
        step.before = Some(seen.clone());
        step.config = Some(config);
        step.outputs = Some(found.outputs.clone());
        match gravest(&step.changes) {
            Action::NoOp if found.owner == Owner::Mine => {}
            Action::Replace if import.is_some() => {
                self.refuse_import(desired, &step);
                return;
            }
            Action::Replace => {
                self.replace(desired, step);
                return;
            }
            Action::NewVersion => step.calls = self.calls(&step, CallKind::NewVersion),
            _ => step.calls = self.calls(&step, CallKind::Update),
        }
        self.begin(step, desired);
    }

    /// What is taken over is never made anew: that would end what was to be kept.
    fn refuse_import(&mut self, desired: &Desired, step: &PlanStep) {
        let replacing = step.changes.iter().filter(|change| change.action == Action::Replace);
        let names: Vec<String> = replacing.map(|change| change.path.to_string()).collect();
        let headline =
            format!("{} cannot be taken over: {} would have to be made anew", step.identity, desired.id);
        self.diagnostics.push(
            Diagnostic::error(codes::IMPORT, headline)
                .on(&desired.id.address, names.first().map_or("", String::as_str))
                .note(format!("what differs and cannot be changed in place: {}", names.join(", ")))
                .help("write these attributes as they are in what exists, or list them in `ignore_changes`"),
        );
    }
}
