//! What stands for a value that must not be shown, in everything that is written down: its keyed fingerprint.

use crate::Value;

const SEALED: &str = "$sealed";

/// The mark of that fingerprint.
pub fn sealed<H>(fingerprint: &str) -> Value<H> {
    Value::object([(SEALED, Value::text(fingerprint))])
}

/// The fingerprint a value stands for, if it is such a mark.
pub fn fingerprint_of<H>(value: &Value<H>) -> Option<&str> {
    let items = value.as_object().filter(|items| items.len() == 1)?;
    items.get(SEALED)?.as_text()
}

/// Whether anything in it is such a mark.
pub fn has_sealed<H>(value: &Value<H>) -> bool {
    fingerprint_of(value).is_some()
        || match value {
            Value::List(items) => items.iter().any(has_sealed),
            Value::Object(items) => items.values().any(has_sealed),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KnownValue;

    #[test]
    fn a_mark_is_told_from_an_object() {
        let mark: KnownValue = sealed("ab");
        assert_eq!(fingerprint_of(&mark), Some("ab"));
        assert!(has_sealed(&KnownValue::list([mark])));
        assert!(!has_sealed(&KnownValue::object([("sealed", KnownValue::text("ab"))])));
    }
}
