//! Which resources the command is about.

use std::collections::{BTreeMap, BTreeSet};

use mlp_diag::{Diagnostic, Diagnostics};
use mlp_provider::{Desired, Seen};
use mlp_value::ResourceId;

use super::Decider;
use crate::changes::{Sides, settle};
use crate::select::{matches, unmatched};
use crate::{Action, Mode, PlanOptions, codes};

/// Ids of the resources the command is about.
pub(super) enum Selected {
    All,
    Some(BTreeSet<ResourceId>),
}

impl Selected {
    pub(super) fn contains(&self, id: &ResourceId) -> bool {
        match self {
            Self::All => true,
            Self::Some(ids) => ids.contains(id),
        }
    }
}

impl Decider<'_, '_> {
    pub(super) fn selected(&mut self) -> Selected {
        let (input, options) = (self.input, self.input.options);
        if [&options.targets, &options.excludes, &options.replace].into_iter().all(Vec::is_empty) {
            return Selected::All;
        }
        let mut needs: BTreeMap<&ResourceId, BTreeSet<&ResourceId>> = BTreeMap::new();
        for record in input.state.resources.values() {
            needs.insert(&record.id, record.depends_on.iter().collect());
        }
        for desired in input.desired {
            needs.insert(&desired.id, desired.depends_on.iter().collect());
        }
        let mut needed_by: BTreeMap<&ResourceId, BTreeSet<&ResourceId>> = BTreeMap::new();
        for (id, others) in &needs {
            others.iter().for_each(|other| {
                needed_by.entry(other).or_default().insert(id);
            });
        }
        let ids: Vec<&ResourceId> = needs.keys().copied().collect();
        for (name, list) in
            [("target", &options.targets), ("exclude", &options.excludes), ("replace", &options.replace)]
        {
            self.diagnostics.extend(unmatched(name, list, &ids));
        }
        let meant = |list: &[String]| {
            ids.iter()
                .copied()
                .filter(|id| list.iter().any(|selector| matches(selector, id)))
                .collect::<Vec<_>>()
        };
        // Destroying takes what needs the targets with it; everything else takes what they need.
        let destroy = input.mode == Mode::Destroy;
        let (with_targets, with_excludes) = if destroy { (&needed_by, &needs) } else { (&needs, &needed_by) };
        let mut selected = if options.targets.is_empty() {
            ids.iter().copied().collect()
        } else {
            reach(meant(&options.targets), with_targets)
        };
        let excluded = reach(meant(&options.excludes), with_excludes);
        let clashes = clashes(options, &excluded, &ids);
        self.diagnostics.extend(clashes);
        for id in excluded {
            selected.remove(id);
        }
        let chosen: Vec<&ResourceId> = selected.iter().copied().collect();
        self.diagnostics.extend(self.replaceable(&chosen, &ids));
        if selected.len() < ids.len() {
            let headline = format!("the plan covers {} of {} resources", selected.len(), ids.len());
            self.plan
                .warnings
                .push(Diagnostic::warning(codes::PARTIAL, headline).help(
                    "plan without --target and --exclude before relying on the environment as a whole",
                ));
        }
        Selected::Some(selected.into_iter().cloned().collect())
    }

    /// What `--replace` names has to be there, wanted, and among what the plan is about.
    fn replaceable(&self, selected: &[&ResourceId], ids: &[&ResourceId]) -> Diagnostics {
        let input = self.input;
        let wanted: BTreeSet<&ResourceId> = input.desired.iter().map(|one| &one.id).collect();
        let mut problems = Vec::new();
        for selector in &input.options.replace {
            let named: Vec<&ResourceId> = ids.iter().copied().filter(|id| matches(selector, id)).collect();
            let why = if input.mode != Mode::Apply {
                "only a plan to apply makes anything anew"
            } else if !named.iter().any(|id| input.state.resources.contains_key(*id)) {
                "it was never made; it will be created without --replace"
            } else if !named.iter().any(|id| wanted.contains(id)) {
                "it is no longer in the specification, and goes without --replace"
            } else if !named.iter().any(|id| selected.contains(id)) {
                "it is left out by --target or --exclude"
            } else {
                continue;
            };
            if !named.is_empty() {
                let headline = format!("`--replace {selector}` makes nothing anew: {why}");
                problems.push(Diagnostic::error(codes::SELECTION, headline).help("take the option away"));
            }
        }
        problems
    }

    /// Says what a selection leaves behind: what is not in it, needs what changes, and would change too.
    pub(super) fn left_behind(&mut self, selected: &Selected) {
        let options = &self.input.options;
        if options.targets.is_empty() && options.excludes.is_empty() {
            return;
        }
        let ending: BTreeSet<&ResourceId> = self.acting(|action| action == Action::Delete);
        let changing: BTreeSet<&ResourceId> = self.acting(|action| action != Action::Delete);
        let mut problems = Vec::new();
        let mut touched = BTreeSet::new();
        for record in self.input.state.resources.values().filter(|record| !selected.contains(&record.id)) {
            for other in &record.depends_on {
                if ending.contains(other) {
                    problems.push(orphaned(other, &record.id));
                }
                if changing.contains(other) {
                    touched.insert(&record.id);
                }
            }
        }
        let wanted = self.input.desired.iter().filter(|one| touched.contains(&one.id));
        let behind: Vec<&Desired> = wanted.filter(|one| self.would_change(one)).collect();
        self.diagnostics.extend(problems);
        self.plan.warnings.extend(behind_of(&behind));
    }

    /// Ids of the resources of which something is done in the target.
    fn acting(&self, which: fn(Action) -> bool) -> BTreeSet<&ResourceId> {
        let steps = self.drafts.iter().filter(|(_, step)| !step.calls.is_empty() && which(step.action));
        steps.map(|((id, _), _)| id).collect()
    }

    /// Whether something that is left out is not as it is wanted.
    fn would_change(&self, desired: &Desired) -> bool {
        let input = self.input;
        let record = input.state.resources.get(&desired.id);
        let (Some(kind), Some(record)) = ((input.kinds)(&desired.kind), record) else { return false };
        let seen = self.observed(&desired.id).and_then(|seen| match seen {
            Seen::Present(found) => Some(&found.config),
            Seen::Absent => None,
        });
        // What cannot be computed is told where it is planned.
        let config = self.computed(desired).unwrap_or_else(|_| desired.config.clone());
        let config = settle(kind, &desired.lifecycle.ignore_changes, &config, &record.applied, seen);
        let sides = Sides { kind, desired: &config, applied: &record.applied, observed: seen };
        !self.ours(sides.changes(&|_| None), desired).is_empty()
    }
}

fn behind_of(behind: &[&Desired]) -> Option<Diagnostic> {
    let names: Vec<String> = behind.iter().map(|one| one.id.to_string()).collect();
    let first = behind.first()?;
    let targets: Vec<String> = behind
        .iter()
        .map(|one| format!("--target '{}'", one.id.address))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    Some(
        Diagnostic::warning(codes::LEFT_BEHIND, format!("the selection leaves behind: {}", names.join(", ")))
            .on(&first.id.address, "")
            .note("what it needs changes, it would change too, and it is left as it was made for what was")
            .help(format!("add {}, or plan again without a selection afterwards", targets.join(" "))),
    )
}

/// What would be deleted while something that is left out still needs it.
fn orphaned(id: &ResourceId, user: &ResourceId) -> Diagnostic {
    let headline = format!("{id} would be destroyed while {user}, which is left out, still needs it");
    Diagnostic::error(codes::SELECTION, headline).on(&id.address, "").help(format!(
        "add `--target '{}'`, or leave {} out too with `--exclude '{}'`",
        user.address, id.address, id.address
    ))
}

/// An error for every target that an exclusion takes away again.
fn clashes(options: &PlanOptions, excluded: &BTreeSet<&ResourceId>, ids: &[&ResourceId]) -> Diagnostics {
    let mut problems = Vec::new();
    for target in &options.targets {
        let meant: Vec<&ResourceId> = ids.iter().copied().filter(|id| matches(target, id)).collect();
        if !meant.is_empty() && meant.iter().all(|id| excluded.contains(id)) {
            let excludes = options.excludes.join("`, `--exclude ");
            problems.push(
                Diagnostic::error(
                    codes::SELECTION,
                    format!("`--target {target}` is taken away again by `--exclude {excludes}`"),
                )
                .note("an exclusion takes what needs the excluded with it")
                .help("take one of the two away"),
            );
        }
    }
    problems
}

/// Everything that can be reached, the start included.
fn reach<'a>(
    start: Vec<&'a ResourceId>,
    edges: &BTreeMap<&'a ResourceId, BTreeSet<&'a ResourceId>>,
) -> BTreeSet<&'a ResourceId> {
    let mut reached: BTreeSet<&ResourceId> = BTreeSet::new();
    let mut open = start;
    while let Some(id) = open.pop() {
        if reached.insert(id) {
            open.extend(edges.get(id).into_iter().flatten().copied());
        }
    }
    reached
}
