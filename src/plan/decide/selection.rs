//! Which resources the command is about.

use std::collections::{BTreeMap, BTreeSet};

use mlp_diag::Diagnostic;
use mlp_value::ResourceId;

use super::Decider;
use crate::select::{matches, unmatched};
use crate::{Mode, codes};

impl Decider<'_, '_> {
    /// Ids of the resources the command is about.
    pub(super) fn selected(&mut self) -> BTreeSet<ResourceId> {
        let input = self.input;
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
        let options = input.options;
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
        for id in reach(meant(&options.excludes), with_excludes) {
            selected.remove(id);
        }
        if selected.len() < ids.len() {
            let headline = format!("the plan covers {} of {} resources", selected.len(), ids.len());
            self.plan
                .warnings
                .push(Diagnostic::warning(codes::PARTIAL, headline).help(
                    "plan without --target and --exclude before relying on the environment as a whole",
                ));
        }
        selected.into_iter().cloned().collect()
    }
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
