//! A run of a pipeline: its record and the aliases of this moment become steps of the launcher, and what they made is
//! registered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mlp_floor::launch::{
    Event as StepEvent, Failure, Machine, PipelineRun, RunReport, RunStatus, StepStatus, run_pipeline,
};
use mlp_floor::registry::{Registry, RunRecord};
use mlp_provider::{Event, ProviderError, Reporter, RunRequest, RunSummary, StepSummary};
use serde_json::{Map, Value as Json, json};
use tokio::sync::{mpsc, watch};

use crate::dataset;
use crate::documents::Document;
use crate::fault::{self, Fallible, fault, wrong};
use crate::mlp_diag::Diagnostic;
use crate::mlp_value::KnownValue;
use crate::resources::Ground;
use crate::steps::{self, resolve};
use crate::{checks, codes, publish, register, time};

/// The parts of a run that registering needs.
pub(crate) struct Lineage {
    /// Versions of datasets by their names.
    pub(crate) datasets: BTreeMap<String, String>,
    pub(crate) params: BTreeMap<String, Json>,
    pub(crate) run_id: String,
    pub(crate) started: String,
}

/// The name of a run that starts now; it sorts by time.
pub(crate) fn run_id(now: u64) -> String {
    let seed = format!("{now}-{}-{:?}", std::process::id(), std::thread::current().id());
    let nanos =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    let digest = blake3::hash(format!("{seed}-{nanos}").as_bytes()).to_hex();
    format!("{}-{:03}{}", time::compact(now), now % 1000, &digest[..4])
}

pub(crate) fn text<'v>(value: &'v KnownValue, name: &str) -> Option<&'v str> {
    value.field(name).and_then(KnownValue::as_text)
}

pub(crate) async fn run(
    ground: &Ground,
    request: &RunRequest,
    reporter: &dyn Reporter,
) -> Result<RunSummary, ProviderError> {
    let document = ground.place.get(&request.identity)?;
    let now = time::now_ms();
    let mut lineage = Lineage {
        datasets: BTreeMap::new(),
        params: BTreeMap::new(),
        run_id: run_id(now),
        started: time::rfc3339(now),
    };
    close_abandoned(ground, document.address());
    lineage.params = params(&document, request, &lineage)?;
    // Copies of encrypted datasets go with this.
    let _copies = dataset::Copies::begin(&ground.place.runs(), &lineage.run_id)?;
    let steps = steps::all(ground, &document, request, &mut lineage, reporter)?;
    let pipeline = PipelineRun {
        run_id: lineage.run_id.clone(),
        pipeline: document.address().to_owned(),
        work_root: ground.place.runs().join(&lineage.run_id),
        cache_root: ground.place.home.join("cache"),
        snapshot_root: ground.place.code(),
        project_root: PathBuf::from(&ground.target.directory),
        params: lineage.params.clone(),
        steps,
        gpu_root: Some(gpu_root(Path::new(&ground.target.directory))),
        capacity: machine(ground).capacity(),
        grace_seconds: mlp_floor::launch::default_grace(),
        log_limit: mlp_floor::launch::default_log_limit(),
    };
    let report = launch(pipeline, &document, reporter).await?;
    let mut summary = summarise(request, &document, &report, &lineage);
    if request.steps.is_empty() {
        checks::judge_alone(&document, &report, &mut summary);
        publish::all(ground, &document, &report, &mut summary);
        register::register_all(ground, &document, request, &report, &lineage, &mut summary, reporter)?;
    } else {
        summary
            .results
            .push("a part of the pipeline ran: nothing is registered or written to datasets".to_owned());
    }
    #[expect(clippy::cast_precision_loss, reason = "seconds for people")]
    let seconds = time::now_ms().saturating_sub(now) as f64 / 1000.0;
    summary.seconds = seconds;
    record(ground, &summary, &lineage)?;
    Ok(summary)
}

/// Ends what is left of runs whose process was killed: their steps may still work, and hold what this run needs.
fn close_abandoned(ground: &Ground, pipeline: &str) {
    for (place, report) in crate::status::reports(ground) {
        if report.pipeline == pipeline && report.is_abandoned() {
            // A record that cannot be written is read again by the next run; its processes are ended all the same.
            let _ = mlp_floor::launch::close_abandoned(&place);
        }
    }
}

/// Keeps what came of a run in the registry.
pub(crate) fn record(ground: &Ground, summary: &RunSummary, lineage: &Lineage) -> Fallible<()> {
    let failed = |problem: mlp_floor::Problem| fault(&problem, &summary.id.to_string());
    let registry = Registry::open(&ground.place.registry()).map_err(failed)?;
    let steps = serde_json::to_value(&summary.steps).unwrap_or(Json::Null);
    registry
        .record_run(&RunRecord {
            id: summary.run.clone(),
            pipeline: summary.id.to_string(),
            status: summary.status.clone(),
            started: summary.started.clone(),
            ended: Some(time::rfc3339(time::now_ms())),
            params: json!(lineage.params),
            metrics: json!(summary.metrics),
            steps,
        })
        .map_err(failed)
}

/// Runs the steps, tells of them, and stops them when it is asked to.
async fn launch(pipeline: PipelineRun, document: &Document, reporter: &dyn Reporter) -> Fallible<RunReport> {
    let (sender, mut events) = mpsc::unbounded_channel();
    let (cancel, cancelled) = watch::channel(false);
    // The receiver lives as long as the run.
    let sink = std::sync::Arc::new(move |event| drop(sender.send(event)));
    let running = run_pipeline(pipeline, sink, cancelled);
    tokio::pin!(running);
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(200));
    let outcome = loop {
        tokio::select! {
            biased;
            Some(event) = events.recv() => tell(event, document.address(), reporter),
            outcome = &mut running => break outcome,
            _ = tick.tick() => if reporter.cancelled() { cancel.send_replace(true); },
        }
    };
    while let Ok(event) = events.try_recv() {
        tell(event, document.address(), reporter);
    }
    outcome.map_err(|problems| match problems.split_first() {
        Some((problem, more)) => {
            let mut error = fault(problem, document.address());
            error.diagnostic.notes.extend(more.iter().map(|problem| format!("and: {}", problem.message)));
            error
        }
        None => wrong(codes::RUN, "the run could not be started", document.address(), ""),
    })
}

fn tell(event: StepEvent, pipeline: &str, reporter: &dyn Reporter) {
    let name = |step: String| format!("{pipeline}.step.{step}");
    let told = match event {
        StepEvent::StepStarted { step, .. } => Event::Started { subject: name(step) },
        StepEvent::StepProgress { step, fraction, text } => {
            Event::Progress { subject: name(step), text: format!("{:.0} % {text}", fraction * 100.0) }
        }
        StepEvent::StepCached { step, reason } => {
            Event::Finished { subject: name(step), text: format!("cached ({reason})"), good: true }
        }
        StepEvent::StepRetried { step, attempt, why, wait_seconds } => Event::Progress {
            subject: name(step),
            text: format!("attempt {attempt} failed ({why}); again in {wait_seconds} s"),
        },
        StepEvent::StepFinished { step, .. } => {
            Event::Finished { subject: name(step), text: "succeeded".to_owned(), good: true }
        }
        StepEvent::StepFailed { step, problem, log_tail } => {
            for line in log_tail {
                reporter.event(Event::Line { subject: name(step.clone()), text: line });
            }
            Event::Finished { subject: name(step), text: problem.message, good: false }
        }
        StepEvent::StepSkipped { step, reason } => {
            Event::Finished { subject: name(step), text: format!("skipped: {reason}"), good: false }
        }
        StepEvent::StepCancelled { step } => {
            Event::Finished { subject: name(step), text: "cancelled".to_owned(), good: false }
        }
    };
    reporter.event(told);
}

fn params(document: &Document, request: &RunRequest, lineage: &Lineage) -> Fallible<BTreeMap<String, Json>> {
    let declared = document.config.field("params").and_then(KnownValue::as_object);
    let mut found = BTreeMap::new();
    for (name, value) in declared.into_iter().flat_map(|declared| declared.iter()) {
        let value = resolve(value, &BTreeMap::new(), lineage)
            .map_err(|why| refused(document, &format!("params.{name}"), &why))?;
        found.insert(name.to_string(), value);
    }
    for (name, value) in &request.params {
        if !found.contains_key(name) {
            let mut error = wrong(
                codes::VALUE,
                format!("the pipeline has no parameter `{name}`"),
                document.address(),
                "params",
            );
            let names: Vec<&str> = found.keys().map(String::as_str).collect();
            error.diagnostic.help = Some(crate::mlp_diag::one_of(name, names));
            return Err(error);
        }
        found.insert(name.clone(), given(document, name, value)?);
    }
    Ok(found)
}

/// A value that is given for a run, of the parameter's type.
fn given(document: &Document, name: &str, value: &KnownValue) -> Fallible<Json> {
    let kind = document.config.field("param_types").and_then(|kinds| text(kinds, name)).unwrap_or("any");
    if crate::lower::fits(kind, value) {
        return Ok(value.to_plain_json());
    }
    // On a command line `2024` is as good a text as any.
    if kind == "string" && matches!(value, KnownValue::Number(_) | KnownValue::Bool(_)) {
        return Ok(Json::from(value.to_plain_json().to_string()));
    }
    let text = format!("`{name}` is a {kind}, and `{}` is none", value.to_plain_json());
    Err(wrong(codes::VALUE, text, document.address(), &format!("params.{name}")))
}

pub(crate) fn refused(document: &Document, path: &str, why: &Diagnostic) -> ProviderError {
    ProviderError::new(mlp_provider::ErrorClass::Invalid, why.clone().on(document.address(), path))
}

/// Where the lock files of the GPUs are, for everything that runs in a project.
pub(crate) fn gpu_root(project: &Path) -> PathBuf {
    project.join(".mlp").join("gpu")
}

/// This machine, with the GPUs that the provider's block names instead of those that are found.
fn machine(ground: &Ground) -> Machine {
    let found = Machine::here();
    match ground.target.provider.field("accelerators").and_then(KnownValue::as_list) {
        Some(names) => Machine {
            gpus: names.iter().filter_map(KnownValue::as_text).map(str::to_owned).collect(),
            ..found
        },
        None => found,
    }
}

fn summarise(request: &RunRequest, document: &Document, report: &RunReport, lineage: &Lineage) -> RunSummary {
    let mut steps = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, step) in &report.steps {
        let status = match step.status {
            StepStatus::Succeeded => "succeeded",
            StepStatus::Cached => "cached",
            StepStatus::Failed => "failed",
            StepStatus::Skipped => "skipped",
            StepStatus::Cancelled => "cancelled",
            StepStatus::Pending | StepStatus::Running => "running",
        };
        let took = step.ended.zip(step.started).map_or(0, |(ended, started)| ended.saturating_sub(started));
        #[expect(clippy::cast_precision_loss, reason = "seconds for people")]
        let seconds = took as f64 / 1000.0;
        let mut reason = step.reason.clone().unwrap_or_default();
        if let Some(failure) = &step.problem {
            reason = failure.message.clone();
            problems.push(
                checks::refusal(document, name, failure)
                    .unwrap_or_else(|| failed_step(document, name, failure)),
            );
        }
        steps.insert(name.clone(), StepSummary { status: status.to_owned(), reason, seconds });
    }
    let status = match report.status {
        RunStatus::Succeeded => "succeeded",
        RunStatus::Cancelled => "cancelled",
        RunStatus::Failed | RunStatus::Running => "failed",
    };
    RunSummary {
        run: lineage.run_id.clone(),
        id: request.id.clone(),
        status: status.to_owned(),
        started: lineage.started.clone(),
        seconds: 0.0,
        steps,
        results: Vec::new(),
        metrics: BTreeMap::new(),
        problems,
    }
}

/// Why a step failed, with its own last words.
fn failed_step(document: &Document, name: &str, failure: &Failure) -> Diagnostic {
    let path = failure.subject.clone().unwrap_or_else(|| format!("step.{name}"));
    let mut found = Diagnostic::error(&failure.code, format!("step `{name}` failed: {}", failure.message))
        .on(document.address(), path);
    found.notes = failure.notes.clone();
    found.help = failure.help.clone();
    found
}

/// The numbers at the top of a metrics file.
pub(crate) fn scalars(metrics: &Map<String, Json>) -> BTreeMap<String, f64> {
    metrics.iter().filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect()
}

/// A problem of the floor that stands in a summary.
pub(crate) fn problem(found: &mlp_floor::Problem, address: &str) -> Diagnostic {
    fault::diagnostic(found, address)
}
