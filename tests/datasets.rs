//! Datasets through the program as a person uses it: formats, protection, versions, and what is refused.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::fs;

use serde_json::Value as Json;
use support::{Output, Project, files};

const SPECIFICATION: &str = r#"
project "d" {}
provider "local" "here" {}
environment "local" {
  provider = provider.local.here
}
secret "key" {
  from = "file:customer.key"
}
dataset "raw" {
  from       = ["data/a.csv"]
  format     = "parquet"
  schema     = "schemas/raw.avsc"
  protection = { encrypt = true, mask = ["mail"], redact = ["email"], legal_basis = "GDPR:6.1.f" }
  classification = ["pii"]
  quality {
    expect "positive" {
      assert   = row.amount > 0
      at_least = 0.5
    }
    on_failure = "warn"
  }
}
dataset "clean" {
  from       = [dataset.raw]
  format     = "jsonl"
  schema     = { id = { type = "integer", key = true } }
  protection = { encrypt = { key = secret.key } }
}
dataset "all" {
  from    = [dataset.clean]
  format  = "csv"
  version = "append-only"
}
pipeline "copy" {
  step "copy" {
    code    = "code"
    run     = "cp ${input.rows} ${output.rows}"
    inputs  = { rows = dataset.clean }
    outputs = { rows = "file" }
  }
}
"#;

const SCHEMA: &str = r#"{"type": "record", "name": "raw", "fields": [
    {"name": "id", "type": "long"}, {"name": "mail", "type": ["null", "string"]},
    {"name": "note", "type": ["null", "string"]}, {"name": "amount", "type": "double"}]}"#;

const ROWS: &str =
    "id,mail,note,amount\n1,jo@mail.example,ask al@note.example,2.5\n2,,,-1\n3,mo@mail.example,,7\n";

fn project() -> Project {
    let project = Project::churn();
    write(&project, "main.mlp", SPECIFICATION);
    write(&project, "schemas/raw.avsc", SCHEMA);
    write(&project, "data/a.csv", ROWS);
    write(&project, "code/README", "no code");
    write(&project, "customer.key", "the key of the customer, for this test");
    project
}

fn write(project: &Project, name: &str, content: &str) {
    let path = project.directory().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn apply(project: &Project) -> Output {
    project.mlp(&["apply", "-e", "local", "-auto-approve"])
}

fn shown(project: &Project, arguments: &[&str]) -> Json {
    let all = [&["show"], arguments, &["-e", "local", "--json"]].concat();
    project.mlp(&all).ended(0).json()["shown"].clone()
}

/// The files of the environment that hold a text.
fn holding(project: &Project, words: &str) -> Vec<String> {
    let all = files(&project.home("local"), "");
    let holds = |content: Vec<u8>| content.windows(words.len()).any(|part| part == words.as_bytes());
    all.iter().filter(|path| holds(fs::read(path).unwrap())).map(|path| path.display().to_string()).collect()
}

#[test]
fn protected_data_is_nowhere_in_the_clear_and_pipelines_read_it() {
    let project = project();
    apply(&project).ended(0);
    project.mlp(&["plan", "-e", "local", "-detailed-exitcode"]).ended(0).says("No changes.");
    for words in ["mail.example", "note.example"] {
        assert_eq!(holding(&project, words), Vec::<String>::new());
    }
    let token = {
        let raw = shown(&project, &["dataset.all"]);
        assert_eq!(raw["versions"][0]["rows"], 3);
        raw["versions"][0]["columns"][1]["min"].as_str().unwrap().to_owned()
    };
    assert_eq!(token.len(), 16);
    let raw = project.mlp(&["show", "dataset.raw", "-e", "local"]).ended(0);
    raw.says("classification: pii")
        .says("legal basis: GDPR:6.1.f")
        .says("masked: mail")
        .never_says("mail.example");
    // The third dataset is not encrypted: it alone holds what the masks left.
    let holding_token: Vec<String> = holding(&project, &token);
    assert!(holding_token.iter().all(|path| path.contains("/data/")) && !holding_token.is_empty());
    project.mlp(&["run", "pipeline.copy", "-e", "local"]).ended(0);
    let run = fs::read_dir(project.home("local").join("runs")).unwrap().next().unwrap().unwrap().path();
    assert!(!run.join(".private").exists(), "the private copy is gone");
    let copied = fs::read_to_string(run.join("copy/outputs/rows")).unwrap();
    assert!(copied.starts_with("{\"id\":1,") && copied.contains("ask [email]"), "{copied}");
}

#[test]
fn versions_are_listed_compared_and_pinned() {
    let project = project();
    apply(&project).ended(0);
    write(
        &project,
        "data/a.csv",
        "id,mail,note,amount\n1,jo@mail.example,,9\n4,,,3\n5,,,3\n3,mo@mail.example,,7\n",
    );
    apply(&project).ended(0);
    let clean = shown(&project, &["dataset.clean"]);
    let versions = clean["versions"].as_array().unwrap();
    assert_eq!(versions.len(), 2);
    assert_eq!((&versions[0]["current"], &versions[1]["current"]), (&Json::from(true), &Json::from(false)));
    assert_eq!(versions[0]["used_by"], serde_json::json!(["dataset.all"]));
    let found = shown(&project, &["dataset.clean", "--compare", "previous", "current"])["comparison"].clone();
    let counts = ["rows_added", "rows_removed", "rows_changed", "rows_common"]
        .map(|name| found[name].as_u64().unwrap());
    assert_eq!(counts, [2, 1, 1, 1]);
    assert_eq!(found["drift"][3]["measure"], "psi");
    let text = project.mlp(&["show", "dataset.clean", "--compare", "previous", "current", "-e", "local"]);
    text.ended(0).says("2 added, 1 removed, 1 the same").says("1 changed; compared by id");
    // What was there stays where rows are only appended: three rows, one changed and two new ones.
    assert_eq!(shown(&project, &["dataset.all"])["versions"][0]["rows"], 6);
    let first = versions[1]["version"].as_str().unwrap();
    project.edit("rows = dataset.clean }", &format!("rows = dataset.clean.version[\"{}\"] }}", &first[..10]));
    apply(&project).ended(0);
    project.mlp(&["run", "pipeline.copy", "-e", "local"]).ended(0);
    let run = fs::read_dir(project.home("local").join("runs")).unwrap().next().unwrap().unwrap().path();
    assert!(fs::read_to_string(run.join("copy/outputs/rows")).unwrap().contains("\"id\":2,"));
    let clean = shown(&project, &["dataset.clean"]);
    assert_eq!(clean["versions"][1]["used_by"], serde_json::json!(["pinned by pipeline.copy"]));
    project
        .edit(&format!("dataset.clean.version[\"{}\"]", &first[..10]), "at(dataset.clean, \"2001-01-01\")");
    apply(&project).ended(0);
    let line = project.line_of("pipeline \"copy\"");
    assert!(line > 0);
    project
        .mlp(&["run", "pipeline.copy", "-e", "local"])
        .ended(1)
        .says("MLP0822")
        .says("had no version at 2001-01-01");
}

#[test]
fn what_cannot_be_is_refused_with_its_line_and_leaves_nothing() {
    let project = project();
    let objects = |project: &Project| files(&project.home("local").join("data/objects"), "").len();
    let refused = |project: &Project, code: &str, words: &str| {
        let said = apply(project);
        assert!(said.code.is_some_and(|code| code != 0), "{said}");
        assert!(said.all().contains(code) && said.all().contains(words), "{said}");
        assert!(said.all().contains("main.mlp:"), "no line of the user: {said}");
    };
    write(&project, "data/a.csv", "id,mail,note,amount\n1,,,2.5\n1.5,,,x\n");
    refused(&project, "MLP0703", "`id` must be integer: 1 row");
    write(&project, "schemas/raw.avsc", "{\"type\": \"record\"}");
    refused(&project, "MLP0808", "the record has no `fields`");
    write(&project, "schemas/raw.avsc", SCHEMA);
    write(&project, "data/a.csv", ROWS);
    write(&project, "customer.key", "short");
    refused(&project, "MLP0730", "shorter than 32 characters");
    assert_eq!(objects(&project), 1, "the first dataset is made, the second is not");
    write(&project, "customer.key", "the key of the customer, for this test");
    project.edit("code    = \"code\"", "code    = \".\"");
    refused(&project, "MLP0806", "the code holds `data/a.csv`");
    write(&project, ".mlpignore", "data/\n");
    apply(&project).ended(0);
    write(&project, "data/b.parquet", "PAR1 this is no Parquet PAR1");
    project.edit("[\"data/a.csv\"]", "[\"data/b.parquet\"]");
    refused(&project, "MLP0701", "cannot be read as Parquet");
    project.edit("[\"data/b.parquet\"]", "[dataset.all]");
    let said = project.mlp(&["plan", "-e", "local"]).ended(1);
    said.says("wait for each other");
}

#[test]
fn a_key_that_is_wrong_or_gone_is_told_with_the_line_of_who_reads() {
    let project = project();
    apply(&project).ended(0);
    write(&project, "customer.key", "another key of the customer, not the one");
    let run = |project: &Project| project.mlp(&["run", "pipeline.copy", "-e", "local"]);
    run(&project).ended(1).says("MLP0731").says("which is not the one given").says("main.mlp:");
    fs::remove_file(project.directory().join("customer.key")).unwrap();
    run(&project).ended(1).says("MLP0730").says("cannot read the key in").says("main.mlp:");
    write(&project, "customer.key", "the key of the customer, for this test");
    run(&project).ended(0);
    // Without the project's key nothing is made anew in its place.
    fs::remove_file(project.home("local").join("keys/data.key")).unwrap();
    write(&project, "data/a.csv", "id,mail,note,amount\n9,,,1\n");
    let said = apply(&project);
    assert!(said.all().contains("MLP0730") && said.all().contains("is missing"), "{said}");
    assert!(!project.home("local").join("keys/data.key").exists());
}

const CHECKED: &str = r#"
project "d" {}
provider "local" "here" {}
environment "local" {
  provider = provider.local.here
}
environment "small" {
  provider = provider.local.here
  sample   = { rows = 2 }
}
dataset "orders" {
  from    = ["data/1.csv", "data/2.jsonl"]
  format  = "csv"
  quality {
    expect "named" {
      check   = "not_null"
      columns = ["plan"]
    }
    expect "once" {
      check   = "unique"
      columns = ["id"]
    }
    expect "positive" {
      check  = "in_range"
      column = "amount"
      min    = 0
    }
    expect "known" {
      check    = "in_set"
      column   = "plan"
      values   = ["a", "b"]
      at_least = 0.9
    }
    expect "short" {
      check   = "matches"
      column  = "plan"
      pattern = "[a-z]"
    }
    expect "enough" {
      check = "row_count"
      min   = 10
    }
    expect "recent" {
      check   = "fresh"
      column  = "at"
      max_lag = "2h"
    }
    expect "paid" {
      assert   = row.amount > 1 || row.plan == "b"
      at_least = 0.8
    }
    on_failure = "block"
  }
}
"#;

#[test]
fn every_expectation_is_checked_and_failures_come_with_counts_and_rows() {
    let project = project();
    write(&project, "main.mlp", CHECKED);
    write(
        &project,
        "data/1.csv",
        "id,plan,amount,at\n1,a,5,2001-01-01T00:00:00Z\n2,cc,-1,2001-01-02T00:00:00Z\n",
    );
    write(
        &project,
        "data/2.jsonl",
        "{\"id\":2,\"plan\":\"b\",\"amount\":1,\"at\":null}\n{\"id\":4,\"plan\":null,\"amount\":9}\n",
    );
    let said = apply(&project);
    let said = said.says("MLP0704").says("main.mlp:").says("does not meet 8 expectations");
    for line in [
        "`named`: 3 of 4 rows (0.7500), at least 1 expected",
        "data/2.jsonl:2 null",
        "`once`: 3 of 4 rows",
        "`positive`: 3 of 4 rows",
        "data/1.csv:3 -1",
        "`known`: 2 of 3 rows (0.6667), at least 0.9 expected",
        "`short`: 2 of 3 rows",
        "data/1.csv:3 \"cc\"",
        "`enough`",
        "`recent`",
    ] {
        assert!(said.all().contains(line), "`{line}` is missing: {said}");
    }
    assert!(!project.home("local").join("data/objects").exists(), "nothing is made");
    project.edit("on_failure = \"block\"", "on_failure = \"warn\"");
    apply(&project).ended(0).says("`named`: 3 of 4 rows");
    let kept = shown(&project, &["dataset.orders"]);
    assert_eq!(
        (&kept["versions"][0]["rows"], &kept["versions"][0]["format"]),
        (&Json::from(4), &Json::from("csv"))
    );
    let unmet = kept["versions"][0]["quality"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["passed"] == false)
        .count();
    assert_eq!(unmet, 8);
    // The environment cuts every dataset that is read, and keeps the same rows every time.
    project.mlp(&["apply", "-e", "small", "-auto-approve"]).ended(0);
    project.mlp(&["plan", "-e", "small", "-detailed-exitcode"]).ended(0);
    let small = project.mlp(&["show", "dataset.orders", "-e", "small", "--json"]).ended(0).json();
    assert_eq!(small["shown"]["versions"][0]["rows"], 2);
}

#[test]
fn data_that_is_missing_or_changed_since_the_plan_makes_no_version() {
    let project = project();
    project.mlp(&["plan", "-e", "local", "-out", "a.plan"]).ended(0);
    write(&project, "data/a.csv", "id,mail,note,amount\n9,,,1\n");
    let said = project.mlp(&["apply", "-e", "local", "-auto-approve", "a.plan"]);
    assert!(said.code != Some(0) && said.all().contains("changed since"), "{said}");
    assert!(!project.home("local").join("data/objects").exists());
    fs::remove_file(project.directory().join("data/a.csv")).unwrap();
    project.mlp(&["plan", "-e", "local"]).ended(1).says("`data/a.csv` does not exist").says("main.mlp:");
}
