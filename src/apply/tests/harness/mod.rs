//! One history: what is wished changes, processes plan and apply and die, and in between it is looked at.

mod scenario;
mod store;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mlp_apply::{ApplyEvent, ApplyReporter, Options, execute, settle};
use mlp_plan::mlp_provider::mlp_value::{KnownValue, ResourceId};
use mlp_plan::mlp_provider::{
    Call, CallKind, Desired, ErrorClass, LogQuery, Provider, ProviderError, Ready, Removal, Reporter,
    RunRequest, RunSummary, Seen, Session, StatusEntry,
};
use mlp_plan::mlp_state::{Entry, State, Writer, successor};
use mlp_plan::{Mode, Plan, PlanInput, PlanOptions, PlanStep, Refactor, decide};
use mlp_provider_testkit::{Crash, Dice, Faults, Sim, SimSession, Stall, World};

use scenario::Wish;
use store::{Disk, Journal};

const PROJECT: &str = "simulation";
const ENVIRONMENT: &str = "test";
/// Changes of what is wished in one history; the last wishes for nothing.
const WISHES: u64 = 4;
/// Processes until nothing is left to do.
const ROUNDS: u64 = 20;
/// Rounds with crashes and faults.
const ROUGH: u64 = 8;

/// A bug made on purpose.
#[allow(dead_code, reason = "each test program makes bugs of its own")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// No bug.
    None,
    /// The journal drops what is begun.
    ForgetsBegin,
    /// The journal drops that something is gone.
    ForgetsDone,
    /// A session reads nothing after the answer of a create was lost.
    BlindAfterLoss,
    /// Steps wait for nothing.
    NoOrder,
    /// The journal takes what a holder writes who lost the lease.
    NoFence,
}

struct Quiet;

impl ApplyReporter for Quiet {
    fn event(&self, _event: ApplyEvent) {}
}

struct History {
    seed: u64,
    bug: Bug,
    dice: Dice,
    world: World,
    sim: Sim,
    disk: Disk,
    apply: u64,
    /// How often a process went on that had lost its lease.
    raced: Cell<u64>,
    /// What the plan of one that stands still ends early: its call may be on its way.
    standing: RefCell<Vec<String>>,
}

/// What chance gives a process.
struct Turn {
    apply: u64,
    parallelism: usize,
    /// What its plan ends before all that needs it has let go of it.
    early: RefCell<Vec<String>>,
}

/// What is to tell of a history.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    /// How often two processes raced in it.
    pub raced: u64,
    /// Stands for all that was written to the journal, in its order.
    pub journal: String,
}

/// Runs the history of a seed.
pub fn run(seed: u64, bug: Bug) -> Result<Told, String> {
    // The clock stands still but for waits, so a history of minutes takes no time.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let world = World::default();
    let sim = Sim::new(&world);
    let mut history = History {
        seed,
        bug,
        dice: Dice::new(seed),
        world,
        sim,
        disk: Disk::default(),
        apply: 0,
        raced: Cell::new(0),
        standing: RefCell::default(),
    };
    runtime.block_on(history.run())?;
    Ok(Told { raced: history.raced.get(), journal: history.disk.digest() })
}

impl History {
    async fn run(&mut self) -> Result<(), String> {
        let mut wish = Wish::first(&mut self.dice);
        for number in 0..WISHES {
            if number + 1 == WISHES {
                wish = Wish::default();
            } else if number > 0 {
                wish.change(&mut self.dice);
                self.meddle();
            }
            self.converge(&wish).await.map_err(|why| format!("wish {number}: {why}"))?;
        }
        Ok(())
    }

    /// Somebody works on the objects behind our back.
    fn meddle(&mut self) {
        let objects = self.world.objects();
        let needed = |name: &String| {
            objects.values().any(|config| format!("{config:?}").contains(&format!("\"{name}\"")))
        };
        for name in objects.keys() {
            match self.dice.below(12) {
                0 if !needed(name) => self.world.delete_behind(name),
                1 => self.world.edit_behind(name, "c", KnownValue::text("meddled")),
                _ => {}
            }
        }
    }

    async fn converge(&mut self, wish: &Wish) -> Result<(), String> {
        let mut last = String::new();
        for round in 0..ROUNDS {
            let rough = round < ROUGH;
            self.world.misbehave(if rough {
                Faults::rough(self.seed.wrapping_add(round << 32))
            } else {
                Faults::default()
            });
            let dies = rough && self.dice.percent(60);
            let crash =
                if dies { Crash::at(self.dice.below(40), self.dice.percent(50)) } else { Crash::never() };
            let crash = Arc::new(crash);
            let stall = Arc::new(if rough && !dies && self.dice.percent(40) {
                Stall::at(self.dice.below(40))
            } else {
                Stall::never()
            });
            let (first, second) = (self.turn(), self.turn());
            let done = self.one_or_two(wish, (&first, &second), &crash, &stall).await;
            // A process that dies in the middle of an error is no less dead.
            let done =
                if crash.is_gone() { None } else { done.map_err(|why| format!("round {round}: {why}"))? };
            self.world.settle();
            self.disk.lose(&mut self.dice);
            self.check().map_err(|why| format!("round {round}: {why}"))?;
            match done {
                Some(outcome) if outcome.is_empty() => return self.check_end(wish),
                Some(outcome) => last = outcome,
                None => {}
            }
        }
        Err(format!("it does not converge in {ROUNDS} rounds; the last said {last}"))
    }

    /// One process; when it stands still, a second one meanwhile. Nothing where it died.
    async fn one_or_two(
        &self,
        wish: &Wish,
        (first, second): (&Turn, &Turn),
        crash: &Arc<Crash>,
        stall: &Arc<Stall>,
    ) -> Result<Option<String>, String> {
        let process = self.process(wish, first, crash.clone(), stall.clone());
        tokio::pin!(process);
        tokio::select! {
            biased;
            () = crash.wait() => Ok(None),
            done = &mut process => done.map(Some),
            () = stall.stands() => {
                // A lease lasts longer than a target takes to show what was done. When it is over, the process is taken
                // for dead, and another one works; then it goes on and must not harm. What it says of its own end does
                // not matter.
                self.world.settle();
                *self.standing.borrow_mut() = first.early.take();
                let never = (Arc::new(Crash::never()), Arc::new(Stall::never()));
                let done = self.process(wish, second, never.0, never.1).await;
                stall.release();
                let _ = process.await;
                self.standing.borrow_mut().clear();
                self.raced.set(self.raced.get() + 1);
                done.map(|outcome| Some(format!("raced: {outcome}")))
            }
        }
    }

    /// What chance gives the next process.
    fn turn(&mut self) -> Turn {
        self.apply += 1;
        let parallelism = usize::try_from(1 + self.dice.below(4)).unwrap();
        Turn { apply: self.apply, parallelism, early: RefCell::default() }
    }

    /// One process from its start to its end; gives what it did, or nothing when there was nothing to do.
    async fn process(
        &self,
        wish: &Wish,
        turn: &Turn,
        crash: Arc<Crash>,
        stall: Arc<Stall>,
    ) -> Result<String, String> {
        let session = self.sim.stalling(crash.clone(), stall);
        let session: Arc<dyn Session> = match self.bug {
            Bug::BlindAfterLoss => Arc::new(Blind::new(session)),
            _ => session,
        };
        let (disk, token) = (self.disk.clone(), self.disk.take());
        let writer: Arc<dyn Writer> = Arc::new(Journal { disk, token, crash, bug: self.bug });
        let open = Entry::Open {
            apply: format!("{}", turn.apply),
            who: "somebody".into(),
            command: "mlp apply".into(),
            when: "2026-01-01T00:00:00Z".into(),
            plan_digest: "plan".into(),
            commit: None,
        };
        writer.begin(&open).map_err(|error| error.headline)?;
        let kinds = self.sim.resources();
        if let Err(problems) = settle(&session, &writer, kinds).await {
            // The target did not answer: the next process tries again.
            return Ok(format!("unsettled: {}", problems[0].headline));
        }
        let state = writer.loaded().state;
        let mut plan = self.plan(wish, &state, &session).await?;
        if plan.steps.is_empty() {
            return Ok(String::new());
        }
        *turn.early.borrow_mut() = ends_early(&plan, &state);
        let early = turn.early.borrow().clone().into_iter().chain(self.standing.borrow().clone());
        self.world.want(wish.identities().chain(early));
        if self.bug == Bug::NoOrder {
            plan.steps.iter_mut().for_each(|step| step.after.clear());
        }
        let mut options = Options::new(kinds);
        options.parallelism = turn.parallelism;
        options.backoff = Duration::from_millis(10);
        let outcome = execute(&plan, session, writer.clone(), &options, Arc::new(Quiet)).await;
        writer.close(outcome.word(), "").map_err(|error| error.headline)?;
        Ok(format!("{outcome:?}"))
    }

    async fn plan(&self, wish: &Wish, state: &State, session: &Arc<dyn Session>) -> Result<Plan, String> {
        let desired = wish.desired();
        let observed = observe(&desired, state, session).await?;
        let input = PlanInput {
            mode: Mode::Apply,
            project: PROJECT,
            environment: ENVIRONMENT,
            provider_name: "sim.here",
            desired: &desired,
            kinds: &|name| self.sim.resource(name),
            provider: &self.sim,
            state,
            observed: &observed,
            origins: &|_, _| None,
            still_deferred: &BTreeSet::new(),
            options: &PlanOptions::default(),
            spec_digest: "spec",
            anew: &BTreeMap::new(),
            refactor: &Refactor::default(),
        };
        let (plan, diagnostics) = decide(&input);
        match diagnostics.iter().find(|diagnostic| diagnostic.is_error()) {
            Some(error) => Err(format!("the plan is refused: {}", error.headline)),
            None => Ok(plan),
        }
    }

    /// What must hold after every process, however it ended.
    fn check(&self) -> Result<(), String> {
        if let Some(violation) = self.world.violations().first() {
            return Err(violation.clone());
        }
        let (state, unfinished) = self.disk.read();
        let begun =
            unfinished.iter().filter_map(|left| left.record.as_ref()).map(|record| record.identity.clone());
        let known = state.resources.values().map(|record| record.identity.clone()).chain(begun).collect();
        match self.world.orphans(&known).first() {
            Some(orphan) => Err(format!("{orphan} is there and no memory knows of it")),
            None => Ok(()),
        }
    }

    /// What must hold once nothing is left to do.
    fn check_end(&self, wish: &Wish) -> Result<(), String> {
        let token = |identity: &str| {
            let outputs = self.world.outputs(identity);
            outputs.and_then(|outputs| outputs.field("token").cloned()).unwrap_or(KnownValue::Null)
        };
        let (wanted, found) = (wish.fields(&token), self.world.objects());
        if wanted != found {
            return Err(format!("there is {found:?} where there should be {wanted:?}"));
        }
        let (state, _) = self.disk.read();
        // What one who had lost the lease changed last is told too: the next process takes note of it.
        for (id, record) in &state.resources {
            let outputs = self.world.outputs(&record.identity);
            if outputs.as_ref() != Some(&record.outputs) {
                return Err(format!("{id} is remembered with {:?} and tells {outputs:?}", record.outputs));
            }
        }
        Ok(())
    }
}

/// What the plan itself ends before all that needed it has let go of it: it gives that order up where it closes a
/// circle.
fn ends_early(plan: &Plan, state: &State) -> Vec<String> {
    let early = |ending: &&PlanStep| {
        // What was set aside for a successor is needed under the successor's name.
        let base = successor(&ending.resource).unwrap_or_else(|| ending.resource.clone());
        ending.record.is_none()
            && plan.steps.iter().any(|step| {
                let record = state.resources.get(&step.resource);
                // Also what was made anew under another name needs it until its old object ends.
                (step.record.is_some() || step.deposed.is_some())
                    && record.is_some_and(|record| record.depends_on.contains(&base))
                    && !ending.after.contains(&step.number)
            })
    };
    plan.steps.iter().filter(early).map(|step| step.identity.clone()).collect()
}

async fn observe(
    desired: &[Desired],
    state: &State,
    session: &Arc<dyn Session>,
) -> Result<BTreeMap<ResourceId, Seen>, String> {
    let mut names: BTreeMap<ResourceId, String> =
        desired.iter().map(|one| (one.id.clone(), one.identity.clone())).collect();
    names.extend(state.resources.values().map(|record| (record.id.clone(), record.identity.clone())));
    let mut observed = BTreeMap::new();
    for (id, name) in names {
        loop {
            match session.read("sim_object", &name).await {
                Ok(seen) => {
                    observed.insert(id, seen);
                    break;
                }
                Err(error) if error.class == ErrorClass::Transient => {}
                Err(error) => return Err(error.diagnostic.headline.clone()),
            }
        }
    }
    Ok(observed)
}

/// A session that looks wrong once after each lost answer of a create.
struct Blind {
    inner: Arc<SimSession>,
    lost: Mutex<BTreeSet<String>>,
}

impl Blind {
    fn new(inner: Arc<SimSession>) -> Self {
        Self { inner, lost: Mutex::default() }
    }
}

#[async_trait::async_trait]
impl Session for Blind {
    async fn read(&self, resource: &str, identity: &str) -> Result<Seen, ProviderError> {
        if self.lost.lock().unwrap().remove(identity) {
            return Ok(Seen::Absent);
        }
        self.inner.read(resource, identity).await
    }

    async fn perform(&self, call: &Call, reporter: &dyn Reporter) -> Result<(), ProviderError> {
        let result = self.inner.perform(call, reporter).await;
        if call.kind == CallKind::Create && result.is_err() {
            self.lost.lock().unwrap().insert(call.identity.clone());
        }
        result
    }

    async fn ready(&self, resource: &str, identity: &str) -> Result<Ready, ProviderError> {
        self.inner.ready(resource, identity).await
    }

    async fn removal(&self, resource: &str, identity: &str) -> Result<Option<Removal>, ProviderError> {
        self.inner.removal(resource, identity).await
    }

    async fn deferred(&self, desired: &Desired) -> Result<bool, ProviderError> {
        self.inner.deferred(desired).await
    }

    async fn run(&self, request: &RunRequest, reporter: &dyn Reporter) -> Result<RunSummary, ProviderError> {
        self.inner.run(request, reporter).await
    }

    async fn status(
        &self,
        resources: &[(ResourceId, String, String)],
    ) -> Result<Vec<StatusEntry>, ProviderError> {
        self.inner.status(resources).await
    }

    async fn logs(&self, query: &LogQuery, reporter: &dyn Reporter) -> Result<(), ProviderError> {
        self.inner.logs(query, reporter).await
    }

    async fn close_environment(&self) -> Result<Vec<String>, ProviderError> {
        self.inner.close_environment().await
    }
}
