//! What `status` and `logs` show.

use std::path::PathBuf;
use std::time::Duration;

use mlp_floor::launch::RunReport;
use mlp_floor::registry::{Outcome, Registry};
use mlp_floor::serve::{EndpointStatus, ReplicaState, VariantStatus, sealed_captures};
use mlp_provider::{LogQuery, StatusEntry};
use serde_json::{Value as Json, json};

use crate::codes;
use crate::documents::{Document, Found};
use crate::fault::{Fallible, fault, wrong};
use crate::mlp_value::{KnownValue, ResourceId, units};
use crate::resources::Ground;
use crate::supervisor::{client, find_version};
use crate::time::{now_ms, rfc3339};

/// More files of recorded requests than wait while they are taken in time.
const MANY_FILES: usize = 4;

fn object_name_of(document: &Document) -> String {
    document.address().parse().map(|address| crate::lower::object_name(&address)).unwrap_or_default()
}

/// One object for `mlp status`.
pub(crate) fn entry(
    ground: &Ground,
    id: &ResourceId,
    resource: &str,
    identity: &str,
) -> Fallible<StatusEntry> {
    let made = |state: &str, lines: Vec<String>, detail: Json| StatusEntry {
        id: id.clone(),
        state: state.to_owned(),
        lines,
        detail,
    };
    let document = match ground.place.find(identity)? {
        Found::Absent => return Ok(made("missing", Vec::new(), Json::Null)),
        Found::Broken(why) => {
            return Ok(made("degraded", vec![format!("its record is damaged: {why}")], Json::Null));
        }
        Found::Document(document) => document,
    };
    match resource {
        "local_endpoint" => endpoint(ground, &document, &made),
        "local_model" => model(ground, identity, &document, &made),
        "local_pipeline" | "local_batch_endpoint" => {
            let mut entry = runs(ground, id, &document, &made)?;
            let (lines, triggers) = crate::triggers::describe(ground, &document, crate::time::now_ms())?;
            entry.lines.extend(lines);
            if entry.detail.is_null() && !triggers.is_null() {
                entry.detail = json!({});
            }
            if let (Some(detail), false) = (entry.detail.as_object_mut(), triggers.is_null()) {
                detail.insert("triggers".to_owned(), triggers);
            }
            Ok(entry)
        }
        "local_dataset" => {
            let version = document.resolved.get("version").and_then(Json::as_str);
            let rows = document.resolved.get("rows").and_then(Json::as_u64).unwrap_or(0);
            let line =
                version.map(|version| format!("version {}, {rows} rows", &version[..version.len().min(12)]));
            let lines = vec![line.unwrap_or_else(|| "no version yet".to_owned())];
            Ok(made("ready", lines, document.resolved.clone()))
        }
        _ => Ok(made("ready", Vec::new(), Json::Null)),
    }
}

type Make<'a> = &'a dyn Fn(&str, Vec<String>, Json) -> StatusEntry;

fn endpoint(ground: &Ground, document: &Document, made: Make<'_>) -> Fallible<StatusEntry> {
    let Some(report) = client::endpoint(&ground.target, document)? else {
        return Ok(unsupervised(ground, document, made));
    };
    let mut detail = serde_json::to_value(&report).unwrap_or(Json::Null);
    let mut lines = Vec::new();
    let mut all_ready = true;
    if let Some(state) = &report.state {
        lines.push(format!("http://{}:{}", state.host, state.port));
        if let Some(curl) = curl(ground, document, state) {
            detail["curl"] = curl.into();
        }
        for variant in &state.variants {
            all_ready &= ready(variant) == variant.replicas.len();
            let counts = format!("{} requests, {} errors", variant.requests, variant.errors);
            lines.push(format!("{}, {counts}", served(variant)));
        }
    }
    let waiting =
        sealed_captures(&ground.place.captured(&object_name_of(document))).unwrap_or_default().len();
    if waiting > MANY_FILES {
        lines.push(format!("{waiting} files of recorded requests wait: see `.mlp/supervisor/log`"));
    }
    lines.extend(report.rollouts.iter().map(|one| format!("{}: {}", one.variant, one.text)));
    let held = report.rollouts.iter().any(|one| one.held_at.is_some());
    if held {
        let address = document.address();
        lines.push(format!(
            "`mlp release {address}` lets it be tried again; so does an alias that names another version"
        ));
    }
    lines.extend(report.error.iter().map(|error| error.headline.clone()));
    let state = match (&report.state, &report.error) {
        (None, _) => "stopped",
        (Some(_), None) if all_ready && !held => "running",
        _ => "degraded",
    };
    Ok(made(state, lines, detail))
}

fn ready(variant: &VariantStatus) -> usize {
    variant.replicas.iter().filter(|replica| replica.state == ReplicaState::Ready).count()
}

fn served(variant: &VariantStatus) -> String {
    format!(
        "{} {} %  {} version {}  {}/{} replicas ready",
        variant.name,
        f64::from(variant.weight) / 100.0,
        variant.model.address,
        variant.model.version,
        ready(variant),
        variant.replicas.len(),
    )
}

/// An endpoint that no supervisor keeps: what still serves, or since when nothing does, and what was missed.
fn unsupervised(ground: &Ground, document: &Document, made: Make<'_>) -> StatusEntry {
    let start = "`mlp apply` starts the supervisor again";
    let Some(found) = client::unsupervised(&ground.target, document) else {
        return made("stopped", vec![format!("no supervisor runs it; {start}")], Json::Null);
    };
    let mut detail = serde_json::to_value(&found.report).unwrap_or(Json::Null);
    detail["supervised_until"] = rfc3339(found.at).into();
    detail["rebooted"] = found.rebooted.into();
    let away = Duration::from_millis(now_ms().saturating_sub(found.at));
    let away = units::format_duration(Duration::from_secs(away.as_secs()));
    let since = format!("{} ({away} ago)", rfc3339(found.at));
    let mut lines = Vec::new();
    if let Some(state) = &found.report.state {
        let at = format!("http://{}:{}", state.host, state.port);
        lines.push(if found.serves { at } else { format!("{at} is down") });
        let verb = if found.serves { "" } else { "was: " };
        lines.extend(state.variants.iter().map(|variant| match found.serves {
            true => served(variant),
            false => {
                format!("{verb}{}  {} version {}", variant.name, variant.model.address, variant.model.version)
            }
        }));
        lines.extend(missed(ground, document, state));
    }
    let under_way = found.report.rollouts.iter().map(|one| format!("{}: {}", one.variant, one.text));
    lines.extend(under_way);
    lines.push(match (found.rebooted, found.serves) {
        (true, _) => {
            format!("the machine was started anew; the supervisor was last there at {since}; {start}")
        }
        (false, true) => format!("no supervisor watches it since {since}: aliases are not followed; {start}"),
        (false, false) => format!("no supervisor runs it since {since}; {start}"),
    });
    made(if found.serves { "degraded" } else { "stopped" }, lines, detail)
}

/// Versions that aliases name by now and that nobody was there to serve.
fn missed(ground: &Ground, document: &Document, state: &EndpointStatus) -> Vec<String> {
    let pinned = document.resolved.get("pinned").is_some_and(Json::is_object);
    let variants = document.config.field("variant").and_then(KnownValue::as_object);
    let mut lines = Vec::new();
    for (name, written) in variants.into_iter().flat_map(|variants| variants.iter()).filter(|_| !pinned) {
        let now =
            find_version(&ground.place, written).ok().flatten().map(|version| u64::from(version.number));
        let was = state.variants.iter().find(|variant| variant.name == name.as_ref());
        if let (Some(now), Some(was)) = (now, was)
            && now != was.model.version
        {
            lines.push(format!("missed: {name} is to serve {} version {now} by now", was.model.address));
        }
    }
    lines
}

/// A line that asks the endpoint about the first row its model was trained on; of a graph, one that takes the request.
fn curl(ground: &Ground, document: &Document, state: &mlp_floor::serve::EndpointStatus) -> Option<String> {
    let inputs = document.config.field("graph").and_then(|graph| graph.field("input")?.as_object());
    let takes_requests = |name: &str| !inputs.is_some_and(|inputs| inputs.contains_key(name));
    let variant = state.variants.iter().find(|variant| takes_requests(&variant.name))?;
    let registry = Registry::open(&ground.place.registry()).ok()?;
    let model = variant.model.address.rsplit('.').next()?;
    let number = u32::try_from(variant.model.version).ok()?;
    let version = registry.version(model, number).ok()?;
    let datasets = version.lineage.get("datasets")?.as_object()?;
    let row = datasets.keys().find_map(|dataset| crate::batch::first_row(ground, dataset))?;
    // The row stands between single quotes in a shell.
    let body = json!({ "rows": [row] }).to_string().replace('\'', "'\\''");
    let url = format!("http://{}:{}/v1/predict", state.host, state.port);
    Some(format!("curl -s {url} -H 'content-type: application/json' -d '{body}'"))
}

fn model(ground: &Ground, identity: &str, document: &Document, made: Make<'_>) -> Fallible<StatusEntry> {
    let failed = |problem: mlp_floor::Problem| fault(&problem, document.address());
    let name = identity.rsplit('/').next().unwrap_or_default();
    let registry = Registry::open(&ground.place.registry()).map_err(failed)?;
    if registry.model(name).map_err(failed)?.is_none() {
        return Ok(made("missing", vec!["the registry does not know it".to_owned()], Json::Null));
    }
    let versions = registry.versions(name).map_err(failed)?;
    let aliases = registry.aliases(name).map_err(failed)?;
    let mut lines = Vec::new();
    let mut detail = Vec::new();
    for version in versions.iter().rev() {
        let named: Vec<&str> = aliases
            .iter()
            .filter(|alias| alias.version == version.number)
            .map(|alias| alias.alias.as_str())
            .collect();
        let metrics = version.metrics.as_object().map(crate::run::scalars).unwrap_or_default();
        if !named.is_empty() {
            let shown: Vec<String> =
                metrics.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
            lines.push(format!("version {} ({})  {}", version.number, named.join(", "), shown.join(", ")));
        }
        detail.push(json!({ "version": version.number, "aliases": named, "metrics": version.metrics, "run": version.run }));
    }
    if lines.is_empty() {
        lines.push("no version yet".to_owned());
    }
    for alias in aliases.iter().filter(|alias| alias.held) {
        lines.push(format!(
            "{} is at version {}{}",
            alias.alias,
            alias.version,
            crate::describe::held(alias)
        ));
    }
    let decided = registry.decisions(name, 1).map_err(failed)?;
    let refused = decided.iter().filter(|decision| decision.outcome != Outcome::Passed);
    lines.extend(refused.map(crate::describe::decision_line));
    let held: Vec<_> = aliases.iter().filter(|alias| alias.held).collect();
    Ok(made("ready", lines, json!({ "versions": detail, "held": held, "decided": decided })))
}

fn runs(ground: &Ground, id: &ResourceId, document: &Document, made: Make<'_>) -> Fallible<StatusEntry> {
    let failed = |problem: mlp_floor::Problem| fault(&problem, document.address());
    if let Some(report) = running(ground, document.address()) {
        return Ok(made(
            "running",
            vec![format!("run {} is under way", report.run_id)],
            json!({ "run": report.run_id }),
        ));
    }
    let registry = Registry::open(&ground.place.registry()).map_err(failed)?;
    let last = registry.runs(Some(&id.to_string()), 1).map_err(failed)?.pop();
    let lines =
        vec![last.as_ref().map_or("not run yet".to_owned(), |run| format!("run {} {}", run.id, run.status))];
    let detail = last.map_or(
        Json::Null,
        |run| json!({ "run": run.id, "status": run.status, "metrics": run.metrics, "steps": run.steps }),
    );
    let state =
        if detail.is_null() && document.kind == "local_batch_endpoint" { "never run" } else { "ready" };
    Ok(made(state, lines, detail))
}

/// The reports of runs, newest first.
pub(crate) fn reports(ground: &Ground) -> impl Iterator<Item = (PathBuf, RunReport)> {
    let entries = std::fs::read_dir(ground.place.runs()).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
        .into_iter()
        .rev()
        .filter_map(|path| RunReport::read(&path).ok().flatten().map(|report| (path, report)))
}

fn running(ground: &Ground, pipeline: &str) -> Option<RunReport> {
    let newest = reports(ground).map(|(_, report)| report).find(|report| report.pipeline == pipeline)?;
    (newest.status == mlp_floor::launch::RunStatus::Running && newest.runner.is_alive()).then_some(newest)
}

/// Whether what a query means will say no more: a run that has ended. A replica is never done.
pub(crate) fn is_over(ground: &Ground, query: &LogQuery) -> Fallible<bool> {
    if query.resource != "local_pipeline" {
        return Ok(false);
    }
    let document = ground.place.get(&query.identity)?;
    let report = reports(ground).map(|(_, report)| report).find(|report| is_meant(report, query, &document));
    Ok(report.is_none_or(|report| {
        report.status != mlp_floor::launch::RunStatus::Running || !report.runner.is_alive()
    }))
}

/// Whether a query means this run: the one it names, or the last of its pipeline.
fn is_meant(report: &RunReport, query: &LogQuery, document: &Document) -> bool {
    match &query.run {
        Some(run) => report.run_id == *run,
        None => report.pipeline == document.address(),
    }
}

/// The log files a query means, each with its name.
pub(crate) fn log_files(ground: &Ground, query: &LogQuery) -> Fallible<Vec<(String, PathBuf)>> {
    let document = ground.place.get(&query.identity)?;
    let name = query.identity.rsplit('/').next().unwrap_or_default();
    let mut found = if query.resource == "local_pipeline" {
        match reports(ground).find(|(_, report)| is_meant(report, query, &document)) {
            Some((path, report)) => {
                report.steps.keys().map(|step| (step.clone(), path.join(step).join("log"))).collect()
            }
            None => Vec::new(),
        }
    } else {
        let entries = std::fs::read_dir(ground.place.logs(name)).into_iter().flatten().flatten();
        let logs =
            entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "log"));
        logs.filter_map(|path| Some((path.file_stem()?.to_string_lossy().into_owned(), path)))
            .collect::<Vec<_>>()
    };
    found.retain(|(subject, path)| {
        let meant = query.part.as_ref().is_none_or(|part| {
            subject
                .strip_prefix(part.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '~']))
        });
        meant && path.is_file()
    });
    found.sort();
    if found.is_empty() {
        let mut error = wrong(
            codes::NO_LOGS,
            format!("there are no such logs of `{}`", document.address()),
            document.address(),
            "",
        );
        error.diagnostic.help =
            Some("logs are written by runs of pipelines and by replicas of endpoints".to_owned());
        return Err(error);
    }
    Ok(found)
}
