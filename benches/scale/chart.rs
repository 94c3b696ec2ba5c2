//! The figures as a picture: one panel a row, all with the same scales, so that panels can be compared by eye.
//!
//! Both axes are logarithmic: what is linear climbs with the pale diagonals, and what is quadratic is twice as steep.

use std::fmt::Write as _;

use serde_json::Value;

/// Panels beside each other.
const COLUMNS: usize = 4;
/// A panel, with the space around it.
const CELL: (f64, f64) = (300.0, 236.0);
/// The plot within a panel: left, top, width, height.
const PLOT: (f64, f64, f64, f64) = (46.0, 48.0, 232.0, 150.0);
/// Above the panels.
const HEAD: f64 = 112.0;
/// What the axes show, as powers of ten: sizes, and seconds.
const SIZES: (i32, i32) = (2, 6);
const SECONDS: (i32, i32) = (-3, 3);

const STYLE: &str = "
svg { background: #fcfcfa; font-family: ui-sans-serif, system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; }
text { fill: #2b2f33; } .dim { fill: #7b838a; } .title { font-size: 24px; font-weight: 650; } .sub { font-size: 13px; }
.name { font-size: 14px; font-weight: 620; } .tick { font-size: 10px; } .end { font-size: 11px; font-weight: 600; }
.card { fill: #ffffff; stroke: #e4e6e3; } .grid { stroke: #ecedeb; } .guide { stroke: #dfe3e6; stroke-dasharray: 2 3; }
.line { fill: none; stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round; }
.mlp { stroke: #0b7a75; } .mlp-dot { fill: #0b7a75; } .mlp-text { fill: #0b7a75; }
.terraform { stroke: #7b42bc; } .terraform-dot { fill: #7b42bc; } .terraform-text { fill: #7b42bc; }
.floor { stroke: #9aa2a8; stroke-dasharray: 5 4; } .floor-dot { fill: #9aa2a8; } .floor-text { fill: #7b838a; }
.met { stroke: #2f9e44; stroke-width: 2.5; } .missed { stroke: #d9480f; stroke-width: 2.5; }
.met-text { fill: #2f9e44; } .missed-text { fill: #d9480f; }
@media (prefers-color-scheme: dark) {
  svg { background: #14171a; } text { fill: #e6e8ea; } .dim, .floor-text { fill: #98a1a9; }
  .card { fill: #1b1f23; stroke: #2a3036; } .grid { stroke: #262b30; } .guide { stroke: #343b42; }
  .mlp { stroke: #38c7be; } .mlp-dot, .mlp-text { fill: #38c7be; }
  .terraform { stroke: #b58af0; } .terraform-dot, .terraform-text { fill: #b58af0; }
}
";

/// A tool's line in a panel.
struct Line<'a> {
    of: &'a str,
    points: Vec<(f64, f64)>,
}

/// Draws the document that the table is written as.
pub fn draw(document: &Value) -> String {
    let none = Vec::new();
    let rows: Vec<&Value> =
        document["rows"].as_array().unwrap_or(&none).iter().filter(|row| has_lines(row)).collect();
    let height = HEAD + CELL.1 * as_float(rows.len().div_ceil(COLUMNS)) + 24.0;
    let width = CELL.0 * as_float(COLUMNS) + 32.0;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"What mlp takes\">\n<style>{STYLE}</style>\n"
    );
    head(&mut text, &document["machine"]);
    for (at, row) in rows.iter().enumerate() {
        let x = 16.0 + CELL.0 * as_float(at % COLUMNS);
        let y = HEAD + CELL.1 * as_float(at / COLUMNS);
        // Writing to a text cannot fail.
        let _ = writeln!(text, "<g transform=\"translate({x} {y})\">");
        panel(&mut text, row);
        text.push_str("</g>\n");
    }
    text.push_str("</svg>\n");
    text
}

/// Whether a row has times at more than one size, or of more than one tool.
fn has_lines(row: &Value) -> bool {
    let figures = row["figures"].as_array().map_or(&[] as &[Value], Vec::as_slice);
    figures.iter().filter(|figure| figure["wall_seconds"].is_number()).count() > 1
}

fn head(text: &mut String, machine: &Value) {
    let word = |name: &str| machine[name].as_str().unwrap_or("none").to_owned();
    let about = format!(
        "{} · {} cores · {} · terraform {} · load {} before, {} after",
        word("processor"),
        machine["cores"],
        word("program"),
        word("terraform"),
        word("load_before"),
        word("load_after")
    );
    // Writing to a text cannot fail.
    let _ = writeln!(
        text,
        "<text class=\"title\" x=\"20\" y=\"40\">How long it takes, and how it grows</text>\n<text class=\"sub dim\" x=\"20\" y=\"64\">{}</text>",
        escaped(&about)
    );
    let mut x = 20.0;
    for (class, word) in
        [("mlp", "mlp"), ("terraform", "terraform"), ("floor", "the same work for the disk alone")]
    {
        let _ = writeln!(
            text,
            "<line class=\"line {class}\" x1=\"{x}\" y1=\"86\" x2=\"{}\" y2=\"86\"/><text class=\"sub\" x=\"{}\" y=\"90\">{word}</text>",
            x + 22.0,
            x + 28.0
        );
        x += 46.0 + 7.4 * as_float(word.len());
    }
    for (class, word) in [("met", "budget, met"), ("missed", "budget, missed")] {
        let _ = writeln!(
            text,
            "<line class=\"{class}\" x1=\"{x}\" y1=\"86\" x2=\"{}\" y2=\"86\"/><text class=\"sub\" x=\"{}\" y=\"90\">{word}</text>",
            x + 14.0,
            x + 20.0
        );
        x += 44.0 + 7.0 * as_float(word.len());
    }
    let _ =
        writeln!(text, "<text class=\"sub dim\" x=\"{x}\" y=\"90\">dotted diagonals: linear growth</text>");
}

fn panel(text: &mut String, row: &Value) {
    let lines: Vec<Line<'_>> = ["floor", "terraform", "mlp"].into_iter().map(|of| line(row, of)).collect();
    let (left, top, width, height) = PLOT;
    // Writing to a text cannot fail.
    let _ = writeln!(
        text,
        "<rect class=\"card\" x=\"4\" y=\"4\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n<title>{}</title>\n<text class=\"name\" x=\"16\" y=\"26\">{}</text>\n<text class=\"tick dim\" x=\"16\" y=\"41\">{}</text>",
        CELL.0 - 10.0,
        CELL.1 - 10.0,
        escaped(row["about"].as_str().unwrap_or_default()),
        escaped(row["name"].as_str().unwrap_or_default()),
        escaped(&subtitle(row, &lines))
    );
    for power in SIZES.0..=SIZES.1 {
        let at = x(10_f64.powi(power));
        let label = ["100", "1k", "10k", "100k", "1M"][usize::try_from(power - SIZES.0).unwrap_or_default()];
        let _ = writeln!(
            text,
            "<line class=\"grid\" x1=\"{at:.1}\" y1=\"{top}\" x2=\"{at:.1}\" y2=\"{}\"/><text class=\"tick dim\" text-anchor=\"middle\" x=\"{at:.1}\" y=\"{}\">{label}</text>",
            top + height,
            top + height + 14.0
        );
    }
    for power in SECONDS.0..=SECONDS.1 {
        let at = y(10_f64.powi(power));
        let label = ["1 ms", "10 ms", "0.1 s", "1 s", "10 s", "100 s", "1000 s"]
            [usize::try_from(power - SECONDS.0).unwrap_or_default()];
        let _ = writeln!(
            text,
            "<line class=\"grid\" x1=\"{left}\" y1=\"{at:.1}\" x2=\"{}\" y2=\"{at:.1}\"/><text class=\"tick dim\" text-anchor=\"end\" x=\"{}\" y=\"{:.1}\">{label}</text>",
            left + width,
            left - 5.0,
            at + 3.0
        );
    }
    for seconds in [0.001, 0.1] {
        let _ = writeln!(
            text,
            "<line class=\"guide\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
            x(100.0),
            y(seconds),
            x(1e6),
            y(seconds * 1e4)
        );
    }
    budgets(text, row);
    lines.iter().for_each(|line| curve(text, line));
}

/// What the budgets of wall time are, as marks at their sizes.
fn budgets(text: &mut String, row: &Value) {
    for figure in row["figures"].as_array().into_iter().flatten() {
        for budget in figure["budgets"].as_array().into_iter().flatten() {
            let bound = budget["bound"].as_str().unwrap_or_default();
            let seconds = bound
                .strip_prefix("< ")
                .and_then(|rest| rest.strip_suffix(" s"))
                .and_then(|n| n.parse().ok());
            let (Some(seconds), Some(size)) = (seconds, figure["size"].as_f64()) else { continue };
            let class = if budget["met"] == true { "met" } else { "missed" };
            let (at_x, at_y) = (x(size), y(seconds));
            // Writing to a text cannot fail.
            let _ = writeln!(
                text,
                "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{at_y:.1}\" x2=\"{:.1}\" y2=\"{at_y:.1}\"><title>budget {bound}</title></line>",
                at_x - 8.0,
                at_x + 8.0,
                bound = escaped(bound)
            );
        }
    }
}

fn line<'a>(row: &Value, of: &'a str) -> Line<'a> {
    let own = row["figures"].as_array().into_iter().flatten().filter(|figure| figure["of"] == of);
    let points = own.filter_map(|figure| Some((figure["size"].as_f64()?, figure["wall_seconds"].as_f64()?)));
    Line { of, points: points.collect() }
}

/// How it grows, and how many times faster it is where both were measured last.
fn subtitle(row: &Value, lines: &[Line<'_>]) -> String {
    let find =
        |of: &str| lines.iter().find(|line| line.of == of).map_or(&[] as &[(f64, f64)], |line| &line.points);
    let mut parts = Vec::new();
    if let Some(power) = row["exponents"]["mlp"].as_f64() {
        parts.push(format!("grows with n^{power:.2}"));
    }
    let both = find("terraform").iter().rev().find_map(|(size, theirs)| {
        find("mlp").iter().find(|(own, _)| own == size).map(|(_, ours)| (*size, theirs / ours))
    });
    if let Some((size, times)) = both {
        parts.push(format!("{times:.0} times as fast at {size}"));
    }
    parts.join(" · ")
}

fn curve(text: &mut String, line: &Line<'_>) {
    let Some((last_x, last_y)) = line.points.last().copied() else { return };
    let of = line.of;
    let path: Vec<String> =
        line.points.iter().map(|(size, seconds)| format!("{:.1},{:.1}", x(*size), y(*seconds))).collect();
    // Writing to a text cannot fail.
    let _ = writeln!(text, "<polyline class=\"line {of}\" points=\"{}\"/>", path.join(" "));
    for (size, seconds) in &line.points {
        let _ = writeln!(
            text,
            "<circle class=\"{of}-dot\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"><title>{of}, {size}: {}</title></circle>",
            x(*size),
            y(*seconds),
            time(*seconds)
        );
    }
    // At the right edge there is room on the left only.
    let (dx, anchor) = if last_x >= 3e5 { (-6.0, "end") } else { (6.0, "start") };
    let above = if of == "floor" { 13.0 } else { -6.0 };
    let _ = writeln!(
        text,
        "<text class=\"end {of}-text\" text-anchor=\"{anchor}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        x(last_x) + dx,
        y(last_y) + above,
        time(last_y)
    );
}

fn time(seconds: f64) -> String {
    match seconds {
        _ if seconds >= 10.0 => format!("{seconds:.0} s"),
        _ if seconds >= 1.0 => format!("{seconds:.1} s"),
        _ if seconds >= 0.01 => format!("{:.0} ms", seconds * 1e3),
        _ => format!("{:.1} ms", seconds * 1e3),
    }
}

fn x(size: f64) -> f64 {
    let share = (size.max(1.0).log10() - f64::from(SIZES.0)) / f64::from(SIZES.1 - SIZES.0);
    PLOT.0 + PLOT.2 * share.clamp(0.0, 1.0)
}

fn y(seconds: f64) -> f64 {
    let share = (seconds.max(1e-9).log10() - f64::from(SECONDS.0)) / f64::from(SECONDS.1 - SECONDS.0);
    PLOT.1 + PLOT.3 * (1.0 - share.clamp(0.0, 1.0))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn as_float(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_with_times_becomes_a_panel() {
        let figure = |size: u64, of: &str, wall: f64| json!({ "size": size, "of": of, "wall_seconds": wall });
        let document = json!({
            "machine": { "processor": "a < b", "cores": 2 },
            "rows": [
                { "name": "plan", "about": "A plan.", "exponents": { "mlp": 1.01 }, "figures": [
                    figure(1000, "mlp", 0.1), figure(5000, "mlp", 0.5), figure(5000, "terraform", 20.0) ] },
                { "name": "weight", "about": "No time.", "figures": [{ "size": 1, "of": "mlp", "value": 3.0 }] }
            ]
        });
        let drawn = draw(&document);
        assert!(drawn.contains("grows with n^1.01 · 40 times as fast at 5000"), "{drawn}");
        assert!(drawn.contains("a &lt; b") && !drawn.contains("No time."));
        assert_eq!(drawn.matches("<polyline").count(), 2);
        assert!(drawn.contains(">20 s<"));
    }
}
