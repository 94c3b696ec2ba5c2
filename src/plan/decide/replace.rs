//! What only memory holds, and what has to be made anew.

use std::collections::BTreeSet;

use mlp_diag::Diagnostic;
use mlp_provider::{CallKind, Desired, OnDestroy};
use mlp_state::{Record, deposed};
use mlp_value::{KnownValue, Path, ResourceId};

use super::Decider;
use crate::{Action, Cause, FieldChange, Part, PlanStep, codes};

impl Decider<'_, '_> {
    /// Changes less those that are to be ignored.
    pub(super) fn ours(&self, mut changes: Vec<FieldChange>, desired: &Desired) -> Vec<FieldChange> {
        let ignored = &desired.lifecycle.ignore_changes;
        changes.retain(|change| !ignored.iter().any(|path| change.path.starts_with(path)));
        changes
    }

    /// What only memory holds and the target does not know.
    pub(super) fn memory_changes(&self, record: &Record, desired: &Desired) -> Vec<FieldChange> {
        let keep = desired.lifecycle.on_destroy == OnDestroy::Keep;
        let same = |(one, other): (&ResourceId, &ResourceId)| one == other;
        if (record.keep, record.protect) == (keep, desired.lifecycle.protect)
            && record.depends_on.len() == desired.depends_on.len()
            && record.depends_on.iter().zip(&desired.depends_on).all(same)
        {
            return Vec::new();
        }
        let word = |keep: bool| KnownValue::text(if keep { "keep" } else { "delete" });
        let ids = |ids: &mut dyn Iterator<Item = &ResourceId>| {
            let texts: BTreeSet<String> = ids.map(ToString::to_string).collect();
            KnownValue::list(texts.iter().map(KnownValue::text))
        };
        let pairs = [
            ("protect", KnownValue::Bool(record.protect), KnownValue::Bool(desired.lifecycle.protect)),
            ("on_destroy", word(record.keep), word(keep)),
            ("depends_on", ids(&mut record.depends_on.iter()), ids(&mut desired.depends_on.iter())),
        ];
        pairs
            .into_iter()
            .filter(|(_, before, after)| before != after)
            .map(|(name, before, after)| {
                let path =
                    if name == "depends_on" { Path::of(&[name]) } else { Path::of(&["lifecycle", name]) };
                FieldChange {
                    origin: (self.input.origins)(&desired.id, &path),
                    path,
                    before: Some(before),
                    after: Some(after.lift()),
                    action: Action::Update,
                    cause: Cause::Memory,
                    reason: None,
                    sensitive: false,
                }
            })
            .collect()
    }

    pub(super) fn replace(&mut self, desired: &Desired, step: PlanStep) {
        let lifecycle = &desired.lifecycle;
        if lifecycle.protect {
            self.protected(&desired.id, "replace", self.place(&desired.id));
        }
        if lifecycle.on_destroy == OnDestroy::Keep {
            let headline = format!("{} is kept on destroy and would be replaced", desired.id);
            self.diagnostics.push(
                Diagnostic::error(codes::KEPT_REPLACE, headline)
                    .on(&desired.id.address, "lifecycle.on_destroy")
                    .help("undo the change, or set `on_destroy = \"delete\"` if the old one may go"),
            );
        }
        let new_first = lifecycle.create_before_destroy && step.identity != desired.identity;
        if lifecycle.create_before_destroy && !new_first {
            let headline = format!("{} is destroyed before it is created anew", desired.id);
            self.plan.warnings.push(
                Diagnostic::warning(codes::IN_PLACE_ORDER, headline)
                    .on(&desired.id.address, "lifecycle.create_before_destroy")
                    .note(format!("both would be called {}", step.identity)),
            );
        }
        let deposed = new_first.then(|| deposed(&desired.id, &step.identity));
        let step = PlanStep { deposed, ..step };
        let mut old = PlanStep {
            action: Action::Replace,
            part: Some(Part::Old),
            changes: Vec::new(),
            record: None,
            config: None,
            ..step.clone()
        };
        old.calls = self.calls(&old, CallKind::Delete);
        let mut new = PlanStep {
            action: Action::Replace,
            part: Some(Part::New),
            identity: desired.identity.clone(),
            outputs: None,
            ..step
        };
        if let Some(record) = &mut new.record {
            record.identity.clone_from(&desired.identity);
        }
        new.calls = self.calls(&PlanStep { before: None, ..new.clone() }, CallKind::Create);
        self.begin(new, desired);
        if self.drafts.contains_key(&(desired.id.clone(), Part::New)) {
            self.drafts.insert((desired.id.clone(), Part::Old), old);
            if new_first {
                self.new_first.insert(desired.id.clone());
            }
        }
    }
}
