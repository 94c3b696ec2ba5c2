//! Environments as data: what each has, and what it says of what it has not.

use mlp_value::Address;

use crate::tests::{resolve_text, value};

const WORLD: &str = r#"
project "p" {
  labels  = { team = "risk", cost = "7" }
  storage = storage.lake
}
provider "local" "here" { labels = { cost = "8" } }
storage "lake" {}
storage "alone" {}
dataset "d" { storage = storage.lake }
dataset "e" {}
pipeline "p" {
  params = { n = 1, name = "x" }
  step "a" {
    run    = "a"
    inputs = { d = dataset.d }
  }
  step "b" { run = "b" }
}
endpoint "e" {
  scaling = { min = 2, max = 4 }
  runtime = { engine = "vllm", version = "1" }
}
budget "one" {
  scope   = [pipeline.p, endpoint.e]
  monthly = "1 USD"
}
budget "other" {
  scope   = [endpoint.e]
  monthly = "1 USD"
}
access "all" { on = [dataset.d] }
output "o" { value = storage.alone.path }
"#;

fn addresses(body: &str) -> Vec<String> {
    let found = resolved(body);
    assert_eq!(found.diagnostics, [], "{body}");
    let quiet = |address: &&Address| !matches!(&*address.kind, "project" | "provider");
    found.platform.unwrap().declarations.keys().filter(quiet).map(ToString::to_string).collect()
}

fn text(body: &str) -> String {
    format!("{WORLD}environment \"x\" {{\n  provider = provider.local.here\n{body}\n}}\n")
}

fn resolved(body: &str) -> crate::Resolution {
    resolve_text(&text(body), "x")
}

/// One mistake: its code and the text at its place.
fn refuse(body: &str, code: &str, at: &str) {
    let text = text(body);
    let found = resolve_text(&text, "x").diagnostics;
    assert_eq!(found.len(), 1, "{body}: {found:#?}");
    let place = found[0].place().map(|span| &text[span.start as usize..span.end as usize]);
    assert_eq!((found[0].code.as_str(), place), (code, Some(at)), "{found:#?}");
}

#[test]
fn only_brings_what_is_needed_and_the_rules_about_it() {
    assert_eq!(
        addresses("only = [pipeline.p]"),
        ["access.all", "budget.one", "dataset.d", "pipeline.p", "storage.lake"]
    );
    let found = resolved("only = [pipeline.p]").platform.unwrap().environment.notes;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].notes, ["`dataset.d`, `storage.lake`, `access.all`, `budget.one`"]);
}

#[test]
fn what_is_left_out_is_not_needed() {
    assert!(!addresses("except = [dataset.e]").contains(&"dataset.e".to_owned()));
    refuse("except = [dataset.d]", "MLP0307", "dataset.d");
    refuse("except = [storage.alone]", "MLP0307", "storage.alone.path");
}

#[test]
fn partial_blocks_merge_as_the_schema_says() {
    let is = |body: &str, address: &str, path: &str, wanted: &str| {
        let found = resolved(body);
        assert_eq!(found.diagnostics, [], "{body}");
        assert_eq!(value(&found, address, path), wanted, "{body}");
    };
    is("endpoint \"e\" { scaling = { max = 9 } }", "endpoint.e", "scaling", "{\"max\":9,\"min\":2}");
    is("endpoint \"e\" {\nscaling { max = null }\n}", "endpoint.e", "scaling", "{\"min\":2}");
    is("endpoint \"e\" { runtime = { engine = \"x\" } }", "endpoint.e", "runtime", "{\"engine\":\"x\"}");
    is("pipeline \"p\" { params = { n = 5 } }", "pipeline.p", "params", "{\"n\":5,\"name\":\"x\"}");
    is("pipeline \"p\" { remove = [\"step.b\"] }", "pipeline.p", "step.a.run", "\"a\"");
    let found = resolved("pipeline \"p\" { remove = [\"step.b\"] }").platform.unwrap();
    let pipeline = &found.declarations[&"pipeline.p".parse().unwrap()];
    assert!(pipeline.body.get(&"step.b".parse().unwrap()).is_none());
    is("storage \"new\" { pattern = \"scan\" }", "storage.new", "pattern", "\"scan\"");
    refuse("pipeline \"p\" { remove = [\"step.c\"] }", "MLP0316", "\"step.c\"");
    refuse("pipeline \"p\" { params = { m = 5 } }", "MLP0316", "m");
    refuse("pipeline \"p\" { params = { n = \"five\" } }", "MLP0306", "\"five\"");
    refuse("storage \"new\" { remove = [\"x\"] }", "MLP0316", "\"x\"");
    refuse("endpoint \"e\" { scaling = { mx = 9 } }", "MLP0304", "mx");
    refuse("team \"t\" {}\npromotion \"p\" {}", "MLP0316", "promotion \"p\"");
}

#[test]
fn what_is_said_for_all_holds_for_each() {
    let found = resolved("labels = { place = \"here\" }\ndataset \"e\" { labels = { team = \"own\" } }");
    let wanted = "{\"cost\":\"8\",\"place\":\"here\",\"team\":\"own\"}";
    assert_eq!(value(&found, "dataset.e", "labels"), wanted);
    let platform = found.platform.unwrap();
    let storage = platform.declarations[&"pipeline.p".parse().unwrap()].body.field("storage").cloned();
    assert!(storage.is_some_and(|storage| mlp_eval::reference_of(&storage).is_some()));
}
