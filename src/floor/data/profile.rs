//! The profile of a table: what is in each column.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::{Deserialize, Serialize};

use super::cell::Cell;
use super::protect::Protection;
use super::schema::{ColumnSchema, ColumnType};
use super::time::{parse_date, parse_timestamp};

/// Distinct values are counted up to this many.
const MAX_DISTINCT: usize = 1000;
/// Longest text kept as a minimum or maximum.
const MAX_TEXT: usize = 64;

/// What is in one column of a snapshot, as it was written: masked columns show no values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnProfile {
    /// The name of the column.
    pub name: String,
    /// The declared type, or the narrowest that holds all values: `bool`, `integer`, `number`, `date`, `timestamp`,
    /// `string`, `json`; `null` where there is none.
    #[serde(rename = "type")]
    pub kind: String,
    /// How many rows have no value.
    pub nulls: u64,
    /// The smallest value as text: by size for numbers, by letters for text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<String>,
    /// The largest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    /// How many different values there are, counted up to 1000.
    pub distinct: u64,
    /// Whether there are more than were counted.
    pub distinct_capped: bool,
}

/// Builds the profile of one column.
struct Column {
    nulls: u64,
    kinds: Kinds,
    numbers: Option<(Extreme, Extreme)>,
    texts: Option<(String, String)>,
    distinct: HashSet<u64>,
    capped: bool,
    hidden: bool,
    masked: bool,
}

/// A number and how it was written.
type Extreme = (f64, String);

/// Which types hold every value seen so far.
pub(super) struct Kinds {
    any: bool,
    bools: bool,
    integers: bool,
    /// Whether they are integers of 64 bits.
    short: bool,
    numbers: bool,
    dates: bool,
    timestamps: bool,
    json: bool,
}

/// Builds the profile of a table row by row.
pub(super) struct Profiler {
    columns: Vec<Column>,
}

impl Profiler {
    /// Masked columns hold tokens, and those that are hidden show no minimum and maximum.
    pub(super) fn new(columns: &[String], protection: &Protection) -> Self {
        let column = |name: &String| Column::new(protection.hides(name), protection.masks(name));
        Self { columns: columns.iter().map(column).collect() }
    }

    pub(super) fn add(&mut self, cells: &[Cell]) {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.add(cell);
        }
    }

    pub(super) fn finish(self, names: &[String], schema: &[ColumnSchema]) -> Vec<ColumnProfile> {
        let declared = |name: &str| {
            schema
                .iter()
                .find(|column| column.name == name && column.kind != ColumnType::Any)
                .map(|column| column.kind)
        };
        let profiles = names.iter().zip(self.columns);
        profiles.map(|(name, column)| column.finish(name, declared(name))).collect()
    }
}

impl Column {
    fn new(hidden: bool, masked: bool) -> Self {
        Self {
            nulls: 0,
            kinds: Kinds::default(),
            numbers: None,
            texts: None,
            distinct: HashSet::new(),
            capped: false,
            hidden,
            masked,
        }
    }

    fn add(&mut self, cell: &Cell) {
        if cell.is_null() {
            self.nulls += 1;
            return;
        }
        self.kinds.add(cell);
        let text = cell.text();
        self.count(&text);
        if self.hidden {
            return;
        }
        if let Cell::Number { value, .. } = cell {
            let new = || (*value, text.clone().into_owned());
            let (min, max) = self.numbers.get_or_insert_with(|| (new(), new()));
            if *value < min.0 {
                *min = new();
            }
            if *value > max.0 {
                *max = new();
            }
        }
        let new = || text.clone().into_owned();
        let (min, max) = self.texts.get_or_insert_with(|| (new(), new()));
        if text.as_ref() < min.as_str() {
            *min = new();
        }
        if text.as_ref() > max.as_str() {
            *max = new();
        }
    }

    fn count(&mut self, text: &str) {
        if self.capped {
            return;
        }
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let hash = hasher.finish();
        if self.distinct.len() < MAX_DISTINCT {
            self.distinct.insert(hash);
        } else {
            self.capped = !self.distinct.contains(&hash);
        }
    }

    fn finish(self, name: &str, declared: Option<ColumnType>) -> ColumnProfile {
        let kind =
            if self.masked { "string" } else { declared.map_or_else(|| self.kinds.name(), ColumnType::name) };
        let (min, max) = match (kind, self.numbers, self.texts) {
            ("json" | "null", ..) => (None, None),
            ("number" | "integer", Some((min, max)), _) => (Some(min.1), Some(max.1)),
            (_, _, Some((min, max))) => (Some(shortened(min)), Some(shortened(max))),
            _ => (None, None),
        };
        ColumnProfile {
            name: name.to_owned(),
            kind: kind.to_owned(),
            nulls: self.nulls,
            min,
            max,
            distinct: self.distinct.len() as u64,
            distinct_capped: self.capped,
        }
    }
}

impl Default for Kinds {
    fn default() -> Self {
        Self {
            any: false,
            bools: true,
            integers: true,
            short: true,
            numbers: true,
            dates: true,
            timestamps: true,
            json: true,
        }
    }
}

impl Kinds {
    /// Looks at one more value.
    pub(super) fn add(&mut self, cell: &Cell) {
        if cell.is_null() {
            return;
        }
        self.any = true;
        let text = cell.text();
        let text = text.as_ref();
        self.short = self.short && text.parse::<i64>().is_ok();
        self.bools &= matches!(cell, Cell::Bool(_));
        self.integers = self.integers && cell.is_integer();
        self.numbers &= matches!(cell, Cell::Number { .. });
        self.dates = self.dates && matches!(cell, Cell::Text(_)) && parse_date(text).is_some();
        self.timestamps = self.timestamps && matches!(cell, Cell::Text(_)) && parse_timestamp(text).is_some();
        self.json &= matches!(cell, Cell::Json(_));
    }

    /// The type of a column that holds these values, where it is not text.
    pub(super) fn column_type(&self) -> Option<ColumnType> {
        match self.name() {
            "bool" => Some(ColumnType::Bool),
            // What does not fit stays as it was written.
            "integer" => self.short.then_some(ColumnType::Integer),
            "number" => Some(ColumnType::Number),
            "date" => Some(ColumnType::Date),
            "timestamp" => Some(ColumnType::Timestamp),
            _ => None,
        }
    }

    /// Whether some are text and some are not.
    pub(super) fn is_mixed(&self) -> bool {
        self.name() == "string"
    }

    const fn name(&self) -> &'static str {
        match self {
            Self { any: false, .. } => "null",
            Self { bools: true, .. } => "bool",
            Self { integers: true, .. } => "integer",
            Self { numbers: true, .. } => "number",
            Self { dates: true, .. } => "date",
            Self { timestamps: true, .. } => "timestamp",
            Self { json: true, .. } => "json",
            _ => "string",
        }
    }
}

fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(MAX_TEXT) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(values: &[&str], hidden: bool) -> ColumnProfile {
        let names = ["a".to_owned()];
        let protection = Protection::new(&[], None, &[]).unwrap().keep_secret(hidden);
        let mut profiler = Profiler::new(&names, &protection);
        for value in values {
            profiler.add(&[Cell::from_csv(value)]);
        }
        profiler.finish(&names, &[]).remove(0)
    }

    #[test]
    fn the_narrowest_type_is_found() {
        let cases: [(&[&str], &str); 8] = [
            (&["1", "", "-2"], "integer"),
            (&["1", "2.5"], "number"),
            (&["true", "false"], "bool"),
            (&["2026-01-31"], "date"),
            (&["2026-01-31T00:00:00Z", "2026-01-31 01:00"], "timestamp"),
            (&["1", "x"], "string"),
            (&["2026-01-31", "soon"], "string"),
            (&["", ""], "null"),
        ];
        for (values, kind) in cases {
            assert_eq!(profile(values, false).kind, kind, "{values:?}");
        }
    }

    #[test]
    fn extremes_are_by_size_or_letters_and_hidden_columns_show_none() {
        let numbers = profile(&["9", "10", "", "10"], false);
        assert_eq!((numbers.min.as_deref(), numbers.max.as_deref()), (Some("9"), Some("10")));
        assert_eq!((numbers.nulls, numbers.distinct, numbers.distinct_capped), (1, 2, false));
        let texts = profile(&["b", "a"], false);
        assert_eq!((texts.min.as_deref(), texts.max.as_deref()), (Some("a"), Some("b")));
        assert_eq!(profile(&["b", "a"], true).min, None);
    }

    #[test]
    fn distinct_values_are_counted_up_to_a_bound() {
        let texts: Vec<String> = (0..1001).map(|number| number.to_string()).collect();
        let values: Vec<&str> = texts.iter().map(String::as_str).collect();
        let exact = profile(&values[..1000], false);
        assert_eq!((exact.distinct, exact.distinct_capped), (1000, false));
        let capped = profile(&values, false);
        assert_eq!((capped.distinct, capped.distinct_capped), (1000, true));
    }
}
