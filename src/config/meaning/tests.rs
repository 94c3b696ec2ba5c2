//! What declarations mean together, as data: a specification, and where its one mistake is told: first the place, then the places
//! that explain it.

use mlp_diag::SourceMap;
use mlp_value::facts::{Fact, Facts, Need};

use crate::tests::HEAD;
use crate::{Inputs, Resolution, resolve};

fn resolved(text: &str) -> Resolution {
    let mut sources = SourceMap::default();
    let file = sources.add("main.mlp", text);
    let (tree, diagnostics) = mlp_syntax::parse(file, text);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let mut facts = Facts::default();
    let file = |name: &str, text: &str| (Need::Text(name.to_owned()), Fact::Text(text.to_owned()));
    for (need, fact) in [
        file("t.avsc", r#"{"type": "record", "name": "T", "fields": [{"name": "id", "type": "string"}]}"#),
        file("m.json", r#"{"inputs": [{"name": "id"}, {"name": "amount"}], "outputs": []}"#),
    ] {
        facts.insert(need, fact);
    }
    let inputs = Inputs {
        trees: &[&tree],
        sources: &sources,
        environment: "local",
        assignments: &[],
        root: ".",
        modules: &[],
    };
    resolve(&inputs, &facts)
}

/// One mistake: its code, the text at its place, and the texts that explain it.
fn refuse(body: &str, code: &str, at: &str, explained_by: &[&str]) {
    let text = format!("{HEAD}{body}");
    let found = resolved(&text).diagnostics;
    assert_eq!(found.len(), 1, "{body}: {found:#?}");
    let of = |span: mlp_diag::Span| &text[span.start as usize..span.end as usize];
    assert_eq!(found[0].code, code, "{found:#?}");
    assert_eq!(found[0].place().map(of), Some(at), "{found:#?}");
    let others: Vec<&str> =
        found[0].labels.iter().filter(|label| !label.primary).map(|label| of(label.span)).collect();
    assert_eq!(others, explained_by, "{found:#?}");
    assert!(found[0].help.as_ref().is_some_and(|help| !help.is_empty()), "{found:#?}");
}

fn accept(body: &str, unchecked: usize) {
    let found = resolved(&format!("{HEAD}{body}"));
    assert_eq!(found.diagnostics, [], "{body}");
    assert_eq!(found.unchecked.len(), unchecked, "{body}: {:#?}", found.unchecked);
}

const TRAIN: &str = r#"
component "fit" {
  run     = "fit ${input.data} ${param.lr} ${output.model}"
  inputs  = { data = "table", base = { type = "model", optional = true } }
  params  = { lr = { type = "number", default = 0.1 } }
  outputs = { model = "model", scores = { type = "metrics", names = ["auc"] } }
}
model "m" {
  aliases = ["champion"]
}
dataset "d" {}
"#;

fn pipeline(step: &str) -> String {
    format!(
        "{TRAIN}pipeline \"p\" {{\n  params = {{ lr = 0.2 }}\n  step \"fit\" {{\n    use = component.fit\n{step}\n  }}\n}}\n"
    )
}

#[test]
fn artifacts_go_where_they_are_taken() {
    accept(&pipeline("inputs = { data = dataset.d }\nparams = { lr = param.lr }"), 0);
    accept(&pipeline("inputs = { data = dataset.d, base = model.m.alias.champion }"), 0);
    refuse(
        &pipeline("inputs = { data = model.m.alias.champion }"),
        "MLP0340",
        "model.m.alias.champion",
        &["\"table\""],
    );
    let two = "inputs = { data = dataset.d }\n}\nstep \"again\" {\nuse = component.fit\n";
    refuse(
        &pipeline(&format!("{two}inputs = {{ data = step.fit.model }}")),
        "MLP0340",
        "step.fit.model",
        &["\"table\"", "\"model\""],
    );
    refuse(&pipeline("inputs = { dta = dataset.d }"), "MLP0317", "dta", &["inputs"]);
    refuse(&pipeline("inputs = {}"), "MLP0340", "{}", &["\"table\""]);
    refuse(
        &pipeline("inputs = { data = dataset.d }\nparams = { lr = \"fast\" }"),
        "MLP0306",
        "\"fast\"",
        &["\"number\""],
    );
    let register = "inputs = { data = dataset.d }\n}\nstep \"register\" {\nregister = model.m\n";
    refuse(
        &pipeline(&format!("{register}from = step.fit.scores")),
        "MLP0340",
        "step.fit.scores",
        &["{ type = \"metrics\", names = [\"auc\"] }"],
    );
    refuse(
        &pipeline(&format!("{register}from = step.fit.model\nalias = \"champoin\"")),
        "MLP0317",
        "\"champoin\"",
        &["[\"champion\"]"],
    );
}

#[test]
fn names_of_a_step_are_its_own() {
    let component = |run: &str| {
        format!(
            "component \"c\" {{\n  run = \"x ${{{run}}}\"\n  inputs = {{ a = \"table\" }}\n  outputs = {{ b = \"file\" }}\n}}\n"
        )
    };
    accept(&component("input.a"), 0);
    refuse(&component("input.b"), "MLP0307", "input.b", &["inputs"]);
    refuse(&component("output.a"), "MLP0307", "output.a", &["outputs"]);
    refuse(&component("param.x"), "MLP0307", "param.x", &[]);
    refuse(&component("run.identity"), "MLP0307", "run.identity", &[]);
}

#[test]
fn rules_name_columns_that_there_are() {
    let dataset = |schema: &str, rule: &str| {
        format!(
            "dataset \"d\" {{\n  schema = {schema}\n  quality {{\n    expect \"e\" {{\n      {rule}\n    }}\n  }}\n}}\n"
        )
    };
    accept(&dataset("{ id = \"string\" }", "assert = row.id != \"\""), 0);
    accept("dataset \"d\" {\n  protection = { mask = [\"pan\"] }\n}\n", 1);
    refuse(
        &dataset("{ id = \"string\" }", "assert = row.ident != \"\""),
        "MLP0341",
        "row.ident",
        &["{ id = \"string\" }"],
    );
    refuse(
        &dataset("\"t.avsc\"", "column = \"at\"\ncheck = \"fresh\""),
        "MLP0341",
        "\"at\"",
        &["\"t.avsc\""],
    );
    refuse(
        &dataset("\"t.avsc\"", "columns = [\"id\", \"no\"]\ncheck = \"not_null\""),
        "MLP0341",
        "\"no\"",
        &["\"t.avsc\""],
    );
    refuse(
        "dataset \"d\" { schema = \"t.avsc\" }\nentity \"e\" { key = [\"card\"] }\nfeatures \"f\" {\n  entity = entity.e\n  from = [dataset.d]\n}\n",
        "MLP0341",
        "\"card\"",
        &["\"t.avsc\"", "dataset.d"],
    );
}

#[test]
fn a_signature_takes_what_the_features_give() {
    let endpoint = |schema: &str| {
        format!(
            "entity \"e\" {{ key = [\"id\"] }}\nsource \"s\" {{\n  kind = \"file\"\n  uri = \"s.csv\"\n}}\nfeatures \"f\" {{\n  entity = entity.e\n  from = [source.s]\n  schema = {schema}\n}}\nmodel \"m\" {{\n  signature = \"m.json\"\n  aliases = [\"champion\"]\n}}\nendpoint \"e\" {{\n  model = model.m.alias.champion\n  features = [features.f]\n}}\n"
        )
    };
    accept(&endpoint("{ amount = \"number\" }"), 0);
    refuse(&endpoint("{ velocity = \"number\" }"), "MLP0342", "features.f", &["\"m.json\""]);
}

#[test]
fn traffic_adds_up() {
    let endpoint = |a: &str, b: &str| {
        format!(
            "model \"m\" {{ aliases = [\"a\"] }}\nendpoint \"e\" {{\n  variant \"a\" {{\n    model = model.m.alias.a\n    {a}\n  }}\n  variant \"b\" {{\n    model = model.m.alias.a\n    {b}\n  }}\n}}\n"
        )
    };
    accept(&endpoint("traffic = 30", "traffic = 70"), 0);
    accept(&endpoint("traffic = 30", "traffic = \"remainder\""), 0);
    accept(&endpoint("shadow = 10", ""), 0);
    refuse(&endpoint("traffic = 30", "traffic = 60"), "MLP0343", "30", &["60"]);
    refuse(&endpoint("traffic = \"remainder\"", ""), "MLP0343", "\"remainder\"", &["\"b\""]);
}

#[test]
fn gates_compare_metrics_that_are_kept() {
    let gate = |assert: &str, to: &str| {
        let step = "inputs = { data = dataset.d }\n}\nstep \"register\" {\nregister = model.g\nfrom = step.fit.model\nevidence = step.fit.scores";
        format!(
            "{}model \"g\" {{\n  aliases = [\"next\", \"champion\"]\n  gate \"better\" {{\n    from = \"next\"\n    to = \"{to}\"\n    assert = {assert}\n  }}\n}}\n",
            pipeline(step)
        )
    };
    accept(&gate("champion == null || candidate.auc > champion.auc", "champion"), 0);
    refuse(&gate("candidate.acu > 0.5", "champion"), "MLP0344", "candidate.acu", &["[\"auc\"]"]);
    refuse(
        &gate("candidate.auc > 0.5", "champoin"),
        "MLP0317",
        "\"champoin\"",
        &["[\"next\", \"champion\"]"],
    );
    refuse(&gate("candidate.auc + 1", "champion"), "MLP0345", "candidate.auc + 1", &[]);
    refuse(&gate("dataset.d > 1", "champion"), "MLP0309", "dataset.d", &[]);
}

#[test]
fn a_policy_names_attributes_that_there_are() {
    let policy = |assert: &str| format!("policy \"p\" {{\n  applies = dataset\n  assert = {assert}\n}}\n");
    accept(&policy("self.protection.encrypt == true"), 0);
    refuse(&policy("self.protection.encript == true"), "MLP0307", "self.protection.encript", &[]);
    refuse(
        &policy("contins(self.classification, \"pii\")"),
        "MLP0201",
        "contins(self.classification, \"pii\")",
        &[],
    );
}

#[test]
fn calls_about_other_objects_take_what_they_need() {
    let done =
        |call: &str| format!("{TRAIN}product \"p\" {{\n  milestone \"m\" {{ done_when = [{call}] }}\n}}\n");
    accept(&done("deployed(model.m, environment.local)"), 0);
    refuse(&done("deployed(dataset.d, environment.local)"), "MLP0309", "dataset.d", &[]);
    refuse(&done("deployed(model.m, model.m)"), "MLP0309", "model.m", &[]);
    refuse(&done("deployed()"), "MLP0306", "deployed()", &[]);
    refuse(&done("model.m"), "MLP0345", "model.m", &[]);
}

#[test]
fn data_stays_where_it_may_be() {
    let text = |region: &str, residency: &str| {
        format!(
            "project \"p\" {{}}\nprovider \"aws\" \"a\" {{ region = \"{region}\" }}\nenvironment \"local\" {{\n  provider = provider.aws.a\n  residency = [\"{residency}\"]\n}}\n"
        )
    };
    assert_eq!(resolved(&text("eu-west-1", "eu")).diagnostics, []);
    let text = text("us-east-1", "eu");
    let found = resolved(&text).diagnostics;
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].code, "MLP0346");
    let places: Vec<&str> = found[0]
        .labels
        .iter()
        .map(|label| &text[label.span.start as usize..label.span.end as usize])
        .collect();
    assert_eq!(places, ["\"us-east-1\"", "provider.aws.a", "[\"eu\"]"]);
}

#[test]
fn settings_of_providers_and_states_are_known() {
    refuse("provider \"aws\" \"a\" { regoin = \"eu\" }\n", "MLP0304", "regoin", &[]);
    refuse("provider \"kubernetes\" \"a\" { queue = \"quue\" }\n", "MLP0306", "\"quue\"", &[]);
    accept("provider \"acme\" \"a\" { anything = 1 }\n", 1);
    refuse(
        "environment \"x\" {\n  provider = provider.local.here\n}\nreference \"r\" {\n  project = \"../o\"\n  state { bakend = \"s3\" }\n}\n",
        "MLP0304",
        "bakend",
        &[],
    );
}

#[test]
fn what_moved_and_what_was_removed_fit_what_is_declared() {
    let moved = |from: &str, to: &str| format!("moved {{\n  from = {from}\n  to   = {to}\n}}\n");
    let two = "storage \"a\" {}\nstorage \"b\" {}\n";
    refuse(&format!("{two}{}", moved("storage.a", "storage.b")), "MLP0349", "storage.a", &["storage \"a\""]);
    refuse(&format!("{two}{}", moved("storage.c", "storage.d")), "MLP0349", "storage.d", &[]);
    refuse(&format!("{two}{}", moved("model.c", "storage.a")), "MLP0349", "storage.a", &["model.c"]);
    let twice = moved("storage.c", "storage.a") + &moved("storage.c", "storage.b");
    refuse(&format!("{two}{twice}"), "MLP0349", "storage.b", &["storage.a"]);
    let circle = moved("storage.c", "storage.d") + &moved("storage.d", "storage.c");
    refuse(&circle, "MLP0349", "storage.c", &[]);
    let removed = "removed {\n  from = storage.a\n}\n";
    refuse(&format!("{two}{removed}"), "MLP0349", "storage.a", &["storage \"a\""]);
    let fate = "removed {\n  from = storage.c\n  lifecycle {\n    on_destroy = \"keep\"\n    destroy    = true\n  }\n}\n";
    refuse(fate, "MLP0349", "true", &["\"keep\""]);
    let some = "storage \"a\" { for_each = toset([\"x\"]) }\nstorage \"n\" { count = 0 }\n";
    for (from, to) in [
        ("storage.a", "storage.a[\"x\"]"),
        ("storage.a[\"y\"]", "storage.a[\"x\"]"),
        ("storage.old", "storage.n"),
        ("storage.old[\"x\"]", "storage.a[\"x\"]"),
    ] {
        accept(&format!("{some}{}", moved(from, to)), 0);
    }
    accept(&(moved("storage.c", "storage.d") + &moved("storage.d", "storage.e") + "storage \"e\" {}\n"), 0);
}
