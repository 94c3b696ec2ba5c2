//! What was asked against what was read back.

use mlp_plan::mlp_provider::mlp_value::{KnownValue, Value};
use mlp_plan::mlp_provider::{Equality, Field, Ownership, Presence, ResourceKind};

/// The names of the fields that were read back different.
pub(crate) fn differences(kind: Option<&ResourceKind>, asked: &KnownValue, seen: &KnownValue) -> Vec<String> {
    let Some(fields) = asked.as_object() else { return Vec::new() };
    let differs = |name: &str, wanted: &KnownValue| {
        let field = kind.and_then(|kind| kind.field(name));
        if field.is_some_and(|field| field.write_only || is_theirs(field)) {
            return false;
        }
        let equality = field.map_or(&Equality::Exact, |field| &field.equality);
        let found = seen.field(name).unwrap_or(&Value::Null);
        !equal(&canonical(wanted, equality), &canonical(found, equality), equality)
    };
    fields.iter().filter(|(name, wanted)| differs(name, wanted)).map(|(name, _)| name.to_string()).collect()
}

fn is_theirs(field: &Field) -> bool {
    field.ownership == Ownership::Runtime || field.presence == Presence::Computed
}

/// What to remember: what was asked, and what only the target gives.
pub(crate) fn applied(
    kind: Option<&ResourceKind>,
    asked: &KnownValue,
    given: &[String],
    seen: &KnownValue,
) -> KnownValue {
    let mut all = asked.as_object().cloned().unwrap_or_default();
    for (name, value) in seen.as_object().into_iter().flatten() {
        let from_target = kind.and_then(|kind| kind.field(name)).is_some_and(|field| {
            field.presence == Presence::Computed
                || (matches!(field.presence, Presence::ServerDefault) && !all.contains_key(name))
        });
        if from_target || given.iter().any(|given| **given == **name) {
            all.insert(name.clone(), value.clone());
        }
    }
    KnownValue::object(all)
}

/// The value in the form in which what counts as equal is equal.
fn canonical(value: &KnownValue, equality: &Equality) -> KnownValue {
    match (value, equality) {
        (Value::Text(text), Equality::CaseInsensitive) => Value::text(text.to_lowercase()),
        (Value::Text(text), Equality::Json) => serde_json::from_str(text)
            .ok()
            .and_then(|json| KnownValue::from_json(&json).ok())
            .map_or_else(|| value.clone(), |parsed| canonical(&parsed, &Equality::Exact)),
        (Value::List(items), _) => {
            let mut items: Vec<_> = items.iter().map(|item| canonical(item, equality)).collect();
            if matches!(equality, Equality::Unordered | Equality::Keyed(_)) {
                items.sort_by_cached_key(|item| sort_key(item, equality));
            }
            Value::list(items)
        }
        (Value::Object(items), _) => Value::object(
            items
                .iter()
                .filter(|(_, item)| !item.is_null())
                .map(|(name, item)| (name.clone(), canonical(item, equality))),
        ),
        _ => value.clone(),
    }
}

fn sort_key(item: &KnownValue, equality: &Equality) -> String {
    let key = match equality {
        Equality::Keyed(key) => item.field(key).unwrap_or(item),
        _ => item,
    };
    serde_json::to_string(key).unwrap_or_default()
}

fn equal(left: &KnownValue, right: &KnownValue, equality: &Equality) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => {
            let near = |text: &String| {
                let (a, b) = (a.to_f64(), b.to_f64());
                text.parse::<f64>().is_ok_and(|tolerance| (a - b).abs() <= tolerance * a.abs().max(b.abs()))
            };
            a == b || matches!(equality, Equality::Float(text) if near(text))
        }
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| equal(a, b, equality))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| equal(a, b, equality)))
        }
        _ => left == right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: serde_json::Value) -> KnownValue {
        KnownValue::from_json(&json).unwrap()
    }

    #[test]
    fn only_fields_that_were_asked_for_count() {
        let mut kind = ResourceKind::new(
            "k",
            "",
            vec![
                Field::optional("name", "").equality(Equality::CaseInsensitive),
                Field::optional("secret", "").write_only(),
                Field::optional("list", "").equality(Equality::Unordered),
                Field::computed("url", ""),
            ],
        );
        kind.schema_version = 1;
        let asked = value(serde_json::json!({"name": "A", "secret": "x", "list": [1, 2], "port": 1}));
        let seen = value(serde_json::json!({"name": "a", "list": [2, 1], "port": 2, "url": "u", "other": 1}));
        assert_eq!(differences(Some(&kind), &asked, &seen), ["port"]);
        let remembered = applied(Some(&kind), &asked, &[], &seen);
        assert_eq!(
            remembered,
            value(serde_json::json!(
                {"name": "A", "secret": "x", "list": [1, 2], "port": 1, "url": "u"}
            ))
        );
    }
}
