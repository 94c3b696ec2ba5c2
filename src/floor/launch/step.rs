//! One step from its inputs to its outputs: cache, attempts, checks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tokio::sync::watch;

use super::artifact::{accept, file_name, read_metrics};
use super::cache::{KeyParts, LastRun, Lookup, StepCache};
use super::code::{CodeSnapshot, check_out, remove_tree};
use super::command::{Holes, effective_params, plain, render, variable};
use super::guard;
use super::leftovers::MARKER;
use super::log::{PROGRESS, StepLog};
use super::process::{Attempt, Ended, cancelled, run};
use super::report::{Artifact, Event, EventSink, StepStatus, log_path};
use super::reserve::Gpu;
use super::spec::{ArtifactType, InputBinding, PipelineRun, Retry, StepSpec};
use crate::Problem;
use crate::digest::digest_path;

/// The exit status by which code asks to be tried again (`EX_TEMPFAIL`).
const TRY_AGAIN: i32 = 75;
const LONGEST_WAIT: f64 = 300.0;

/// What all steps of a run share.
pub(crate) struct Context {
    pub(crate) run: PipelineRun,
    pub(crate) started_at: String,
    pub(crate) code: BTreeMap<String, Arc<CodeSnapshot>>,
    pub(crate) events: EventSink,
}

/// A step that is ready.
pub(crate) struct Work {
    pub(crate) spec: StepSpec,
    /// Outputs of other steps, by the name of the input that reads them.
    pub(crate) upstream: BTreeMap<String, Artifact>,
    pub(crate) gpus: Vec<Gpu>,
}

/// How a step ended.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) status: StepStatus,
    pub(crate) reason: Option<String>,
    pub(crate) outputs: BTreeMap<String, Artifact>,
    pub(crate) metrics: Map<String, Value>,
    pub(crate) failure: Option<(Problem, Vec<String>)>,
}

impl Outcome {
    pub(crate) fn failed(problem: Problem, log_tail: Vec<String>) -> Self {
        Self { status: StepStatus::Failed, failure: Some((problem, log_tail)), ..Self::default() }
    }
}

/// What is known of a step before it runs.
struct Prepared {
    dir: PathBuf,
    inputs: BTreeMap<String, Option<PathBuf>>,
    params: BTreeMap<String, Value>,
    /// The snapshot it runs from.
    code: String,
    now: LastRun,
    cache: StepCache,
    lookup: Lookup,
}

/// Carries out one step.
pub(crate) async fn execute(ctx: Arc<Context>, work: Arc<Work>, cancel: watch::Receiver<bool>) -> Outcome {
    if *cancel.borrow() {
        return Outcome { status: StepStatus::Cancelled, ..Outcome::default() };
    }
    let prepared = {
        let (ctx, work) = (Arc::clone(&ctx), Arc::clone(&work));
        blocking(move || prepare(&ctx, &work)).await
    };
    let mut prepared = match prepared {
        Ok(prepared) => prepared,
        Err(problem) => return Outcome::failed(problem, Vec::new()),
    };
    let again = Lookup::Miss { reason: String::new() };
    match reused(&ctx, &work.spec, std::mem::replace(&mut prepared.lookup, again)) {
        Ok(outcome) => outcome,
        Err(reason) => {
            let outcome = run_attempts(&ctx, &work, Arc::new(prepared), cancel, &reason).await;
            Outcome { reason: Some(reason), ..outcome }
        }
    }
}

/// The outcome of a step whose results are there, which needs no room; nothing where it has to be carried out, or where to look
/// for that takes long: data of files is read once, when the step begins.
pub(crate) fn kept(ctx: &Context, work: &Work) -> Option<Outcome> {
    let reads = |binding: &InputBinding| matches!(binding, InputBinding::File { .. });
    if work.spec.inputs.values().any(reads) {
        return None;
    }
    // What stands in the way is told when the step begins.
    reused(ctx, &work.spec, prepare(ctx, work).ok()?.lookup).ok()
}

/// The outcome of what was found; without results why there are none.
fn reused(ctx: &Context, spec: &StepSpec, found: Lookup) -> Result<Outcome, String> {
    match found {
        Lookup::Hit { reason, outputs, metrics } => {
            (ctx.events)(Event::StepCached { step: spec.name.clone(), reason: reason.clone() });
            let reason = Some(reason);
            Ok(Outcome { status: StepStatus::Cached, reason, outputs, metrics, failure: None })
        }
        Lookup::Miss { reason } => Err(reason),
    }
}

fn prepare(ctx: &Context, work: &Work) -> Result<Prepared, Problem> {
    let (run, spec) = (&ctx.run, &work.spec);
    let snapshot = ctx.code.get(&spec.name).ok_or_else(|| {
        Problem::new("MLP0771", format!("the code of step `{}` has no snapshot", spec.name))
    })?;
    let mut inputs = BTreeMap::new();
    let mut digests = BTreeMap::new();
    for (name, binding) in &spec.inputs {
        let found = resolve(run, name, binding, work.upstream.get(name))?;
        digests.insert(name.clone(), found.as_ref().map(|(_, digest)| digest.clone()));
        inputs.insert(name.clone(), found.map(|(path, _)| path));
    }
    let params = effective_params(run, spec);
    let parts = KeyParts {
        format_version: 1,
        pipeline: run.pipeline.clone(),
        step: spec.name.clone(),
        code: snapshot.digest.clone(),
        command: spec.run.clone(),
        params: params.clone(),
        inputs: digests,
        runtime: spec.runtime.label.clone(),
        outputs: spec.outputs.clone(),
    };
    let parts = parts.counting(spec.cache.map(|cache| cache.key).unwrap_or_default());
    let now = LastRun { key: parts.key()?, parts, files: snapshot.files.clone() };
    let cache = StepCache::new(&run.cache_root, &run.pipeline, spec);
    let lookup = cache.look_up(&now);
    if matches!(lookup, Lookup::Hit { .. }) {
        cache.remember(&now)?;
    }
    let (dir, code) = (run.work_root.join(&spec.name), snapshot.digest.clone());
    Ok(Prepared { dir, inputs, params, code, now, cache, lookup })
}

/// Path and digest of an input. A file is read, so that a step never runs on data that somebody changed.
fn resolve(
    run: &PipelineRun,
    name: &str,
    binding: &InputBinding,
    upstream: Option<&Artifact>,
) -> Result<Option<(PathBuf, String)>, Problem> {
    let (path, declared) = match binding {
        InputBinding::Absent => return Ok(None),
        InputBinding::File { path, digest, .. } => (run.project_root.join(path), digest),
        InputBinding::StepOutput { step, output, .. } => {
            let missing = || Problem::new("MLP0770", format!("`{output}` of step `{step}` is not there"));
            let artifact = upstream.ok_or_else(missing)?;
            return Ok(Some((artifact.path.clone(), artifact.digest.clone())));
        }
    };
    let actual = digest_path(&path)
        .map_err(|error| Problem::io("MLP0770", &format!("read the input `{name}` from"), &path, &error))?;
    match declared {
        Some(declared) if *declared != actual => {
            let message = format!("the input `{name}` was changed since it was recorded");
            Err(Problem::new("MLP0770", message)
                .note(format!("`{}` has digest {actual}, recorded is {declared}", path.display()))
                .help("apply again, so that what changed is recorded or put right"))
        }
        _ => Ok(Some((path, actual))),
    }
}

async fn run_attempts(
    ctx: &Arc<Context>,
    work: &Arc<Work>,
    prepared: Arc<Prepared>,
    mut cancel: watch::Receiver<bool>,
    reason: &str,
) -> Outcome {
    let spec = &work.spec;
    let started = Instant::now();
    remove_tree(&prepared.dir);
    let log = match open_log(ctx, spec, &prepared.dir) {
        Ok(log) => log,
        Err(problem) => return Outcome::failed(problem, Vec::new()),
    };
    for number in 1.. {
        let step = spec.name.clone();
        (ctx.events)(Event::StepStarted { step, reason: reason.to_string(), attempt: number });
        let ended = match attempt(ctx, work, &prepared, &log, &mut cancel).await {
            Ok(ended) => ended,
            Err(problem) => return Outcome::failed(problem, log.tail()),
        };
        if ended == Ended::Cancelled {
            return Outcome { status: StepStatus::Cancelled, ..Outcome::default() };
        }
        if let Some(refused) = guard::refused(&spec.name, &prepared.dir) {
            clear(&prepared.dir);
            return Outcome::failed(refused, log.tail());
        }
        if ended == Ended::Exit(0) {
            return finish(ctx, work, prepared, &log, started).await;
        }
        if number > spec.retry.max || !may_retry(&spec.retry, ended) {
            let problem = with_room(failure(spec, ended, number, &prepared.dir), &prepared.dir);
            clear(&prepared.dir);
            return Outcome::failed(problem, log.tail());
        }
        let wait_seconds = wait_before(&spec.retry, number);
        let (step, why) = (spec.name.clone(), describe(spec, ended));
        log.say(&format!("attempt {number} {why}; attempt {} follows", number + 1));
        (ctx.events)(Event::StepRetried { step, attempt: number, why, wait_seconds });
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs_f64(wait_seconds)) => {}
            () = cancelled(&mut cancel) => {
                return Outcome { status: StepStatus::Cancelled, ..Outcome::default() };
            }
        }
    }
    Outcome::default()
}

fn open_log(ctx: &Context, spec: &StepSpec, dir: &Path) -> Result<StepLog, Problem> {
    let (events, step) = (Arc::clone(&ctx.events), spec.name.clone());
    let on_progress = Arc::new(move |fraction, text| {
        events(Event::StepProgress { step: step.clone(), fraction, text });
    });
    let path = log_path(&ctx.run.work_root, &spec.name);
    let secrets = spec.env.0.values().cloned();
    std::fs::create_dir_all(dir)
        .and_then(|()| StepLog::create(&path, ctx.run.log_limit, secrets, on_progress))
        .map_err(|error| Problem::io("MLP0763", "write the log", &path, &error))
}

async fn attempt(
    ctx: &Arc<Context>,
    work: &Arc<Work>,
    prepared: &Arc<Prepared>,
    log: &StepLog,
    cancel: &mut watch::Receiver<bool>,
) -> Result<Ended, Problem> {
    let attempt = {
        let (ctx, work, prepared) = (Arc::clone(ctx), Arc::clone(work), Arc::clone(prepared));
        blocking(move || lay_out(&ctx, &work, &prepared)).await?
    };
    let ended = run(&attempt, log, cancel).await;
    ended.map_err(|error| Problem::io("MLP0764", "start the step in", &attempt.dir, &error))
}

/// Makes the directories of an attempt anew: nothing of an earlier one can be taken for its work.
fn lay_out(ctx: &Context, work: &Work, prepared: &Prepared) -> Result<Attempt, Problem> {
    let (run, spec, dir) = (&ctx.run, &work.spec, &prepared.dir);
    let code = dir.join("code");
    for name in ["code", "staging", "tmp", "outputs"] {
        remove_tree(&dir.join(name));
    }
    // It is there only after an attempt that failed.
    let _ = std::fs::remove_file(dir.join("metrics.json"));
    for name in ["staging", "tmp", "home", "outputs"] {
        let path = dir.join(name);
        std::fs::create_dir_all(&path).map_err(|error| Problem::io("MLP0763", "make", &path, &error))?;
    }
    check_out(&run.snapshot_root, &prepared.code, &code)?;
    let allowed: Vec<PathBuf> = prepared.inputs.values().flatten().cloned().collect();
    guard::write(dir, &run.project_root, &allowed)
        .map_err(|error| Problem::io("MLP0763", "write in", dir, &error))?;
    let outputs = staged_paths(spec, dir);
    let holes = Holes {
        inputs: &prepared.inputs,
        outputs: &outputs,
        params: &prepared.params,
        run_id: &run.run_id,
        started_at: &ctx.started_at,
    };
    Ok(Attempt {
        command: render(&spec.run, &holes),
        env: environment(ctx, work, prepared, &outputs),
        dir: code,
        step_dir: dir.clone(),
        timeout: spec.timeout_seconds.map(Duration::from_secs_f64),
        grace: Duration::from_secs_f64(run.grace_seconds),
    })
}

fn staged_paths(spec: &StepSpec, dir: &Path) -> BTreeMap<String, PathBuf> {
    let path = |name: &String, output| dir.join("staging").join(file_name(name, output));
    spec.outputs.iter().map(|(name, output)| (name.clone(), path(name, output))).collect()
}

/// The metrics file: the first output that is metrics, or a file of its own.
fn metrics_path(spec: &StepSpec, dir: &Path) -> PathBuf {
    let first = spec.outputs.iter().find(|(_, output)| output.kind == ArtifactType::Metrics);
    match first {
        Some((name, output)) => dir.join("staging").join(file_name(name, output)),
        None => dir.join("metrics.json"),
    }
}

fn environment(
    ctx: &Context,
    work: &Work,
    prepared: &Prepared,
    outputs: &BTreeMap<String, PathBuf>,
) -> BTreeMap<String, String> {
    let (run, spec, dir) = (&ctx.run, &work.spec, &prepared.dir);
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut path = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".into());
    if let Some(bin_dir) = &spec.runtime.bin_dir {
        path = format!("{}:{path}", bin_dir.display());
    }
    let mut env = BTreeMap::new();
    let mut set = |name: &str, value: String| env.insert(name.to_string(), value);
    set("PATH", path);
    set("HOME", text(&dir.join("home")));
    set("TMPDIR", text(&dir.join("tmp")));
    set("LANG", "C.UTF-8".into());
    set("TZ", "UTC".into());
    set("PYTHONPATH", format!("{}:{}", text(&guard::folder(dir)), text(&dir.join("code"))));
    set("PYTHONDONTWRITEBYTECODE", "1".into());
    set("PYTHONHASHSEED", "0".into());
    set("PYTHONUNBUFFERED", "1".into());
    set("MLP_RUN_ID", run.run_id.clone());
    set("MLP_RUN_STARTED_AT", ctx.started_at.clone());
    set("MLP_PIPELINE", run.pipeline.clone());
    set("MLP_STEP", spec.name.clone());
    set(MARKER, text(dir));
    set("MLP_METRICS", text(&metrics_path(spec, dir)));
    set("MLP_PROGRESS", PROGRESS.into());
    if run.capacity.gpus > 0 {
        let slots: Vec<String> = work.gpus.iter().map(|gpu| gpu.number.to_string()).collect();
        set("CUDA_VISIBLE_DEVICES", slots.join(","));
    }
    for (name, input) in &prepared.inputs {
        set(&variable("MLP_INPUT_", name), input.as_deref().map_or(String::new(), text));
    }
    for (name, output) in outputs {
        set(&variable("MLP_OUTPUT_", name), text(output));
    }
    for (name, value) in &prepared.params {
        set(&variable("MLP_PARAM_", name), plain(value));
    }
    env.extend(spec.runtime.env.clone());
    env.extend(spec.env.0.clone());
    env
}

/// Checks and keeps what a step wrote that ended well.
async fn finish(
    ctx: &Arc<Context>,
    work: &Arc<Work>,
    prepared: Arc<Prepared>,
    log: &StepLog,
    started: Instant,
) -> Outcome {
    let dir = prepared.dir.clone();
    let collected = {
        let (ctx, work) = (Arc::clone(ctx), Arc::clone(work));
        blocking(move || collect(&ctx, &work.spec, &prepared)).await
    };
    match collected {
        Ok((outputs, metrics)) => {
            let (step, seconds) = (work.spec.name.clone(), started.elapsed().as_secs_f64());
            (ctx.events)(Event::StepFinished { step, seconds, metrics: metrics.clone() });
            Outcome { status: StepStatus::Succeeded, outputs, metrics, ..Outcome::default() }
        }
        Err(problem) => {
            clear(&dir);
            Outcome::failed(with_room(problem, &dir), log.tail())
        }
    }
}

/// Removes what a failed step wrote. Its code stays, for whoever looks for the cause.
fn clear(dir: &Path) {
    for name in ["staging", "tmp", "outputs"] {
        remove_tree(&dir.join(name));
    }
}

/// Says so when there is no room left: then that is the cause, whatever the step took for one.
fn with_room(problem: Problem, dir: &Path) -> Problem {
    const LITTLE: u64 = 1 << 20;
    let Ok(found) = rustix::fs::statvfs(dir) else { return problem };
    if found.f_bavail.saturating_mul(found.f_frsize) >= LITTLE {
        return problem;
    }
    let help = "make room on the disk and run it again; what the step had written is removed";
    problem.note(format!("there is no room left on the disk of `{}`", dir.display())).help(help)
}

type Collected = (BTreeMap<String, Artifact>, Map<String, Value>);

fn collect(ctx: &Context, spec: &StepSpec, prepared: &Prepared) -> Result<Collected, Problem> {
    let dir = &prepared.dir;
    let subject = |problem: Problem, name: &str| problem.at(format!("step.{}.outputs.{name}", spec.name));
    let mut outputs = BTreeMap::new();
    let mut metrics = Map::new();
    for (name, staged) in staged_paths(spec, dir) {
        let Some(output) = spec.outputs.get(&name) else { continue };
        let target = dir.join("outputs").join(file_name(&name, output));
        let artifact = accept(&name, output, &staged, &target).map_err(|problem| subject(problem, &name))?;
        if output.kind == ArtifactType::Metrics {
            metrics.extend(read_metrics(&artifact.path, &[])?);
        }
        outputs.insert(name, artifact);
    }
    let own = dir.join("metrics.json");
    if own.exists() {
        metrics.extend(read_metrics(&own, &[])?);
    }
    prepared.cache.keep(&prepared.now, &ctx.run.run_id, &outputs, &metrics)?;
    prepared.cache.remember(&prepared.now)?;
    // After a failure the working directory stays, for whoever looks for the cause.
    for name in ["code", "staging", "tmp", "home", "guard"] {
        remove_tree(&dir.join(name));
    }
    Ok((outputs, metrics))
}

fn may_retry(retry: &Retry, ended: Ended) -> bool {
    let names = |word: &str| retry.on.iter().any(|on| on == word);
    match ended {
        Ended::Exit(TRY_AGAIN) => true,
        Ended::Exit(_) | Ended::Signal(_) => retry.on.is_empty() || names("error"),
        Ended::TimedOut => names("timeout"),
        Ended::Cancelled => false,
    }
}

fn wait_before(retry: &Retry, attempt: u32) -> f64 {
    let doubled = retry.backoff_seconds * f64::from(1_u32 << (attempt - 1).min(20));
    doubled.min(LONGEST_WAIT)
}

fn describe(spec: &StepSpec, ended: Ended) -> String {
    match ended {
        Ended::Exit(TRY_AGAIN) => "asked to be tried again (exit status 75)".into(),
        Ended::Exit(code) => format!("ended with exit status {code}"),
        Ended::Signal(9) => "was killed by signal 9, as it is when memory runs out".into(),
        Ended::Signal(25) => {
            "was ended by signal 25: a file grew beyond the limit on the size of files".into()
        }
        Ended::Signal(signal) => format!("was ended by signal {signal}"),
        Ended::TimedOut => {
            format!("took longer than its timeout of {} s", spec.timeout_seconds.unwrap_or_default())
        }
        Ended::Cancelled => "was cancelled".into(),
    }
}

fn failure(spec: &StepSpec, ended: Ended, attempts: u32, dir: &Path) -> Problem {
    let code = if ended == Ended::TimedOut { "MLP0766" } else { "MLP0765" };
    let message = format!("step `{}` {}", spec.name, describe(spec, ended));
    let mut problem = Problem::new(code, message).note(format!("its log is `{}`", dir.join("log").display()));
    if attempts > 1 {
        problem = problem.note(format!("it was tried {attempts} times"));
    }
    match ended {
        Ended::TimedOut => {
            problem.help("raise `timeout`, or make the step faster").at(format!("step.{}.timeout", spec.name))
        }
        Ended::Exit(127) => problem
            .help("a program of the command was not found; check `run` and `runtime`")
            .at(format!("step.{}.run", spec.name)),
        _ => problem.at(format!("step.{}", spec.name)),
    }
}

/// Runs work on files where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let lost = |error| Problem::new("MLP0763", format!("work on the files of a step was lost: {error}"));
    tokio::task::spawn_blocking(work).await.map_err(lost)?
}
