//! The steps of a run that have not started, and what each still waits for.
//!
//! Each step counts what it waits for, and each knows who waits for it, so that the end of a step costs as much as there are
//! steps behind it, and not as much as there are steps.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::check::dependencies;
use super::spec::StepSpec;

/// Steps by their places in the pipeline, which is the order in which they start.
pub(crate) struct Waiting {
    steps: Vec<Option<StepSpec>>,
    places: HashMap<String, usize>,
    /// Who waits for the step of each place.
    dependants: Vec<Vec<usize>>,
    /// How many steps the step of each place still waits for.
    open: Vec<usize>,
    /// Those that wait for nothing any more, and were not asked yet whether they have to run.
    fresh: VecDeque<usize>,
    /// Those that wait for nothing but room.
    ready: BTreeSet<usize>,
    left: usize,
}

impl Waiting {
    /// All steps of a pipeline that was checked: what they need is there.
    pub(crate) fn new(steps: &[StepSpec]) -> Self {
        let places: HashMap<String, usize> =
            steps.iter().enumerate().map(|(place, step)| (step.name.clone(), place)).collect();
        let mut dependants = vec![Vec::new(); steps.len()];
        let mut open = vec![0; steps.len()];
        for (place, step) in steps.iter().enumerate() {
            for before in dependencies(step).into_iter().filter_map(|name| places.get(name)) {
                dependants[*before].push(place);
                open[place] += 1;
            }
        }
        let fresh = (0..steps.len()).filter(|place| open[*place] == 0).collect();
        let (ready, left) = (BTreeSet::new(), steps.len());
        let steps = steps.iter().cloned().map(Some).collect();
        Self { steps, places, dependants, open, fresh, ready, left }
    }

    /// Whether none is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// Some of those that wait for nothing any more: each is given once.
    pub(crate) fn fresh(&mut self, most: usize) -> Vec<(usize, StepSpec)> {
        let places = self.fresh.drain(..most.min(self.fresh.len()));
        places.filter_map(|place| Some((place, self.steps[place].clone()?))).collect()
    }

    /// A step that was given waits for room.
    pub(crate) fn admit(&mut self, place: usize) {
        if self.steps[place].is_some() {
            self.ready.insert(place);
        }
    }

    /// The first step from a place on that waits for nothing but room.
    pub(crate) fn ready(&self, from: usize) -> Option<(usize, &StepSpec)> {
        let place = *self.ready.range(from..).next()?;
        Some((place, self.steps[place].as_ref()?))
    }

    /// The places of those that wait for a step.
    pub(crate) fn after(&self, step: &str) -> impl Iterator<Item = usize> + use<> {
        let found = self.places.get(step).map(|place| self.dependants[*place].clone());
        found.unwrap_or_default().into_iter()
    }

    /// Takes a step that starts, or that is given up; nothing where that happened already.
    pub(crate) fn take(&mut self, place: usize) -> Option<StepSpec> {
        let step = self.steps[place].take()?;
        self.ready.remove(&place);
        self.left -= 1;
        Some(step)
    }

    /// Takes all that are left, in order.
    pub(crate) fn take_all(&mut self) -> Vec<StepSpec> {
        self.ready.clear();
        self.fresh.clear();
        self.left = 0;
        self.steps.iter_mut().filter_map(Option::take).collect()
    }

    /// A step ended well: those that waited for it wait for one less.
    pub(crate) fn ended_well(&mut self, step: &str) {
        for place in self.after(step) {
            self.open[place] -= 1;
            if self.open[place] == 0 && self.steps[place].is_some() {
                self.fresh.push_back(place);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::tests::step;

    #[test]
    fn a_step_is_ready_when_all_before_it_ended_well() {
        let mut steps = vec![step("last", "true"), step("a", "true"), step("b", "true")];
        steps[0].after = vec!["a".into(), "b".into()];
        let mut waiting = Waiting::new(&steps);
        let first = |waiting: &mut Waiting| {
            waiting.fresh(usize::MAX).into_iter().for_each(|(place, _)| waiting.admit(place));
            waiting.ready(0).map(|(place, step)| (place, step.name.clone()))
        };
        assert!(waiting.ready(0).is_none());
        assert_eq!(first(&mut waiting), Some((1, "a".to_owned())));
        assert_eq!(waiting.after("a").collect::<Vec<_>>(), [0]);
        for (place, name) in [(1, "a"), (2, "b")] {
            assert_eq!(waiting.take(place).unwrap().name, name);
            assert_eq!(first(&mut waiting).map(|(place, _)| place), if place == 1 { Some(2) } else { None });
            waiting.ended_well(name);
        }
        assert_eq!(first(&mut waiting), Some((0, "last".to_owned())));
        assert!(!waiting.is_empty() && waiting.take_all().len() == 1 && waiting.is_empty());
        assert!(waiting.take(0).is_none());
    }
}
