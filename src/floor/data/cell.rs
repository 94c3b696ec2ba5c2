//! One value of a table.

use std::borrow::Cow;

use super::schema::ColumnType;

/// One value of a table. Numbers keep the text they were written with, so nothing is lost by reading and writing.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// No value: an empty CSV field, a JSON `null`, or a key that is absent.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A finite number.
    Number {
        /// The nearest floating-point number.
        value: f64,
        /// The number as it was written.
        text: String,
    },
    /// Text.
    Text(String),
    /// A JSON list or object, as it was written.
    Json(String),
}

impl Cell {
    /// Reads a CSV field: empty is null, `true`/`false` a bool, a number in JSON's notation a number, the rest text.
    #[must_use]
    pub fn from_csv(field: &str) -> Self {
        match field {
            "" => Self::Null,
            "true" => Self::Bool(true),
            "false" => Self::Bool(false),
            _ if is_json_number(field) => Self::number_or_text(field),
            _ => Self::Text(field.to_owned()),
        }
    }

    /// Reads one JSON value from its text, which must be valid JSON.
    pub(super) fn from_json(raw: &str) -> Result<Self, serde_json::Error> {
        Ok(match raw.as_bytes().first() {
            Some(b'n') => Self::Null,
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'"') => Self::Text(serde_json::from_str(raw)?),
            Some(b'[' | b'{') => Self::Json(raw.to_owned()),
            _ => Self::number_or_text(raw),
        })
    }

    fn number_or_text(text: &str) -> Self {
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Self::Number { value, text: text.to_owned() },
            _ => Self::Text(text.to_owned()),
        }
    }

    /// A CSV field carries no type of its own: the schema's type decides how it is read.
    #[must_use]
    pub(super) fn coerced(self, kind: ColumnType) -> Self {
        match (kind, self) {
            (_, Self::Null) => Self::Null,
            (ColumnType::String | ColumnType::Timestamp | ColumnType::Date, cell) => {
                Self::Text(cell.into_text())
            }
            (ColumnType::Number | ColumnType::Integer, Self::Text(text)) => Self::number_or_text(&text),
            (ColumnType::Bool, Self::Text(text)) => match text.as_str() {
                "True" | "TRUE" => Self::Bool(true),
                "False" | "FALSE" => Self::Bool(false),
                _ => Self::Text(text),
            },
            (_, cell) => cell,
        }
    }

    /// Whether there is no value.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The value as text: what a CSV field holds; empty for null.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Null => Cow::Borrowed(""),
            Self::Bool(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
            Self::Number { text, .. } | Self::Text(text) | Self::Json(text) => Cow::Borrowed(text),
        }
    }

    fn into_text(self) -> String {
        match self {
            Self::Number { text, .. } | Self::Text(text) | Self::Json(text) => text,
            other => other.text().into_owned(),
        }
    }

    /// The value as JSON text.
    #[must_use]
    pub fn json(&self) -> Cow<'_, str> {
        match self {
            Self::Null => Cow::Borrowed("null"),
            Self::Text(text) => Cow::Owned(serde_json::Value::from(text.as_str()).to_string()),
            // What a schema accepts as a number (`+1`, `007`) is not always JSON's notation of one.
            Self::Number { value, text } if !is_json_number(text) => Cow::Owned(value.to_string()),
            other => other.text(),
        }
    }

    /// The number, where it is one.
    #[must_use]
    pub const fn number(&self) -> Option<f64> {
        match self {
            Self::Number { value, .. } => Some(*value),
            _ => None,
        }
    }

    /// Whether it is a number written without fraction and exponent.
    #[must_use]
    pub fn is_integer(&self) -> bool {
        match self {
            Self::Number { text, .. } => {
                text.trim_start_matches(['+', '-']).bytes().all(|b| b.is_ascii_digit())
            }
            _ => false,
        }
    }

    /// Whether it is the given value: numbers compare as numbers, the rest as written.
    #[must_use]
    pub(super) fn equals(&self, value: &serde_json::Value) -> bool {
        match value {
            serde_json::Value::Null => self.is_null(),
            serde_json::Value::Number(number) => {
                self.number().is_some_and(|own| Some(own) == number.as_f64())
            }
            serde_json::Value::String(text) => !self.is_null() && self.text() == text.as_str(),
            other => !matches!(self, Self::Null) && self.text() == other.to_string(),
        }
    }
}

/// JSON's grammar of a number; wider notations (`+1`, `007`, `.5`, `1_000`) are text unless a schema says otherwise.
fn is_json_number(text: &str) -> bool {
    let rest = text.strip_prefix('-').unwrap_or(text);
    let whole = digits(rest);
    if whole == 0 || (whole > 1 && rest.starts_with('0')) {
        return false;
    }
    let mut rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix('.') {
        let count = digits(fraction);
        if count == 0 {
            return false;
        }
        rest = &fraction[count..];
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let count = digits(exponent);
        return count > 0 && count == exponent.len();
    }
    rest.is_empty()
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_fields_are_read_by_their_notation() {
        assert_eq!(Cell::from_csv(""), Cell::Null);
        assert_eq!(Cell::from_csv("true"), Cell::Bool(true));
        for number in ["0", "-1", "12.50", "1e3", "12345678901234567890123"] {
            assert!(
                matches!(Cell::from_csv(number), Cell::Number { text, .. } if text == number),
                "{number}"
            );
        }
        for text in ["007", "+1", ".5", "1.", "NaN", "inf", "1e999", "0x1", "-", "1e", "TRUE"] {
            assert_eq!(Cell::from_csv(text), Cell::Text(text.to_owned()));
        }
    }

    #[test]
    fn a_schema_type_decides_what_a_field_is() {
        assert_eq!(Cell::from_csv("12").coerced(ColumnType::String), Cell::Text("12".into()));
        assert_eq!(Cell::from_csv("007").coerced(ColumnType::Integer).number(), Some(7.0));
        assert_eq!(Cell::from_csv("True").coerced(ColumnType::Bool), Cell::Bool(true));
        assert_eq!(Cell::from_csv("nan").coerced(ColumnType::Number), Cell::Text("nan".into()));
        assert!(Cell::from_csv("-12").is_integer());
        assert!(!Cell::from_csv("3.0").is_integer());
    }

    #[test]
    fn values_compare_as_numbers_or_as_written() {
        assert!(Cell::from_csv("1.0").equals(&serde_json::json!(1)));
        assert!(Cell::from_csv("yes").equals(&serde_json::json!("yes")));
        assert!(Cell::from_csv("true").equals(&serde_json::json!(true)));
        assert!(!Cell::Null.equals(&serde_json::json!("")));
    }
}
