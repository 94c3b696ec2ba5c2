//! Masking and redaction: what must not reach the disk, nor an error text.

use std::borrow::Cow;

use regex::Regex;

use super::cell::Cell;
use super::keys::Key;
use super::time::{parse_date, parse_timestamp};
use crate::Problem;

/// Longest value shown in an example.
const SHOWN: usize = 60;

/// What is hidden in a data set.
pub(super) struct Protection {
    mask: Vec<String>,
    /// What tokens are made with; there where a column is masked.
    mask_key: Option<[u8; 32]>,
    redactions: Vec<(Regex, &'static str)>,
    /// Whether no value may be shown at all, since all of it is encrypted.
    secret: bool,
}

impl Protection {
    /// `mask` names columns and needs a key; `redact` names kinds: `email`, `phone`.
    pub(super) fn new(mask: &[String], key: Option<&Key>, redact: &[String]) -> Result<Self, Problem> {
        let redactions = redact.iter().map(|kind| redaction(kind)).collect::<Result<_, _>>()?;
        let mask_key = key.map(|key| key.derive("mlp 2026 tokens of masked values"));
        if mask_key.is_none() && !mask.is_empty() {
            return Err(Problem::new("MLP0730", "there is no key to mask values with").at("protection.mask"));
        }
        Ok(Self { mask: mask.to_vec(), mask_key, redactions, secret: false })
    }

    /// Shows no value in messages and profiles.
    pub(super) const fn keep_secret(mut self, secret: bool) -> Self {
        self.secret = secret;
        self
    }

    /// Whether values of a column may not be shown.
    pub(super) fn hides(&self, column: &str) -> bool {
        self.secret || self.masks(column)
    }

    /// Refuses masks of columns that are not there: a misspelt name must not leave a column in the clear.
    pub(super) fn check(&self, columns: &[String]) -> Result<(), Problem> {
        match self.mask.iter().find(|name| !columns.contains(name)) {
            None => Ok(()),
            Some(name) => {
                Err(Problem::new("MLP0706", format!("`mask` names `{name}`, which is no column of the data"))
                    .note(format!("columns: {}", columns.join(", ")))
                    .at("protection.mask"))
            }
        }
    }

    /// Whether a column's values are replaced.
    pub(super) fn masks(&self, column: &str) -> bool {
        self.mask.iter().any(|name| name == column)
    }

    /// The value as it may be written, where that may be the value itself.
    pub(super) fn written<'a>(&self, column: &str, cell: &'a Cell) -> Cow<'a, Cell> {
        if self.redactions.is_empty() && !self.masks(column) {
            Cow::Borrowed(cell)
        } else {
            Cow::Owned(self.apply(column, cell.clone()))
        }
    }

    /// The value by which rows are told apart: a masked one by its token, as in earlier versions.
    pub(super) fn identity<'a>(&self, column: &str, cell: &'a Cell) -> Cow<'a, Cell> {
        if self.masks(column) { Cow::Owned(self.apply(column, cell.clone())) } else { Cow::Borrowed(cell) }
    }

    /// Rows of an earlier version: what was masked stays as it is, and what is masked since is masked now.
    pub(super) fn again(&self, columns: &[String], cells: &mut [Cell], masked: &[String]) {
        for (name, cell) in columns.iter().zip(cells).filter(|(name, _)| !masked.contains(name)) {
            if let Cow::Owned(changed) = self.written(name, cell) {
                *cell = changed;
            }
        }
    }

    /// The value as it may be written.
    pub(super) fn apply(&self, column: &str, cell: Cell) -> Cell {
        if cell.is_null() {
            return cell;
        }
        if let (true, Some(key)) = (self.masks(column), &self.mask_key) {
            return Cell::Text(token(key, &cell.text()));
        }
        match cell {
            Cell::Text(text) => Cell::Text(self.redact(&text).into_owned()),
            Cell::Json(text) if !self.redactions.is_empty() => Cell::Json(self.redact_json(&text)),
            other => other,
        }
    }

    /// The value as it may be shown to a person.
    pub(super) fn show(&self, column: &str, cell: &Cell) -> String {
        if cell.is_null() {
            return "null".to_owned();
        }
        if self.masks(column) {
            return "(masked)".to_owned();
        }
        if self.secret {
            return "(encrypted)".to_owned();
        }
        let shown = self.apply(column, cell.clone());
        let text = shown.json();
        match text.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.into_owned(),
        }
    }

    fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        // Dates are digits and dashes, as telephone numbers are.
        if self.redactions.is_empty() || parse_date(text).is_some() || parse_timestamp(text).is_some() {
            return Cow::Borrowed(text);
        }
        let mut result = Cow::Borrowed(text);
        for (pattern, replacement) in &self.redactions {
            if let Cow::Owned(changed) = pattern.replace_all(&result, *replacement) {
                result = Cow::Owned(changed);
            }
        }
        result
    }

    /// Redacts the strings inside a JSON text; everything else stays as it was written.
    fn redact_json(&self, text: &str) -> String {
        let mut result = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find('"') {
            let (before, from) = rest.split_at(start);
            let (literal, after) = from.split_at(literal_length(from));
            result.push_str(before);
            match serde_json::from_str::<String>(literal) {
                Ok(string) => match self.redact(&string) {
                    Cow::Owned(changed) => result.push_str(&Cell::Text(changed).json()),
                    Cow::Borrowed(_) => result.push_str(literal),
                },
                Err(_) => result.push_str(literal),
            }
            rest = after;
        }
        result.push_str(rest);
        result
    }
}

/// How long the string literal is that the text starts with, quotes included.
fn literal_length(text: &str) -> usize {
    let mut escaped = true;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The same value always has the same token, so masked columns still join; without the key nobody can try which value
/// has which token.
fn token(key: &[u8; 32], text: &str) -> String {
    blake3::keyed_hash(key, text.as_bytes()).to_hex()[..16].to_owned()
}

fn redaction(kind: &str) -> Result<(Regex, &'static str), Problem> {
    let (pattern, replacement) = match kind {
        "email" => (r"[\w.%+\-]+@[\w\-]+(?:\.[\w\-]+)+", "[email]"),
        // At least seven digits, with the separators people put between them.
        "phone" => (r"(?:\+|\b)\(?\d(?:[ ./()\-]{0,2}\d){6,14}\b", "[phone]"),
        _ => {
            let text = format!("`redact` names `{kind}`, which is no known kind");
            return Err(Problem::new("MLP0706", text)
                .help("the kinds are `email` and `phone`")
                .at("protection.redact"));
        }
    };
    let pattern = Regex::new(pattern)
        .map_err(|error| Problem::new("MLP0706", format!("the pattern of `{kind}` is broken: {error}")))?;
    Ok((pattern, replacement))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protection() -> Protection {
        let key = Key::of_secret("an example of a key, for tests only").unwrap();
        Protection::new(&["id".into()], Some(&key), &["email".into(), "phone".into()]).unwrap()
    }

    fn redacted(text: &str) -> String {
        protection().apply("note", Cell::Text(text.into())).text().into_owned()
    }

    #[test]
    fn masked_values_are_tokens_and_null_stays_null() {
        let masked = protection().apply("id", Cell::from_csv("42"));
        assert_eq!(masked.text().len(), 16);
        assert_eq!(masked, protection().apply("id", Cell::Text("42".into())));
        let other = Key::of_secret("another example of a key, for tests").unwrap();
        let other = Protection::new(&["id".into()], Some(&other), &[]).unwrap();
        assert_ne!(masked, other.apply("id", Cell::from_csv("42")));
        assert!(Protection::new(&["id".into()], None, &[]).is_err());
        assert!(protection().apply("id", Cell::Null).is_null());
        assert_eq!(protection().show("id", &Cell::from_csv("42")), "(masked)");
    }

    #[test]
    fn emails_and_phones_are_redacted_and_dates_are_not() {
        assert_eq!(
            redacted("ask jo.doe+x@mail.example.org or +49 (151) 123-4567 now"),
            "ask [email] or [phone] now"
        );
        assert_eq!(redacted("0151/1234567"), "[phone]");
        for kept in ["2026-01-31", "2026-01-31T12:00:00Z", "order 1234", "a@b", "12 items, 3 left"] {
            assert_eq!(redacted(kept), kept);
        }
        let nested = protection()
            .apply("note", Cell::Json(r#"{"to": ["a\u0040b.example"], "n": 1.10, "q\"": "\\"}"#.into()));
        assert_eq!(nested.text(), r#"{"to": ["[email]"], "n": 1.10, "q\"": "\\"}"#);
    }

    #[test]
    fn unknown_names_are_refused() {
        assert!(Protection::new(&[], None, &["iban".into()]).is_err());
        assert!(protection().check(&["note".into()]).unwrap_err().message.contains("`id`"));
    }
}
