//! Masking and redaction of single values, for those who write rows before there is a snapshot of them.

use serde_json::value::RawValue;

use super::cell::Cell;
use super::protect::Protection;
use crate::Problem;

/// What is hidden in rows as they are written. A snapshot of them is made with `protected`.
pub struct RowProtection(Protection);

impl RowProtection {
    /// `mask` names columns; `redact` names kinds of text: `email`, `phone`.
    ///
    /// # Errors
    /// A kind of text is not known.
    pub fn new(mask: &[String], redact: &[String]) -> Result<Self, Problem> {
        Protection::new(mask, redact).map(Self)
    }

    /// A value, given as its JSON text, as it may be written.
    ///
    /// # Errors
    /// The text is no JSON.
    pub fn apply(&self, column: &str, value: &RawValue) -> serde_json::Result<Box<RawValue>> {
        let cell = Cell::from_json(value.get())?;
        RawValue::from_string(self.0.apply(column, cell).json().into_owned())
    }
}
