//! The loop without a terminal: triggers, gates, rollbacks and holds, carried out by the supervisor through the program as a
//! person starts it. No test waits for a schedule: the record of what was answered is set back, as after a long absence.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};
use support::{Project, processes};

const RECORD: &str = "triggers/pipelines/train.json";

/// Adds a line to the pipeline that trains.
fn with_line(project: &Project, line: &str) {
    project.edit("  params   = { rounds = 120", &format!("{line}\n  params   = {{ rounds = 120"));
}

#[track_caller]
fn eventually(what: &str, mut ask: impl FnMut() -> bool) {
    let began = Instant::now();
    while !ask() {
        assert!(began.elapsed() < Duration::from_secs(120), "{what} does not come about");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn json(project: &Project, arguments: &[&str]) -> Json {
    let arguments: Vec<&str> = arguments.iter().copied().chain(["-e", "local", "--json"]).collect();
    project.mlp(&arguments).ended(0).json()
}

/// The version an alias names.
fn named(project: &Project, alias: &str) -> u64 {
    let shown = json(project, &["show", "model.churn"]);
    shown["shown"]["aliases"][alias]["now"]["version"]
        .as_u64()
        .unwrap_or_else(|| panic!("no {alias} in {shown}"))
}

/// Ends the supervisor as a crash or a reboot would, and lets it have been away for long.
fn absence(project: &Project) {
    absence_from(project, &[(RECORD, "yearly")]);
}

/// The same for triggers of these records and labels.
fn absence_from(project: &Project, triggers: &[(&str, &str)]) {
    processes::kill(supervisor(project));
    set_back(project, triggers);
}

/// Lets a year have passed since triggers were looked at last.
fn set_back(project: &Project, triggers: &[(&str, &str)]) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let year = 366 * 24 * 3_600_000;
    for (path, label) in triggers {
        let path = project.home("local").join(path);
        let mut record: Json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let memory = &mut record["schedules"][label];
        memory["until"] = json!(u64::try_from(now).unwrap() - year);
        memory["answered"] = json!([]);
        fs::write(&path, record.to_string()).unwrap();
    }
}

/// The runs that the trigger started and that ended.
fn triggered(project: &Project) -> usize {
    let runs = json(project, &["runs", "pipeline.train"])["runs"].clone();
    let ours = |run: &&Json| run["cause"].as_str().unwrap().contains("yearly") && run["status"] != "running";
    runs.as_array().unwrap().iter().filter(ours).count()
}

#[test]
fn what_can_be_no_trigger_is_refused_on_its_line() {
    let cases: &[(&str, &[&str])] = &[
        ("trigger = { cron = \"0 25 * * *\" }", &["MLP0306", "five fields of cron"]),
        ("trigger = { cron = \"every monday\" }", &["MLP0306", "five fields of cron"]),
        ("trigger = { cron = \"0 0 30 2 *\" }", &["MLP0850", "no date fulfils it"]),
        ("trigger = { cron = \"0 3 * * *\", timezone = \"Europa/Berlin\" }", &["MLP0306", "Europe/Berlin"]),
        ("trigger = { catch_up = \"last\" }", &["MLP0850", "needs `cron` or `dataset`"]),
        ("trigger = { cron = \"@daily\", rows = 5 }", &["MLP0850", "has a schedule"]),
        ("trigger = { cron = \"@daily\", dataset = dataset.customers }", &["MLP0850", "not both"]),
        ("trigger = { dataset = dataset.nobody }", &["nobody"]),
    ];
    let project = Project::churn();
    let mut before = String::new();
    for (line, words) in cases {
        if before.is_empty() {
            with_line(&project, line);
        } else {
            project.edit(&before, line);
        }
        before = (*line).to_owned();
        let said = project.mlp(&["plan", "-e", "local"]).ended(1);
        let said = said.says(&format!("main.mlp:{}", project.line_of("trigger = {")));
        words.iter().fold(said, |said, words| said.says(words));
    }
}

#[test]
fn a_development_environment_pauses_what_it_would_start() {
    let project = Project::churn();
    with_line(&project, "  trigger \"yearly\" {\n    cron = \"0 3 1 1 *\"\n  }");
    let plan =
        |project: &Project| project.mlp(&["plan", "-e", "local", "--json"]).ended(0).json().to_string();
    assert!(!plan(&project).contains("\"paused\":true"));
    let text = project.text();
    let start = text.find("environment \"local\" {").unwrap();
    let line = text[start..].lines().next().unwrap().to_owned();
    project.edit(&line, &format!("{line}\n  mode = \"development\""));
    assert!(plan(&project).contains("\"paused\":true"));
}

/// The process of the supervisor.
fn supervisor(project: &Project) -> u32 {
    let status = fs::read(project.directory().join(".mlp/supervisor/status.json")).unwrap();
    let status: Json = serde_json::from_slice(&status).unwrap();
    u32::try_from(status["pid"].as_u64().unwrap()).unwrap()
}

#[test]
fn a_supervisor_that_dies_in_the_middle_of_a_run_leaves_it_to_the_next() {
    let project = Project::churn();
    let trigger = "  trigger \"yearly\" {\n    cron     = \"0 3 1 1 *\"\n    catch_up = \"last\"\n  }";
    with_line(&project, trigger);
    project.mlp(&["up", "-e", "local", "--auto-approve"]).ended(0);
    eventually("a record of the trigger", || project.home("local").join(RECORD).exists());
    let go = project.directory().join("go");
    let wait = format!("until [ -e {} ]; do sleep 0.1; done; python3 fit_stumps.py --train", go.display());
    project.edit("python3 fit_stumps.py --train", &wait);
    project.mlp(&["apply", "-e", "local", "-auto-approve"]).ended(0);
    absence(&project);
    project.mlp(&["apply", "-e", "local", "-auto-approve"]).ended(0);
    let waiting = || -> Vec<u32> {
        let all = project.running().into_iter();
        all.filter(|one| one.command.contains("until [ -e")).map(|one| one.pid).collect()
    };
    eventually("a run without a command", || !waiting().is_empty());
    let (before, steps) = (supervisor(&project), waiting());
    processes::kill(before);
    project.mlp(&["apply", "-e", "local", "-auto-approve"]).ended(0);
    eventually("another attempt, and nothing of the first", || {
        let now = waiting();
        !now.is_empty() && now.iter().all(|pid| !steps.contains(pid))
    });
    assert_ne!(supervisor(&project), before);
    fs::write(go, "").unwrap();
    eventually("the end of the run", || triggered(&project) == 2);
    let runs = json(&project, &["runs", "pipeline.train"])["runs"].clone();
    let statuses: Vec<&str> =
        runs.as_array().unwrap().iter().map(|run| run["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["succeeded", "interrupted", "succeeded"]);
    // Both of them were the trigger's: the one that was cut short and the one that made up for it.
    let caused = |at: usize| runs[at]["cause"].as_str().unwrap().contains("yearly");
    assert!(caused(0) && caused(1) && !caused(2), "{runs}");
}

#[test]
fn the_supervisor_retrains_and_a_rollback_survives_it() {
    let project = Project::churn();
    with_line(
        &project,
        "  trigger \"yearly\" {\n    cron     = \"0 3 1 1 *\"\n    timezone = \"Europe/Berlin\"\n    catch_up = \"last\"\n  }",
    );
    let batch = "  trigger = { cron = \"@yearly\", catch_up = \"last\" }";
    project.edit("  input  = dataset.customers", &format!("{batch}\n  input  = dataset.customers"));
    project.mlp(&["up", "-e", "local", "--auto-approve"]).ended(0).says("yearly (0 3 1 1 * Europe/Berlin)");
    let first = named(&project, "champion");
    eventually("a record of the trigger", || project.home("local").join(RECORD).exists());
    absence(&project);
    project.mlp(&["status", "-e", "local"]).ended(0).says("missed 1").says("nobody watches");
    project.mlp(&["plan", "-e", "local", "-detailed-exitcode"]).ended(2).says("scheduled");

    // Any apply brings the supervisor back, and it makes up for what was missed.
    project.mlp(&["apply", "-e", "local", "-auto-approve"]).ended(0);
    eventually("a run without a command", || triggered(&project) == 1);
    let second = named(&project, "champion");
    assert!(second > first, "{second} {first}");
    let served = |project: &Project, version: u64| {
        let status = project.mlp(&["status", "-e", "local"]).ended(0);
        status.stdout.contains(&format!("stable 80 %  model.churn version {version}  1/1"))
    };
    eventually("the endpoint follows", || served(&project, second));
    eventually("a plan without changes", || {
        project.mlp(&["plan", "-e", "local", "-detailed-exitcode"]).code == Some(0)
    });

    let said = project.mlp(&["rollback", "model.churn", "-e", "local", "--why", "complaints"]).ended(0);
    said.says(&format!("from version {second} to {first}")).says("endpoint.churn follows");
    eventually("the endpoint goes back", || served(&project, first));
    project.mlp(&["status", "-e", "local"]).ended(0).says("champion is at version").says("complaints");

    absence_from(&project, &[(RECORD, "yearly"), ("triggers/batch/churn_nightly.json", "")]);
    project.mlp(&["apply", "-e", "local", "-auto-approve"]).ended(0);
    eventually("another run without a command", || triggered(&project) == 2);
    eventually("a batch without a command", || {
        let runs = json(&project, &["runs", "endpoint.churn_nightly"])["runs"].clone();
        runs.as_array()
            .unwrap()
            .iter()
            .any(|run| run["cause"].as_str().unwrap().contains("@yearly") && run["status"] == "succeeded")
    });
    assert_eq!(named(&project, "champion"), first);
    assert!(named(&project, "challenger") > second);
    project.mlp(&["show", "model.churn", "-e", "local"]).ended(0).says("the alias is held").says("back");

    project.mlp(&["rollback", "model.churn", "--release", "-e", "local"]).ended(0).says("released");
    project.mlp(&["run", "pipeline.train", "-e", "local"]).ended(0);
    assert!(named(&project, "champion") > second);
    project.mlp(&["rollback", "model.churn", "--to", "99", "-e", "local"]).ended(1).says("no version 99");
    project.mlp(&["rollback", "dataset.customers", "-e", "local"]).ended(1).says("MLP0930");

    // Data that changed is taken in by the run, and a plan has nothing to add to that.
    let version = |project: &Project| {
        let status = json(project, &["status"]);
        let all = status["resources"].as_array().unwrap();
        let named = all.iter().find(|one| one["id"].to_string().contains("dataset.customers"));
        named.unwrap()["detail"]["version"].as_str().unwrap().to_owned()
    };
    let before = version(&project);
    let path = project.directory().join("data/customers.csv");
    let text = fs::read_to_string(&path).unwrap();
    let last = text.trim_end().rsplit('\n').next().unwrap();
    let more = last.replacen(last.split(',').next().unwrap(), "C-new", 1);
    fs::write(&path, format!("{text}{more}\n")).unwrap();
    set_back(&project, &[(RECORD, "yearly")]);
    eventually("a run on the new data", || triggered(&project) == 3);
    assert_ne!(version(&project), before);
    project.mlp(&["plan", "-e", "local", "-detailed-exitcode"]).ended(0).says("No changes.");

    // What is collected is not needed: everything goes on.
    let dry = json(&project, &["gc", "--dry-run", "--grace", "0", "--keep-runs", "1"]);
    assert!(!dry["garbage"].as_array().unwrap().is_empty(), "{dry}");
    project.mlp(&["gc", "--grace", "0", "--keep-runs", "1", "-e", "local"]).ended(0).says("freed");
    eventually("a plan without changes", || {
        project.mlp(&["plan", "-e", "local", "-detailed-exitcode"]).code == Some(0)
    });
    project.mlp(&["run", "pipeline.train", "-e", "local"]).ended(0).says("cached");
}
