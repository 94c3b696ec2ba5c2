//! The table, and the same as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::measure::Measure;

/// One measured command.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was done.
    pub work: &'static str,
    /// With how many blocks.
    pub size: usize,
    /// By whom.
    pub tool: &'static str,
    /// What it took.
    pub measure: Measure,
}

/// Wall time grows with size to the power of this, by least squares over the logarithms; nothing for fewer than two sizes.
fn exponent(rows: &[&Row]) -> Option<f64> {
    let points: Vec<(f64, f64)> = rows
        .iter()
        .map(|row| {
            (f64::from(u32::try_from(row.size).unwrap_or(u32::MAX)).ln(), row.measure.wall.as_secs_f64().ln())
        })
        .collect();
    let count = f64::from(u32::try_from(points.len()).ok()?);
    let mean = |pick: fn(&(f64, f64)) -> f64| points.iter().map(pick).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let together: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    (points.len() > 1 && spread > 0.0).then(|| together / spread)
}

fn of<'r>(rows: &'r [Row], row: &Row) -> Vec<&'r Row> {
    rows.iter().filter(|other| other.work == row.work && other.tool == row.tool).collect()
}

/// The rows as a table; the exponent stands beside the last size of each work.
pub fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<22} {:>8}  {:<9} {:>9} {:>9} {:>9} {:>8}\n",
        "work", "blocks", "tool", "wall s", "cpu s", "peak MB", "grows n^"
    );
    for row in rows {
        let family = of(rows, row);
        let is_last = family.last().is_some_and(|last| last.size == row.size);
        let grows =
            exponent(&family).filter(|_| is_last).map(|power| format!("{power:.2}")).unwrap_or_default();
        let Measure { wall, cpu, peak } = row.measure;
        // Writing to a text cannot fail.
        let _ = writeln!(
            text,
            "{:<22} {:>8}  {:<9} {:>9.3} {:>9.3} {:>9} {:>8}",
            row.work,
            row.size,
            row.tool,
            wall.as_secs_f64(),
            cpu.as_secs_f64(),
            peak / 1_000_000,
            grows
        );
    }
    text
}

/// The rows as a document.
pub fn json(rows: &[Row]) -> Value {
    let rows: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "work": row.work, "blocks": row.size, "tool": row.tool,
                "wall_seconds": row.measure.wall.as_secs_f64(), "cpu_seconds": row.measure.cpu.as_secs_f64(),
                "peak_bytes": row.measure.peak, "exponent": exponent(&of(rows, row)),
            })
        })
        .collect();
    json!({ "format_version": "1.0", "rows": rows })
}
