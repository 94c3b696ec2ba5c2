//! Steps in the order their dependencies allow, so many at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use mlp_plan::mlp_provider::Session;
use mlp_plan::mlp_provider::mlp_diag::{Blame, Diagnostic};
use mlp_plan::mlp_state::Writer;
use mlp_plan::{Action, Plan, PlanStep};
use tokio::task::{Id, JoinError, JoinSet};

use crate::step::{Shared, carry_out};
use crate::{ApplyEvent, ApplyReporter, Options, Outcome, Skipped, codes, settle};

type Ended = (u32, Result<(), Box<Diagnostic>>);

/// Carries out the plan. The caller has written the journal's opening entry, and closes it with what the outcome says.
pub async fn execute(
    plan: &Plan,
    session: Arc<dyn Session>,
    journal: Arc<dyn Writer>,
    options: &Options,
    reporter: Arc<dyn ApplyReporter>,
) -> Outcome {
    if let Err(problems) = settle(&session, &journal, &options.kinds).await {
        return Outcome { problems, ..Outcome::default() };
    }
    let state = journal.loaded().state;
    if state.digest() != plan.state_digest {
        return Outcome { problems: vec![stale()], stale: true, ..Outcome::default() };
    }
    let shared = Arc::new(Shared {
        session,
        journal,
        reporter,
        options: options.clone(),
        state: Mutex::new(state),
        planned: plan.steps.iter().map(|step| step.resource.address.clone()).collect(),
        plan_digest: plan.digest(),
    });
    let mut course = Course::new(plan, shared);
    course.run().await;
    course.outcome
}

fn stale() -> Diagnostic {
    Diagnostic::error(codes::STALE, "the plan was made over another state than there is now")
        .note("somebody applied meanwhile, or an apply that had broken off was settled; nothing was done")
        .help("plan again")
}

struct Course {
    shared: Arc<Shared>,
    steps: BTreeMap<u32, Arc<PlanStep>>,
    /// How many steps each one still waits for.
    waiting: BTreeMap<u32, usize>,
    dependants: BTreeMap<u32, Vec<u32>>,
    ready: BTreeSet<u32>,
    running: JoinSet<Ended>,
    tasks: BTreeMap<Id, u32>,
    outcome: Outcome,
}

impl Course {
    fn new(plan: &Plan, shared: Arc<Shared>) -> Self {
        let steps: BTreeMap<_, _> =
            plan.steps.iter().map(|step| (step.number, Arc::new(step.clone()))).collect();
        let mut waiting = BTreeMap::new();
        let mut dependants: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for step in steps.values() {
            let after: BTreeSet<u32> =
                step.after.iter().copied().filter(|at| steps.contains_key(at)).collect();
            waiting.insert(step.number, after.len());
            after.into_iter().for_each(|at| dependants.entry(at).or_default().push(step.number));
        }
        let ready = waiting.iter().filter(|(_, left)| **left == 0).map(|(number, _)| *number).collect();
        waiting.retain(|_, left| *left > 0);
        let (running, tasks) = (JoinSet::new(), BTreeMap::new());
        Self { shared, steps, waiting, dependants, ready, running, tasks, outcome: Outcome::default() }
    }

    async fn run(&mut self) {
        let cancel = self.shared.options.cancel.clone();
        loop {
            if cancel.requests() == 0 {
                self.start();
            }
            if self.running.is_empty() {
                break;
            }
            let ended = tokio::select! {
                ended = self.running.join_next_with_id() => ended,
                () = cancel.at_least(2) => None,
            };
            match ended {
                Some(ended) => self.ended(ended),
                None => break,
            }
        }
        self.outcome.cancelled = cancel.requests() > 0 && !(self.ready.is_empty() && self.running.is_empty());
        self.leave().await;
    }

    fn start(&mut self) {
        while self.running.len() < self.shared.options.parallelism.max(1) {
            let Some(number) = self.ready.pop_first() else { return };
            let Some(step) = self.steps.get(&number).cloned() else { continue };
            let shared = self.shared.clone();
            let (resource, action) = (step.resource.clone(), said(&step));
            shared.reporter.event(ApplyEvent::Started { step: number, resource, action });
            let task = self.running.spawn(async move { (number, carry_out(&shared, &step).await) });
            self.tasks.insert(task.id(), number);
        }
    }

    fn ended(&mut self, ended: Result<(Id, Ended), JoinError>) {
        let (number, result) = match ended {
            Ok((id, ended)) => {
                self.tasks.remove(&id);
                ended
            }
            Err(error) => {
                let Some(number) = self.tasks.remove(&error.id()) else { return };
                let problem = Diagnostic::error(codes::BROKEN, format!("a step broke off: {error}"))
                    .blame(Blame::Internal)
                    .help("apply again; that is safe");
                (number, Err(Box::new(problem)))
            }
        };
        let Some(step) = self.steps.get(&number).cloned() else { return };
        match result {
            Ok(()) => self.done(&step),
            Err(diagnostic) => {
                let resource = step.resource.clone();
                self.shared.reporter.event(ApplyEvent::Failed { resource, diagnostic: diagnostic.clone() });
                self.outcome.failed.push((step.resource.clone(), *diagnostic));
                self.skip_after(&step);
            }
        }
    }

    fn done(&mut self, step: &PlanStep) {
        self.outcome.done.push(step.number);
        let (resource, action) = (step.resource.clone(), said(step));
        self.shared.reporter.event(ApplyEvent::Done { step: step.number, resource, action });
        for next in self.dependants.get(&step.number).into_iter().flatten() {
            let Some(left) = self.waiting.get_mut(next) else { continue };
            *left -= 1;
            if *left == 0 {
                self.waiting.remove(next);
                self.ready.insert(*next);
            }
        }
    }

    /// What depends on a failed step, and on what depends on it, is not started.
    fn skip_after(&mut self, failed: &PlanStep) {
        let mut open: Vec<u32> = self.dependants.get(&failed.number).cloned().unwrap_or_default();
        while let Some(number) = open.pop() {
            if self.waiting.remove(&number).is_some() {
                self.skip(number, &format!("{} failed", failed.resource));
                open.extend(self.dependants.get(&number).into_iter().flatten());
            }
        }
    }

    fn skip(&mut self, number: u32, why: &str) {
        let Some(step) = self.steps.get(&number) else { return };
        let (resource, why) = (step.resource.clone(), why.to_owned());
        self.shared.reporter.event(ApplyEvent::Skipped { resource: resource.clone(), why: why.clone() });
        self.outcome.skipped.push(Skipped { resource, why });
    }

    /// Ends what is still running and names what was not started.
    async fn leave(&mut self) {
        self.running.shutdown().await;
        for number in std::mem::take(&mut self.tasks).into_values() {
            self.skip(number, "it was broken off; the next apply looks into it");
        }
        let rest: Vec<u32> = self.ready.iter().copied().chain(self.waiting.keys().copied()).collect();
        let why = if self.outcome.cancelled {
            "cancelled before it began"
        } else {
            "what it comes after never ended"
        };
        rest.into_iter().for_each(|number| self.skip(number, why));
    }
}

/// What a step does, for people: the two halves of a replacement are an end and a beginning.
fn said(step: &PlanStep) -> Action {
    match (step.action, &step.record) {
        (Action::Replace, None) => Action::Delete,
        (action, _) => action,
    }
}
