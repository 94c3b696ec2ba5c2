//! The steps of a run, made of a pipeline's record and of what its datasets and aliases mean at this moment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use mlp_floor::launch::{
    ArtifactType, CacheKey, CacheSpec, CodeRef, InputBinding, Interpreter, OutputSpec, Retry, Runtime,
    SecretEnv, Segment, StepSpec,
};
use mlp_provider::{Reporter, RunRequest};
use serde_json::Value as Json;

use crate::dataset;
use crate::documents::Document;
use crate::fault::{Fallible, wrong};
use crate::mlp_diag::Diagnostic;
use crate::mlp_eval::{Expr, Node, Part, Quoted};
use crate::mlp_value::{KnownValue, Number, units};
use crate::resources::Ground;
use crate::run::{Lineage, refused, text};
use crate::supervisor::find_version;
use crate::{codes, gate, runtimes};

/// Values of quoted expressions about parameters and the run.
pub(crate) fn resolve(
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

/// The steps of a run: those that run commands, and the commands of checks.
///
/// # Errors
/// Something that a step needs is not there, or its environment cannot be built.
pub(crate) fn all(
    ground: &Ground,
    document: &Document,
    request: &RunRequest,
    lineage: &mut Lineage,
    reporter: &dyn Reporter,
) -> Fallible<Vec<StepSpec>> {
    let fields = |word: &str| document.config.field(word).and_then(KnownValue::as_object);
    let chosen = chosen(document, &request.steps)?;
    let mut making = Making { ground, document, request, lineage, reporter, ready: Vec::new() };
    let mut found = Vec::new();
    for (name, step) in fields("step").into_iter().flat_map(|steps| steps.iter()) {
        if step.field("register").is_none()
            && chosen.as_ref().is_none_or(|chosen| chosen.contains(name.as_ref()))
        {
            found.push(making.step(name, step)?);
        }
    }
    if chosen.is_some() {
        return Ok(found);
    }
    for check in fields("checks").into_iter().flat_map(|checks| checks.values()) {
        if let Some(name) = text(check, "name") {
            found.push(making.step(name, check)?);
        }
    }
    Ok(found)
}

/// The steps that are asked for and those they need; nothing where all are.
fn chosen(document: &Document, asked: &[String]) -> Fallible<Option<BTreeSet<String>>> {
    if asked.is_empty() {
        return Ok(None);
    }
    let steps = document.config.field("step").and_then(KnownValue::as_object);
    let runs =
        |name: &str| steps.and_then(|steps| steps.get(name)).filter(|step| step.field("register").is_none());
    let mut open: Vec<String> = asked.to_vec();
    let mut found = BTreeSet::new();
    while let Some(name) = open.pop() {
        let Some(step) = runs(&name) else {
            let text = format!("the pipeline has no step `{name}` that runs a command");
            let mut error = wrong(codes::STEP, text, document.address(), "step");
            let names: Vec<&str> =
                steps.into_iter().flat_map(|steps| steps.keys()).map(AsRef::as_ref).collect();
            error.diagnostic.help = Some(crate::mlp_diag::one_of(&name, names));
            return Err(error);
        };
        // Circles are refused by the launcher, with all their steps.
        if !found.insert(name) {
            continue;
        }
        let inputs = step.field("inputs").and_then(KnownValue::as_object);
        let read =
            inputs.into_iter().flat_map(|inputs| inputs.values()).filter_map(|bound| text(bound, "step"));
        let after = step.field("after").and_then(KnownValue::as_list).unwrap_or_default();
        open.extend(read.chain(after.iter().filter_map(KnownValue::as_text)).map(str::to_owned));
    }
    Ok(Some(found))
}

/// What making a step looks at.
struct Making<'a> {
    ground: &'a Ground,
    document: &'a Document,
    request: &'a RunRequest,
    lineage: &'a mut Lineage,
    reporter: &'a dyn Reporter,
    /// Environments that are ready, each with its record: most steps have the same.
    ready: Vec<(KnownValue, Option<Runtime>)>,
}

impl Making<'_> {
    fn runtime(&mut self, name: &str, step: &KnownValue) -> Fallible<Option<Runtime>> {
        let Some(record) = step.field("runtime") else { return Ok(None) };
        if let Some((_, runtime)) = self.ready.iter().find(|(known, _)| known == record) {
            return Ok(runtime.clone());
        }
        let path = format!("step.{name}.runtime");
        let place = (self.document.address(), path.as_str());
        let runtime = runtimes::ready(self.ground, record, self.reporter, place)?;
        self.ready.push((record.clone(), runtime.clone()));
        Ok(runtime)
    }

    fn step(&mut self, name: &str, step: &KnownValue) -> Fallible<StepSpec> {
        let (ground, document) = (self.ground, self.document);
        let at = |word: &str| format!("step.{name}.{word}");
        let bad = |word: &str, why: String| wrong(codes::STEP, why, document.address(), &at(word));
        let entries =
            |word: &str| step.field(word).and_then(KnownValue::as_object).cloned().unwrap_or_default();
        let mut inputs = BTreeMap::new();
        for (input, bound) in entries("inputs") {
            let path = at(&format!("inputs.{input}"));
            inputs.insert(input.to_string(), binding(ground, self.lineage, &bound, document, &path)?);
        }
        let mut outputs = BTreeMap::new();
        for (output, spec) in entries("outputs") {
            let spec: OutputSpec = serde_json::from_value(spec.to_plain_json())
                .map_err(|error| bad("outputs", error.to_string()))?;
            outputs.insert(output.to_string(), spec);
        }
        let mut params = BTreeMap::new();
        for (param, value) in entries("params") {
            let value = resolve(&value, &self.lineage.params, self.lineage)
                .map_err(|why| refused(document, &at("params"), &why))?;
            params.insert(param.to_string(), value);
        }
        let run = step.field("run").ok_or_else(|| bad("run", "there is nothing to run".to_owned()))?;
        let digest = document.resolved.get("code").and_then(|code| code.get(name)?.as_str());
        let after = step.field("after").and_then(KnownValue::as_list).unwrap_or_default();
        let runtime = self.runtime(name, step)?;
        let reserved = |word: &str| step.field("resources").and_then(|resources| resources.field(word));
        Ok(StepSpec {
            name: name.to_owned(),
            code: CodeRef { dir: None, digest: digest.map(str::to_owned) },
            run: segments(run),
            inputs,
            outputs,
            params,
            env: SecretEnv(secrets(ground, &entries("secrets"), document, &at("secrets"))?),
            runtime: runtime.as_ref().map(Interpreter::from).unwrap_or_default(),
            timeout_seconds: seconds(step, "timeout").map_err(|why| bad("timeout", why))?,
            retry: match step.field("retry") {
                Some(retry) => {
                    let wait = seconds(retry, "backoff").map_err(|why| bad("retry.backoff", why))?;
                    retry_of(retry, wait.unwrap_or(0.0))
                }
                None => Retry::default(),
            },
            cache: self.cache(step).map_err(|why| bad("cache.ttl", why))?,
            cpu: reserved("cpu").and_then(KnownValue::as_number).map(Number::to_f64),
            memory: reserved("memory").and_then(KnownValue::as_text).and_then(|text| units::bytes(text).ok()),
            gpus: reserved("gpus").and_then(whole).unwrap_or(0),
            gpu_slots: reserved("gpu_slots")
                .and_then(KnownValue::as_list)
                .unwrap_or_default()
                .iter()
                .filter_map(whole)
                .collect(),
            after: after.iter().filter_map(|step| step.as_text().map(str::to_owned)).collect(),
        })
    }

    /// Whether and how long results are reused; without a word of it, as the launcher does by itself.
    fn cache(&self, step: &KnownValue) -> Result<Option<CacheSpec>, String> {
        let written = step.field("cache");
        if self.request.fresh {
            return Ok(Some(CacheSpec { enabled: false, ttl_seconds: None, key: CacheKey::default() }));
        }
        let Some(cache) = written else { return Ok(None) };
        let words = cache.field("key").and_then(KnownValue::as_list).unwrap_or_default();
        let words: Vec<&str> = words.iter().filter_map(KnownValue::as_text).collect();
        let ttl = text(cache, "ttl").map(units::duration).transpose()?;
        Ok(Some(CacheSpec {
            enabled: cache.field("enabled").and_then(KnownValue::as_bool).unwrap_or(true),
            ttl_seconds: ttl.map(|ttl| ttl.as_secs()),
            key: CacheKey::of(&words),
        }))
    }
}

fn seconds(value: &KnownValue, word: &str) -> Result<Option<f64>, String> {
    let duration = text(value, word).map(units::duration).transpose()?;
    Ok(duration.map(|duration| duration.as_secs_f64()))
}

fn whole(value: &KnownValue) -> Option<u32> {
    value.as_number().and_then(Number::to_i64).and_then(|number| u32::try_from(number).ok())
}

/// A machine is not taken away while it works: what is only tried again for that reason is tried again here when it says
/// itself that the reason was a passing one.
fn retry_of(retry: &KnownValue, backoff_seconds: f64) -> Retry {
    let max = retry.field("max").and_then(whole).unwrap_or(0);
    let written = retry.field("on").and_then(KnownValue::as_list).unwrap_or_default();
    let words = written.iter().filter_map(KnownValue::as_text);
    let mut on: Vec<String> =
        words.filter(|end| matches!(*end, "timeout" | "error")).map(str::to_owned).collect();
    if on.is_empty() && !written.is_empty() {
        on.push("temporary".to_owned());
    }
    Retry { max, on, backoff_seconds }
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
    if let Some(name) = text(bound, "dataset") {
        let record = dataset::get(&ground.place, name)?;
        let Some(version) = dataset::version(&ground.place, &record, &dataset::Wanted::of(bound))? else {
            let mut error = wrong(
                codes::NO_VERSION,
                format!("`{}` has no version yet", record.address()),
                document.address(),
                path,
            );
            error.diagnostic.help = Some("run what writes it first".to_owned());
            return Err(error);
        };
        lineage.datasets.insert(record.address().to_owned(), version.clone());
        let copies = dataset::Copies::folder(&ground.place.runs(), &lineage.run_id);
        let path = dataset::readable(&ground.place, &record, &version, &copies)?;
        // The name of an encrypted version is no plain digest of its content.
        let digest = Some(version).filter(|_| !path.starts_with(&copies));
        return Ok(InputBinding::File { path, kind, digest });
    }
    if let Some(storage) = text(bound, "storage") {
        let path = ground.place.home.join("storage").join(storage);
        return Ok(InputBinding::File { path, kind, digest: None });
    }
    if let Some(file) = text(bound, "file") {
        let file = std::path::Path::new(&ground.target.directory).join(file);
        if !file.exists() {
            let text = format!("`{}` does not exist", file.display());
            let mut error = wrong(codes::SOURCE_MISSING, text, document.address(), path);
            error.diagnostic.help = Some("put the file there that the source names".to_owned());
            return Err(error);
        }
        return Ok(InputBinding::File { path: file, kind, digest: None });
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

/// The command as text and holes. A list is a program with its arguments, each of which is one word to the shell.
fn segments(run: &KnownValue) -> Vec<Segment> {
    let plain = |value: &KnownValue| value.as_text().map_or_else(|| plain_text(value), str::to_owned);
    match Quoted::of(run) {
        None => match run.as_list() {
            Some(words) => spaced(words.iter().map(|word| vec![Segment::Word(plain(word))])),
            None => vec![Segment::Literal(plain(run))],
        },
        Some(Quoted { expr: Expr { node: Node::List { items }, .. }, .. }) => {
            let word = |segment| match segment {
                Segment::Literal(text) => Segment::Word(text),
                hole => hole,
            };
            spaced(items.iter().map(|item| pieces(item).into_iter().map(word).collect()))
        }
        Some(quoted) => pieces(&quoted.expr),
    }
}

/// Words with a blank between them.
fn spaced(words: impl Iterator<Item = Vec<Segment>>) -> Vec<Segment> {
    let mut line = Vec::new();
    for word in words {
        if !line.is_empty() {
            line.push(Segment::Literal(" ".to_owned()));
        }
        line.extend(word);
    }
    line
}

fn plain_text(value: &KnownValue) -> String {
    value.to_plain_json().to_string()
}

fn pieces(expr: &Expr) -> Vec<Segment> {
    match &expr.node {
        Node::Template { parts } => parts
            .iter()
            .filter_map(|part| match part {
                Part::Text { text } => Some(Segment::Literal(text.to_string())),
                Part::Expr { expr } => segment(expr),
                _ => None,
            })
            .collect(),
        _ => segment(expr).into_iter().collect(),
    }
}

fn segment(expr: &Expr) -> Option<Segment> {
    match &expr.node {
        Node::Literal { value: KnownValue::Text(text) } => Some(Segment::Literal(text.to_string())),
        Node::Literal { value } => Some(Segment::Literal(plain_text(value))),
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
