//! Runs and collections, for a person.

use std::collections::BTreeMap;

use mlp_provider::{Collected, RunEntry};
use mlp_value::units::format_bytes;

/// A table of runs.
pub fn runs_lines(runs: &[RunEntry]) -> Vec<String> {
    let width = |of: fn(&RunEntry) -> &str| runs.iter().map(|run| of(run).chars().count()).max().unwrap_or(0);
    let (run, id, status) = (width(|run| &run.run), width(|run| &run.id), width(|run| &run.status));
    let line = |entry: &RunEntry| {
        let from = if entry.cause.is_empty() { &entry.who } else { &entry.cause };
        let text = format!(
            "{:run$}  {:id$}  {:status$}  {}  {:>7.1} s  {from}",
            entry.run, entry.id, entry.status, entry.started, entry.seconds
        );
        let text = text.trim_end().to_owned();
        let why = (!entry.why.is_empty()).then(|| format!("    {}", entry.why));
        std::iter::once(text).chain(why)
    };
    runs.iter().flat_map(line).collect()
}

/// What went, what it freed, what stayed.
pub fn collected_lines(collected: &Collected, dry_run: bool) -> Vec<String> {
    let mut lines: Vec<String> = collected
        .garbage
        .iter()
        .map(|one| format!("{} {}  {}  ({})", one.what, one.name, format_bytes(one.bytes), one.why))
        .collect();
    let mut counts: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
    for one in &collected.garbage {
        let sum = counts.entry(&one.what).or_default();
        *sum = (sum.0 + 1, sum.1 + one.bytes);
    }
    lines.extend(collected.kept.iter().map(|kept| format!("stays: {kept}")));
    let bytes: u64 = counts.values().map(|(_, bytes)| bytes).sum();
    let count = collected.garbage.len();
    lines.push(match (count, dry_run) {
        (0, _) => "Nothing to collect.".to_owned(),
        (_, true) => format!("{count} to collect, {}. Nothing was removed.", format_bytes(bytes)),
        (_, false) => format!("{count} collected, {} freed.", format_bytes(bytes)),
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use mlp_provider::Garbage;

    #[test]
    fn a_collection_says_what_and_how_much() {
        let one = Garbage { what: "run".into(), name: "r1".into(), why: "old".into(), bytes: 2048 };
        let collected = Collected { garbage: vec![one], kept: vec!["x".into()] };
        let lines = collected_lines(&collected, true);
        assert_eq!(lines, ["run r1  2 KiB  (old)", "stays: x", "1 to collect, 2 KiB. Nothing was removed."]);
        assert_eq!(collected_lines(&Collected::default(), false), ["Nothing to collect."]);
    }

    #[test]
    fn runs_stand_in_columns() {
        let entry = RunEntry {
            run: "r1".into(),
            id: "pipeline.train".into(),
            status: "failed".into(),
            started: "2026-01-01T00:00:00Z".into(),
            seconds: 1.25,
            why: "fit: ended with exit status 1".into(),
            who: "ana@host".into(),
            cause: String::new(),
        };
        let other = RunEntry {
            id: "endpoint.x".into(),
            cause: "trigger".into(),
            why: String::new(),
            ..entry.clone()
        };
        let lines = runs_lines(&[entry, other]);
        assert!(lines[0].ends_with("failed  2026-01-01T00:00:00Z      1.2 s  ana@host"), "{}", lines[0]);
        assert!(lines[2].contains("endpoint.x      failed") && lines[2].ends_with("trigger"), "{}", lines[2]);
        assert_eq!((lines[1].as_str(), lines.len()), ("    fit: ended with exit status 1", 3));
    }
}
