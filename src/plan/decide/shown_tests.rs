//! What a plan says of itself: causes, events, what a selection leaves behind, whether it still holds, how it is shown.

use mlp_provider::Owner;
use mlp_value::KnownValue;
use serde_json::json;
use std::sync::Arc;

use super::tests::{World, known, seen};
use super::*;
use crate::{
    PlanOptions, RenderOptions, render_drift, render_html, render_json, render_markdown, render_text,
};

const PLAIN: RenderOptions = RenderOptions { color: false, width: 100, verbose: false };

/// Cause and action of each field, `size: outside update`.
fn causes(plan: &Plan) -> Vec<String> {
    let word = |value: serde_json::Value| value.as_str().unwrap().to_owned();
    let field = |change: &crate::FieldChange| {
        let (cause, action) = (serde_json::json!(change.cause), serde_json::json!(change.action));
        assert!(!change.why().is_empty());
        format!("{}: {} {}", change.path, word(cause), word(action))
    };
    plan.steps.iter().flat_map(|step| &step.changes).map(field).collect()
}

#[test]
fn each_field_says_what_its_change_comes_from() {
    for (desired, state, live, wanted) in [
        ("a size=2", "a size=1", json!({"size": 1}), "size: specification update"),
        ("a size=1", "a size=1", json!({"size": 7}), "size: outside update"),
        ("a size=2", "a size=1", json!({"size": 7}), "size: both update"),
        ("a size=7", "a size=1", json!({"size": 7}), ""),
        ("a size=1", "a size=1 text=x", json!({"size": 1, "text": "x"}), "text: unset update"),
        (
            "a size=1 zone=y",
            "a size=1 zone=x",
            json!({"size": 1, "zone": "x"}),
            "zone: specification replace",
        ),
        (
            "a size=1 mark=n",
            "a size=1 mark=o",
            json!({"size": 1, "mark": "o"}),
            "mark: specification new_version",
        ),
        ("a size=1 mark=n", "a size=1 mark=o", json!({"size": 1, "mark": "n"}), ""),
        (
            "a size=1 mark=n",
            "a size=1 mark=o",
            json!({"size": 1, "mark": "p"}),
            "mark: specification new_version",
        ),
        ("a size=1", "", json!({"size": 1}), ""),
    ] {
        let mut world = World::new(desired, state);
        world.see("a", seen(known(live), Owner::Mine));
        assert_eq!(causes(&world.plan().0).join(", "), wanted, "{desired} | {state}");
    }
    let (plan, _) = World::new("a size=1", "").plan();
    assert_eq!(causes(&plan), ["size: new create"]);
}

#[test]
fn what_the_platform_moved_is_an_event_and_no_drift() {
    let mut world = World::new("a size=1 mark=n", "a size=1 mark=o");
    world.see("a", seen(known(json!({"size": 1, "mark": "n"})), Owner::Mine));
    let (plan, _) = world.plan();
    assert!(plan.is_empty() && plan.drift.is_empty() && plan.events.len() == 1, "{plan:?}");
    let text = render_text(&plan, PLAIN);
    assert!(text.contains("Since the last apply") && text.contains("mark = \"o\" -> \"n\""), "{text}");
    assert!(!text.contains("Changed outside"), "{text}");
    assert_eq!(render_json(&plan)["events"][0]["fields"][0]["cause"], "event");
    world.mode = Mode::RefreshOnly;
    world.check("read a");
    // What an object tells others moves too.
    let mut world = World::new("a size=1", "a size=1");
    let told = Seen::Present(mlp_provider::Observed {
        config: known(json!({"size": 1})),
        outputs: known(json!({"url": "http://a", "alias": {"champion": "3"}})),
        owner: Owner::Mine,
    });
    world.see("a", told);
    let (plan, _) = world.plan();
    assert!(plan.is_empty() && plan.drift.is_empty());
    assert!(render_drift(&plan, PLAIN).contains("alias.champion = \"3\""), "{}", render_drift(&plan, PLAIN));
    // The next apply takes note of it, and that is no change of anything.
    assert_eq!(plan.steps.len(), 1);
    assert!(plan.steps[0].action == Action::Read && plan.steps[0].calls.is_empty(), "{plan:?}");
    let json = render_json(&plan);
    assert_eq!(json["resource_changes"][0]["change"]["actions"], json!(["no-op"]));
    assert_eq!(json["applyable"], false);
    assert!(render_text(&plan, PLAIN).contains("No changes."));
}

#[test]
fn outputs_that_change_are_shown_and_sensitive_ones_only_that_they_do() {
    let (mut plan, _) = World::new("a size=1", "a size=1").plan();
    let output = |name: &str, action, values: (Option<&str>, Option<&str>), sensitive| crate::FieldChange {
        path: Path::of(&[name]),
        before: values.0.map(KnownValue::text),
        after: values.1.map(PlanValue::text),
        action,
        cause: crate::Cause::Specification,
        reason: None,
        origin: None,
        sensitive,
    };
    plan.outputs = vec![output("stays", Action::NoOp, (Some("same"), Some("same")), false)];
    assert!(plan.is_empty() && !render_text(&plan, PLAIN).contains("outputs"));
    plan.outputs.extend([
        output("url", Action::Update, (Some("http://a"), Some("http://b")), false),
        output("more", Action::Create, (None, Some("new")), false),
        output("gone", Action::Delete, (Some("old"), None), false),
        output("token", Action::Update, (None, None), true),
    ]);
    assert!(!plan.is_empty());
    let text = render_text(&plan, PLAIN);
    for line in [
        "Changes to outputs:",
        "~ url = \"http://a\" -> \"http://b\"",
        "+ more = \"new\"",
        "- gone = \"old\"",
        "~ token = (sensitive)",
        "only outputs change",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains("same"), "{text}");
    let markdown = render_markdown(&plan).unwrap();
    assert!(
        markdown.contains("#### Changes to outputs") && markdown.contains("<code>url</code>"),
        "{markdown}"
    );
    let html = render_html(&plan).unwrap();
    assert!(html.contains("<h2>Changes to outputs</h2>") && !html.contains("There is nothing to do"));
    let json = &render_json(&plan)["output_changes"];
    let of = |name: &str| {
        (json[name]["actions"][0].clone(), json[name]["before"].clone(), json[name]["after"].clone())
    };
    assert_eq!(of("stays"), (json!("no-op"), json!("same"), json!("same")));
    assert_eq!(of("url"), (json!("update"), json!("http://a"), json!("http://b")));
    assert_eq!(of("more"), (json!("create"), json!(null), json!("new")));
    assert_eq!(of("gone"), (json!("delete"), json!("old"), json!(null)));
    assert_eq!(of("token"), (json!("update"), json!(null), json!(null)));
    assert_eq!(
        (&json["token"]["before_sensitive"], &json["url"]["after_sensitive"]),
        (&json!(true), &json!(false))
    );
    // What only followed the platform is shown and is nothing to do.
    plan.outputs.iter_mut().for_each(|output| output.cause = crate::Cause::Event);
    assert!(plan.is_empty());
}

#[test]
fn what_is_no_longer_wanted_is_looked_at_too() {
    let mut world = World::new("", "a size=1");
    world.see("a", seen(known(json!({"size": 7})), Owner::Mine));
    world.check("delete a; drift a");
    let json = render_json(&world.plan().0);
    assert_eq!(json["resource_drift"][0]["change"]["before"]["size"], 1);
    assert_eq!(json["resource_drift"][0]["change"]["after"]["size"], 7);
    world.mode = Mode::Destroy;
    world.check("delete a");
}

#[test]
fn a_selection_says_what_it_leaves_behind() {
    let select = |targets: &[&str], excludes: &[&str], replace: &[&str]| {
        let own = |list: &[&str]| list.iter().map(|one| format!("model.{one}")).collect::<Vec<_>>();
        PlanOptions {
            targets: own(targets),
            excludes: own(excludes),
            replace: own(replace),
            ..PlanOptions::default()
        }
    };
    let state = "a size=1; b size=1 <- a; c size=1";
    for (desired, options, wanted, warning) in [
        ("a size=2; b size=2 <- a; c size=1", select(&["a"], &[], &[]), "update a", "leaves behind: model.b"),
        ("a size=2; b size=1 <- a; c size=2", select(&["a"], &[], &[]), "update a", ""),
        ("a size=2; b size=1 <- a; c size=1", select(&["b"], &[], &[]), "update a", ""),
        ("b size=1; c size=1", select(&["a"], &[], &[]), "delete a; !MLP0531", ""),
        ("b size=1; c size=1", select(&["a", "b"], &[], &[]), "update b; delete a <1", ""),
        ("a size=2; b size=1 <- a", select(&["b"], &["a"], &[]), "!MLP0531", ""),
        ("a size=1; b size=1 <- a; c size=1", select(&["c"], &[], &["a"]), "!MLP0531", ""),
        ("a size=1; b size=1 <- a; c size=1; n size=1", select(&[], &[], &["n"]), "create n; !MLP0531", ""),
        ("a size=1; b size=1 <- a", select(&[], &[], &["c"]), "delete c; !MLP0531", ""),
        ("a size=1; b size=1 <- a; c size=1", select(&["bb"], &[], &[]), "!MLP0530", ""),
    ] {
        let mut world = World::new(desired, state);
        world.options = options;
        world.check(wanted);
        let (plan, diagnostics) = world.plan();
        let said: Vec<&str> = plan.warnings.iter().map(|one| one.headline.as_str()).collect();
        assert_eq!(said.iter().any(|one| one.contains("leaves behind")), !warning.is_empty(), "{said:?}");
        assert!(warning.is_empty() || said.iter().any(|one| one.contains(warning)), "{said:?}");
        assert!(diagnostics.iter().all(|one| one.help.is_some()), "{diagnostics:?}");
    }
}

#[test]
fn a_plan_file_is_what_was_written_and_says_what_moved() {
    let (plan, _) = World::new("a size=2; b size=1", "a size=1; b size=1").plan();
    let text = String::from_utf8(plan.to_file().unwrap()).unwrap();
    assert_eq!(Plan::from_json(&text).unwrap(), plan);
    for (before, after) in
        [("\"size\"", "\"sizf\""), ("model.a", "model.b"), ("\"serial\":2", "\"serial\":3")]
    {
        assert!(text.contains(before), "{before} in {text}");
        let why = Plan::from_json(&text.replacen(before, after, 1)).unwrap_err();
        assert!(why.contains("edited or damaged"), "{why}");
    }
    assert!(Plan::from_json(&text[..text.len() / 2]).is_err());
    assert!(plan.moved_since(&plan).is_empty());
    type Change = fn(&mut Plan);
    let changes: [(&str, Change); 8] = [
        ("the project is `q` and was `p`", |now| now.project = "q".into()),
        ("the environment is `x` and was `e`", |now| now.environment = "x".into()),
        ("the state (serial 9 and was 2) changed", |now| (now.serial, now.state_digest) = (9, "z".into())),
        ("the state's lineage changed", |now| (now.lineage, now.state_digest) = ("l".into(), "z".into())),
        ("the specification changed", |now| now.spec_digest = "z".into()),
        ("the provider is `k.y` and was `fake.here`", |now| now.context.provider = "k.y".into()),
        ("the version of provider fake.here is `9`", |now| now.context.provider_version = "9".into()),
        ("the version of mlp is `9`", |now| now.mlp_version = "9".into()),
    ];
    for (words, change) in changes {
        let mut now = plan.clone();
        change(&mut now);
        let moved = plan.moved_since(&now);
        assert!(moved.len() == 1 && moved[0].starts_with(words), "{words}: {moved:?}");
    }
}

#[test]
fn what_stays_is_in_the_document_and_not_on_the_page() {
    let (plan, _) = World::new("a size=2; b size=1", "a size=1; b size=1").plan();
    let json = render_json(&plan);
    let of = |at: usize| json["resource_changes"][at].clone();
    assert_eq!(
        (of(0)["change"]["actions"][0].clone(), of(1)["change"]["actions"][0].clone()),
        ("update".into(), "no-op".into())
    );
    assert_eq!(json["planned_values"]["root_module"]["resources"].as_array().unwrap().len(), 2);
    assert_eq!(json["prior_state"]["values"]["root_module"]["resources"][0]["values"]["size"], 1);
    assert!(!render_text(&plan, PLAIN).contains("model.b"));
}

/// A plan in which one text of a thing changes.
fn texts(before: &str, after: &str) -> Plan {
    let mut world = World::new("a size=1", "a size=1");
    let config = |text: &str| KnownValue::object([("text", KnownValue::text(text))]);
    let id = world.desired[0].id.clone();
    world.desired[0].config = config(after).lift();
    Arc::make_mut(world.state.resources.get_mut(&id).unwrap()).applied = config(before);
    world.see("a", seen(config(before), Owner::Mine));
    world.plan().0
}

#[test]
fn json_in_a_text_is_compared_as_what_it_says() {
    let plan = texts(r#"{"a":1,"list":[1,2,3],"z":true}"#, r#"{"z":true,"a":2,"list":[1,2,3]}"#);
    let text = render_text(&plan, PLAIN);
    assert!(text.contains("-   \"a\": 1,") && text.contains("+   \"a\": 2,"), "{text}");
    assert!(!text.contains("-   \"z\""), "{text}");
    let text = render_text(&texts(r#"{"a":1}"#, r#"{ "a": 1 }"#), PLAIN);
    assert!(text.contains("only its layout changes"), "{text}");
}

#[test]
fn many_with_the_same_change_are_shown_once_with_their_names() {
    let lines = |size: u32| {
        (0..20).map(|at| format!("t{at} size={size} zone=model.t{at}")).collect::<Vec<_>>().join(";")
    };
    let (plan, _) = World::new(&lines(2), &lines(1)).plan();
    let text = render_text(&plan, PLAIN);
    assert!(text.contains("# 20 resources will be updated in place, each in the same way"), "{text}");
    assert_eq!(text.matches("size = 1 -> 2").count(), 1, "{text}");
    assert!((0..20).all(|at| text.contains(&format!("~ model.t{at}  [thing]"))), "{text}");
}

#[test]
fn nothing_in_a_value_is_markup() {
    let evil = "</pre><script>alert(1)</script>\n```\n@everyone <img src=x onerror=alert(1)>";
    let plan = texts("x", evil);
    let html = render_html(&plan).unwrap();
    assert!(!html.contains("<script>alert") && !html.contains("<img"), "{html}");
    assert!(html.contains("&lt;script&gt;"), "{html}");
    let markdown = render_markdown(&plan).unwrap();
    assert!(markdown.contains("````diff"), "{markdown}");
    let inside = markdown.split("````diff").nth(1).unwrap().split("\n````\n").next().unwrap();
    assert!(inside.contains("@everyone") && markdown.matches("@everyone").count() == 1, "{markdown}");
}

#[test]
fn a_comment_is_never_longer_than_it_may_be() {
    for count in [1, 300, 1500] {
        let line = |at: usize| format!("t{at} size={at} text={}", "x".repeat(200));
        let desired: Vec<String> = (0..count).map(line).collect();
        let (plan, _) = World::new(&desired.join(";"), "").plan();
        let markdown = render_markdown(&plan).unwrap();
        let letters = markdown.chars().count();
        assert!(letters <= 65_536, "{letters}");
        assert!(markdown.contains(&format!("{count} to add")), "{markdown}");
        assert_eq!(markdown.contains("> [!CAUTION]"), count > 1, "{count}: {letters}");
        // Each has its name or is counted among those that are cut.
        assert!(count == 1500 || markdown.contains(&format!("model.t{}", count - 1)), "{markdown}");
    }
}
