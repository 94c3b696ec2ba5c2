//! The language's meaning as data: a specification, and what comes of it.

use mlp_diag::SourceMap;
use mlp_value::Path;
use mlp_value::facts::Facts;

use crate::{Inputs, Resolution, resolve};

pub(crate) const HEAD: &str = "project \"p\" {}\nprovider \"local\" \"here\" {}\nenvironment \"local\" { provider = provider.local.here }\n";

pub(crate) fn resolve_text(text: &str, environment: &str) -> Resolution {
    let mut sources = SourceMap::default();
    let file = sources.add("main.mlp", text);
    let (tree, diagnostics) = mlp_syntax::parse(file, text);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let inputs =
        Inputs { trees: &[&tree], sources: &sources, environment, assignments: &[], root: ".", modules: &[] };
    resolve(&inputs, &Facts::default())
}

pub(crate) fn value(resolution: &Resolution, address: &str, path: &str) -> String {
    let platform = resolution.platform.as_ref().unwrap();
    let declaration = &platform.declarations[&address.parse().unwrap()];
    let path: Path = path.parse().unwrap();
    declaration
        .body
        .get(&path)
        .unwrap_or_else(|| panic!("no {path} in {:?}", declaration.body))
        .known()
        .unwrap()
        .to_plain_json()
        .to_string()
}

fn check(body: &str, address: &str, path: &str, expected: &str) {
    let resolution = resolve_text(&format!("{HEAD}{body}"), "local");
    assert_eq!(resolution.diagnostics, [], "{body}");
    assert_eq!(value(&resolution, address, path), expected, "{body}");
}

/// Exactly one diagnostic, with this code, pointing at this text.
fn refuse(body: &str, code: &str, at: &str) {
    let text = format!("{HEAD}{body}");
    let resolution = resolve_text(&text, "local");
    let found = &resolution.diagnostics;
    assert_eq!(found.len(), 1, "{body}: {found:#?}");
    assert_eq!(found[0].code, code, "{body}: {found:#?}");
    let place = found[0].place().map(|span| &text[span.start as usize..span.end as usize]);
    assert_eq!(place, Some(at), "{body}: {found:#?}");
}

#[test]
fn a_chain_of_references_may_be_long() {
    let links: String = (1..5000)
        .map(|n| format!("storage \"s{n}\" {{ description = storage.s{}.description }}\n", n - 1))
        .collect();
    let body = format!("storage \"s0\" {{ description = \"first\" }}\n{links}");
    // Backwards, so that the first that is asked for needs all the others.
    let body: Vec<&str> = body.lines().rev().collect();
    check(&body.join("\n"), "storage.s4999", "description", "\"first\"");
}

#[test]
fn values_resolve() {
    check(
        "locals { a = 1 + 2 }\nstorage \"s\" { labels = { n = \"x${local.a}\" } }",
        "storage.s",
        "labels.n",
        "\"x3\"",
    );
    check(
        "variable \"v\" { default = 7 }\nstorage \"s\" { labels = { n = var.v } }",
        "storage.s",
        "labels.n",
        "\"7\"",
    );
    check(
        "dataset \"d\" {\n  for_each = { eu = 1, us = 2 }\n  labels = { k = each.key, v = each.value }\n}",
        "dataset.d[\"us\"]",
        "labels",
        "{\"k\":\"us\",\"v\":\"2\"}",
    );
    check(
        "storage \"a\" { pattern = \"scan\" }\nstorage \"b\" { pattern = storage.a.pattern }",
        "storage.b",
        "pattern",
        "\"scan\"",
    );
    check(
        "locals { on = true }\nstorage \"s\" { versioning = local.on ? true : nonsense() }",
        "storage.s",
        "versioning",
        "true",
    );
    // A block and an object are the same thing.
    check("endpoint \"e\" {\n  scaling { min = 2 }\n}", "endpoint.e", "scaling.min", "2");
    check("endpoint \"e\" {\n  scaling = { min = 2 }\n}", "endpoint.e", "scaling.min", "2");
}

#[test]
fn mistakes_are_placed() {
    refuse("storag \"s\" {}", "MLP0301", "storag");
    refuse("storage \"s\" { patern = \"scan\" }", "MLP0304", "patern");
    refuse("storage \"s\" { versioning = \"maybe\" }", "MLP0306", "\"maybe\"");
    refuse("dataset \"d\" { storage = storage.nope }", "MLP0307", "storage.nope");
    refuse(
        "registry \"r\" { kind = \"model\" }\ndataset \"d\" { storage = registry.r }",
        "MLP0309",
        "registry.r",
    );
    refuse("dataset \"d\" { storage = \"lake\" }", "MLP0308", "\"lake\"");
    refuse("locals { a = local.a }\nstorage \"s\" { description = local.a }", "MLP0310", "local.a");
    refuse("variable \"v\" {\n  type = number\n  default = \"x\"\n}", "MLP0313", "\"x\"");
    refuse("storage \"s\" {}\nstorage \"s\" {}", "MLP0303", "storage \"s\"");
    refuse("dataset \"d\" { for_each = [1] }", "MLP0314", "[1]");
    refuse(
        "model \"m\" { aliases = [\"champion\"] }\nendpoint \"e\" { model = model.m.alias.champoin }",
        "MLP0317",
        "model.m.alias.champoin",
    );
}

#[test]
fn a_partial_block_is_merged_by_fields_and_says_so() {
    let text = "project \"p\" {}\nprovider \"local\" \"here\" {}\nendpoint \"e\" { scaling = { min = 1, max = 5 } }\nenvironment \"dev\" {\n  provider = provider.local.here\n  endpoint \"e\" { scaling = { max = 2 } }\n}\n";
    let resolution = resolve_text(text, "dev");
    assert_eq!(resolution.diagnostics, []);
    assert_eq!(value(&resolution, "endpoint.e", "scaling"), "{\"max\":2,\"min\":1}");
    let platform = resolution.platform.unwrap();
    let origins = &platform.declarations[&"endpoint.e".parse().unwrap()].origins;
    let origin = |path: &str| format!("{:?}", origins.of(&path.parse().unwrap()));
    assert!(origin("scaling.max").contains("Environment"), "{}", origin("scaling.max"));
    assert!(origin("scaling.min").contains("Written"), "{}", origin("scaling.min"));
}

#[test]
fn the_example_resolves_in_both_environments() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/churn/main.mlp"))
        .unwrap();
    for environment in ["local", "dev"] {
        let resolution = resolve_text(&text, environment);
        assert_eq!(resolution.diagnostics, [], "{environment}");
        let rounds = value(&resolution, "pipeline.train", "params.rounds");
        assert_eq!(rounds, if environment == "dev" { "40" } else { "120" });
    }
}

#[test]
fn the_references_resolve_in_every_environment() {
    for (name, environments) in [
        ("fraud", &["local", "dev", "testing", "staging", "production"][..]),
        ("support-llm", &["local", "dev", "production", "burst"][..]),
    ] {
        let path = format!("{}/../../tests/reference/{name}/main.mlp", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        for environment in environments {
            let resolution = resolve_text(&text, environment);
            assert_eq!(resolution.diagnostics, [], "{name} {environment}");
        }
    }
}
