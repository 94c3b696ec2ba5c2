//! The language through the program: what is valid, what is refused and where, and how the program speaks.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::path::{Path, PathBuf};

use support::Output;

/// Runs the program in a directory.
fn mlp(directory: &Path, arguments: &[&str]) -> Output {
    support::run(support::program(directory).args(arguments).current_dir(directory))
}

/// Every whole specification of this project: a folder with a `main.mlp`.
fn specifications() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = ["examples", "tests/reference"]
        .iter()
        .flat_map(|name| support::files(&support::folder(name), "main.mlp"))
        .map(|path| path.parent().unwrap().to_owned())
        .collect();
    found.dedup();
    assert!(found.len() >= 3, "{found:?}");
    found
}

/// A project of one file, in a directory of its own.
fn project(text: &str) -> tempfile::TempDir {
    let scratch = tempfile::tempdir().unwrap();
    std::fs::write(scratch.path().join("main.mlp"), text).unwrap();
    scratch
}

const HEAD: &str = "project \"p\" {}\nprovider \"local\" \"here\" {}\nenvironment \"local\" {\n  provider = provider.local.here\n}\n";

#[test]
fn the_references_and_the_example_are_valid() {
    for directory in specifications() {
        mlp(&directory, &["validate"]).ended(0);
        let json = mlp(&directory, &["validate", "--json"]).ended(0).json();
        assert_eq!(json["valid"], true, "{}: {json}", directory.display());
    }
}

#[test]
fn every_specification_is_formatted() {
    for directory in specifications() {
        mlp(&directory, &["fmt", "--check"]).ended(0);
    }
    let scratch = project("locals {\na    =   1\n}\n");
    mlp(scratch.path(), &["fmt", "--check"]).ended(3);
    mlp(scratch.path(), &["fmt"]).ended(0);
    mlp(scratch.path(), &["fmt", "--check"]).ended(0);
    assert_eq!(std::fs::read_to_string(scratch.path().join("main.mlp")).unwrap(), "locals {\n  a = 1\n}\n");
}

#[test]
fn a_mistake_has_a_code_and_a_place() {
    for (body, code, place) in [
        ("storag \"s\" {}\n", "MLP0301", "main.mlp:6:1"),
        ("storage \"s\" {\n  patern = \"scan\"\n}\n", "MLP0304", "main.mlp:7:3"),
        ("storage \"s\" {\n  versioning = \"maybe\"\n}\n", "MLP0306", "main.mlp:7:16"),
        ("dataset \"d\" {\n  storage = storage.nope\n}\n", "MLP0307", "main.mlp:7:13"),
        ("locals {\n  a = local.a\n}\nstorage \"s\" {\n  description = local.a\n}\n", "MLP0310", "main.mlp:"),
        ("storage \"s\" {\n  description = \"open\n}\n", "MLP01", "main.mlp:7:"),
    ] {
        let scratch = project(&format!("{HEAD}{body}"));
        mlp(scratch.path(), &["validate"]).ended(1).says(code).says(place);
        let said = mlp(scratch.path(), &["validate", "--json"]).ended(1);
        assert!(said.json().to_string().contains(code), "{said}");
    }
}

#[test]
fn one_bad_block_costs_one_block() {
    let scratch = project(&format!(
        "{HEAD}storage \"a\" {{\n  x = = 1\n}}\n\nstorage \"b\" {{\n  patern = \"scan\"\n}}\n"
    ));
    mlp(scratch.path(), &["validate"]).ended(1).says("main.mlp:7").says("main.mlp:11:3");
}

#[test]
fn what_is_no_text_or_no_project_is_a_diagnostic() {
    let scratch = tempfile::tempdir().unwrap();
    mlp(scratch.path(), &["validate"]).ended(1).says("MLP");
    std::fs::write(scratch.path().join("main.mlp"), b"project \"p\xff\" {}\n").unwrap();
    mlp(scratch.path(), &["validate"]).ended(1).says("MLP").says("main.mlp");
    mlp(scratch.path(), &["plan", "-e", "nowhere"]).ended(1);
}

#[test]
fn what_is_piped_has_no_colours() {
    let good = support::folder("examples/churn");
    let bad = project(&format!("{HEAD}storag \"s\" {{}}\n"));
    for directory in [good.as_path(), bad.path()] {
        for arguments in [&["validate"][..], &["--help"], &["version"], &["fmt", "--check"], &["nonsense"]] {
            mlp(directory, arguments).never_says("\u{1b}");
            let mut command = support::program(directory);
            let output = support::run(command.args(arguments).env("NO_COLOR", "1").current_dir(directory));
            output.never_says("\u{1b}");
        }
    }
}

#[test]
fn what_a_program_asks_for_is_json() {
    let churn = support::Project::churn();
    for arguments in [&["version", "--json"][..], &["validate", "--json"], &["plan", "-e", "local", "--json"]]
    {
        let json = churn.mlp(arguments).ended(0).json();
        assert!(json.get("format_version").is_some(), "{arguments:?}: {json}");
    }
    churn.mlp(&["plan", "-e", "local", "-json"]).ended(0).json();
}

/// What every object of the format must have, by the path to it (`*` is every item of a list).
const SARIF_REQUIRED: &[(&str, &[&str])] = &[
    ("", &["version", "runs"]),
    ("runs.*", &["tool", "results"]),
    ("runs.*.tool", &["driver"]),
    ("runs.*.tool.driver", &["name"]),
    ("runs.*.tool.driver.rules.*", &["id", "shortDescription", "help"]),
    ("runs.*.tool.driver.rules.*.help", &["text"]),
    ("runs.*.invocations.*", &["executionSuccessful"]),
    ("runs.*.results.*", &["message", "ruleId", "ruleIndex", "level", "locations"]),
    ("runs.*.results.*.message", &["text"]),
    ("runs.*.results.*.locations.*.physicalLocation", &["artifactLocation", "region"]),
    ("runs.*.results.*.locations.*.physicalLocation.artifactLocation", &["uri"]),
    (
        "runs.*.results.*.locations.*.physicalLocation.region",
        &["startLine", "startColumn", "endLine", "endColumn"],
    ),
];

/// Everything at a path.
fn at<'j>(value: &'j serde_json::Value, path: &str) -> Vec<&'j serde_json::Value> {
    path.split('.').filter(|step| !step.is_empty()).fold(vec![value], |all, step| match step {
        "*" => all.into_iter().flat_map(|one| one.as_array().unwrap()).collect(),
        name => all.into_iter().map(|one| &one[name]).collect(),
    })
}

#[test]
fn a_code_review_gets_sarif() {
    let scratch = project(&format!(
        "{HEAD}storage \"s\" {{\n  patern = \"scan\"\n}}\nstorage \"s\" {{\n}}\ndataset \"d\" {{\n  storage = = 1\n}}\n"
    ));
    let document = mlp(scratch.path(), &["validate", "--format", "sarif"]).ended(1).json();
    for (path, names) in SARIF_REQUIRED {
        let found = at(&document, path);
        assert!(!found.is_empty(), "nothing at `{path}`: {document:#}");
        for one in found {
            names.iter().for_each(|name| assert!(!one[name].is_null(), "`{path}` lacks `{name}`: {one:#}"));
        }
    }
    let results = at(&document, "runs.*.results.*");
    assert_eq!(results.len(), 3, "{document:#}");
    let rules = at(&document, "runs.*.tool.driver.rules.*");
    for result in &results {
        let rule = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[rule]["id"], result["ruleId"]);
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        let region = &result["locations"][0]["physicalLocation"]["region"];
        assert!(region["startLine"].as_u64().unwrap() >= 1 && region["startColumn"].as_u64().unwrap() >= 1);
    }
    assert!(results.iter().any(|one| one["relatedLocations"].is_array()), "{document:#}");
    let good = support::folder("examples/churn");
    let document = mlp(&good, &["validate", "--format", "sarif"]).ended(0).json();
    assert_eq!(at(&document, "runs.*.results.*").len(), 0, "{document:#}");
    assert_eq!(mlp(&good, &["validate", "--format", "json"]).ended(0).json()["valid"], true);
}

#[test]
fn a_new_project_is_valid_and_is_never_overwritten() {
    let scratch = tempfile::tempdir().unwrap();
    mlp(scratch.path(), &["init"]).ended(0);
    mlp(scratch.path(), &["validate"]).ended(0);
    mlp(scratch.path(), &["fmt", "--check"]).ended(0);
    let before = std::fs::read(scratch.path().join("main.mlp")).unwrap();
    // Once it is there, `init` pins what lies outside: nothing does.
    mlp(scratch.path(), &["init"]).ended(0);
    mlp(scratch.path(), &["init", "other"]).ended(1);
    assert_eq!(std::fs::read(scratch.path().join("main.mlp")).unwrap(), before);
}

#[test]
fn every_shell_gets_its_completion() {
    let scratch = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let output = mlp(scratch.path(), &["completions", shell]).ended(0);
        assert!(output.stdout.contains("mlp"), "{output}");
    }
    mlp(scratch.path(), &["completions", "abacus"]).ended(1);
}
