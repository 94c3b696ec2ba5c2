//! What the running platform moves by itself shows as events, apart from drift: through the program, as a person sees it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use serde_json::Value as Json;
use support::Project;

fn planned(project: &Project) -> Json {
    project.mlp(&["plan", "-e", "local", "--json"]).ended(0).json()
}

fn of<'j>(plan: &'j Json, list: &str, address: &str) -> Vec<&'j Json> {
    plan[list].as_array().unwrap().iter().filter(|one| one["address"] == address).collect()
}

#[test]
fn an_alias_that_a_run_moved_is_an_event_and_an_edit_is_drift() {
    let project = Project::churn();
    project.mlp(&["up", "-e", "local", "--auto-approve"]).ended(0);
    // What the runs of `up` moved is known to the next apply, and to nobody after it.
    project.mlp(&["apply", "-e", "local", "-auto-approve"]).ended(0);
    let plan = planned(&project);
    assert!(plan["events"].as_array().unwrap().is_empty(), "{}", plan["events"]);

    project.mlp(&["run", "pipeline.train", "--param", "rounds=150", "-e", "local"]).ended(0);
    let plan = planned(&project);
    let events = of(&plan, "events", "model.churn");
    assert_eq!(events.len(), 1, "{plan:#}");
    let fields = events[0]["fields"].as_array().unwrap();
    let alias = fields.iter().find(|field| field["path"].to_string().contains("challenger"));
    let alias = alias.unwrap_or_else(|| panic!("{fields:?}"));
    assert!(alias["cause"] == "event" && alias["before"] != alias["after"], "{alias}");
    assert!(plan["resource_drift"].as_array().unwrap().is_empty(), "{}", plan["resource_drift"]);
    assert_eq!(plan["applyable"], false);
    let text = project.mlp(&["plan", "-e", "local", "-detailed-exitcode"]).ended(0);
    text.says("the running platform moved by itself").says("No changes.").never_says("Changed outside mlp");
    let markdown = project.mlp(&["plan", "-e", "local", "--format", "markdown"]).ended(0);
    markdown.says("Moved by the running platform since the last apply");
    project.mlp(&["drift", "-e", "local", "-detailed-exitcode"]).ended(0).says("No drift");

    // The next apply takes note of it, and asks nobody.
    project.mlp(&["apply", "-e", "local"]).ended(0).says("read again");
    let plan = planned(&project);
    assert!(plan["events"].as_array().unwrap().is_empty(), "{}", plan["events"]);
    project.mlp(&["destroy", "-e", "local", "-auto-approve"]).ended(0);
}
