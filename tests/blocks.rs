//! The blocks around the platform's nouns, each through the program as a person runs it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;

use support::{Output, Project, files};

const HEAD: &str = r#"
project "blocks" {
  mlp_version = "~> 0.1"
}
provider "local" "here" {}
environment "local" {
  provider = provider.local.here
}
"#;

/// A project of one environment with these declarations.
fn project(text: &str) -> Project {
    Project::of(&[("main.mlp", &format!("{HEAD}{text}"))])
}

/// Other declarations for the same project.
fn write(project: &Project, text: &str) {
    project.write("main.mlp", &format!("{HEAD}{text}"));
}

fn apply(project: &Project) -> Output {
    project.mlp(&["apply", "-e", "local", "-auto-approve"]).ended(0)
}

fn plan(project: &Project) -> Output {
    project.mlp(&["plan", "-e", "local"])
}

/// Fails unless a plan finds nothing to do.
#[track_caller]
fn nothing_to_do(project: &Project) {
    project.mlp(&["plan", "-e", "local", "-detailed-exitcode"]).ended(0).says("No changes.");
}

#[test]
fn a_sensitive_value_is_in_no_file_but_the_object_itself() {
    let project = project(
        r#"
variable "token" {
  type      = string
  sensitive = true
}
storage "lake" {
  labels = { token = "Bearer ${var.token}", plain = "seen" }
}
"#,
    );
    let with = |token: &str, more: &[&str]| {
        let given = format!("token={token}");
        let mut words = more.to_vec();
        words.extend(["-e", "local", "-var", &given]);
        project.mlp(&words)
    };
    let canary = "canary-5309";
    with(canary, &["plan", "-out", "plan.json"]).ended(0).says("(sensitive)").never_says(canary);
    let text = fs::read_to_string(project.directory().join("plan.json")).unwrap();
    assert!(!text.contains(canary) && text.contains("seen"), "{text}");
    project.mlp(&["show", "plan.json"]).ended(0).says("(sensitive)");
    // Another value, or none, is not what was approved.
    with("other", &["apply", "plan.json"]).ended(12);
    project.mlp(&["apply", "plan.json", "-e", "local"]).ended(12).says("token");
    with(canary, &["apply", "plan.json"]).ended(0);
    for file in files(&project.home("local").join("state"), "") {
        let bytes = fs::read(&file).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains(canary), "{}", file.display());
    }
    let made = fs::read_to_string(project.home("local").join("storage/lake.json")).unwrap();
    assert!(made.contains("Bearer canary-5309"), "{made}");
    with(canary, &["plan", "-detailed-exitcode"]).ended(0).says("No changes.");
    // The old value is not told either when a new one takes its place.
    with("newer-7711", &["plan", "-out", "plan.json"]).ended(0).says("1 to change").never_says(canary);
    let text = fs::read_to_string(project.directory().join("plan.json")).unwrap();
    assert!(!text.contains(canary) && !text.contains("newer-7711"), "{text}");
    with("newer-7711", &["apply", "-auto-approve"]).ended(0).never_says("newer-7711");
    with("newer-7711", &["plan", "-detailed-exitcode"]).ended(0);
    with("newer-7711", &["destroy", "-auto-approve"]).ended(0);
}
