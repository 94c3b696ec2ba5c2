//! The churn examples from nothing to a running platform and back, through the program as a person runs it: one in plain
//! python3, one with pandas, scikit-learn and Parquet. What holds for one holds for the other.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use support::http::Client;
use support::{Output, Project, files, processes};

const ROW: &str = r#"{"rows": [{"tenure_months": 3, "plan": "premium", "monthly_charge": 82.5, "support_calls": 5, "satisfaction": 2.1, "autopay": false}]}"#;

/// Each of these on both examples.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod plain {
            $(#[test] fn $test() { super::$test(&super::Project::example("churn")); })*
        }
        mod sklearn {
            $(#[test] fn $test() { super::$test(&super::Project::example("churn-sklearn")); })*
        }
    };
}

on_both!(
    from_nothing_to_a_running_platform_and_back,
    an_edit_shows_alone_and_drift_is_put_right,
    where_nothing_can_be_learned_nothing_is_promoted,
    the_second_environment_differs_in_three_values,
    nothing_is_made_without_a_yes,
);

fn up(project: &Project) -> Output {
    project.mlp(&["up", "-e", "local", "--auto-approve"]).ended(0)
}

fn apply(project: &Project) -> Output {
    project.mlp(&["apply", "-e", "local", "-auto-approve"]).ended(0)
}

/// Fails unless a plan finds nothing to do.
#[track_caller]
fn nothing_to_do(project: &Project) {
    project.mlp(&["plan", "-e", "local", "-detailed-exitcode"]).ended(0).says("No changes.");
}

/// The changes of a plan as JSON, by address.
fn changes(project: &Project) -> BTreeMap<String, Json> {
    let json = project.mlp(&["plan", "-e", "local", "--json"]).ended(0).json();
    let all = json["resource_changes"].as_array().unwrap().clone();
    all.into_iter()
        .filter(|change| change["action"] != "no_op")
        .map(|change| (change["address"].to_string().trim_matches('"').to_owned(), change))
        .collect()
}

/// The `detail` of a resource in the status.
fn detail(project: &Project, address: &str) -> Json {
    let json = project.mlp(&["status", "-e", "local", "--json"]).ended(0).json();
    let all = json["resources"].as_array().unwrap();
    let named = |one: &&Json| one["id"].to_string().contains(address);
    all.iter().find(named).unwrap_or_else(|| panic!("{address} is not in {json}"))["detail"].clone()
}

/// Versions of the model: the aliases and the metrics of each.
fn versions(project: &Project) -> Vec<(u64, Vec<String>, Json)> {
    let detail = detail(project, "model.churn");
    let all = detail["versions"].as_array().unwrap_or_else(|| panic!("no versions in {detail}"));
    let names = |one: &Json| {
        one["aliases"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    all.iter().map(|one| (one["version"].as_u64().unwrap(), names(one), one["metrics"].clone())).collect()
}

fn version_named(project: &Project, alias: &str) -> (u64, f64) {
    let all = versions(project);
    let found = all.iter().find(|(_, aliases, _)| aliases.iter().any(|name| name == alias));
    let (number, _, metrics) = found.unwrap_or_else(|| panic!("no version is named {alias}: {all:?}"));
    (*number, number_below(metrics, "auc").unwrap_or_else(|| panic!("no auc in {metrics}")))
}

/// The first number with this name, however deep it stands.
fn number_below(json: &Json, name: &str) -> Option<f64> {
    match json {
        Json::Object(items) => items
            .get(name)
            .and_then(Json::as_f64)
            .or_else(|| items.values().find_map(|item| number_below(item, name))),
        Json::Array(items) => items.iter().find_map(|item| number_below(item, name)),
        _ => None,
    }
}

/// The curl command of an output, over as many lines as its quotes are open.
fn curl_line(text: &str) -> String {
    let mut lines = text.lines().skip_while(|line| !line.trim_start().starts_with("curl "));
    let mut found = String::new();
    for line in &mut lines {
        found.push_str(line.trim_start());
        if found.matches('\'').count().is_multiple_of(2) && !found.ends_with('\\') {
            return found;
        }
        found.push('\n');
    }
    panic!("no whole curl line in:\n{text}");
}

/// Asks until the answer is yes, or an attempt too many was made.
#[track_caller]
fn eventually(what: &str, mut ask: impl FnMut() -> bool) {
    let began = Instant::now();
    while !ask() {
        assert!(began.elapsed() < Duration::from_secs(120), "{what} does not come about");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn answers(project: &Project) -> Option<Json> {
    let (status, body) = Client::connect(project.ports[0]).ok()?.post("/v1/predict", ROW).ok()?;
    (status == 200).then(|| serde_json::from_str(&body).unwrap())
}

/// The worker processes of the endpoint.
fn replicas(project: &Project) -> Vec<processes::Process> {
    project
        .running()
        .into_iter()
        .filter(|one| one.environment.lines().any(|line| line.starts_with("MLP_REPLICA=")))
        .collect()
}

/// The objects of the datasets' snapshots, largest first.
fn objects(project: &Project) -> Vec<std::path::PathBuf> {
    let mut found = files(&project.home("local").join("data/objects"), "");
    found.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).unwrap().len()));
    found
}

fn from_nothing_to_a_running_platform_and_back(project: &Project) {
    let first = up(project).says("auc");
    let url = format!("http://127.0.0.1:{}", project.ports[0]);
    assert!(first.stdout.contains(&url), "{first}");

    // The line that it ends with works when pasted.
    let answer = project.paste(&curl_line(&first.stdout)).ended(0);
    let predictions = answer.json()["predictions"].as_array().cloned().unwrap_or_default();
    assert!(!predictions.is_empty(), "{answer}");

    // Nothing changed, and it says so.
    up(project).says("No changes.");
    nothing_to_do(project);
    assert!(changes(project).is_empty());

    two_variants_are_two_versions(project);
    the_traffic_is_split_as_written(project);
    the_batch_endpoint_wrote_predictions(project);
    a_dead_replica_is_restarted(project);
    destroying_leaves_nothing_that_runs(project);
}

fn two_variants_are_two_versions(project: &Project) {
    let (champion, auc) = version_named(project, "champion");
    let (baseline, other) = version_named(project, "baseline");
    assert_ne!(champion, baseline);
    assert!((auc - other).abs() > 1e-6, "both have an AUC of {auc}");
    assert!(auc >= 0.75, "the champion's AUC is {auc}");
    let (challenger, _) = version_named(project, "challenger");
    assert_eq!(challenger, champion, "the gate let the challenger through");
}

fn the_traffic_is_split_as_written(project: &Project) {
    const REQUESTS: usize = 5000;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let mut client = Client::connect(project.ports[0]).unwrap();
    for _ in 0..REQUESTS {
        let (status, body) = client.post("/v1/predict", ROW).unwrap();
        assert_eq!(status, 200, "{body}");
        let answer: Json = serde_json::from_str(&body).unwrap();
        let variant = answer["variant"].as_str().unwrap().to_owned();
        seen.insert(variant.clone(), answer["version"].as_u64().unwrap());
        *counts.entry(variant).or_default() += 1;
    }
    for (variant, percent) in [("stable", 80.0), ("baseline", 20.0)] {
        let share = 100.0 * *counts.get(variant).unwrap_or(&0) as f64 / REQUESTS as f64;
        assert!(
            (share - percent).abs() <= 2.0,
            "{variant} answered {share} % of the requests, not {percent} %"
        );
    }
    let expected = [
        ("stable", version_named(project, "champion").0),
        ("baseline", version_named(project, "baseline").0),
    ];
    assert_eq!(seen, expected.map(|(name, version)| (name.to_owned(), version)).into());
}

fn the_batch_endpoint_wrote_predictions(project: &Project) {
    let before = objects(project).len();
    project.mlp(&["run", "endpoint.churn_nightly", "-e", "local"]).ended(0).says("6000");
    let after = objects(project).len();
    assert!(after > before || before > 1, "no predictions were written: {after} objects");
    // What a run wrote is no change that a plan would want to undo.
    nothing_to_do(project);
}

fn a_dead_replica_is_restarted(project: &Project) {
    let before = replicas(project);
    assert_eq!(before.len(), 2, "{before:?}");
    let victim = before[0].pid;
    processes::kill(victim);
    eventually("a new replica", || {
        let now = replicas(project);
        now.len() == 2 && now.iter().all(|one| one.pid != victim)
    });
    eventually("an answer after the restart", || answers(project).is_some());
    eventually("a plan without changes after the restart", || {
        project.mlp(&["plan", "-e", "local", "-detailed-exitcode"]).code == Some(0)
    });
}

fn destroying_leaves_nothing_that_runs(project: &Project) {
    let said = project.mlp(&["destroy", "-e", "local", "-auto-approve"]).ended(0).says("model.churn");
    assert!(
        said.all().contains("iB") || said.all().contains("MB") || said.all().contains("kB"),
        "no sizes in {said}"
    );
    eventually("the end of all processes", || project.running().is_empty());
    assert!(Client::connect(project.ports[0]).is_err(), "something still listens");
    project.mlp(&["destroy", "-e", "local", "-auto-approve"]).ended(0).says("nothing to destroy");
}

fn an_edit_shows_alone_and_drift_is_put_right(project: &Project) {
    up(project);

    // One edited line: one change, with both values and the line it comes from.
    let line = project.line_of("rounds = 120");
    project.edit("rounds = 120", "rounds = 60");
    let plan = project.mlp(&["plan", "-e", "local", "-detailed-exitcode"]).ended(2);
    let plan = plan.says("120").says("60").says(&format!("main.mlp:{line}")).says("pipeline.train");
    plan.says("Plan: 0 to add, 1 to change, 0 to destroy");
    assert_eq!(changes(project).into_keys().collect::<Vec<_>>(), ["pipeline.train"]);
    project.mlp(&["plan", "-e", "local"]).ended(0);
    // Nobody can be asked here, so nothing is approved.
    let declined = project.mlp(&["apply", "-e", "local"]);
    assert!(matches!(declined.code, Some(1 | 13)), "{declined}");
    apply(project);
    nothing_to_do(project);

    a_plan_is_stale_after_another_apply(project);
    edited_data_is_a_new_version(project);
    a_snapshot_changed_behind_its_back_is_put_right(project);
    what_is_protected_stays(project);
    what_is_kept_stays_and_is_named(project);
}

fn a_plan_is_stale_after_another_apply(project: &Project) {
    project.edit("traffic = 20", "traffic = 30");
    project.mlp(&["plan", "-e", "local", "-out", "saved.plan"]).ended(0);
    let before: Vec<u32> = replicas(project).iter().map(|one| one.pid).collect();
    project.mlp(&["apply", "-e", "local", "saved.plan"]).ended(0);
    let after: Vec<u32> = replicas(project).iter().map(|one| one.pid).collect();
    assert_eq!(before, after, "a weight restarts no process");
    project.mlp(&["apply", "-e", "local", "saved.plan"]).ended(12);
    nothing_to_do(project);
}

fn edited_data_is_a_new_version(project: &Project) {
    let before = detail(project, "dataset.customers")["version"].clone();
    let path = project.directory().join("data/customers.csv");
    let text = fs::read_to_string(&path).unwrap();
    let (rest, last) = text.trim_end().rsplit_once('\n').unwrap();
    fs::write(
        &path,
        format!("{rest}\n{last}\n{}\n", last.replacen(last.split(',').next().unwrap(), "C-edited", 1)),
    )
    .unwrap();
    let found = changes(project);
    assert!(found.contains_key("dataset.customers"), "{found:?}");
    apply(project);
    let after = detail(project, "dataset.customers")["version"].clone();
    assert!(before.is_string() && after.is_string() && before != after, "{before} {after}");
    nothing_to_do(project);
}

fn a_snapshot_changed_behind_its_back_is_put_right(project: &Project) {
    for damage in ["deleted", "edited"] {
        let before = objects(project);
        for object in &before {
            // Snapshots are kept read-only.
            let mut permissions = fs::metadata(object).unwrap().permissions();
            #[expect(
                clippy::permissions_set_readonly_false,
                reason = "the file is thrown away with its directory"
            )]
            permissions.set_readonly(false);
            fs::set_permissions(object, permissions).unwrap();
            if damage == "deleted" {
                fs::remove_file(object).unwrap();
            } else {
                fs::write(object, "edited by hand\n").unwrap();
            }
        }
        let plan = project.mlp(&["plan", "-e", "local", "-detailed-exitcode"]).ended(2);
        plan.says("Changed outside mlp").says("dataset.customers");
        apply(project);
        nothing_to_do(project);
    }
}

fn what_is_protected_stays(project: &Project) {
    project.edit(
        "  version = \"content\"\n",
        "  version = \"content\"\n  lifecycle {\n    protect = true\n  }\n",
    );
    apply(project);
    project
        .mlp(&["destroy", "-e", "local", "-auto-approve"])
        .ended(1)
        .says("dataset.customers")
        .says("protect");
    assert!(answers(project).is_some(), "a refused destroy ends nothing");
}

fn what_is_kept_stays_and_is_named(project: &Project) {
    project.edit("    protect = true\n", "    on_destroy = \"keep\"\n");
    apply(project);
    let before = objects(project);
    project
        .mlp(&["destroy", "-e", "local", "-auto-approve"])
        .ended(0)
        .says("stays")
        .says("dataset.customers");
    let after = objects(project);
    assert!(!after.is_empty() && after.iter().all(|path| before.contains(path)), "{after:?}");
    eventually("the end of all processes", || project.running().is_empty());
}

fn where_nothing_can_be_learned_nothing_is_promoted(project: &Project) {
    up(project);
    let (champion, _) = version_named(project, "champion");
    let run = project.mlp(&["run", "pipeline.train", "-e", "local", "-param", "shuffle_labels=true"]);
    run.ended(11).says("learned_something");
    assert_eq!(version_named(project, "champion").0, champion);
    assert!(answers(project).is_some());

    // Without the check, it is the gate that refuses.
    let text = project.text();
    let start = text.find("check \"learned_something\"").unwrap();
    let end = start + text[start..].find("\n}\n").unwrap() + 3;
    project.edit(&text[start..end], "");
    apply(project);
    let run =
        project.mlp(&["run", "pipeline.train", "-e", "local", "-param", "shuffle_labels=true", "-fresh"]);
    run.ended(11).says("good_enough");
    assert_eq!(version_named(project, "champion").0, champion);
}

/// All attributes with where they come from the environment, of a plan from nothing.
fn planned(project: &Project, environment: &str) -> BTreeMap<String, Json> {
    let json = project.mlp(&["plan", "-e", environment, "--json"]).ended(0).json();
    let all = json["resource_changes"].as_array().unwrap().clone();
    all.into_iter().map(|change| (change["address"].to_string(), change["change"]["after"].clone())).collect()
}

fn the_second_environment_differs_in_three_values(project: &Project) {
    let (local, dev) = (planned(project, "local"), planned(project, "dev"));
    assert_eq!(local.keys().collect::<Vec<_>>(), dev.keys().collect::<Vec<_>>());
    let different: Vec<&str> = local
        .iter()
        .filter(|(address, after)| dev[*address] != **after)
        .map(|(address, _)| address.trim_matches('"'))
        .collect();
    // The endpoint waits for its models in both, so its port is seen once it runs.
    assert_eq!(different, ["dataset.customers", "pipeline.train"]);
    let plan = project.mlp(&["plan", "-e", "dev"]).ended(0);
    plan.says("= 3000").says("= 40").says("environment.dev, main.mlp:");
    project.mlp(&["up", "-e", "dev", "-auto-approve"]).ended(0).says("3000 rows");
    let (status, body) = Client::connect(project.ports[1]).unwrap().post("/v1/predict", ROW).unwrap();
    assert_eq!(status, 200, "{body}");
    assert!(Client::connect(project.ports[0]).is_err(), "the other environment is not up");
}

fn nothing_is_made_without_a_yes(project: &Project) {
    let declined = project.mlp(&["up", "-e", "local"]);
    assert!(matches!(declined.code, Some(1 | 13)), "{declined}");
    assert!(project.running().is_empty());
    assert!(!project.directory().join("data/customers.csv").exists());
}
