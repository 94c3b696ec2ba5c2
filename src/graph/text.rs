//! The graph as text for other programs: DOT, Mermaid and JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Graph;

/// A tree of modules with the numbers of what lies in each.
#[derive(Default)]
struct Room {
    nodes: Vec<usize>,
    inner: BTreeMap<String, Room>,
}

fn rooms(graph: &Graph) -> Room {
    let mut root = Room::default();
    for (at, node) in graph.nodes.iter().enumerate() {
        let mut room = &mut root;
        for word in &node.address.module {
            room = room.inner.entry(word.to_string()).or_default();
        }
        room.nodes.push(at);
    }
    root
}

/// In the language of Graphviz.
pub fn dot(graph: &Graph) -> String {
    let mut text = String::from("digraph mlp {\n  rankdir = LR\n  node [shape = box, style = rounded]\n");
    dot_room(&mut text, graph, &rooms(graph), "", 1);
    for edge in &graph.edges {
        let style = match (edge.back, edge.ordering) {
            (true, _) => " [style = dashed, constraint = false]",
            (_, true) => " [style = dotted]",
            _ => "",
        };
        let address = |at: usize| quoted(&graph.nodes[at].address.to_string());
        line(&mut text, 1, format_args!("{} -> {}{style}", address(edge.from), address(edge.to)));
    }
    text.push_str("}\n");
    text
}

fn dot_room(text: &mut String, graph: &Graph, room: &Room, path: &str, depth: usize) {
    for at in &room.nodes {
        let node = &graph.nodes[*at];
        let label = format!("{}\n{}", node.address.kind, node.name());
        line(text, depth, format_args!("{} [label = {}]", quoted(&node.address.to_string()), quoted(&label)));
    }
    for (name, inner) in &room.inner {
        let path = format!("{path}module.{name}");
        line(text, depth, format_args!("subgraph {} {{", quoted(&format!("cluster_{path}"))));
        line(text, depth + 1, format_args!("label = {}", quoted(&format!("module.{name}"))));
        dot_room(text, graph, inner, &format!("{path}."), depth + 1);
        line(text, depth, format_args!("}}"));
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// In the language of Mermaid.
pub fn mermaid(graph: &Graph) -> String {
    let mut text = String::from("flowchart LR\n");
    mermaid_room(&mut text, graph, &rooms(graph), "m", 1);
    for edge in &graph.edges {
        let arrow = match (edge.back, edge.ordering) {
            (true, _) => "-.->",
            (_, true) => "~~~",
            _ => "-->",
        };
        line(&mut text, 1, format_args!("n{} {arrow} n{}", edge.from, edge.to));
    }
    text
}

fn mermaid_room(text: &mut String, graph: &Graph, room: &Room, id: &str, depth: usize) {
    for at in &room.nodes {
        let node = &graph.nodes[*at];
        let label = format!("{}<br/><b>{}</b>", node.address.kind, escaped(&node.name()));
        line(text, depth, format_args!("n{at}[\"{label}\"]"));
    }
    for (number, (name, inner)) in room.inner.iter().enumerate() {
        let id = format!("{id}_{number}");
        line(text, depth, format_args!("subgraph {id}[\"module.{}\"]", escaped(name)));
        mermaid_room(text, graph, inner, &id, depth + 1);
        line(text, depth, format_args!("end"));
    }
}

fn escaped(text: &str) -> String {
    text.replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
}

/// As data.
pub fn json(graph: &Graph, format_version: u32) -> Value {
    let nodes: Vec<Value> = graph
        .nodes
        .iter()
        .map(|node| {
            let module: Vec<&str> = node.address.module.iter().map(|word| &**word).collect();
            json!({ "address": node.address.to_string(), "kind": &*node.address.kind, "name": node.name(), "module": module })
        })
        .collect();
    let address = |at: usize| graph.nodes[at].address.to_string();
    let edges: Vec<Value> = graph
        .edges
        .iter()
        .map(|edge| {
            let kind = if edge.ordering { "order" } else { "flow" };
            json!({ "from": address(edge.from), "to": address(edge.to), "kind": kind, "back": edge.back })
        })
        .collect();
    json!({ "format_version": format_version, "nodes": nodes, "edges": edges })
}

fn line(text: &mut String, depth: usize, what: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{}{what}", "  ".repeat(depth));
}
