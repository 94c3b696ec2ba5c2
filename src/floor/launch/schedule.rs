//! Which step runs when.

use std::collections::btree_map::{BTreeMap, Entry};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

use super::check::{check, dependencies};
use super::code::{CodeSnapshot, load_snapshot, snapshot_code};
use super::report::{
    Artifact, Event, EventSink, Failure, RunReport, RunStatus, Runner, StepReport, StepStatus, now_ms,
    rfc3339,
};
use super::reserve::{Free, Gpu};
use super::spec::{InputBinding, PipelineRun, StepSpec};
use super::step::{Context, Outcome, Work, blocking, execute, kept};
use super::waiting::Waiting;
use crate::Problem;

/// How often a GPU that another run holds is asked for.
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// So many steps are asked at once whether they have to run.
const ASKED_AT_ONCE: usize = 64;
/// How old the record of a run may be while it goes on.
const RECORD_AGE: Duration = Duration::from_millis(100);

/// Runs a pipeline to its end, or until `cancel` becomes true, and returns what happened; a failed step is
/// part of that. An error means that nothing was started, or that the record could not be written.
/// No process is left in any case, also when the future is dropped.
pub async fn run_pipeline(
    run: PipelineRun,
    events: EventSink,
    cancel: watch::Receiver<bool>,
) -> Result<RunReport, Vec<Problem>> {
    let problems = check(&run);
    if !problems.is_empty() {
        return Err(problems);
    }
    let one = |problem: Problem| vec![problem];
    let run = absolute(run).map_err(one)?;
    refuse_running(&run).map_err(one)?;
    let (run, code) = blocking(move || snapshot_all(&run).map(|code| (run, code))).await.map_err(one)?;
    let mut scheduler = Scheduler::new(run, code, events, cancel);
    let result = scheduler.run().await;
    if result.is_err() {
        scheduler.running.shutdown().await;
    }
    result.map(|()| scheduler.report).map_err(one)
}

/// Ends what is left of a run whose runner is gone: kills its processes and closes its record. Returns the
/// record, or nothing where the run is not abandoned.
pub fn close_abandoned(work_root: &Path) -> Result<Option<RunReport>, Problem> {
    let Some(mut report) = RunReport::read(work_root)?.filter(RunReport::is_abandoned) else {
        return Ok(None);
    };
    let place =
        std::path::absolute(work_root).map_err(|error| Problem::io("MLP0763", "find", work_root, &error))?;
    super::leftovers::kill_run(&place);
    for step in report.steps.values_mut() {
        if matches!(step.status, StepStatus::Pending | StepStatus::Running) {
            step.status = StepStatus::Cancelled;
            step.reason = Some("the process that ran the pipeline was gone".into());
            step.ended = Some(now_ms());
        }
    }
    report.status = RunStatus::Cancelled;
    report.ended = Some(now_ms());
    report.write(work_root)?;
    Ok(Some(report))
}

fn absolute(mut run: PipelineRun) -> Result<PipelineRun, Problem> {
    let fix = |path: &mut PathBuf| match std::path::absolute(&*path) {
        Ok(fixed) => {
            *path = fixed;
            Ok(())
        }
        Err(error) => Err(Problem::io("MLP0763", "find", path, &error)),
    };
    fix(&mut run.work_root)?;
    fix(&mut run.cache_root)?;
    fix(&mut run.snapshot_root)?;
    fix(&mut run.project_root)?;
    if let Some(root) = &mut run.gpu_root {
        fix(root)?;
    }
    Ok(run)
}

fn refuse_running(run: &PipelineRun) -> Result<(), Problem> {
    match RunReport::read(&run.work_root)? {
        Some(report) if report.status == RunStatus::Running && report.runner.is_alive() => {
            let message = format!("run `{}` is under way in process {}", report.run_id, report.runner.pid);
            Err(Problem::new("MLP0763", message).help("wait for it, or cancel it first"))
        }
        _ => Ok(()),
    }
}

/// Snapshots the code of all steps before the first one runs: a run is of one moment.
fn snapshot_all(run: &PipelineRun) -> Result<BTreeMap<String, Arc<CodeSnapshot>>, Problem> {
    let mut known: BTreeMap<(PathBuf, Option<&str>), Arc<CodeSnapshot>> = BTreeMap::new();
    let mut by_step = BTreeMap::new();
    for step in &run.steps {
        let dir = step.code.dir.as_ref().map_or(run.project_root.clone(), |dir| run.project_root.join(dir));
        let digest = step.code.digest.as_deref();
        let snapshot = match known.entry((dir, digest)) {
            Entry::Occupied(entry) => Arc::clone(entry.get()),
            Entry::Vacant(entry) => {
                let dir = &entry.key().0;
                let taken = match digest {
                    Some(digest) => pinned(run, dir, digest),
                    None => snapshot_code(&run.project_root, dir, &run.snapshot_root),
                };
                let taken = taken.map_err(|problem| problem.at(format!("step.{}.code", step.name)))?;
                Arc::clone(entry.insert(Arc::new(taken)))
            }
        };
        by_step.insert(step.name.clone(), snapshot);
    }
    Ok(by_step)
}

/// The snapshot that was asked for: a kept one, or the directory as it is, if that is still the same.
fn pinned(run: &PipelineRun, dir: &Path, digest: &str) -> Result<CodeSnapshot, Problem> {
    if run.snapshot_root.join(digest).is_dir() {
        return load_snapshot(&run.snapshot_root, digest);
    }
    let snapshot = snapshot_code(&run.project_root, dir, &run.snapshot_root)?;
    if snapshot.digest == digest {
        return Ok(snapshot);
    }
    let message = format!("the code in `{}` is no longer what was planned", dir.display());
    Err(Problem::new("MLP0771", message).help("plan again"))
}

struct Scheduler {
    ctx: Arc<Context>,
    cancel: watch::Receiver<bool>,
    report: RunReport,
    record: Record,
    waiting: Waiting,
    free: Free,
    /// Steps that are asked whether they have to run: each by its place, with its outcome where its results are there.
    asked: JoinSet<Answers>,
    /// How many are asked side by side.
    askers: usize,
    /// Their places, by who asks them.
    questions: HashMap<Id, Vec<usize>>,
    running: JoinSet<Outcome>,
    tasks: HashMap<Id, Arc<Work>>,
}

type Answers = Vec<(usize, String, Option<Outcome>)>;

/// What a run waits for.
enum News {
    Ended(Result<(Id, Outcome), JoinError>),
    Answered(Result<(Id, Answers), JoinError>),
}

/// When the record of the run is written: not after every step, since a record of ten thousand steps is as long as all of
/// them together. Who reads it sees the run as it was a moment ago, and a runner that is killed loses that moment of it: what
/// its steps made is in the cache all the same.
#[derive(Debug, Default)]
struct Record {
    written: Option<Instant>,
    /// How long writing it took.
    cost: Duration,
}

impl Record {
    /// How long it may still wait.
    fn due_in(&self) -> Duration {
        let interval = RECORD_AGE.max(self.cost * 10);
        self.written.map_or(Duration::ZERO, |written| interval.saturating_sub(written.elapsed()))
    }
}

impl Scheduler {
    fn new(
        run: PipelineRun,
        code: BTreeMap<String, Arc<CodeSnapshot>>,
        events: EventSink,
        cancel: watch::Receiver<bool>,
    ) -> Self {
        let started = now_ms();
        let fresh = |step: &StepSpec| {
            let digest = code.get(&step.name).map(|snapshot| snapshot.digest.clone());
            (step.name.clone(), StepReport { code: digest, ..StepReport::default() })
        };
        let report = RunReport {
            format_version: 1,
            run_id: run.run_id.clone(),
            pipeline: run.pipeline.clone(),
            status: RunStatus::Running,
            runner: Runner::current(),
            started,
            ended: None,
            params: run.params.clone(),
            steps: run.steps.iter().map(fresh).collect(),
        };
        Self {
            report,
            cancel,
            record: Record::default(),
            waiting: Waiting::new(&run.steps),
            free: Free::new(run.capacity, run.gpu_root.clone()),
            asked: JoinSet::new(),
            askers: std::thread::available_parallelism().map_or(1, usize::from),
            questions: HashMap::new(),
            running: JoinSet::new(),
            tasks: HashMap::new(),
            ctx: Arc::new(Context { run, started_at: rfc3339(started), code, events }),
        }
    }

    async fn run(&mut self) -> Result<(), Problem> {
        loop {
            if *self.cancel.borrow() {
                self.cancel_waiting();
            }
            self.ask();
            self.start_ready();
            if self.record.due_in().is_zero() {
                self.write()?;
            }
            match self.news().await {
                None if self.waiting.is_empty() && self.running.is_empty() => break,
                None => {}
                Some(News::Answered(answers)) => self.answered(answers),
                Some(News::Ended(Ok((id, outcome)))) => self.finish(id, outcome),
                Some(News::Ended(Err(error))) => {
                    let problem = Problem::new("MLP0763", format!("the runner of a step was lost: {error}"));
                    self.finish(error.id(), Outcome::failed(problem, Vec::new()));
                }
            }
        }
        let any = |status| self.report.steps.values().any(|step| step.status == status);
        self.report.status = match () {
            () if any(StepStatus::Cancelled) => RunStatus::Cancelled,
            () if any(StepStatus::Failed) => RunStatus::Failed,
            () => RunStatus::Succeeded,
        };
        self.report.ended = Some(now_ms());
        self.write()
    }

    /// The end of the next step, or what some that were asked said. Nothing when none runs, or when it is time to write the record, or to ask again for what
    /// somebody outside of this run holds.
    async fn news(&mut self) -> Option<News> {
        let mut again = self.record.due_in();
        if self.free.waits_for_others() {
            again = again.min(ASK_AGAIN);
        }
        if self.running.is_empty() && self.asked.is_empty() {
            if self.free.waits_for_others() {
                tokio::time::sleep(ASK_AGAIN).await;
            }
            return None;
        }
        tokio::select! {
            biased;
            Some(ended) = self.running.join_next_with_id() => Some(News::Ended(ended)),
            Some(answers) = self.asked.join_next_with_id() => Some(News::Answered(answers)),
            () = tokio::time::sleep(again) => None,
        }
    }

    fn write(&mut self) -> Result<(), Problem> {
        let began = Instant::now();
        self.report.write(&self.ctx.run.work_root)?;
        self.record = Record { written: Some(Instant::now()), cost: began.elapsed() };
        Ok(())
    }

    fn cancel_waiting(&mut self) {
        for step in self.waiting.take_all() {
            self.set(&step.name, StepStatus::Cancelled, Some("the run was cancelled".into()));
            (self.ctx.events)(Event::StepCancelled { step: step.name });
        }
    }

    /// Gives up the steps that need one that did not end well, and then those that need these.
    fn skip_after(&mut self, failed: &str) {
        let mut hopeless: BTreeSet<usize> = self.waiting.after(failed).collect();
        while let Some(place) = hopeless.pop_first() {
            let Some(step) = self.waiting.take(place) else { continue };
            let word = |name: &str| match self.report.steps.get(name)?.status {
                StepStatus::Failed => Some(format!("step `{name}` failed")),
                StepStatus::Skipped => Some(format!("step `{name}` was skipped")),
                StepStatus::Cancelled => Some(format!("step `{name}` was cancelled")),
                _ => None,
            };
            let reason = dependencies(&step).into_iter().find_map(word).unwrap_or_default();
            hopeless.extend(self.waiting.after(&step.name));
            self.set(&step.name, StepStatus::Skipped, Some(reason.clone()));
            (self.ctx.events)(Event::StepSkipped { step: step.name, reason });
        }
    }

    /// Asks those that wait for nothing any more whether they have to run: what is there already needs no room, and many are
    /// asked sooner than one after the other is begun.
    fn ask(&mut self) {
        while self.asked.len() < self.askers {
            let some = self.waiting.fresh(ASKED_AT_ONCE);
            if some.is_empty() {
                return;
            }
            let places = some.iter().map(|(place, _)| *place).collect();
            let work = |(place, spec): (usize, StepSpec)| {
                (place, Work { upstream: self.upstream(&spec), spec, gpus: Vec::new() })
            };
            let (all, ctx): (Vec<_>, _) = (some.into_iter().map(work).collect(), Arc::clone(&self.ctx));
            let answer = move |(place, work): (usize, Work)| {
                let found = kept(&ctx, &work);
                (place, work.spec.name, found)
            };
            let task = self.asked.spawn_blocking(move || all.into_iter().map(answer).collect());
            self.questions.insert(task.id(), places);
        }
    }

    fn answered(&mut self, answers: Result<(Id, Answers), JoinError>) {
        let (id, answers) = answers.unwrap_or_else(|error| (error.id(), Answers::new()));
        let places = self.questions.remove(&id).unwrap_or_default();
        if answers.is_empty() {
            // The question was lost; it is asked once more when they begin.
            places.into_iter().for_each(|place| self.waiting.admit(place));
        }
        for (place, step, outcome) in answers {
            match outcome {
                None => self.waiting.admit(place),
                // Where the run was cancelled meanwhile, so was the step.
                Some(outcome) if self.waiting.take(place).is_some() => {
                    if let Some(report) = self.report.steps.get_mut(&step) {
                        report.started = Some(now_ms());
                    }
                    self.close(&step, outcome);
                }
                Some(_) => {}
            }
        }
    }

    fn start_ready(&mut self) {
        self.free.ask_anew();
        let mut from = 0;
        // Without a free place none of those that are ready needs to be asked what it reserves.
        while self.free.has_room() {
            let Some((place, step)) = self.waiting.ready(from) else { break };
            from = place + 1;
            if let Some(gpus) = self.free.take(step)
                && let Some(spec) = self.waiting.take(place)
            {
                self.start(spec, gpus);
            }
        }
    }

    fn start(&mut self, spec: StepSpec, gpus: Vec<Gpu>) {
        let upstream = self.upstream(&spec);
        if let Some(step) = self.report.steps.get_mut(&spec.name) {
            step.status = StepStatus::Running;
            step.started = Some(now_ms());
        }
        let work = Arc::new(Work { spec, upstream, gpus });
        let task = execute(Arc::clone(&self.ctx), Arc::clone(&work), self.cancel.clone());
        let handle = self.running.spawn(task);
        self.tasks.insert(handle.id(), work);
    }

    fn upstream(&self, spec: &StepSpec) -> BTreeMap<String, Artifact> {
        let find = |binding: &InputBinding| match binding {
            InputBinding::StepOutput { step, output, .. } => {
                self.report.steps.get(step)?.outputs.get(output).cloned()
            }
            _ => None,
        };
        spec.inputs.iter().filter_map(|(name, binding)| Some((name.clone(), find(binding)?))).collect()
    }

    fn finish(&mut self, id: Id, outcome: Outcome) {
        let Some(work) = self.tasks.remove(&id) else { return };
        self.free.give_back(&work.spec, &work.gpus);
        self.close(&work.spec.name, outcome);
    }

    fn close(&mut self, step: &str, outcome: Outcome) {
        self.set(step, outcome.status, outcome.reason);
        if outcome.status.is_good() {
            self.waiting.ended_well(step);
        }
        if let Some(report) = self.report.steps.get_mut(step) {
            report.outputs = outcome.outputs;
            report.metrics = outcome.metrics;
            report.problem = outcome.failure.as_ref().map(|(problem, log_tail)| {
                let log_tail = log_tail.clone();
                Failure { log_tail, ..Failure::from(problem) }
            });
        }
        if let Some((problem, log_tail)) = outcome.failure {
            (self.ctx.events)(Event::StepFailed { step: step.to_owned(), problem, log_tail });
        } else if outcome.status == StepStatus::Cancelled {
            (self.ctx.events)(Event::StepCancelled { step: step.to_owned() });
        }
        // In a run that was cancelled, all that wait are.
        if !outcome.status.is_good() && !*self.cancel.borrow() {
            self.skip_after(step);
        }
    }

    fn set(&mut self, step: &str, status: StepStatus, reason: Option<String>) {
        if let Some(report) = self.report.steps.get_mut(step) {
            report.status = status;
            report.reason = reason;
            report.ended = Some(now_ms());
        }
    }
}
