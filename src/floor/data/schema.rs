//! The declared schema of a table, and the check of data against it.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::cell::Cell;
use super::protect::Protection;
use super::time::{parse_date, parse_timestamp};
use super::{EXAMPLES, Example};
use crate::Problem;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// Text.
    String,
    /// A finite number.
    Number,
    /// A number without fraction and exponent.
    Integer,
    /// `true` or `false`.
    Bool,
    /// A point in time, RFC 3339; without an offset it is UTC.
    Timestamp,
    /// A day, `2026-01-31`.
    Date,
    /// Whatever it holds.
    Any,
}

impl ColumnType {
    /// The name of the type in a specification.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Integer => "integer",
            Self::Bool => "bool",
            Self::Timestamp => "timestamp",
            Self::Date => "date",
            Self::Any => "any",
        }
    }

    /// Whether a value that is not null is of the type.
    pub(super) fn accepts(self, cell: &Cell) -> bool {
        match (self, cell) {
            (Self::Any, _)
            | (Self::String, Cell::Text(_))
            | (Self::Number, Cell::Number { .. })
            | (Self::Bool, Cell::Bool(_)) => true,
            (Self::Integer, cell) => cell.is_integer(),
            (Self::Timestamp, Cell::Text(text)) => parse_timestamp(text).is_some(),
            (Self::Date, Cell::Text(text)) => parse_date(text).is_some(),
            _ => false,
        }
    }
}

/// The declaration of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnSchema {
    /// The name of the column.
    pub name: String,
    /// The type of its values.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// Whether values may be absent.
    #[serde(default)]
    pub nullable: bool,
    /// The only values allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<serde_json::Value>>,
    /// The smallest value: a number, or for dates and timestamps their text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<serde_json::Value>,
    /// The largest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<serde_json::Value>,
    /// Whether no value may occur twice; absent values do not count.
    #[serde(default)]
    pub unique: bool,
    /// Whether the column is part of the key: all key columns together are unique, and never absent.
    #[serde(default)]
    pub key: bool,
}

impl ColumnSchema {
    /// A column of a type, with no further rules.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: ColumnType) -> Self {
        let name = name.into();
        Self { name, kind, nullable: false, allowed: None, min: None, max: None, unique: false, key: false }
    }
}

/// The position of a value on the scale of its column: the number, or the seconds since 1970 of a time.
pub(super) fn scale(cell: &Cell) -> Option<f64> {
    match cell {
        Cell::Number { value, .. } => Some(*value),
        Cell::Text(text) => parse_timestamp(text).or_else(|| parse_date(text)),
        _ => None,
    }
}

/// A bound of a range as a position on the scale of a column.
pub(super) fn bound(value: Option<&serde_json::Value>) -> Result<Option<f64>, String> {
    match value {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(serde_json::Value::Number(number)) => Ok(number.as_f64()),
        Some(serde_json::Value::String(text)) => parse_timestamp(text)
            .or_else(|| parse_date(text))
            .map(Some)
            .ok_or_else(|| format!("\"{text}\" is neither a date nor a timestamp")),
        Some(other) => Err(format!("{other} is neither a number nor a time")),
    }
}

/// One rule that some rows break.
struct Violation {
    column: String,
    rule: String,
    count: u64,
    examples: Vec<Example>,
}

struct ColumnRule {
    schema: ColumnSchema,
    range: (Option<f64>, Option<f64>),
    index: Option<usize>,
    seen: HashSet<[u8; 16]>,
}

/// Checks rows against a schema and remembers every failure.
pub(super) struct SchemaChecker<'a> {
    rules: Vec<ColumnRule>,
    columns: usize,
    strict: bool,
    keys: HashSet<[u8; 16]>,
    violations: BTreeMap<(usize, String), Violation>,
    protection: &'a Protection,
}

impl<'a> SchemaChecker<'a> {
    pub(super) fn new(
        schema: &[ColumnSchema],
        strict: bool,
        protection: &'a Protection,
    ) -> Result<Self, Problem> {
        let mut rules = Vec::new();
        for (at, column) in schema.iter().enumerate() {
            let invalid = |text: String| Problem::new("MLP0712", text).at(format!("schema.{}", column.name));
            if schema[..at].iter().any(|other| other.name == column.name) {
                return Err(invalid(format!("the schema names `{}` twice", column.name)));
            }
            let range = bound(column.min.as_ref()).and_then(|min| Ok((min, bound(column.max.as_ref())?)));
            let range = range.map_err(|error| invalid(format!("the range of `{}`: {error}", column.name)))?;
            let ordered = !matches!(column.kind, ColumnType::String | ColumnType::Bool | ColumnType::Any);
            if !ordered && (range.0.is_some() || range.1.is_some()) {
                let text = format!("`{}` is a {} and has no range", column.name, column.kind.name());
                return Err(invalid(text).help("`min` and `max` are for numbers, dates and timestamps"));
            }
            rules.push(ColumnRule { schema: column.clone(), range, index: None, seen: HashSet::new() });
        }
        let (keys, violations) = (HashSet::new(), BTreeMap::new());
        Ok(Self { rules, columns: 0, strict, keys, violations, protection })
    }

    /// Reads the cells of a CSV row as the schema's types.
    pub(super) fn coerce(&mut self, columns: &[String], cells: &mut [Cell]) {
        self.bind(columns);
        for rule in &self.rules {
            if let Some(cell) = rule.index.and_then(|at| cells.get_mut(at)) {
                *cell = std::mem::replace(cell, Cell::Null).coerced(rule.schema.kind);
            }
        }
    }

    fn bind(&mut self, columns: &[String]) {
        if self.columns != columns.len() {
            self.columns = columns.len();
            for rule in &mut self.rules {
                rule.index = columns.iter().position(|name| *name == rule.schema.name);
            }
        }
    }

    /// Checks one row, and says whether it is as declared.
    pub(super) fn check(&mut self, columns: &[String], file: &str, line: u64, cells: &[Cell]) -> bool {
        self.bind(columns);
        let mut broken: Vec<(usize, String, String)> = Vec::new();
        let mut key = KeyHash::default();
        for (at, rule) in self.rules.iter_mut().enumerate() {
            let cell = rule.index.and_then(|index| cells.get(index)).unwrap_or(&Cell::Null);
            if rule.schema.key {
                key.add(&self.protection.identity(&rule.schema.name, cell));
            }
            if let Some(text) = rule.broken_by(cell, self.protection) {
                broken.push((at, text, self.protection.show(&rule.schema.name, cell)));
            }
        }
        if key.complete() && !self.keys.insert(key.finish()) {
            let keys = self.rules.iter().enumerate().filter(|(_, rule)| rule.schema.key);
            let (at, names): (Vec<_>, Vec<_>) =
                keys.map(|(at, rule)| (at, rule.schema.name.as_str())).unzip();
            let text = format!("key ({}) must be unique", names.join(", "));
            broken.push((at[0], text, String::new()));
        }
        let sound = broken.is_empty();
        for (at, rule, value) in broken {
            let column = self.rules[at].schema.name.clone();
            let entry = self.violations.entry((at, rule.clone()));
            let violation =
                entry.or_insert_with(|| Violation { column, rule, count: 0, examples: Vec::new() });
            violation.count += 1;
            if violation.examples.len() < EXAMPLES {
                violation.examples.push(Example { file: file.to_owned(), line, value });
            }
        }
        sound
    }

    /// Remembers the keys of a row that was accepted in an earlier version.
    pub(super) fn note(&mut self, columns: &[String], cells: &[Cell]) {
        self.bind(columns);
        let mut key = KeyHash::default();
        for rule in &mut self.rules {
            let cell = rule.index.and_then(|index| cells.get(index)).unwrap_or(&Cell::Null);
            if rule.schema.key {
                key.add(cell);
            }
            if rule.schema.unique && !cell.is_null() {
                let mut hash = KeyHash::default();
                hash.add(cell);
                rule.seen.insert(hash.finish());
            }
        }
        if key.complete() {
            self.keys.insert(key.finish());
        }
    }

    /// Every failure, in the order of the schema, once all rows have been checked.
    pub(super) fn finish(mut self, columns: &[String]) -> Vec<String> {
        self.bind(columns);
        let mut lines = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.index.is_none()) {
            lines.push(format!("`{}` is missing from the data", rule.schema.name));
        }
        let declared = |name: &String| self.rules.iter().any(|rule| rule.schema.name == *name);
        if self.strict {
            let unexpected = columns.iter().filter(|name| !declared(name));
            lines.extend(unexpected.map(|name| format!("`{name}` is not in the schema")));
        }
        for ((at, _), violation) in &self.violations {
            if self.rules[*at].index.is_some() {
                lines.push(violation.to_string());
            }
        }
        lines
    }
}

impl ColumnRule {
    /// The first rule a value breaks.
    fn broken_by(&mut self, cell: &Cell, protection: &Protection) -> Option<String> {
        let schema = &self.schema;
        if cell.is_null() {
            return (!schema.nullable || schema.key).then(|| "must not be null".to_owned());
        }
        if !schema.kind.accepts(cell) {
            return Some(format!("must be {}", schema.kind.name()));
        }
        if let Some(allowed) = &schema.allowed
            && !allowed.iter().any(|value| cell.equals(value))
        {
            let values: Vec<_> = allowed.iter().map(ToString::to_string).collect();
            return Some(format!("must be one of {}", values.join(", ")));
        }
        let position = if self.range == (None, None) { None } else { scale(cell) };
        if let Some(position) = position {
            if self.range.0.is_some_and(|min| position < min) {
                return Some(format!("must be at least {}", shown(schema.min.as_ref())));
            }
            if self.range.1.is_some_and(|max| position > max) {
                return Some(format!("must be at most {}", shown(schema.max.as_ref())));
            }
        }
        if schema.unique {
            let mut hash = KeyHash::default();
            hash.add(&protection.identity(&schema.name, cell));
            return (!self.seen.insert(hash.finish())).then(|| "must be unique".to_owned());
        }
        None
    }
}

fn shown(value: Option<&serde_json::Value>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rows = if self.count == 1 { "row" } else { "rows" };
        let examples: Vec<_> = self.examples.iter().map(ToString::to_string).collect();
        let more = if self.count as usize > examples.len() { ", …" } else { "" };
        if self.rule.starts_with("key (") {
            write!(f, "{}: {} {rows} ({}{more})", self.rule, self.count, examples.join(", "))
        } else {
            write!(
                f,
                "`{}` {}: {} {rows} ({}{more})",
                self.column,
                self.rule,
                self.count,
                examples.join(", ")
            )
        }
    }
}

/// The hash of the values of several columns; incomplete where one of them is null.
#[derive(Default)]
pub(super) struct KeyHash {
    hasher: blake3::Hasher,
    parts: usize,
    nulls: usize,
}

impl KeyHash {
    pub(super) fn add(&mut self, cell: &Cell) {
        self.parts += 1;
        self.nulls += usize::from(cell.is_null());
        let text = cell.json();
        self.hasher.update(&(text.len() as u64).to_le_bytes());
        self.hasher.update(text.as_bytes());
    }

    /// Whether there are values and none of them is null.
    pub(super) const fn complete(&self) -> bool {
        self.parts > 0 && self.nulls == 0
    }

    /// The first 16 bytes of the hash: two of a billion rows meet with a probability below 1e-20.
    pub(super) fn finish(&self) -> [u8; 16] {
        let mut short = [0; 16];
        short.copy_from_slice(&self.hasher.finalize().as_bytes()[..16]);
        short
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::Key;
    use super::*;

    fn check(schema: &[ColumnSchema], strict: bool, header: &str, rows: &[&str]) -> Vec<String> {
        let protection = Protection::new(&["secret".into()], Some(&Key::random().unwrap()), &[]).unwrap();
        let columns: Vec<String> = header.split(',').map(str::to_owned).collect();
        let mut checker = SchemaChecker::new(schema, strict, &protection).unwrap();
        for (at, row) in rows.iter().enumerate() {
            let mut cells: Vec<Cell> = row.split(',').map(Cell::from_csv).collect();
            checker.coerce(&columns, &mut cells);
            checker.check(&columns, "a.csv", at as u64 + 2, &cells);
        }
        checker.finish(&columns)
    }

    #[test]
    fn all_failures_come_at_once_with_count_and_first_rows() {
        let schema = [
            ColumnSchema {
                min: Some(18.into()),
                max: Some(99.into()),
                ..ColumnSchema::new("age", ColumnType::Integer)
            },
            ColumnSchema {
                allowed: Some(vec!["a".into(), "b".into()]),
                nullable: true,
                ..ColumnSchema::new("plan", ColumnType::String)
            },
            ColumnSchema::new("gone", ColumnType::Bool),
        ];
        let rows = ["20,a", "17,c", "x,", "100,b", ",b", "y,b", "z,b", "3.5,b"];
        assert_eq!(
            check(&schema, true, "age,plan", &rows),
            [
                "`gone` is missing from the data",
                "`age` must be at least 18: 1 row (a.csv:3 17)",
                "`age` must be at most 99: 1 row (a.csv:5 100)",
                "`age` must be integer: 4 rows (a.csv:4 \"x\", a.csv:7 \"y\", a.csv:8 \"z\", …)",
                "`age` must not be null: 1 row (a.csv:6 null)",
                "`plan` must be one of \"a\", \"b\": 1 row (a.csv:3 \"c\")",
            ]
        );
    }

    #[test]
    fn strict_refuses_columns_beyond_the_schema() {
        let schema = [ColumnSchema::new("a", ColumnType::Number)];
        assert_eq!(check(&schema, true, "a,b", &["1,2"]), ["`b` is not in the schema"]);
        assert!(check(&schema, false, "a,b", &["1,2"]).is_empty());
    }

    #[test]
    fn keys_are_unique_together_and_masked_values_are_not_shown() {
        let key = |name| ColumnSchema { key: true, ..ColumnSchema::new(name, ColumnType::String) };
        let secret = ColumnSchema { unique: true, ..ColumnSchema::new("secret", ColumnType::String) };
        let rows = ["1,a,s", "1,b,t", "1,a,s"];
        assert_eq!(
            check(&[key("x"), key("y"), secret], false, "x,y,secret", &rows),
            [
                "key (x, y) must be unique: 1 row (a.csv:4)",
                "`secret` must be unique: 1 row (a.csv:4 (masked))"
            ]
        );
    }

    #[test]
    fn times_have_types_and_ranges() {
        let at =
            ColumnSchema { min: Some("2026-01-01".into()), ..ColumnSchema::new("at", ColumnType::Timestamp) };
        let rows = ["2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z", "2026-01-01"];
        let failures = check(&[at], false, "at", &rows);
        assert_eq!(failures.len(), 2);
        assert!(failures[0].contains("at least \"2026-01-01\": 1 row (a.csv:3"));
        assert!(failures[1].contains("must be timestamp: 1 row (a.csv:4"));
    }

    #[test]
    fn a_schema_that_contradicts_itself_is_refused() {
        let protection = Protection::new(&[], None, &[]).unwrap();
        let text = ColumnSchema { min: Some(1.into()), ..ColumnSchema::new("a", ColumnType::String) };
        assert!(SchemaChecker::new(&[text], false, &protection).is_err());
        let twice = [ColumnSchema::new("a", ColumnType::Bool), ColumnSchema::new("a", ColumnType::Bool)];
        assert!(SchemaChecker::new(&twice, false, &protection).is_err());
    }
}
