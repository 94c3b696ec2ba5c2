//! A record: a resource of the floor as a ConfigMap holds it for the pods that work on it. Each of its fields is an entry of its own,
//! so that a plan shows the field that changes and nothing else.

use std::collections::BTreeMap;

use mlp_provider::Desired;

use crate::mlp_eval::Quoted;
use crate::mlp_value::{KnownValue, Path, Value};

/// What a pod of another version could not read.
pub(crate) const FORMAT: &str = "1";
/// What the entries of fields begin with.
pub(crate) const FIELD: &str = "config";

/// Letters that the name of an entry may have, beside the points between its words.
fn is_word(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
}

/// The entries of a record, each with the field it is, where it is one.
pub(crate) fn entries(desired: &Desired, config: &KnownValue) -> BTreeMap<String, (Path, String)> {
    let after: Vec<String> = desired.depends_on.iter().map(|id| id.address.to_string()).collect();
    let head = [
        ("format", FORMAT.to_owned()),
        ("kind", desired.kind.clone()),
        ("identity", desired.identity.clone()),
        ("address", desired.id.address.to_string()),
        ("after", after.join(" ")),
    ];
    let mut all: BTreeMap<String, (Path, String)> =
        head.into_iter().map(|(name, text)| (name.to_owned(), (Path::default(), text))).collect();
    split(config, &Path::default(), FIELD.to_owned(), &mut all);
    all
}

fn split(value: &KnownValue, at: &Path, name: String, all: &mut BTreeMap<String, (Path, String)>) {
    let whole = Quoted::of(value).is_some();
    match value.as_object().filter(|items| !whole && !items.is_empty() && items.keys().all(|k| is_word(k))) {
        Some(items) => {
            for (word, item) in items.iter() {
                split(item, &at.field(word), format!("{name}.{word}"), all);
            }
        }
        None => {
            // Values write themselves without an error.
            let text = serde_json::to_string(value).unwrap_or_default();
            all.insert(name, (at.clone(), text));
        }
    }
}

/// The fields of a record from its entries.
pub(crate) fn fields(entries: &BTreeMap<String, String>) -> Result<KnownValue, String> {
    let mut tree = serde_json::json!({});
    for (name, text) in entries {
        let Some(path) = name.strip_prefix(FIELD).and_then(|rest| rest.strip_prefix('.')) else { continue };
        let value: serde_json::Value =
            serde_json::from_str(text).map_err(|error| format!("`{name}` is no JSON: {error}"))?;
        let mut place = &mut tree;
        for word in path.split('.') {
            place = &mut place[word];
        }
        *place = value;
    }
    KnownValue::from_json(&tree)
}

/// A digest of all that a record says.
pub(crate) fn digest(entries: &BTreeMap<String, (Path, String)>) -> String {
    let text: String = entries.iter().map(|(name, (_, text))| format!("{name}={text}\n")).collect();
    blake3::hash(text.as_bytes()).to_hex().chars().take(16).collect()
}

/// A value with each object of it changed, from the inside.
pub(crate) fn changed(value: &KnownValue, change: &dyn Fn(&mut BTreeMap<String, KnownValue>)) -> KnownValue {
    match value {
        Value::Object(_) if Quoted::of(value).is_some() => value.clone(),
        Value::Object(items) => {
            let mut fields: BTreeMap<String, KnownValue> =
                items.iter().map(|(name, item)| (name.to_string(), changed(item, change))).collect();
            change(&mut fields);
            Value::object(fields)
        }
        Value::List(items) => Value::list(items.iter().map(|item| changed(item, change))),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let config = KnownValue::object([
            ("rate", KnownValue::Number("0.15".parse().unwrap())),
            (
                "params",
                KnownValue::object([("rounds", KnownValue::int(120)), ("on", KnownValue::Bool(true))]),
            ),
            ("odd", KnownValue::object([("a b", KnownValue::text("x"))])),
            ("none", KnownValue::object::<&str>([])),
            ("list", KnownValue::list([KnownValue::int(1), KnownValue::Null])),
        ]);
        let id = "pipeline.p".parse().unwrap();
        let desired = Desired::new(id, "local_pipeline", "pipelines/p", config.lift());
        let entries = entries(&desired, &config);
        assert_eq!(entries["config.params.rounds"].1, "120");
        assert_eq!(entries["config.odd"].1, r#"{"a b":"x"}"#);
        let texts = entries.into_iter().map(|(name, (_, text))| (name, text)).collect();
        assert_eq!(fields(&texts).unwrap(), config);
    }
}
