//! Plans as a person, a pull request, a policy and a later apply see them, through the program.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::path::Path;

use mlp_plan::Plan;
use serde_json::Value as Json;
use support::{Output, Project, program, run};

const SPECIFICATION: &str = r#"
project "plans" {}
provider "local" "here" {}
environment "local" { provider = provider.local.here }
environment "dev" { provider = provider.local.here }
variable "size" {
  type    = number
  default = 1
}
variable "token" {
  type      = string
  default   = "hush-hush-token"
  sensitive = true
}
source "rows" {
  kind = "file"
  uri  = "rows.csv"
}
dataset "rows" {
  from  = [source.rows]
  owner = "user:ann"
}
dataset "nobodys" { from = [source.rows] }
resource "local_value" "size" { input = { size = var.size, text = "one\ntwo\nthree\n" } }
resource "local_value" "after" { input = local_value.size.output }
resource "local_value" "hidden" { input = var.token }
resource "local_value" "many" {
  for_each = toset(["a", "b", "c"])
  input    = { size = var.size }
}
"#;

fn project() -> Project {
    Project::of(&[("main.mlp", SPECIFICATION), ("rows.csv", "id,x\n1,2\n")])
}

fn plan(project: &Project, arguments: &[&str]) -> Output {
    project.mlp(&[&["plan", "-e", "local"], arguments].concat())
}

#[track_caller]
fn apply(project: &Project) {
    project.mlp(&["apply", "-e", "local", "-auto-approve"]).ended(0);
}

/// A project that was applied once and then changed in several ways.
fn changed() -> Project {
    let project = project();
    apply(&project);
    project.edit("one\\ntwo\\nthree", "one\\n2\\nthree");
    project.edit("default = 1", "default = 2");
    project.edit("dataset \"nobodys\" { from = [source.rows] }", "");
    project.edit("input = var.token", "input = \"no longer ${var.token}\"");
    project
}

/// The program where nothing is but the plan file: no project, no home, no variables.
fn elsewhere(plan: &Path, arguments: &[&str]) -> Output {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("a.plan");
    std::fs::copy(plan, &file).unwrap();
    let mut command = program(place.path());
    run(command.env_clear().args(["show"]).arg(&file).args(arguments).current_dir(place.path()))
}

#[test]
fn a_plan_file_is_shown_anywhere_as_it_was_planned() {
    let project = changed();
    let planned = plan(&project, &["-out=a.plan"]).ended(0);
    let file = project.directory().join("a.plan");
    let elsewhere = |arguments: &[&str]| elsewhere(&file, arguments).ended(0).never_says("hush-hush");
    assert_eq!(elsewhere(&[]).stdout, planned.stdout);
    let here = |arguments: &[&str]| plan(&project, arguments).ended(0).stdout;
    for form in ["json", "markdown", "html"] {
        assert_eq!(elsewhere(&["--format", form]).stdout, here(&["--format", form]), "{form}");
    }
    assert_eq!(elsewhere(&["-json"]).stdout, here(&["-json"]));
    let text = planned.stdout;
    for words in [
        "  # dataset.nobodys will be destroyed",
        "  # 3 resources will be updated in place, each in the same way",
        "  ~ local_value.many[\"b\"]  [local_value]",
        "          - two",
        "          + 2",
        "      ~ input = (sensitive)",
        "Plan: 0 to add, 6 to change, 1 to destroy.",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    // The file is for nobody else, and what is a plan is told from what is not.
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    project.write("no.plan", "{}");
    self::elsewhere(&project.directory().join("no.plan"), &[]).ended(1).says("MLP0916").says("no plan");
    self::elsewhere(&project.directory().join("rows.csv"), &[]).ended(1).says("MLP0916");
}

#[test]
fn a_page_needs_nothing_beside_it() {
    let project = changed();
    let html = plan(&project, &["--format", "html"]).ended(0).never_says("hush-hush").stdout;
    for outside in ["http:", "https:", "src=", "@import", "<link", "url(h"] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert!(html.contains("local_value.many[&quot;a&quot;]") && html.contains("<svg"), "{html}");
    let markdown = plan(&project, &["--format", "markdown"]).ended(0).never_says("hush-hush").stdout;
    assert!(markdown.contains("```diff\n") && markdown.contains("<details"), "{markdown}");
}

/// Fails unless the document is what its schema says.
#[track_caller]
fn fits(document: &Json) {
    let text = std::fs::read_to_string(support::folder("schemas").join("plan.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap();
    let problems: Vec<String> =
        schema.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path)).collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn the_document_is_what_its_schema_says() {
    let project = project();
    let document = |arguments: &[&str]| plan(&project, arguments).ended(0).json();
    let new = document(&["--json"]);
    fits(&new);
    let after = |document: &Json, address: &str| {
        let all = document["resource_changes"].as_array().unwrap();
        all.iter().find(|one| one["address"] == address).unwrap().clone()
    };
    assert_eq!(after(&new, "local_value.after")["change"]["after_unknown"]["input"], true);
    assert_eq!(after(&new, "local_value.hidden")["change"]["after_sensitive"]["input"], true);
    let field = after(&new, "local_value.after")["fields"][1].clone();
    assert_eq!(field["known_after"][0], "local_value.size", "{field}");
    assert_eq!(field["computed_from"][0], "local_value.size.output", "{field}");
    assert_eq!(after(&new, "local_value.many[\"a\"]")["index"], "a");
    apply(&project);
    let nothing = document(&["--json"]);
    fits(&nothing);
    let actions = |one: &Json| one["change"]["actions"] == serde_json::json!(["no-op"]);
    assert!(nothing["resource_changes"].as_array().unwrap().iter().all(actions), "{nothing}");
    project.edit("default = 1", "default = 2");
    project.write("rows.csv", "id,x\n1,3\n");
    std::fs::remove_file(project.home("local").join("datasets/nobodys.json")).unwrap();
    for arguments in [
        &["--json"] as &[&str],
        &["--json", "--destroy"],
        &["--json", "--refresh-only"],
        &["--json", "--refresh=false"],
        &["--json", "--target", "local_value.size"],
        &["--json", "--replace", "local_value.size"],
    ] {
        fits(&document(arguments));
    }
    let replaced = after(&document(&["--json", "--replace", "local_value.size"]), "local_value.size");
    assert_eq!(replaced["change"]["actions"], serde_json::json!(["delete", "create"]));
    assert_eq!(replaced["action_reason"], "replace_by_request");
    assert_eq!(document(&["--json"])["resource_drift"][0]["change"]["actions"][0], "delete");
    // The schema refuses what is no plan.
    let mut wrong = new.clone();
    wrong["resource_changes"][0]["change"]["actions"] = serde_json::json!(["explode"]);
    let text = std::fs::read_to_string(support::folder("schemas").join("plan.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap();
    assert!(!schema.is_valid(&wrong));
}

/// What a rule of a policy says of a document.
fn judged(document: &Json, policy: &str, rule: &str) -> Json {
    let mut engine = regorus::Engine::new();
    let text = std::fs::read_to_string(support::folder("tests/policies").join(policy)).unwrap();
    engine.add_policy(policy.to_owned(), text).unwrap();
    engine.set_input_json(&document.to_string()).unwrap();
    serde_json::from_str(&engine.eval_rule(rule.to_owned()).unwrap().to_json_str().unwrap()).unwrap()
}

#[test]
fn policies_written_for_terraform_judge_it() {
    let project = changed();
    let bad = plan(&project, &["--json"]).ended(0).json();
    let denied = judged(&bad, "deletes.rego", "data.terraform.deletes.deny");
    assert_eq!(denied, serde_json::json!(["dataset.nobodys would be deleted"]));
    assert_eq!(judged(&bad, "deletes.rego", "data.terraform.deletes.score"), 22);
    let good = plan(&project, &["--json", "--exclude", "dataset.nobodys"]).ended(0).json();
    assert_eq!(judged(&good, "deletes.rego", "data.terraform.deletes.deny"), serde_json::json!([]));
    assert_eq!(judged(&good, "deletes.rego", "data.terraform.deletes.authorized"), true);
    // A policy over what will be there sees what stays too.
    project.edit(
        "dataset \"rows\" {\n  from  = [source.rows]\n",
        "dataset \"rows\" {\n  from = [source.rows]\n",
    );
    let owners = |project: &Project| {
        let document = plan(project, &["--json", "--target", "dataset.rows"]).ended(0).json();
        judged(&document, "quality.rego", "data.terraform.quality.deny")
    };
    assert_eq!(owners(&project), serde_json::json!([]));
    project.edit("  owner = \"user:ann\"\n", "");
    assert_eq!(owners(&project), serde_json::json!(["dataset.rows has no owner"]));
}

/// Writes a plan, lets the world move, and gives what an apply of the plan says.
fn applied_after(arguments: &[&str], moves: impl Fn(&Project)) -> (Project, Output) {
    let project = changed();
    plan(&project, &["-out=a.plan"]).ended(0);
    moves(&project);
    let said = project.mlp(&[&["apply", "a.plan"], arguments].concat());
    (project, said)
}

#[test]
fn a_plan_is_refused_where_the_world_has_moved_and_says_what() {
    type Moves = fn(&Project);
    let cases: [(&[&str], Moves, &str); 7] = [
        (
            &[],
            |project| {
                project
                    .mlp(&["apply", "-e", "local", "-auto-approve", "--target", "local_value.size"])
                    .ended(0);
            },
            "the plan is stale: the state (serial",
        ),
        (&[], |project| project.edit("one\\n2", "one\\n3"), "the plan is stale: the specification changed"),
        (&["-var", "size=9"], |_| {}, "the plan is stale: the specification changed"),
        (&["-e", "dev"], |_| {}, "the plan is stale: the environment is `dev` and was `local`"),
        (
            &[],
            |project| rewritten(project, |plan| plan.project = "others".into()),
            "the plan is stale: the project is `plans` and was `others`",
        ),
        (
            &[],
            |project| rewritten(project, |plan| plan.context.provider_version = "0.0.9".into()),
            "the plan is stale: the version of provider local.here is `0.1.0` and was `0.0.9`",
        ),
        (&["-var", "token=another-token-altogether"], |_| {}, "the plan is stale: sensitive values changed"),
    ];
    for (arguments, moves, words) in cases {
        let (project, said) = applied_after(arguments, moves);
        let said = said.ended(12).says("MLP0917").says(words);
        // It says that and no more.
        assert!(!said.all().contains(", and the"), "{said}");
        // Nothing was done by it.
        plan(&project, &[]).says("dataset.nobodys will be destroyed");
    }
}

/// Changes a plan file as one does who can seal it again.
fn rewritten(project: &Project, change: impl Fn(&mut Plan)) {
    let file = project.directory().join("a.plan");
    let mut plan = Plan::from_json(&std::fs::read_to_string(&file).unwrap()).unwrap();
    change(&mut plan);
    std::fs::write(&file, plan.to_file().unwrap()).unwrap();
}

#[test]
fn a_saved_plan_is_applied_as_it_is() {
    let (project, said) = applied_after(&[], |_| {});
    said.ended(0).says("Applied: 0 added, 6 changed, 1 destroyed.");
    plan(&project, &["-detailed-exitcode"]).ended(0);
    // Applied once, it is stale; and it takes no options.
    project.mlp(&["apply", "a.plan"]).ended(12);
    project.mlp(&["apply", "a.plan", "--target", "dataset.rows"]).ended(1).says("MLP0972");
    // What was edited is refused, wherever it was.
    let file = project.directory().join("a.plan");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("local_value.size", "local_value.sise", 1)).unwrap();
    project.mlp(&["apply", "a.plan"]).ended(1).says("edited or damaged");
    // A plan to destroy is one like any other.
    plan(&project, &["-destroy", "-out=end.plan"]).ended(0);
    project.mlp(&["apply", "end.plan"]).ended(0).says("destroyed");
    plan(&project, &["-destroy"]).ended(0).says("There is nothing to destroy");
}

#[test]
fn what_was_changed_outside_is_drift_and_may_be_taken_note_of() {
    let project = project();
    apply(&project);
    let drift = |arguments: &[&str]| project.mlp(&[&["drift", "-e", "local"], arguments].concat());
    drift(&["-detailed-exitcode"]).ended(0).says("No drift.");
    let record = project.home("local").join("datasets/rows.json");
    let text = std::fs::read_to_string(&record).unwrap();
    std::fs::write(&record, text.replace("ann", "eve")).unwrap();
    std::fs::remove_file(project.home("local").join("datasets/nobodys.json")).unwrap();
    let said = drift(&["-detailed-exitcode"]).ended(2).says("Changed outside mlp");
    let said =
        said.says("dataset.nobodys was deleted").says("dataset.rows was changed").says("Drift: 2 resources");
    assert!(said.stdout.contains("\"user:ann\" -> \"user:eve\""), "{said}");
    fits(&drift(&["--json"]).ended(0).json());
    plan(&project, &[])
        .ended(0)
        .says("owner = \"user:eve\" -> \"user:ann\"")
        .says("changed outside mlp")
        .says("1 to add");
    // Without reading, what is remembered counts.
    plan(&project, &["-refresh=false", "-detailed-exitcode"]).ended(0).says("was not read");
    plan(&project, &["-refresh=false", "-refresh-only"]).ended(1).says("MLP0971");
    // Taken note of, it is drift no more, and the plan is what the specification asks for.
    plan(&project, &["-refresh-only"]).ended(0).says("to read again");
    project.mlp(&["apply", "-e", "local", "-refresh-only", "-auto-approve"]).ended(0);
    drift(&["-detailed-exitcode"]).ended(0);
    plan(&project, &[]).ended(0).never_says("Changed outside").says("owner = \"user:eve\" -> \"user:ann\"");
    apply(&project);
    plan(&project, &["-detailed-exitcode"]).ended(0);
}

#[test]
fn selectors_that_do_not_hold_together_are_told() {
    let project = changed();
    for (arguments, code, words) in [
        (&["--target", "local_value.sice"] as &[&str], "MLP0530", "did you mean `local_value.size`?"),
        (&["--exclude", "dataset.nothing"], "MLP0530", "matches nothing"),
        (&["--target", "local_value.after", "--exclude", "local_value.size"], "MLP0531", "taken away again"),
        (&["--replace", "dataset.nobodys"], "MLP0531", "no longer in the specification"),
        (&["--replace", "dataset.rows", "--target", "local_value.size"], "MLP0531", "left out by --target"),
    ] {
        plan(&project, arguments).ended(1).says(code).says(words);
    }
    plan(&project, &["--force-conflicts"]).ended(1).says("MLP0931");
    let said = plan(&project, &["--target", "local_value.many[\"b\"]"]).ended(0);
    said.says("Plan: 0 to add, 1 to change, 0 to destroy.").says("the plan covers 1 of");
}
