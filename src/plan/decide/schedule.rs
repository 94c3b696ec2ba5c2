//! The steps in order: what comes after what.

use std::collections::{BTreeMap, BTreeSet};

use mlp_state::successor;
use mlp_value::ResourceId;

use super::{Decider, StepKey, Wanted};
use crate::Part;
use crate::order::order;

type Edges = BTreeMap<StepKey, BTreeSet<StepKey>>;

impl Decider<'_, '_> {
    /// Orders and numbers the steps.
    pub(super) fn finish(&mut self, wanted: &Wanted<'_>) {
        let (hard, soft) = self.edges(wanted);
        let (ordered, circle, _) = order(&hard, &soft);
        let circle: Vec<ResourceId> = circle.into_iter().map(|(id, _)| id).collect();
        self.report_circle(&circle);
        let numbers: BTreeMap<&StepKey, u32> = ordered.iter().zip(1..).collect();
        let number = |key: &StepKey| numbers.get(key).copied().unwrap_or_default();
        for key in &ordered {
            let Some(mut step) = self.drafts.remove(key) else { continue };
            step.number = number(key);
            let before = [&hard, &soft].into_iter().filter_map(|edges| edges.get(key)).flatten();
            // A soft wait that was given up points forward.
            let after: BTreeSet<u32> =
                before.map(number).filter(|other| *other != 0 && *other < step.number).collect();
            step.after = after.into_iter().collect();
            self.plan.steps.push(step);
        }
        self.plan.drift.sort_by(|a, b| a.resource.cmp(&b.resource));
        self.plan.events.sort_by(|a, b| a.resource.cmp(&b.resource));
        self.plan.unchanged.sort_by(|a, b| a.resource.cmp(&b.resource));
        self.tables();
        self.plan.deferred.sort_by(|a, b| a.resource.cmp(&b.resource));
        self.plan.count();
    }

    /// Carries the field tables of every kind in the plan.
    fn tables(&mut self) {
        let plan = &self.plan;
        let kinds: BTreeSet<&str> = plan
            .steps
            .iter()
            .map(|step| step.kind.as_str())
            .chain(plan.drift.iter().map(|item| item.kind.as_str()))
            .chain(plan.events.iter().map(|item| item.kind.as_str()))
            .chain(plan.unchanged.iter().map(|item| item.kind.as_str()))
            .collect();
        let tables =
            kinds.into_iter().filter_map(|kind| Some((kind.to_owned(), (self.input.kinds)(kind)?.clone())));
        self.plan.context.kinds = tables.collect();
    }

    fn edges(&self, wanted: &Wanted<'_>) -> (Edges, Edges) {
        let input = self.input;
        let mut hard: Edges = self.drafts.keys().map(|key| (key.clone(), BTreeSet::new())).collect();
        let mut soft = hard.clone();
        let mut needed_by: BTreeMap<&ResourceId, Vec<&ResourceId>> = BTreeMap::new();
        for record in input.state.resources.values() {
            for other in &record.depends_on {
                needed_by.entry(other).or_default().push(&record.id);
            }
        }
        for (id, part) in self.drafts.keys() {
            let key = (id.clone(), *part);
            let new_first = self.new_first.contains(id);
            if *part == Part::New {
                let needs = wanted.get(id).into_iter().flat_map(|desired| &desired.depends_on);
                let edges = hard.entry(key).or_default();
                edges.extend(needs.map(|other| (other.clone(), Part::New)));
                if !new_first {
                    edges.insert((id.clone(), Part::Old));
                }
                continue;
            }
            if new_first {
                hard.entry(key.clone()).or_default().insert((id.clone(), Part::New));
            }
            let replaced = self.drafts.contains_key(&(id.clone(), Part::New));
            let base = successor(id);
            for other in needed_by.get(base.as_ref().unwrap_or(id)).into_iter().flatten().copied() {
                let edges = if self.new_first.contains(other) { &mut soft } else { &mut hard };
                edges.entry(key.clone()).or_default().insert((other.clone(), Part::Old));
                // What needed it lets go of it first, where that does not wait for its successor.
                if !replaced || new_first {
                    soft.entry(key.clone()).or_default().insert((other.clone(), Part::New));
                }
            }
        }
        let known = |edges: &mut Edges| {
            edges.values_mut().for_each(|all| all.retain(|other| self.drafts.contains_key(other)));
        };
        known(&mut hard);
        known(&mut soft);
        (hard, soft)
    }
}
