//! The table, and the same as JSON.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use crate::fit::{FROM, exponent};
use crate::measure::Fault;
use crate::row::{Figure, Row, Value, judged, megabytes};

/// The most that an exponent may be, from [`FROM`] up.
const STEEPEST: f64 = 1.05;

/// A row that was measured.
pub struct Told {
    /// The row.
    pub row: &'static Row,
    /// What was found.
    pub figures: Vec<Figure>,
}

/// Everything that was measured.
pub struct Report {
    /// The rows.
    pub told: Vec<Told>,
    /// On what.
    pub machine: Json,
}

/// What was found, in words.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Run(run) => format!(
            "{:>9} s {:>9} s cpu {:>7.1} MB",
            digits(run.wall.as_secs_f64()),
            digits(run.cpu.as_secs_f64()),
            megabytes(run.peak)
        ),
        Value::Number(number, unit) => format!("{:>9} {unit}", digits(*number)),
        Value::None(Fault::TooLong(limit)) => format!("> {} s, ended", limit.as_secs()),
        Value::None(Fault::TooLarge(limit)) => format!("> {:.0} MB, ended", megabytes(*limit)),
        Value::None(Fault::Failed(why)) => {
            format!("failed: {}", why.lines().find(|line| !line.is_empty()).unwrap_or(""))
        }
    }
}

/// Three digits that matter.
fn digits(number: f64) -> String {
    match number {
        _ if number >= 100.0 => format!("{number:.0}"),
        _ if number >= 10.0 => format!("{number:.1}"),
        _ if number >= 1.0 => format!("{number:.2}"),
        _ if number >= 0.1 => format!("{number:.3}"),
        _ => format!("{number:.4}"),
    }
}

impl Told {
    /// The wall times of one tool, from a size up.
    fn points(&self, of: &str, from: usize) -> Vec<(usize, f64)> {
        let own = self.figures.iter().filter(|figure| figure.of == of && figure.size >= from);
        own.filter_map(|figure| Some((figure.size, figure.seconds()?))).collect()
    }

    /// The exponent of a tool: from [`FROM`] up where there are two such sizes, and over all otherwise.
    fn exponent(&self, of: &str) -> Option<f64> {
        exponent(&self.points(of, FROM)).or_else(|| exponent(&self.points(of, 0)))
    }

    /// Every budget that a figure says something about, with whether it is kept.
    fn judged(&self, figure: &Figure) -> Vec<(String, bool)> {
        let mut all: Vec<(String, bool)> =
            self.row.budgets.iter().filter_map(|budget| judged(budget, figure, &self.figures)).collect();
        let last = self.points("mlp", FROM).last().is_some_and(|(size, _)| *size == figure.size);
        if let Some(power) = exponent(&self.points("mlp", FROM)).filter(|_| figure.of == "mlp" && last) {
            all.push((format!("n^ <= {STEEPEST}"), power <= STEEPEST));
        }
        all
    }
}

impl Report {
    /// For people.
    pub fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a text cannot fail.
        let _ = writeln!(text, "\n{}\n", self.head());
        let _ = writeln!(
            text,
            "{:<22} {:>9} {:<18} {:>9} {:>9} {:>9} {:>7} {:>6}  budget",
            "work", "size", "", "wall s", "cpu s", "peak MB", "x", "n^"
        );
        for told in &self.told {
            told.figures.iter().for_each(|figure| line(&mut text, told, figure));
        }
        let all =
            self.told.iter().flat_map(|told| told.figures.iter().flat_map(|figure| told.judged(figure)));
        let (kept, missed): (Vec<_>, Vec<_>) = all.partition(|(_, kept)| *kept);
        let _ = writeln!(text, "\n{} budgets met, {} missed", kept.len(), missed.len());
        text
    }

    fn head(&self) -> String {
        let machine = &self.machine;
        let word = |name: &str| machine[name].as_str().unwrap_or("none").to_owned();
        format!(
            "{}, {} cores; load {} before, {} after; {}; terraform {}",
            word("processor"),
            machine["cores"],
            word("load_before"),
            word("load_after"),
            word("program"),
            word("terraform"),
        )
    }

    /// For programs.
    pub fn json(&self) -> Json {
        let rows: Vec<Json> = self.told.iter().map(row).collect();
        json!({ "format_version": "2.0", "machine": self.machine, "rows": rows })
    }
}

fn line(text: &mut String, told: &Told, figure: &Figure) {
    let budgets: Vec<String> = told
        .judged(figure)
        .into_iter()
        .map(|(bound, kept)| format!("{} {bound}", if kept { "met   " } else { "MISSED" }))
        .collect();
    let last = told.figures.iter().rfind(|other| other.of == figure.of && other.seconds().is_some());
    let grows = told.exponent(&figure.of).filter(|_| last.is_some_and(|last| last.size == figure.size));
    let grows = grows.map(|power| format!("{power:.2}")).unwrap_or_default();
    let of_mlp = told.figures.iter().find(|other| other.of == "mlp" && other.size == figure.size);
    let ratio = match (of_mlp.and_then(Figure::seconds), figure.seconds()) {
        (Some(own), Some(other)) if figure.of == "terraform" => format!("{:.0}", other / own),
        _ => String::new(),
    };
    let middle = match &figure.value {
        Value::Run(run) => format!(
            "{:>9} {:>9} {:>9.1}",
            digits(run.wall.as_secs_f64()),
            digits(run.cpu.as_secs_f64()),
            megabytes(run.peak)
        ),
        other => format!("{:<29}", shown(other)),
    };
    // Writing to a text cannot fail.
    let _ = writeln!(
        text,
        "{:<22} {:>9} {:<18} {middle} {ratio:>7} {grows:>6}  {}",
        told.row.name,
        figure.size,
        figure.of,
        budgets.join("; ")
    );
}

fn row(told: &Told) -> Json {
    let tools: BTreeSet<&str> = told.figures.iter().map(|figure| figure.of.as_str()).collect();
    let exponents: serde_json::Map<String, Json> =
        tools.iter().filter_map(|of| Some(((*of).to_owned(), json!(told.exponent(of)?)))).collect();
    let figures: Vec<Json> = told
        .figures
        .iter()
        .map(|figure| {
            let mut one = json!({ "size": figure.size, "of": figure.of });
            match &figure.value {
                Value::Run(run) => {
                    one["wall_seconds"] = json!(run.wall.as_secs_f64());
                    one["cpu_seconds"] = json!(run.cpu.as_secs_f64());
                    one["peak_bytes"] = json!(run.peak);
                }
                Value::Number(number, unit) => {
                    one["value"] = json!(number);
                    one["unit"] = json!(unit);
                }
                Value::None(fault) => one["fault"] = json!(shown(&Value::None(fault.clone()))),
            }
            let budgets = told.judged(figure);
            if !budgets.is_empty() {
                let all = budgets.iter().map(|(bound, kept)| json!({ "bound": bound, "met": kept }));
                one["budgets"] = all.collect();
            }
            one
        })
        .collect();
    json!({ "name": told.row.name, "about": told.row.about, "unit": told.row.unit, "exponents": exponents, "figures": figures })
}
