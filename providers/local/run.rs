//! A run of a pipeline: its record and the aliases of this moment become steps of the launcher, and what they made is
//! registered.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mlp_floor::launch::{
    ArtifactType, CacheSpec, Capacity, CodeRef, Event as StepEvent, InputBinding, Interpreter, OutputSpec,
    PipelineRun, Retry, RunReport, RunStatus, SecretEnv, Segment, StepSpec, StepStatus, run_pipeline,
};
use mlp_floor::registry::{Registry, RunRecord};
use mlp_provider::{Event, ProviderError, Reporter, RunRequest, RunSummary, StepSummary};
use serde_json::{Map, Value as Json, json};
use tokio::sync::{mpsc, watch};

use crate::documents::Document;
use crate::fault::{self, Fallible, fault, wrong};
use crate::mlp_diag::Diagnostic;
use crate::mlp_eval::{Expr, Node, Part, Quoted};
use crate::mlp_value::{KnownValue, Number, units};
use crate::resources::Ground;
use crate::supervisor::find_version;
use crate::{codes, gate, register, time};

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
    format!("{}-{}", time::compact(now), &digest[..4])
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
    lineage.params = params(&document, request, &lineage)?;
    let steps = steps(ground, &document, request, &mut lineage)?;
    let pipeline = PipelineRun {
        run_id: lineage.run_id.clone(),
        pipeline: document.address().to_owned(),
        work_root: ground.place.runs().join(&lineage.run_id),
        cache_root: ground.place.home.join("cache"),
        snapshot_root: ground.place.code(),
        project_root: PathBuf::from(&ground.target.directory),
        params: lineage.params.clone(),
        steps,
        capacity: Capacity::default(),
        grace_seconds: mlp_floor::launch::default_grace(),
        log_limit: mlp_floor::launch::default_log_limit(),
    };
    let report = launch(pipeline, &document, reporter).await?;
    let mut summary = summarise(request, &document, &report, &lineage);
    register::register_all(ground, &document, request, &report, &lineage, &mut summary, reporter)?;
    #[expect(clippy::cast_precision_loss, reason = "seconds for people")]
    let seconds = time::now_ms().saturating_sub(now) as f64 / 1000.0;
    summary.seconds = seconds;
    record(ground, &summary, &lineage)?;
    Ok(summary)
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
    outcome.map_err(|problems| match problems.first() {
        Some(problem) => fault(problem, document.address()),
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

/// Values of quoted expressions about parameters and the run.
fn resolve(
    value: &KnownValue,
    params: &BTreeMap<String, Json>,
    lineage: &Lineage,
) -> Result<Json, Box<Diagnostic>> {
    let Some(quoted) = Quoted::of(value) else { return Ok(value.to_plain_json()) };
    let params = params.iter().map(|(name, value)| {
        let value = KnownValue::from_json(value).unwrap_or(KnownValue::Null);
        (name.as_str(), value)
    });
    let run = KnownValue::object([
        ("id", KnownValue::text(&lineage.run_id)),
        ("started_at", KnownValue::text(&lineage.started)),
    ]);
    let names = BTreeMap::from([("param", KnownValue::object(params.collect::<Vec<_>>())), ("run", run)]);
    gate::value_of(&quoted, names).map(|value| value.to_plain_json())
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
        found.insert(name.clone(), value.to_plain_json());
    }
    Ok(found)
}

fn refused(document: &Document, path: &str, why: &Diagnostic) -> ProviderError {
    ProviderError::new(mlp_provider::ErrorClass::Invalid, why.clone().on(document.address(), path))
}

fn steps(
    ground: &Ground,
    document: &Document,
    request: &RunRequest,
    lineage: &mut Lineage,
) -> Fallible<Vec<StepSpec>> {
    let written = document.config.field("step").and_then(KnownValue::as_object);
    let mut found = Vec::new();
    for (name, step) in written.into_iter().flat_map(|steps| steps.iter()) {
        if step.field("register").is_none() {
            found.push(step_spec(ground, document, request, lineage, name, step)?);
        }
    }
    Ok(found)
}

fn step_spec(
    ground: &Ground,
    document: &Document,
    request: &RunRequest,
    lineage: &mut Lineage,
    name: &str,
    step: &KnownValue,
) -> Fallible<StepSpec> {
    let at = |word: &str| format!("step.{name}.{word}");
    let bad = |word: &str, why: String| wrong(codes::STEP, why, document.address(), &at(word));
    let entries = |word: &str| step.field(word).and_then(KnownValue::as_object).cloned().unwrap_or_default();
    let mut inputs = BTreeMap::new();
    for (input, bound) in entries("inputs") {
        inputs.insert(input.to_string(), binding(ground, lineage, &bound, document, &at("inputs"))?);
    }
    let mut outputs = BTreeMap::new();
    for (output, spec) in entries("outputs") {
        let spec: OutputSpec = serde_json::from_value(spec.to_plain_json())
            .map_err(|error| bad("outputs", error.to_string()))?;
        outputs.insert(output.to_string(), spec);
    }
    let mut params = BTreeMap::new();
    for (param, value) in entries("params") {
        let value = resolve(&value, &lineage.params, lineage)
            .map_err(|why| refused(document, &at("params"), &why))?;
        params.insert(param.to_string(), value);
    }
    let run = step.field("run").ok_or_else(|| bad("run", "there is nothing to run".to_owned()))?;
    let duration = |value: &KnownValue, word: &str| {
        text(value, word).map(|text| units::duration(text).map_err(|why| bad(word, why))).transpose()
    };
    let ttl = match step.field("cache") {
        Some(cache) => duration(cache, "ttl")?.map(|ttl| ttl.as_secs()),
        None => None,
    };
    let written = step.field("cache").and_then(|cache| cache.field("enabled")?.as_bool()).unwrap_or(true);
    let digest = document.resolved.get("code").and_then(|code| code.get(name)?.as_str()).map(str::to_owned);
    let mut env = secrets(ground, &entries("secrets"), document, &at("secrets"))?;
    let (runtime, variables) = interpreter(step);
    env.extend(variables);
    let after = step.field("after").and_then(KnownValue::as_list).unwrap_or_default();
    Ok(StepSpec {
        name: name.to_owned(),
        code: CodeRef { dir: None, digest },
        run: segments(run),
        inputs,
        outputs,
        params,
        env: SecretEnv(env),
        runtime,
        timeout_seconds: duration(step, "timeout")?.map(|timeout| timeout.as_secs_f64()),
        retry: match step.field("retry") {
            Some(retry) => {
                retry_of(retry, duration(retry, "backoff")?.map_or(0.0, |wait| wait.as_secs_f64()))
            }
            None => Retry::default(),
        },
        cache: Some(CacheSpec { enabled: written && !request.fresh, ttl_seconds: ttl }),
        cpu: None,
        memory: None,
        gpus: 0,
        after: after.iter().filter_map(|step| step.as_text().map(str::to_owned)).collect(),
    })
}

/// A machine is not taken away while it works: what is only tried again for that reason is not tried again here.
fn retry_of(retry: &KnownValue, backoff_seconds: f64) -> Retry {
    let max = retry.field("max").and_then(KnownValue::as_number).and_then(Number::to_i64).unwrap_or(0);
    let written = retry.field("on").and_then(KnownValue::as_list);
    let on: Vec<String> = written
        .unwrap_or_default()
        .iter()
        .filter_map(KnownValue::as_text)
        .filter(|end| matches!(*end, "timeout" | "error"))
        .map(str::to_owned)
        .collect();
    let never = written.is_some_and(|written| !written.is_empty()) && on.is_empty();
    Retry { max: if never { 0 } else { u32::try_from(max).unwrap_or(0) }, on, backoff_seconds }
}

fn interpreter(step: &KnownValue) -> (Interpreter, BTreeMap<String, String>) {
    let Some(runtime) = step.field("runtime") else { return (Interpreter::default(), BTreeMap::new()) };
    let mut label = format!("python {}", text(runtime, "version").unwrap_or_default());
    let variables = variables(runtime);
    for (name, value) in &variables {
        label.push_str(&format!(" {name}={value}"));
    }
    let program = text(runtime, "program").map(PathBuf::from);
    let bin_dir = program.and_then(|program| program.parent().map(std::path::Path::to_path_buf));
    (Interpreter { bin_dir, label }, variables)
}

/// The environment variables of a runtime.
pub(crate) fn variables(runtime: &KnownValue) -> BTreeMap<String, String> {
    let written = runtime.field("env").and_then(KnownValue::as_object).into_iter().flat_map(|env| env.iter());
    written.filter_map(|(name, value)| Some((name.to_string(), value.as_text()?.to_owned()))).collect()
}

pub(crate) fn secrets(
    ground: &Ground,
    written: &crate::mlp_value::Object<crate::mlp_value::Never>,
    document: &Document,
    path: &str,
) -> Fallible<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for (variable, from) in written {
        let from = from.as_text().unwrap_or_default();
        let value = match from.split_once(':') {
            Some(("env", name)) => std::env::var(name).map_err(|_| {
                wrong(
                    codes::SECRET,
                    format!("the environment has no variable `{name}`"),
                    document.address(),
                    path,
                )
            })?,
            _ => {
                let project = std::path::Path::new(&ground.target.directory);
                crate::resources::secret_lines(project, from)?.join("\n")
            }
        };
        found.insert(variable.to_string(), value);
    }
    Ok(found)
}

fn binding(
    ground: &Ground,
    lineage: &mut Lineage,
    bound: &KnownValue,
    document: &Document,
    path: &str,
) -> Fallible<InputBinding> {
    let kind = match text(bound, "type") {
        Some("table") => ArtifactType::Table,
        Some("model") => ArtifactType::Model,
        Some("metrics") => ArtifactType::Metrics,
        Some("directory") => ArtifactType::Directory,
        _ => ArtifactType::File,
    };
    if let (Some(step), Some(output)) = (text(bound, "step"), text(bound, "output")) {
        return Ok(InputBinding::StepOutput { step: step.to_owned(), output: output.to_owned(), kind });
    }
    if let Some(dataset) = text(bound, "dataset") {
        let record = ground.place.get(&format!("datasets/{dataset}"))?;
        let Some(version) = record.resolved.get("version").and_then(Json::as_str) else {
            let mut error = wrong(
                codes::NO_VERSION,
                format!("`{}` has no version yet", record.address()),
                document.address(),
                path,
            );
            error.diagnostic.help = Some("run what writes it first".to_owned());
            return Err(error);
        };
        lineage.datasets.insert(record.address().to_owned(), version.to_owned());
        let path = ground.place.store(&record.config).object_path(version);
        return Ok(InputBinding::File { path, kind, digest: Some(version.to_owned()) });
    }
    if text(bound, "model").is_some() {
        // No version yet is nobody's mistake: the first run has no incumbent.
        let found = find_version(&ground.place, bound)?;
        return Ok(found.map_or(InputBinding::Absent, |version| InputBinding::File {
            path: PathBuf::from(version.path),
            kind,
            digest: Some(version.digest),
        }));
    }
    Ok(InputBinding::Absent)
}

/// The command as text and holes.
fn segments(run: &KnownValue) -> Vec<Segment> {
    let Some(quoted) = Quoted::of(run) else {
        return vec![Segment::Literal(run.as_text().unwrap_or_default().to_owned())];
    };
    match &quoted.expr.node {
        Node::Template { parts } => parts
            .iter()
            .filter_map(|part| match part {
                Part::Text { text } => Some(Segment::Literal(text.to_string())),
                Part::Expr { expr } => segment(expr),
                _ => None,
            })
            .collect(),
        _ => segment(&quoted.expr).into_iter().collect(),
    }
}

fn segment(expr: &Expr) -> Option<Segment> {
    match &expr.node {
        Node::Literal { value: KnownValue::Text(text) } => Some(Segment::Literal(text.to_string())),
        Node::Literal { value } => Some(Segment::Literal(value.to_plain_json().to_string())),
        Node::Traverse { traversal } => {
            let word = gate::first_word(traversal)?;
            match (traversal.root.as_ref(), word.as_str()) {
                ("input", _) => Some(Segment::Input(word)),
                ("output", _) => Some(Segment::Output(word)),
                ("param", _) => Some(Segment::Param(word)),
                ("run", "id") => Some(Segment::RunId),
                ("run", "started_at") => Some(Segment::RunStartedAt),
                _ => None,
            }
        }
        _ => None,
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
            let mut found =
                Diagnostic::error(&failure.code, format!("step `{name}` failed: {}", failure.message))
                    .on(document.address(), format!("step.{name}"));
            found.notes = failure.notes.clone();
            found.help = failure.help.clone();
            problems.push(found);
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

/// The numbers at the top of a metrics file.
pub(crate) fn scalars(metrics: &Map<String, Json>) -> BTreeMap<String, f64> {
    metrics.iter().filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).collect()
}

/// A problem of the floor that stands in a summary.
pub(crate) fn problem(found: &mlp_floor::Problem, address: &str) -> Diagnostic {
    fault::diagnostic(found, address)
}
