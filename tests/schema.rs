//! The JSON Schema of the language says of real specifications that they are right, and of wrong ones that they are not.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use mlp_diag::FileId;
use mlp_syntax::{Block, Body, Expr, ExprKind};
use serde_json::{Map, Value, json};

/// The JSON form of a specification: labels are nested objects, expressions are text with `${…}`.
fn form(text: &str) -> Value {
    let (tree, problems) = mlp_syntax::parse(FileId(0), text);
    assert!(problems.is_empty(), "{problems:?}");
    body(&tree.body, text)
}

fn body(body: &Body, text: &str) -> Value {
    let mut found = Map::new();
    for attribute in &body.attributes {
        found.insert(attribute.name.name.clone(), value(&attribute.expr, text));
    }
    for block in &body.blocks {
        put(&mut found, block, text);
    }
    Value::Object(found)
}

fn put(found: &mut Map<String, Value>, block: &Block, text: &str) {
    let inside = body(&block.body, text);
    if block.labels.is_empty() {
        match found.get_mut(&block.kind.name) {
            None => drop(found.insert(block.kind.name.clone(), inside)),
            Some(Value::Array(several)) => several.push(inside),
            Some(one) => *one = json!([one.take(), inside]),
        }
        return;
    }
    let (last, above) = block.labels.split_last().unwrap();
    let mut at = found.entry(block.kind.name.clone()).or_insert_with(|| json!({}));
    for label in above {
        at = at.as_object_mut().unwrap().entry(label.name.clone()).or_insert_with(|| json!({}));
    }
    at.as_object_mut().unwrap().insert(last.name.clone(), inside);
}

fn value(expr: &Expr, text: &str) -> Value {
    match &expr.kind {
        ExprKind::Null => Value::Null,
        ExprKind::Bool(truth) => json!(truth),
        ExprKind::Number(number) => serde_json::from_str(number).unwrap(),
        ExprKind::Text(text) => json!(text),
        ExprKind::List(items) => items.iter().map(|item| value(item, text)).collect(),
        ExprKind::Object(items) => {
            let key = |key: &Expr| match &key.kind {
                ExprKind::Text(name) | ExprKind::Name(name) => name.clone(),
                _ => written(key, text),
            };
            Value::Object(items.iter().map(|(name, item)| (key(name), value(item, text))).collect())
        }
        _ => json!(written(expr, text)),
    }
}

fn written(expr: &Expr, text: &str) -> String {
    let source = &text[expr.span.start as usize..expr.span.end as usize];
    if matches!(expr.kind, ExprKind::Template(_)) {
        source.trim_matches('"').to_owned()
    } else {
        format!("${{{source}}}")
    }
}

fn schema() -> jsonschema::Validator {
    let scratch = tempfile::tempdir().unwrap();
    let printed = support::run(support::program(scratch.path()).arg("schema")).ended(0).json();
    let file = std::fs::read_to_string(support::folder("schemas/generated").join("mlp.schema.json")).unwrap();
    assert_eq!(printed, serde_json::from_str::<Value>(&file).unwrap());
    jsonschema::validator_for(&printed).unwrap()
}

#[test]
fn every_specification_of_this_project_is_right() {
    let schema = schema();
    let mut checked = 0;
    for folder in ["examples", "tests/reference"] {
        for path in support::files(&support::folder(folder), ".mlp") {
            let text = std::fs::read_to_string(&path).unwrap();
            let form = form(&text);
            let wrong: Vec<String> = schema
                .iter_errors(&form)
                .map(|error| format!("{}: {error:.300}", error.instance_path))
                .collect();
            assert!(wrong.is_empty(), "{}: {wrong:#?}", path.display());
            checked += 1;
        }
    }
    assert!(checked >= 5, "only {checked} files were found");
}

#[test]
fn blocks_made_from_a_collection_are_right_where_blocks_are() {
    let schema = schema();
    let made = |inside: &str, content: &str| {
        format!(
            "endpoint \"e\" {{\n  dynamic \"{inside}\" {{\n    for_each = var.x\n    {content}\n  }}\n}}\n"
        )
    };
    for text in [
        made("variant", "content {\n      traffic = variant.value\n      model = model.m\n    }"),
        made("variant", "iterator = it\n    labels = [it.key]\n    content { model = model.m }"),
        made("lifecycle", "content { protect = true }"),
        "monitor \"m\" {\n  target = endpoint.e\n  dynamic \"signal\" {\n    for_each = [\"a\"]\n    content { kind = \"bias\" }\n  }\n}\n".to_owned(),
    ] {
        let wrong: Vec<String> = schema.iter_errors(&form(&text)).map(|error| format!("{error:.300}")).collect();
        assert!(wrong.is_empty(), "{text}: {wrong:?}");
    }
    for text in [
        made("varient", "content { model = model.m }"),
        made("variant", "content { trafic = 5 }"),
        made("variant", "contents { traffic = 5 }"),
        made("variant", "labels = [\"x\"]"),
        made("kind", "content { model = model.m }"),
    ] {
        assert!(!schema.is_valid(&form(&text)), "{text}");
    }
}

#[test]
fn what_is_wrong_is_found() {
    let schema = schema();
    for text in [
        "endpont \"e\" {}\n",
        "endpoint \"e\" {\n  kindd = \"online\"\n}\n",
        "endpoint \"e\" {\n  kind = \"onlin\"\n}\n",
        "endpoint \"e\" {\n  scaling = { min = -1 }\n}\n",
        "endpoint \"e\" {\n  scaling = { mn = 1 }\n}\n",
        "endpoint \"e\" {\n  variant \"v\" {\n    traffic = 101\n  }\n}\n",
        "alert \"a\" {\n  when = endpoint.e.p99_ms > 1\n}\n",
    ] {
        assert!(!schema.is_valid(&form(text)), "{text}");
    }
}

#[test]
fn one_block_has_a_schema_of_its_own() {
    let scratch = tempfile::tempdir().unwrap();
    let printed = support::run(support::program(scratch.path()).args(["schema", "storage"])).ended(0).json();
    let schema = jsonschema::validator_for(&printed).unwrap();
    assert!(schema.is_valid(&json!({ "kind": "object" })) && !schema.is_valid(&json!({ "kindd": "object" })));
    support::run(support::program(scratch.path()).args(["schema", "storag"]))
        .ended(1)
        .says("did you mean `storage`?");
}
