//! The graph as a picture that needs no other program: SVG, readable on light and on dark.

use std::fmt::Write as _;

use super::layout::{HEIGHT, layout};
use super::{Drawn, Edge, Graph};

/// Colours as classes, so that a viewer's preference for dark is followed.
const STYLE: &str = "
    .page { fill: #ffffff }
    .node { fill: #f6f8fa; stroke: #57606a; stroke-width: 1.2 }
    .name { fill: #1f2328; font: 600 12px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
    .kind { fill: #59636e; font: 10.5px system-ui, -apple-system, 'Segoe UI', sans-serif }
    .edge { fill: none; stroke: #6e7781; stroke-width: 1.3 }
    .back { stroke: #b35900; stroke-dasharray: 6 4 }
    .order { stroke-dasharray: 2 3 }
    .tip { fill: #6e7781 } .tip-back { fill: #b35900 }
    .module { fill: #8b949e; fill-opacity: 0.08; stroke: #8b949e; stroke-dasharray: 4 3 }
    .title { fill: #59636e; font: 600 11px system-ui, -apple-system, 'Segoe UI', sans-serif }
    .data { fill: #ddf4ff; stroke: #0969da } .features { fill: #dafbe1; stroke: #1a7f37 }
    .pipeline { fill: #fff8c5; stroke: #9a6700 } .model { fill: #fbefff; stroke: #8250df }
    .endpoint { fill: #ffebe9; stroke: #cf222e } .watch { fill: #fff1e5; stroke: #bc4c00 }
    @media (prefers-color-scheme: dark) {
      .page { fill: #0d1117 }
      .node { fill: #161b22; stroke: #8b949e } .name { fill: #f0f6fc } .kind, .title { fill: #9198a1 }
      .edge { stroke: #8b949e } .tip { fill: #8b949e } .back { stroke: #f0883e } .tip-back { fill: #f0883e }
      .data { fill: #0c2d4d; stroke: #4493f8 } .features { fill: #0f2d1a; stroke: #3fb950 }
      .pipeline { fill: #2e2508; stroke: #d29922 } .model { fill: #271a3d; stroke: #ab7df8 }
      .endpoint { fill: #3c1414; stroke: #f85149 } .watch { fill: #34200d; stroke: #f0883e }
    }
";

/// The picture.
pub fn svg(graph: &Graph, title: &str) -> String {
    let places = layout(graph);
    let mut text = String::new();
    let (width, height) = (places.width.ceil(), places.height.ceil());
    line(
        &mut text,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">"
        ),
    );
    line(&mut text, format_args!("  <title>{}</title>", escaped(title)));
    line(&mut text, format_args!("  <style>{STYLE}  </style>"));
    line(&mut text, format_args!("  <defs>"));
    for (id, class) in [("tip", "tip"), ("tip-back", "tip-back")] {
        line(
            &mut text,
            format_args!(
                "    <marker id=\"{id}\" viewBox=\"0 0 8 8\" refX=\"7.5\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto\"><path class=\"{class}\" d=\"M0 0.5L8 4L0 7.5z\"/></marker>"
            ),
        );
    }
    line(&mut text, format_args!("  </defs>"));
    line(&mut text, format_args!("  <rect class=\"page\" width=\"{width}\" height=\"{height}\"/>"));
    for (name, place) in &places.modules {
        line(
            &mut text,
            format_args!(
                "  <rect class=\"module\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"8\"/>",
                place.x, place.y, place.width, place.height
            ),
        );
        line(
            &mut text,
            format_args!(
                "  <text class=\"title\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                place.x + 10.0,
                place.y + 15.0,
                escaped(name)
            ),
        );
    }
    for (edge, points) in graph.edges.iter().zip(&places.edges) {
        edge_line(&mut text, graph, edge, points);
    }
    for (node, place) in graph.nodes.iter().zip(&places.nodes) {
        node_box(&mut text, node, (place.x, place.y, place.width));
    }
    text.push_str("</svg>\n");
    text
}

fn edge_line(text: &mut String, graph: &Graph, edge: &Edge, points: &[(f64, f64)]) {
    let class = match (edge.back, edge.ordering) {
        (true, _) => "edge back",
        (_, true) => "edge order",
        _ => "edge",
    };
    let tip = if edge.back { "tip-back" } else { "tip" };
    let name = |at: usize| escaped(&graph.nodes[at].address.to_string());
    line(
        text,
        format_args!(
            "  <path class=\"{class}\" marker-end=\"url(#{tip})\" d=\"{}\"><title>{} → {}</title></path>",
            curve(points),
            name(edge.from),
            name(edge.to)
        ),
    );
}

fn node_box(text: &mut String, node: &Drawn, (x, y, width): (f64, f64, f64)) {
    let class = match &*node.address.kind {
        "source" | "dataset" | "data" | "reference" => "node data",
        "features" => "node features",
        "pipeline" | "experiment" => "node pipeline",
        "model" => "node model",
        "endpoint" => "node endpoint",
        "monitor" | "alert" | "app" | "product" => "node watch",
        _ => "node",
    };
    let kind = if node.note.is_empty() {
        node.address.kind.to_string()
    } else {
        format!("{} · {}", node.address.kind, node.note)
    };
    let middle = x + width / 2.0;
    line(text, format_args!("  <g><title>{}</title>", escaped(&node.address.to_string())));
    line(
        text,
        format_args!(
            "    <rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{HEIGHT}\" rx=\"6\"/>"
        ),
    );
    line(
        text,
        format_args!(
            "    <text class=\"kind\" x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            y + 15.0,
            escaped(&kind)
        ),
    );
    line(
        text,
        format_args!(
            "    <text class=\"name\" x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text></g>",
            y + 31.0,
            escaped(&node.name())
        ),
    );
}

/// A line through points that is level where it passes them.
fn curve(points: &[(f64, f64)]) -> String {
    let Some((first, rest)) = points.split_first() else { return String::new() };
    let mut path = format!("M{:.1} {:.1}", first.0, first.1);
    let mut from = *first;
    for to in rest {
        // Writing to a string cannot fail.
        let _ = if (from.1 - to.1).abs() < 0.5 {
            write!(path, "L{:.1} {:.1}", to.0, to.1)
        } else if (from.0 - to.0).abs() < 0.5 {
            // Within a layer: out to the left and back.
            let out = from.0 - 30.0;
            write!(path, "C{out:.1} {:.1} {out:.1} {:.1} {:.1} {:.1}", from.1, to.1, to.0, to.1)
        } else {
            let middle = f64::midpoint(from.0, to.0);
            write!(path, "C{middle:.1} {:.1} {middle:.1} {:.1} {:.1} {:.1}", from.1, to.1, to.0, to.1)
        };
        from = *to;
    }
    path
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{what}");
}
