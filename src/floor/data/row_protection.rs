//! Masking and redaction of single values, for those who write rows before there is a snapshot of them.

use std::path::Path;

use serde_json::value::RawValue;

use super::cell::Cell;
use super::keys::Keys;
use super::protect::Protection;
use crate::Problem;

/// What is hidden in rows as they are written. A snapshot is made of them as [`super::SourceData::protected`].
pub struct RowProtection(Protection);

impl RowProtection {
    /// `mask` names columns, whose tokens are made with the key in a file; `redact` names kinds of text: `email`, `phone`.
    ///
    /// # Errors
    /// A kind of text is not known, or there is no key ([`super::Store::prepare_mask`] makes it).
    pub fn new(mask: &[String], redact: &[String], key: &Path) -> Result<Self, Problem> {
        let key = if mask.is_empty() { None } else { Some(Keys::new(key).project()?) };
        Protection::new(mask, key.as_ref(), redact).map(Self)
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
