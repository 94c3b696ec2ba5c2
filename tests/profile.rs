//! `--profile`: a trace that the usual viewers open.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::Value;
use support::Project;

const MAIN: &str = r#"
project "profile" {
  mlp_version = "~> 0.1"
}
provider "local" "here" {}
environment "local" {
  provider = provider.local.here
}
resource "local_value" "v" {
  count = 20
  input = upper("number ${count.index}")
}
"#;

/// Runs a command with a profile, and gives its events.
fn profiled(project: &Project, arguments: &[&str]) -> Vec<Value> {
    let file = project.directory().join("trace.json");
    let path = file.display().to_string();
    let mut words = arguments.to_vec();
    words.extend(["--profile", &path]);
    project.mlp(&words).ended(0);
    let document: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    std::fs::remove_file(file).unwrap();
    assert_eq!(document["displayTimeUnit"], "ms");
    document["traceEvents"].as_array().unwrap().clone()
}

fn named<'e>(events: &'e [Value], name: &str) -> Vec<&'e Value> {
    events.iter().filter(|event| event["name"] == name).collect()
}

fn ends(event: &Value) -> (f64, f64) {
    let begins = event["ts"].as_f64().unwrap();
    (begins, begins + event["dur"].as_f64().unwrap())
}

/// The stage of that name that is alone.
#[track_caller]
fn stage<'e>(events: &'e [Value], name: &str) -> &'e Value {
    match named(events, name).first() {
        Some(found) => found,
        None => panic!("there is no stage `{name}` in {events:?}"),
    }
}

#[test]
fn every_stage_is_in_the_trace_and_each_lies_in_the_one_around_it() {
    let project = Project::of(&[("main.mlp", MAIN)]);
    let events = profiled(&project, &["apply", "-e", "local", "-auto-approve"]);
    for (inner, outer) in [
        ("read", "command"),
        ("parse", "read"),
        ("resolve", "command"),
        ("index", "resolve"),
        ("evaluate", "resolve"),
        ("plan", "command"),
        ("read state", "plan"),
        ("lower", "plan"),
        ("observe", "plan"),
        ("decide", "plan"),
        ("draw", "command"),
        ("apply", "command"),
        ("write snapshot", "apply"),
    ] {
        let around = ends(stage(&events, outer));
        let inside = named(&events, inner).into_iter().map(ends);
        let held = inside.filter(|(from, to)| around.0 <= *from && *to <= around.1).count();
        assert!(held > 0, "no `{inner}` lies in `{outer}`: {events:?}");
    }
    let steps = named(&events, "step");
    assert_eq!(steps.iter().filter(|event| event["ph"] == "b").count(), 20);
    assert_eq!(steps.iter().filter(|event| event["ph"] == "e").count(), 20);
    assert!(steps.iter().all(|event| event["id"].is_number() && event["cat"] == "task"), "{steps:?}");

    let planned = profiled(&project, &["plan", "-e", "local"]);
    assert!(named(&planned, "apply").is_empty() && !named(&planned, "decide").is_empty());
}

#[test]
fn stages_of_a_thread_nest_and_every_thread_has_a_name() {
    let project = Project::of(&[("main.mlp", MAIN)]);
    let events = profiled(&project, &["apply", "-e", "local", "-auto-approve"]);
    let meta = |event: &&Value| event["ph"] == "M" && event["name"] == "thread_name";
    let names: Vec<(u64, &str)> = events
        .iter()
        .filter(meta)
        .map(|event| (event["tid"].as_u64().unwrap(), event["args"]["name"].as_str().unwrap()))
        .collect();
    assert!(names.contains(&(1, "mlp")), "{names:?}");
    for event in events.iter().filter(|event| event["ph"] != "M") {
        let thread = event["tid"].as_u64().unwrap();
        assert!(names.iter().any(|(number, _)| *number == thread), "{event}");
    }
    for (thread, _) in names {
        let mut open: Vec<(f64, f64)> = Vec::new();
        for event in events.iter().filter(|event| event["ph"] == "X" && event["tid"] == thread) {
            let (from, to) = ends(event);
            open.retain(|(_, end)| *end > from);
            assert!(open.iter().all(|(_, end)| to <= *end), "{event} ends after what is around it");
            open.push((from, to));
        }
    }
}

#[test]
fn a_profile_that_cannot_be_written_is_an_error_of_its_own() {
    let project = Project::of(&[("main.mlp", MAIN)]);
    let said = project.mlp(&["validate", "--profile", "nowhere/trace.json"]).ended(1);
    said.says("MLP0910").says("nowhere/trace.json").says("is valid in").says("did its work");
    assert!(!project.directory().join("nowhere").exists());
}
