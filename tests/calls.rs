//! Three models that answer as one, through the program as a person runs it: each comes, goes and fails by itself.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use support::http::Client;
use support::{Project, processes};

fn project() -> Project {
    let project = Project::example("calls");
    project.edit("port    = 8092", &format!("port    = {}", project.ports[0]));
    project
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

/// The calls that no model was trained on: sound, and what they were about.
fn calls(project: &Project) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(project.directory().join("data/recordings.csv")).unwrap();
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let at = |name: &str| names.iter().position(|one| *one == name).unwrap();
    let rows = lines.map(|line| line.split(',').collect::<Vec<_>>());
    let test = rows.filter(|row| row[at("part")] == "test");
    test.map(|row| (row[at("audio")].to_owned(), row[at("topic")].to_owned())).collect()
}

fn ask(project: &Project, rows: &Json) -> (u16, Json) {
    let mut client = Client::connect(project.ports[0]).unwrap();
    let (status, body) = client.post("/v1/predict", &json!({ "rows": rows }).to_string()).unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

fn audio(calls: &[(String, String)]) -> Json {
    calls.iter().map(|(audio, _)| json!({ "audio": audio })).collect()
}

/// The worker of each node.
fn workers(project: &Project) -> BTreeMap<String, u32> {
    let variable = |one: &processes::Process, name: &str| {
        one.environment.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned))
    };
    let found = project.running().into_iter().filter_map(|one| {
        let replica = variable(&one, "MLP_REPLICA=")?;
        let node = replica.split('/').nth(1)?.rsplit_once('-')?.0.to_owned();
        Some((node.split(['-', '~']).next()?.to_owned(), one.pid))
    });
    found.collect()
}

#[test]
fn three_models_answer_as_one() {
    let project = project();
    let first = project.mlp(&["up", "-e", "local", "--auto-approve"]).ended(0).says("letter_accuracy");
    let line = first.stdout.lines().find(|line| line.trim_start().starts_with("curl ")).unwrap().to_owned();
    let pasted = project.paste(line.trim()).ended(0).json();
    assert!(pasted["predictions"][0]["topic"].is_string(), "{pasted}");
    project.mlp(&["plan", "-e", "local", "-detailed-exitcode"]).ended(0).says("No changes.");

    let calls = calls(&project);
    let (status, answer) = ask(&project, &audio(&calls));
    assert_eq!(status, 200, "{answer}");
    let right = (0..calls.len()).filter(|at| answer["predictions"][*at]["topic"] == calls[*at].1.as_str());
    let right = right.count();
    assert!(right * 10 >= calls.len() * 9, "{right} of {} topics are right", calls.len());
    for node in ["transcribe", "translate", "classify"] {
        assert_eq!(answer["nodes"][node], json!({"model": format!("model.{node}"), "version": 1}));
    }
    who_is_to_blame_is_said(&project);
    a_model_goes_over_by_itself(&project, &calls);
    what_was_answered_is_a_dataset(&project, calls.len());
    project.mlp(&["destroy", "-e", "local", "-auto-approve"]).ended(0);
    eventually("the end of all processes", || project.running().is_empty());
}

fn who_is_to_blame_is_said(project: &Project) {
    let (status, answer) = ask(project, &json!([{"audio": "no sound"}]));
    assert_eq!((status, &answer["error"]["node"]), (500, &json!("transcribe")), "{answer}");
    let (status, answer) = ask(project, &json!([{"sound": ""}]));
    assert_eq!((status, &answer["error"]["node"]), (500, &json!("transcribe")), "{answer}");
}

/// A new version of one model under load: no request fails, and the processes of the others stay what they are.
fn a_model_goes_over_by_itself(project: &Project, calls: &[(String, String)]) {
    let before = workers(project);
    assert_eq!(before.keys().collect::<Vec<_>>(), ["classify", "transcribe", "translate"]);
    let body = json!({ "rows": audio(&calls[..1]) }).to_string();
    let (ended, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let load: Vec<_> = (0..3)
        .map(|_| {
            let (ended, answered) = (Arc::clone(&ended), Arc::clone(&answered));
            let (port, body) = (project.ports[0], body.clone());
            std::thread::spawn(move || {
                let mut client = Client::connect(port).unwrap();
                while !ended.load(Ordering::Relaxed) {
                    let (status, body) = client.post("/v1/predict", &body).unwrap();
                    assert_eq!(status, 200, "{body}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    // Another seed for its data: another version of the classifier, and of nothing else.
    project.edit("--what tickets --rows 800 --seed 5", "--what tickets --rows 900 --seed 6");
    std::fs::remove_file(project.directory().join("data/tickets.csv")).unwrap();
    project.mlp(&["apply", "-e", "local", "-auto-approve"]).ended(0);
    let run = project.mlp(&["run", "pipeline.classify", "-e", "local"]).ended(0);
    run.says("passed gate knows");
    eventually("the second classifier", || {
        let (_, answer) = ask(project, &audio(&calls[..1]));
        answer["nodes"]["classify"]["version"] == 2
    });
    let seen = answered.load(Ordering::Relaxed);
    eventually("answers after the change", || answered.load(Ordering::Relaxed) > seen + 10);
    ended.store(true, Ordering::Relaxed);
    load.into_iter().for_each(|thread| thread.join().unwrap());
    eventually("the end of the first classifier", || {
        workers(project).get("classify").is_some_and(|pid| *pid != before["classify"])
    });
    let after = workers(project);
    assert_eq!((after["transcribe"], after["translate"]), (before["transcribe"], before["translate"]));
}

fn what_was_answered_is_a_dataset(project: &Project, calls: usize) {
    let rows = || {
        let json = project.mlp(&["status", "-e", "local", "--json"]).ended(0).json();
        let all = json["resources"].as_array().unwrap().clone();
        let found = all.into_iter().find(|one| one["id"].to_string().contains("dataset.answered")).unwrap();
        found["detail"]["rows"].as_u64().unwrap_or(0)
    };
    eventually("a version of what was answered", || rows() > calls as u64);
    project.mlp(&["plan", "-e", "local", "-detailed-exitcode"]).ended(0);
}
