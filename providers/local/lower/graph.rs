//! `graph` of an endpoint: what each node takes, as text that leads to an answer (`transcribe.text`).

use std::collections::BTreeMap;

use mlp_floor::serve::GraphSpec;

use super::builder::Builder;
use crate::codes;
use crate::fault;
use crate::mlp_eval::{PlanValue, reference_of};
use crate::mlp_value::Value;
use crate::supervisor::graph_of;

/// The native graph: `input` by node, and `output`.
pub(super) fn lower(builder: &mut Builder<'_>) -> Option<PlanValue> {
    let nodes = builder.attribute("graph.node").and_then(Value::as_object);
    let Some(nodes) = nodes.filter(|nodes| !nodes.is_empty()) else {
        builder.error(codes::VALUE, "graph", "a graph needs a `node`", "");
        return None;
    };
    let mut inputs = BTreeMap::new();
    let mut whole = true;
    for (name, node) in nodes.iter() {
        if let Some(input) = node.field("input") {
            match feed(builder, input, &format!("graph.node.{name}.input")) {
                Some(feed) => _ = inputs.insert(name.to_string(), feed),
                None => whole = false,
            }
        }
    }
    let output = builder.attribute("graph.output")?;
    let output = feed(builder, output, "graph.output")?;
    let native: PlanValue = Value::object([("input", Value::object(inputs)), ("output", output)]);
    if whole && let Ok(known) = native.known() {
        check(builder, &graph_of(&known, nodes.keys().map(AsRef::as_ref)));
    }
    Some(native)
}

/// What the graph itself says of its references, at the user's line.
fn check(builder: &mut Builder<'_>, graph: &GraphSpec) {
    if let Err(problem) = graph.validate() {
        let address = builder.declaration().address.to_string();
        builder.diagnostics.push(fault::diagnostic(&problem, &address));
    }
}

fn feed(builder: &mut Builder<'_>, value: &PlanValue, path: &str) -> Option<PlanValue> {
    if reference_of(value).is_some() {
        return pick(builder, value, path).map(Value::text);
    }
    let mut found = BTreeMap::new();
    for (name, member) in value.as_object()?.iter() {
        found.insert(name.to_string(), Value::text(pick(builder, member, &format!("{path}.{name}"))?));
    }
    Some(Value::object(found))
}

/// `node.transcribe.text` as `transcribe.text`.
fn pick(builder: &mut Builder<'_>, value: &PlanValue, path: &str) -> Option<String> {
    let reference = reference_of(value)?;
    let own = reference.address == builder.declaration().address;
    match reference.path.split_first() {
        Some((word, names)) if own && word == "node" && names.iter().all(|name| !name.contains('.')) => {
            Some(names.join("."))
        }
        _ => {
            let text = format!("`{reference}` is no answer of a node of this graph");
            builder.error(codes::UNRESOLVED, path, text, "write `node.<name>`, or `node.<name>.<field>`");
            None
        }
    }
}

/// A model of a node for each variant of the endpoint.
pub(super) fn models<'a>(builder: &Builder<'a>) -> Vec<(String, &'a PlanValue)> {
    let nodes = builder.attribute("graph.node").and_then(Value::as_object);
    let nodes = nodes.into_iter().flat_map(|nodes| nodes.iter());
    nodes.filter_map(|(name, node)| Some((name.to_string(), node.field("model")?))).collect()
}

#[cfg(test)]
mod tests {
    use mlp_floor::serve::{Feed, Pick};

    use super::*;
    use crate::mlp_value::KnownValue;

    #[test]
    fn the_native_graph_is_read_back() {
        let native = KnownValue::object([
            ("input", KnownValue::object([("b", KnownValue::text("a.text.deep"))])),
            ("output", KnownValue::object([("x", KnownValue::text("b"))])),
        ]);
        let graph = graph_of(&native, ["a", "b"].into_iter());
        let pick = |node: &str, path: &[&str]| Pick {
            node: node.into(),
            path: path.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(graph.nodes["a"], Feed::Request);
        assert_eq!(graph.nodes["b"], Feed::Node(pick("a", &["text", "deep"])));
        assert_eq!(graph.output, Feed::Object([("x".to_owned(), pick("b", &[]))].into()));
        assert_eq!(graph.validate(), Ok(()));
    }
}
