//! Masking and redaction of single values, for those who write rows before there is a snapshot of them.

use std::path::Path;

use serde_json::value::RawValue;

use super::cell::Cell;
use super::keys::{Key, Keys};
use super::protect::Protection;
use super::store::Store;
use crate::Problem;

/// What is hidden in rows as they are written. A snapshot of them is made with `protected`.
pub struct RowProtection(Protection);

impl RowProtection {
    /// `mask` names columns, whose values become tokens made with the key of [`Store::mask_key`]; `redact` names kinds of
    /// text: `email`, `phone`.
    pub fn new(mask: &[String], key: Option<&Key>, redact: &[String]) -> Result<Self, Problem> {
        Protection::new(mask, key, redact).map(Self)
    }

    /// The same for a data set of a store.
    pub fn of(store: &Store, name: &str, mask: &[String], redact: &[String]) -> Result<Self, Problem> {
        let key = if mask.is_empty() { None } else { Some(store.mask_key(name)?) };
        Self::new(mask, key.as_ref(), redact)
    }

    /// The same with the key in a file, which [`Store::mask_key`] made.
    ///
    /// # Errors
    /// A kind of text is not known, or the key is not there.
    pub fn with_key_in(file: &Path, mask: &[String], redact: &[String]) -> Result<Self, Problem> {
        let key = if mask.is_empty() { None } else { Some(Keys::new(file).project()?) };
        Self::new(mask, key.as_ref(), redact)
    }

    /// A value, given as its JSON text, as it may be written.
    pub fn apply(&self, column: &str, value: &RawValue) -> serde_json::Result<Box<RawValue>> {
        let cell = Cell::from_json(value.get())?;
        RawValue::from_string(self.0.apply(column, cell).json().into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Format, SnapshotRequest};

    #[test]
    fn values_that_are_protected_one_by_one_are_those_of_a_snapshot() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().join("store"));
        let (mask, redact) = (vec!["id".to_owned(), "never".to_owned()], vec!["email".to_owned()]);
        let rows = RowProtection::of(&store, "log", &mask, &redact).unwrap();
        let value = |column: &str, text: &str| {
            let raw = RawValue::from_string(text.to_owned()).unwrap();
            rows.apply(column, &raw).unwrap().get().to_owned()
        };
        let line = format!("{{\"id\":{},\"note\":{}}}\n", value("id", "7"), value("note", "\"a@b.example\""));
        assert!(line.contains("[email]") && !line.contains("7}"), "{line}");
        std::fs::write(dir.path().join("rows.jsonl"), &line).unwrap();
        let request = |name: &str, protected| SnapshotRequest {
            name: "log".into(),
            sources: vec![dir.path().join(name).into()],
            format: Some(Format::JsonLines),
            mask: if protected { mask.clone() } else { vec!["id".into()] },
            redact: redact.clone(),
            protected,
            ..SnapshotRequest::default()
        };
        let one = store.snapshot(&request("rows.jsonl", true)).unwrap();
        assert_eq!(std::fs::read_to_string(one.object).unwrap(), line);
        // In the clear and masked by the snapshot itself it is the same version.
        std::fs::write(dir.path().join("raw.jsonl"), "{\"id\":7,\"note\":\"a@b.example\"}\n").unwrap();
        let two = store.snapshot(&request("raw.jsonl", false)).unwrap();
        assert_eq!(two.manifest.digest, one.manifest.digest);
        let appended =
            SnapshotRequest { append_to: Some(one.manifest.digest), ..request("rows.jsonl", true) };
        let three = store.snapshot(&appended).unwrap();
        assert_eq!(std::fs::read_to_string(three.object).unwrap(), line.repeat(2));
    }
}
