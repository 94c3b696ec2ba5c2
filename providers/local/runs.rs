//! Runs from the outside: carried out with what they need held, remembered with where they came from, listed, and
//! recognised when the process that carried them out is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use mlp_floor::launch::{RunReport, RunStatus, close_abandoned};
use mlp_floor::registry::{Origin, Registry, RunRecord};
use mlp_provider::{ProviderError, Reporter, RunEntry, RunRequest, RunSummary, StepSummary};
use serde_json::{Value as Json, json};

use crate::documents::{Document, Found};
use crate::fault::{Fallible, fault, wrong};
use crate::mlp_value::KnownValue;
use crate::resources::{Ground, handler};
use crate::run::text;
use crate::{codes, holds, time};

/// Runs a pipeline or a batch endpoint once. `cause` is empty for a command, else the trigger.
pub(crate) async fn carry_out(
    ground: &Ground,
    request: &RunRequest,
    cause: &str,
    reporter: &dyn Reporter,
) -> Fallible<RunSummary> {
    let origin = Origin { who: request.who.clone(), cause: cause.to_owned() };
    let _held = holds::hold(&ground.place, &request.identity, origin.clone())?;
    let summary = match request.resource.as_str() {
        "local_pipeline" => crate::run::run(ground, request, reporter).await?,
        "local_batch_endpoint" => crate::batch::run(ground, request, reporter).await?,
        other => {
            return Err(wrong(codes::RUN, format!("a `{other}` cannot be run"), &request.id.to_string(), ""));
        }
    };
    registry(ground)?
        .record_origin(&summary.run, &origin)
        .map_err(|problem| fault(&problem, &request.id.to_string()))?;
    Ok(summary)
}

/// The step that stands for what comes before all steps.
const BEGIN: &str = "begin";

/// Remembers a run that could not begin, from when it was to, and why.
pub(crate) fn record_failure(
    ground: &Ground,
    request: &RunRequest,
    cause: &str,
    (began, error): (u64, &ProviderError),
) -> Fallible<()> {
    let failed = |problem: mlp_floor::Problem| fault(&problem, &request.id.to_string());
    let step =
        StepSummary { status: "failed".to_owned(), reason: error.diagnostic.headline.clone(), seconds: 0.0 };
    let record = RunRecord {
        id: crate::run::run_id(began),
        pipeline: request.id.to_string(),
        status: "failed".to_owned(),
        started: time::rfc3339(began),
        ended: Some(time::rfc3339(time::now_ms())),
        params: json!({}),
        metrics: json!({}),
        steps: json!({ BEGIN: step }),
    };
    let origin = Origin { who: request.who.clone(), cause: cause.to_owned() };
    let registry = registry(ground)?;
    registry.record_run(&record).and_then(|()| registry.record_origin(&record.id, &origin)).map_err(failed)
}

/// Why a run failed: the reason of its first step that did.
fn why(run: &RunRecord) -> String {
    let steps = run.steps.as_object().into_iter().flatten();
    let failed = steps.filter(|(_, step)| step.get("status").is_some_and(|status| status == "failed"));
    let reason = |(name, step): (&String, &Json)| {
        let reason = step.get("reason").and_then(Json::as_str).unwrap_or_default();
        if name == BEGIN { reason.to_owned() } else { format!("{name}: {reason}") }
    };
    failed.map(reason).next().unwrap_or_default()
}

fn registry(ground: &Ground) -> Fallible<Registry> {
    Registry::open(&ground.place.registry()).map_err(|problem| fault(&problem, ""))
}

/// Takes in what the sources of a pipeline's datasets hold now, as an apply would: a run that nobody starts is to learn
/// from the data of its day. Data that is not as expected ends the run before it begins, and the versions stay.
pub(crate) fn refresh(ground: &Ground, identity: &str, reporter: &dyn Reporter) -> Fallible<()> {
    let document = ground.place.get(identity)?;
    let mut fresh = BTreeSet::new();
    for name in datasets_of(&document.config) {
        refresh_dataset(ground, &name, &mut fresh, reporter)?;
    }
    Ok(())
}

/// What a plan saw of a dataset's sources binds an apply; where nobody planned it is the present that counts.
const SEEN: [&str; 3] = ["source_digest", "source_mark", "upstream"];

/// A new version of a dataset, of what it is made from first.
fn refresh_dataset(
    ground: &Ground,
    name: &str,
    fresh: &mut BTreeSet<String>,
    reporter: &dyn Reporter,
) -> Fallible<()> {
    if !fresh.insert(name.to_owned()) {
        return Ok(());
    }
    let identity = format!("datasets/{name}");
    let Found::Document(before) = ground.place.find(&identity)? else { return Ok(()) };
    let listed = |field: &str| before.config.field(field).and_then(KnownValue::as_list).unwrap_or_default();
    for upstream in listed("sources").iter().filter_map(|source| text(source, "dataset")) {
        refresh_dataset(ground, upstream, fresh, reporter)?;
    }
    let Some(handler) = handler(&before.kind) else { return Ok(()) };
    if listed("sources").is_empty() && listed("outside").is_empty() {
        return Ok(());
    }
    let _lock = holds::changing(&ground.place)?;
    let mut config = before.config.as_object().cloned().unwrap_or_default();
    SEEN.iter().for_each(|field| drop(config.remove(*field)));
    let resolved =
        handler.realise(ground, Some(&before), &KnownValue::Object(config.clone().into()), reporter)?;
    if resolved == before.resolved {
        return Ok(());
    }
    for field in SEEN {
        let found = resolved.get(field).filter(|found| !found.is_null());
        if let Some(Ok(found)) = found.map(KnownValue::from_json) {
            config.insert(field.into(), found);
        }
    }
    let after = Document::new(&ground.target, &before.kind, KnownValue::Object(config.into()), resolved);
    ground.place.put(&identity, &after)
}

fn datasets_of(config: &KnownValue) -> Vec<String> {
    let mut found: Vec<String> = text(config, "input").map(str::to_owned).into_iter().collect();
    let steps = config.field("step").and_then(KnownValue::as_object);
    let inputs = steps
        .into_iter()
        .flat_map(|steps| steps.values())
        .filter_map(|step| step.field("inputs")?.as_object());
    let bound = inputs.flat_map(|inputs| inputs.values().filter_map(|bound| text(bound, "dataset")));
    found.extend(bound.map(str::to_owned));
    found.sort();
    found.dedup();
    found
}

/// Where a run comes from that has not ended: as its process wrote down when it began.
fn begun_by(ground: &Ground, holds: &[(PathBuf, holds::Hold)], report: &RunReport) -> Origin {
    let same = |hold: &holds::Hold| {
        let what = ground.place.find(&hold.what);
        let is_it = |document: &Document| document.address() == report.pipeline;
        hold.runner == report.runner && matches!(what, Ok(Found::Document(document)) if is_it(&document))
    };
    holds.iter().find(|(_, hold)| same(hold)).map(|(_, hold)| hold.origin.clone()).unwrap_or_default()
}

/// Ends what is left of runs whose process is gone, and remembers that they were interrupted.
pub(crate) fn recover(ground: &Ground) -> Fallible<()> {
    // Who asked for them is worth less than that their processes are ended.
    let holds = holds::all(&ground.place).unwrap_or_default();
    for (path, _) in reports(ground).into_iter().filter(|(_, report)| report.is_abandoned()) {
        let closed = close_abandoned(&path).map_err(|problem| fault(&problem, ""))?;
        let Some(report) = closed else { continue };
        let record = RunRecord {
            id: report.run_id.clone(),
            pipeline: report.pipeline.clone(),
            status: "interrupted".to_owned(),
            started: time::rfc3339(report.started),
            ended: report.ended.map(time::rfc3339),
            params: json!(report.params),
            metrics: json!({}),
            steps: json!({}),
        };
        let origin = begun_by(ground, &holds, &report);
        let registry = registry(ground)?;
        let kept = registry.record_run(&record).and_then(|()| registry.record_origin(&record.id, &origin));
        kept.map_err(|problem| fault(&problem, &report.pipeline))?;
    }
    Ok(())
}

/// The records of runs in their directories.
pub(crate) fn reports(ground: &Ground) -> Vec<(PathBuf, RunReport)> {
    let paths = holds::files(&ground.place.runs());
    paths
        .into_iter()
        .filter_map(|path| RunReport::read(&path).ok().flatten().map(|report| (path, report)))
        .collect()
}

/// Whether a run of a pipeline goes on, in whichever process.
pub(crate) fn is_running(ground: &Ground, pipeline: &str) -> bool {
    let going = |report: &RunReport| report.status == RunStatus::Running && report.runner.is_alive();
    reports(ground).iter().any(|(_, report)| report.pipeline == pipeline && going(report))
}

/// The runs there have been, newest first.
pub(crate) fn list(ground: &Ground, address: Option<&str>, limit: u32) -> Fallible<Vec<RunEntry>> {
    let failed = |problem: mlp_floor::Problem| fault(&problem, address.unwrap_or_default());
    let mut found: BTreeMap<String, RunEntry> = BTreeMap::new();
    let holds = holds::all(&ground.place)?;
    for (_, report) in reports(ground).into_iter().filter(|(_, report)| report.status == RunStatus::Running) {
        let status = if report.runner.is_alive() { "running" } else { "interrupted" };
        let origin = begun_by(ground, &holds, &report);
        let until = report.ended.unwrap_or_else(time::now_ms);
        let entry = RunEntry {
            run: report.run_id.clone(),
            id: report.pipeline,
            status: status.to_owned(),
            started: time::rfc3339(report.started),
            seconds: seconds(until.saturating_sub(report.started)),
            why: String::new(),
            who: origin.who,
            cause: origin.cause,
        };
        found.insert(report.run_id, entry);
    }
    if ground.place.registry().is_file() {
        let registry = registry(ground)?;
        for run in registry.runs(address, limit).map_err(failed)? {
            let origin = registry.origin(&run.id).map_err(failed)?.unwrap_or_default();
            let ended = run.ended.as_deref().and_then(time::parse);
            let took = ended.zip(time::parse(&run.started)).map(|(end, start)| end.saturating_sub(start));
            let entry = RunEntry {
                why: why(&run),
                run: run.id.clone(),
                id: run.pipeline,
                status: run.status,
                started: run.started,
                seconds: seconds(took.unwrap_or_default()),
                who: origin.who,
                cause: origin.cause,
            };
            found.insert(run.id, entry);
        }
    }
    let mut found: Vec<RunEntry> =
        found.into_values().filter(|entry| address.is_none_or(|address| entry.id == address)).collect();
    found.sort_by(|a, b| (&b.started, &b.run).cmp(&(&a.started, &a.run)));
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found)
}

fn seconds(ms: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "seconds for people")]
    let seconds = ms as f64 / 1000.0;
    seconds
}

#[cfg(test)]
mod tests {
    use mlp_provider::Session;

    use super::*;
    use crate::fixture::{Deaf, Fixture, PIPELINE};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_run_whose_process_is_gone_is_recognised() {
        let fixture = Fixture::new(json!({})).await;
        let whole = carry_out(&fixture.ground, &fixture.request(), "", &Deaf).await.unwrap();
        let path = fixture.ground.place.runs().join("20260101T000000Z-dead");
        std::fs::create_dir_all(&path).unwrap();
        let mut report = serde_json::to_value(
            RunReport::read(&fixture.ground.place.runs().join(&whole.run)).unwrap().unwrap(),
        )
        .unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        report["run_id"] = json!("20260101T000000Z-dead");
        report["status"] = json!("running");
        report["runner"] = json!({ "pid": child.id(), "started_ticks": 1 });
        child.wait().unwrap();
        std::fs::write(path.join("run.json"), report.to_string()).unwrap();
        assert!(!is_running(&fixture.ground, "pipeline.train"));
        let statuses = || {
            let runs = list(&fixture.ground, Some("pipeline.train"), 10).unwrap();
            runs.into_iter().map(|run| (run.run, run.status)).collect::<BTreeMap<_, _>>()
        };
        let expected = BTreeMap::from([
            ("20260101T000000Z-dead".to_owned(), "interrupted".to_owned()),
            (whole.run.clone(), "succeeded".to_owned()),
        ]);
        assert_eq!(statuses(), expected);
        recover(&fixture.ground).unwrap();
        assert_eq!(statuses(), expected);
        let kept = fixture.registry().run("20260101T000000Z-dead").unwrap().unwrap();
        assert_eq!(kept.status, "interrupted");
        let entry = list(&fixture.ground, None, 10).unwrap().into_iter().find(|run| run.run == whole.run);
        assert_eq!(entry.unwrap().who, "ana");
        assert_eq!(list(&fixture.ground, None, 1).unwrap().len(), 1);
        assert!(list(&fixture.ground, Some("pipeline.other"), 10).unwrap().is_empty());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_triggered_run_learns_from_the_data_of_its_day_or_does_not_begin() {
        let fixture = Fixture::new(json!({})).await;
        let data = fixture.project().join("d.csv");
        std::fs::write(&data, "id,x\n1,2\n").unwrap();
        let config = json!({
            "address": "dataset.d", "version": "content", "sources": [{ "path": "d.csv" }],
            "schema": { "id": { "type": "integer" }, "x": { "type": "integer", "min": 0 } },
        });
        fixture.put("local_dataset", "datasets/d", KnownValue::from_json(&config).unwrap()).await;
        let mut pipeline = fixture.ground.place.get(PIPELINE).unwrap();
        let step = json!({ "a": { "inputs": { "data": { "dataset": "d", "type": "table" } } } });
        let config = json!({ "address": "pipeline.train", "step": step });
        pipeline.config = KnownValue::from_json(&config).unwrap();
        fixture.ground.place.put(PIPELINE, &pipeline).unwrap();
        let dataset = || fixture.ground.place.get("datasets/d").unwrap();
        let first = dataset();
        refresh(&fixture.ground, PIPELINE, &Deaf).unwrap();
        assert_eq!(dataset().resolved, first.resolved, "the same data is the same version");

        std::fs::write(&data, "id,x\n1,2\n2,3\n").unwrap();
        refresh(&fixture.ground, PIPELINE, &Deaf).unwrap();
        let second = dataset();
        assert_ne!(second.resolved["version"], first.resolved["version"]);
        assert_eq!(second.resolved["rows"], 2);
        assert!(second.is_untouched());
        let digest = second.config.field("source_digest").and_then(KnownValue::as_text);
        assert_eq!(digest, second.resolved["source_digest"].as_str(), "a plan finds it as the data is");

        std::fs::write(&data, "id,x\n1,-2\n").unwrap();
        let refused = refresh(&fixture.ground, PIPELINE, &Deaf).unwrap_err();
        assert_eq!(refused.diagnostic.subject.as_ref().unwrap().address, "dataset.d");
        assert_eq!(dataset(), second, "nothing half-made");
        assert!(fixture.session.runs(None, 10).await.unwrap().unwrap().is_empty());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_triggered_run_reads_what_lies_outside_and_what_is_made_of_it() {
        let fixture = Fixture::new(json!({})).await;
        let insert = |sql: &str| {
            let script =
                "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1])\nc.executescript(sys.argv[2])";
            let file = fixture.project().join("shop.db");
            let done = std::process::Command::new("python3").args(["-c", script]).arg(file).arg(sql).status();
            assert!(done.unwrap().success());
        };
        insert("CREATE TABLE a (id INTEGER, at TEXT); INSERT INTO a VALUES (1, '2026-01-01')");
        let tables = json!([{ "name": "a", "cursor": "at" }]);
        let config = json!({
            "address": "dataset.a", "version": "content",
            "outside": [{ "kind": "sqlite", "source": "source.shop", "uri": "shop.db", "tables": tables }],
        });
        fixture.put("local_dataset", "datasets/a", KnownValue::from_json(&config).unwrap()).await;
        let config = json!({ "address": "dataset.b", "version": "content", "sources": [{ "dataset": "a" }] });
        fixture.put("local_dataset", "datasets/b", KnownValue::from_json(&config).unwrap()).await;
        let mut pipeline = fixture.ground.place.get(PIPELINE).unwrap();
        let step = json!({ "s": { "inputs": { "data": { "dataset": "b", "type": "table" } } } });
        let config = json!({ "address": "pipeline.train", "step": step });
        pipeline.config = KnownValue::from_json(&config).unwrap();
        fixture.ground.place.put(PIPELINE, &pipeline).unwrap();
        let dataset = |name: &str| fixture.ground.place.get(&format!("datasets/{name}")).unwrap();
        let first = (dataset("a"), dataset("b"));
        refresh(&fixture.ground, PIPELINE, &Deaf).unwrap();
        assert_eq!((dataset("a").resolved, dataset("b").resolved), (first.0.resolved, first.1.resolved));

        insert("INSERT INTO a VALUES (2, '2026-01-02')");
        refresh(&fixture.ground, PIPELINE, &Deaf).unwrap();
        for name in ["a", "b"] {
            assert_eq!(dataset(name).resolved["rows"], 2, "dataset.{name}");
        }
        let mark = dataset("a").config.field("source_mark").cloned().unwrap();
        assert_eq!(mark.as_text(), dataset("a").resolved["source_mark"].as_str());
        let upstream = dataset("b").config.field("upstream").map(KnownValue::to_plain_json);
        assert_eq!(upstream.as_ref(), Some(&dataset("b").resolved["upstream"]));
    }
}
