//! Quality expectations: what must hold of the data, and for how much of it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cell::Cell;
use super::protect::Protection;
use super::schema::{KeyHash, bound, scale};
use super::time::{parse_date, parse_timestamp};
use super::{EXAMPLES, Example};
use crate::Problem;

/// A row as its columns' names and values → whether it is as expected, or why that cannot be said.
pub type RowPredicate = dyn Fn(&[(&str, &Cell)]) -> Result<bool, String> + Send + Sync;

/// What is checked. Tagged by its outer key: a tag among the fields makes serde buffer them, and buffered numbers cannot
/// be read where `serde_json` keeps them exact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Each of the columns has a value.
    NotNull {
        /// The columns.
        columns: Vec<String>,
    },
    /// The columns' values together occur once; rows with a null in them do not count.
    Unique {
        /// The columns.
        columns: Vec<String>,
    },
    /// The value lies between the bounds, both included; nulls do not count.
    InRange {
        /// The column.
        column: String,
        /// The smallest value: a number, or a date or timestamp as text.
        #[serde(default)]
        min: Option<Value>,
        /// The largest value.
        #[serde(default)]
        max: Option<Value>,
    },
    /// The value is one of these; nulls do not count.
    InSet {
        /// The column.
        column: String,
        /// The values.
        values: Vec<Value>,
    },
    /// The whole text of the value matches a regular expression; nulls do not count.
    Matches {
        /// The column.
        column: String,
        /// The expression.
        pattern: String,
    },
    /// The table has this many rows.
    RowCount {
        /// At least so many.
        #[serde(default)]
        min: Option<u64>,
        /// At most so many.
        #[serde(default)]
        max: Option<u64>,
    },
    /// The newest time of the column is not too old.
    Fresh {
        /// The column, of timestamps or dates.
        column: String,
        /// The oldest the newest time may be.
        max_lag_seconds: f64,
    },
    /// Each row fulfils an expression, whose meaning the caller supplies as a [`RowPredicate`].
    Row {
        /// The expression as it was written.
        text: String,
    },
}

/// One expectation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// Its name.
    pub name: String,
    /// What is checked.
    pub check: Check,
    /// The share of the checked rows that must be as expected, 0 to 1. Row count and freshness have no share.
    #[serde(default = "whole")]
    pub at_least: f64,
}

const fn whole() -> f64 {
    1.0
}

/// What became of one expectation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExpectationResult {
    /// The name of the expectation.
    pub name: String,
    /// Whether the data is as expected.
    pub passed: bool,
    /// How many rows were checked.
    pub checked: u64,
    /// How many of them were not as expected.
    pub failed: u64,
    /// The share that had to be as expected.
    pub at_least: f64,
    /// The first rows that were not.
    pub examples: Vec<Example>,
    /// The result in one line.
    pub message: String,
}

/// The state of one expectation while rows go by.
struct Running<'a> {
    expectation: &'a Expectation,
    names: Vec<&'a str>,
    indexes: Vec<Option<usize>>,
    range: (Option<f64>, Option<f64>),
    pattern: Option<Regex>,
    predicate: Option<&'a RowPredicate>,
    seen: HashSet<[u8; 16]>,
    newest: Option<(f64, String)>,
    checked: u64,
    failed: u64,
    examples: Vec<Example>,
}

/// Checks rows against expectations.
pub(super) struct QualityChecker<'a> {
    running: Vec<Running<'a>>,
    columns: usize,
    rows: u64,
    protection: &'a Protection,
}

impl<'a> QualityChecker<'a> {
    pub(super) fn new(
        expectations: &'a [Expectation],
        predicates: &'a BTreeMap<String, Arc<RowPredicate>>,
        protection: &'a Protection,
    ) -> Result<Self, Problem> {
        let running =
            expectations.iter().map(|one| Running::new(one, predicates)).collect::<Result<_, _>>()?;
        Ok(Self { running, columns: 0, rows: 0, protection })
    }

    fn bind(&mut self, columns: &[String]) {
        if self.columns != columns.len() {
            self.columns = columns.len();
            for one in &mut self.running {
                let position = |name: &&str| columns.iter().position(|column| column == name);
                one.indexes = one.names.iter().map(position).collect();
            }
        }
    }

    /// Checks one row. One that is not `sound`, as its schema wants it, is as little expected where an expression about
    /// it means nothing.
    pub(super) fn check(
        &mut self,
        columns: &[String],
        (file, line): (&str, u64),
        cells: &[Cell],
        sound: bool,
    ) -> Result<(), Problem> {
        self.bind(columns);
        self.rows += 1;
        let row: Vec<(&str, &Cell)> = if self.running.iter().any(|one| one.predicate.is_some()) {
            columns.iter().map(String::as_str).zip(cells).collect()
        } else {
            Vec::new()
        };
        for one in &mut self.running {
            let values: Vec<&Cell> =
                one.indexes.iter().map(|at| at.and_then(|at| cells.get(at)).unwrap_or(&Cell::Null)).collect();
            let accepted = one.accepts(&values, &row, self.protection);
            let accepted = accepted.or_else(|error| if sound { Err(error) } else { Ok(Some(false)) });
            let accepted = accepted.map_err(|error| {
                one.problem(format!("`{}` cannot be checked at {file}:{line}: {error}", one.expectation.name))
            })?;
            let Some(accepted) = accepted else { continue };
            one.checked += 1;
            if !accepted {
                one.failed += 1;
                if one.examples.len() < EXAMPLES {
                    let shown: Vec<String> = one
                        .names
                        .iter()
                        .zip(&values)
                        .map(|(name, cell)| self.protection.show(name, cell))
                        .collect();
                    one.examples.push(Example { file: file.to_owned(), line, value: shown.join(", ") });
                }
            }
        }
        Ok(())
    }

    /// Counts a row that was accepted in an earlier version: it is not checked again, and new rows may not repeat it.
    pub(super) fn note(&mut self, columns: &[String], cells: &[Cell]) {
        self.bind(columns);
        self.rows += 1;
        for one in &mut self.running {
            let mut values =
                one.indexes.iter().map(|at| at.and_then(|at| cells.get(at)).unwrap_or(&Cell::Null));
            match &one.expectation.check {
                Check::Unique { .. } => {
                    let mut key = KeyHash::default();
                    values.for_each(|cell| key.add(cell));
                    if key.complete() {
                        one.seen.insert(key.finish());
                    }
                }
                Check::Fresh { column, .. } => {
                    if let Some(value) = values.next() {
                        one.newer(column, value, self.protection);
                    }
                }
                _ => {}
            }
        }
    }

    /// The results, once all rows have been checked. A column that does not exist is an error, never a pass.
    pub(super) fn finish(mut self, columns: &[String], now: f64) -> Result<Vec<ExpectationResult>, Problem> {
        self.bind(columns);
        let rows = self.rows;
        self.running.into_iter().map(|one| one.finish(columns, rows, now)).collect()
    }
}

impl<'a> Running<'a> {
    fn new(
        expectation: &'a Expectation,
        predicates: &'a BTreeMap<String, Arc<RowPredicate>>,
    ) -> Result<Self, Problem> {
        let mut running = Self {
            expectation,
            names: names_of(&expectation.check),
            indexes: Vec::new(),
            range: (None, None),
            pattern: None,
            predicate: None,
            seen: HashSet::new(),
            newest: None,
            checked: 0,
            failed: 0,
            examples: Vec::new(),
        };
        if !(0.0..=1.0).contains(&expectation.at_least) {
            let text = format!("`at_least` of `{}` is {}", expectation.name, expectation.at_least);
            return Err(running.problem(text).help("it is a share of the rows, from 0 to 1"));
        }
        if let Err(error) = running.prepare(predicates) {
            return Err(running.problem(format!("`{}` cannot be checked: {error}", expectation.name)));
        }
        Ok(running)
    }

    fn prepare(&mut self, predicates: &'a BTreeMap<String, Arc<RowPredicate>>) -> Result<(), String> {
        match &self.expectation.check {
            Check::InRange { min, max, .. } => {
                self.range = (bound(min.as_ref())?, bound(max.as_ref())?);
                if self.range == (None, None) {
                    return Err("it has neither `min` nor `max`".to_owned());
                }
            }
            Check::Matches { pattern, .. } => {
                let whole = Regex::new(&format!("^(?:{pattern})$"));
                self.pattern =
                    Some(whole.map_err(|error| format!("`pattern` is no regular expression: {error}"))?);
            }
            Check::RowCount { min: None, max: None } => {
                return Err("it has neither `min` nor `max`".to_owned());
            }
            Check::NotNull { columns } | Check::Unique { columns } if columns.is_empty() => {
                return Err("it names no columns".to_owned());
            }
            Check::Row { text } => {
                let predicate = predicates.get(&self.expectation.name);
                self.predicate =
                    Some(predicate.ok_or_else(|| format!("no meaning was supplied for `{text}`"))?.as_ref());
            }
            _ => {}
        }
        Ok(())
    }

    fn problem(&self, text: String) -> Problem {
        Problem::new("MLP0705", text).at(format!("quality.expect.{}", self.expectation.name))
    }

    /// Whether a row is as expected; none where the row does not count.
    fn accepts(
        &mut self,
        values: &[&Cell],
        row: &[(&str, &Cell)],
        protection: &Protection,
    ) -> Result<Option<bool>, String> {
        let value = values.first().copied().unwrap_or(&Cell::Null);
        Ok(match &self.expectation.check {
            Check::NotNull { .. } => Some(values.iter().all(|cell| !cell.is_null())),
            Check::Unique { .. } => {
                let mut key = KeyHash::default();
                let named = self.names.iter().zip(values);
                named.for_each(|(name, cell)| key.add(&protection.identity(name, cell)));
                key.complete().then(|| self.seen.insert(key.finish()))
            }
            Check::RowCount { .. } => None,
            Check::Row { .. } => match self.predicate {
                Some(predicate) => Some(predicate(row)?),
                None => None,
            },
            _ if value.is_null() => None,
            Check::InRange { .. } => Some(scale(value).is_some_and(|at| {
                self.range.0.is_none_or(|min| at >= min) && self.range.1.is_none_or(|max| at <= max)
            })),
            Check::InSet { values, .. } => Some(values.iter().any(|one| value.equals(one))),
            Check::Matches { .. } => self.pattern.as_ref().map(|pattern| pattern.is_match(&value.text())),
            Check::Fresh { column, .. } => Some(self.newer(column, value, protection)),
        })
    }

    /// Looks whether a time is the newest so far, and says whether it is a time.
    fn newer(&mut self, column: &str, value: &Cell, protection: &Protection) -> bool {
        let text = value.text();
        let time = parse_timestamp(&text).or_else(|| parse_date(&text));
        if let Some(time) = time
            && self.newest.as_ref().is_none_or(|(newest, _)| time > *newest)
        {
            self.newest = Some((time, protection.show(column, value)));
        }
        time.is_some()
    }

    fn finish(self, columns: &[String], rows: u64, now: f64) -> Result<ExpectationResult, Problem> {
        if let Some(unknown) = self.names.iter().find(|name| !columns.iter().any(|column| column == *name)) {
            let text =
                format!("`{}` checks `{unknown}`, which is no column of the data", self.expectation.name);
            return Err(self.problem(text).note(format!("columns: {}", columns.join(", "))));
        }
        let (passed, checked, message) = self.verdict(rows, now);
        Ok(ExpectationResult {
            name: self.expectation.name.clone(),
            passed,
            checked,
            failed: self.failed,
            at_least: self.expectation.at_least,
            examples: self.examples,
            message,
        })
    }

    fn verdict(&self, rows: u64, now: f64) -> (bool, u64, String) {
        match &self.expectation.check {
            Check::RowCount { min, max } => {
                let passed = min.is_none_or(|min| rows >= min) && max.is_none_or(|max| rows <= max);
                let wanted = match (min, max) {
                    (Some(min), Some(max)) => format!("{min} to {max}"),
                    (Some(min), None) => format!("at least {min}"),
                    (_, max) => format!("at most {}", max.unwrap_or(u64::MAX)),
                };
                (passed, rows, format!("{rows} rows, {wanted} expected"))
            }
            Check::Fresh { column, max_lag_seconds } => {
                let (passed, message) = match &self.newest {
                    _ if self.failed > 0 => (false, format!("`{column}` is no time in {} rows", self.failed)),
                    None => (false, format!("`{column}` has no value")),
                    Some((time, text)) => {
                        let lag = now - time;
                        let text =
                            format!("newest is {text}, {lag:.0} s old, at most {max_lag_seconds} s expected");
                        (lag <= *max_lag_seconds, text)
                    }
                };
                (passed, self.checked, message)
            }
            _ => {
                let good = self.checked - self.failed;
                let share = if self.checked == 0 { 1.0 } else { good as f64 / self.checked as f64 };
                let wanted = self.expectation.at_least;
                let text =
                    format!("{good} of {} rows ({share:.4}), at least {wanted} expected", self.checked);
                (share >= wanted, self.checked, text)
            }
        }
    }
}

fn names_of(check: &Check) -> Vec<&str> {
    match check {
        Check::NotNull { columns } | Check::Unique { columns } => {
            columns.iter().map(String::as_str).collect()
        }
        Check::InRange { column, .. }
        | Check::InSet { column, .. }
        | Check::Matches { column, .. }
        | Check::Fresh { column, .. } => vec![column],
        Check::RowCount { .. } | Check::Row { .. } => Vec::new(),
    }
}

impl std::fmt::Display for ExpectationResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`: {}", self.name, self.message)?;
        if self.examples.is_empty() {
            return Ok(());
        }
        let examples: Vec<_> = self.examples.iter().map(ToString::to_string).collect();
        write!(f, " ({})", examples.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: f64 = 1_769_860_800.0; // 2026-01-31T12:00:00Z

    fn run(check: Check, at_least: f64, rows: &[&str]) -> Result<ExpectationResult, Problem> {
        let protection = Protection::new(&[], None, &[]).unwrap();
        let expectations = [Expectation { name: "e".into(), check, at_least }];
        let mut predicates: BTreeMap<String, Arc<RowPredicate>> = BTreeMap::new();
        predicates.insert(
            "e".into(),
            Arc::new(|row: &[(&str, &Cell)]| match row.iter().find(|(name, _)| *name == "a") {
                Some((_, cell)) if cell.text() == "!" => Err("no number".into()),
                Some((_, cell)) => Ok(cell.number().is_some_and(|value| value > 0.0)),
                None => Err("no `a`".into()),
            }),
        );
        let columns = ["a".to_owned(), "b".to_owned()];
        let mut checker = QualityChecker::new(&expectations, &predicates, &protection)?;
        for (at, row) in rows.iter().enumerate() {
            let cells: Vec<Cell> = row.split(',').map(Cell::from_csv).collect();
            checker.check(&columns, ("a.csv", at as u64 + 2), &cells, true)?;
        }
        Ok(checker.finish(&columns, NOW)?.remove(0))
    }

    fn counts(result: &ExpectationResult) -> (bool, u64, u64) {
        (result.passed, result.checked, result.failed)
    }

    #[test]
    fn each_check_counts_its_rows() {
        let a = || vec!["a".to_owned()];
        let col = || "a".to_owned();
        let rows = ["1,x", "2,x", ",y", "2,x"];
        let checks = [
            (Check::NotNull { columns: a() }, (false, 4, 1)),
            (Check::Unique { columns: a() }, (false, 3, 1)),
            (Check::InRange { column: col(), min: Some(1.into()), max: Some(1.5.into()) }, (false, 3, 2)),
            (Check::InSet { column: col(), values: vec![1.into(), 2.into()] }, (true, 3, 0)),
            (Check::Matches { column: col(), pattern: "[0-1]|3".into() }, (false, 3, 2)),
            (Check::RowCount { min: Some(4), max: None }, (true, 4, 0)),
            (Check::RowCount { min: None, max: Some(3) }, (false, 4, 0)),
            (Check::Row { text: "row.a > 0".into() }, (false, 4, 1)),
        ];
        for (check, expected) in checks {
            assert_eq!(counts(&run(check.clone(), 1.0, &rows).unwrap()), expected, "{check:?}");
        }
        let result = run(Check::NotNull { columns: a() }, 0.75, &rows).unwrap();
        assert!(result.passed);
        assert_eq!(result.examples, [Example { file: "a.csv".into(), line: 4, value: "null".into() }]);
    }

    #[test]
    fn freshness_is_that_of_the_newest_row() {
        let fresh = |lag| Check::Fresh { column: "a".into(), max_lag_seconds: lag };
        let rows = ["2026-01-31T11:00:00Z,x", ",x", "2026-01-30T00:00:00Z,x"];
        assert!(run(fresh(3600.0), 1.0, &rows).unwrap().passed);
        assert!(!run(fresh(3599.0), 1.0, &rows).unwrap().passed);
        assert!(!run(fresh(3600.0), 1.0, &[",x"]).unwrap().passed);
        assert!(!run(fresh(3600.0), 1.0, &["2026-01-31T11:30:00Z,x", "soon,x"]).unwrap().passed);
    }

    #[test]
    fn what_cannot_be_checked_is_an_error() {
        let refused = |check, rows: &[&str]| run(check, 1.0, rows).unwrap_err();
        let unknown = refused(Check::NotNull { columns: vec!["c".into()] }, &["1,2"]);
        assert!(unknown.message.contains("`c`, which is no column"));
        assert_eq!(unknown.subject.as_deref(), Some("quality.expect.e"));
        let row = refused(Check::Row { text: "x".into() }, &["!,2"]);
        assert_eq!(row.message, "`e` cannot be checked at a.csv:2: no number");
        refused(Check::Matches { column: "a".into(), pattern: "(".into() }, &[]);
        refused(Check::InRange { column: "a".into(), min: None, max: None }, &[]);
        assert!(run(Check::RowCount { min: Some(1), max: None }, 1.5, &[]).is_err());
    }

    #[test]
    fn expectations_are_plain_data() {
        let text = r#"{"name":"n","check":{"in_range":{"column":"a","min":0}}}"#;
        let one: Expectation = serde_json::from_str(text).unwrap();
        assert_eq!(one.check, Check::InRange { column: "a".into(), min: Some(0.into()), max: None });
        assert!((one.at_least - 1.0).abs() < f64::EPSILON);
        let text = r#"{"name":"n","check":{"fresh":{"column":"a","max_lag_seconds":7200.5}},"at_least":0.5}"#;
        let one: Expectation = serde_json::from_str(text).unwrap();
        assert!((one.at_least - 0.5).abs() < f64::EPSILON);
        assert_eq!(serde_json::from_str::<Expectation>(&serde_json::to_string(&one).unwrap()).unwrap(), one);
    }
}
