//! What came of a run, and what runs where, for a person.

use mlp_provider::{RunSummary, StatusEntry};

/// What came of a run.
pub fn run_lines(run: &RunSummary) -> Vec<String> {
    let mut lines = vec![format!("{} run {}: {} in {:.1} s", run.id, run.run, run.status, run.seconds)];
    let widest = run.steps.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    for (name, step) in &run.steps {
        let reason = if step.reason.is_empty() { String::new() } else { format!("  ({})", step.reason) };
        lines.push(format!("  {name:widest$}  {:<9}  {:>6.1} s{reason}", step.status, step.seconds));
    }
    if !run.metrics.is_empty() {
        let metrics: Vec<String> =
            run.metrics.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
        lines.push(format!("  metrics: {}", metrics.join(", ")));
    }
    lines.extend(run.results.iter().map(|result| format!("  {result}")));
    lines
}

/// What is there and how it is.
pub fn status_lines(entries: &[StatusEntry]) -> Vec<String> {
    let names: Vec<String> = entries.iter().map(|entry| entry.id.to_string()).collect();
    let widest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for (entry, name) in entries.iter().zip(&names) {
        lines.push(format!("{name:widest$}  {}", entry.state));
        lines.extend(entry.lines.iter().map(|line| format!("    {line}")));
    }
    lines
}
