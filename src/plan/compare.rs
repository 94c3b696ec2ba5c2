//! When two values are the same, by a field's equality.

use std::sync::Arc;

use mlp_eval::PlanValue;
use mlp_provider::Equality;
use mlp_value::{KnownValue, Value};

/// Whether two values are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Same {
    Yes,
    No,
    /// A hole stands where they differ.
    Undecided,
}

/// Compares by a field's equality; an absent attribute and null are the same.
pub(crate) fn same(left: &PlanValue, right: &PlanValue, equality: &Equality) -> Same {
    if left == right && !left.has_holes() {
        return Same::Yes;
    }
    if *equality == Equality::Fingerprint {
        return fingerprints(left, right);
    }
    equal(&canonical(left, equality), &canonical(right, equality), tolerance(equality))
}

/// A fingerprint that was made with a key that is lost cannot be verified, and is no change.
fn fingerprints(left: &PlanValue, right: &PlanValue) -> Same {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => {
            let key = |text: &str| text.split_once(':').map(|(key, _)| key.to_owned());
            if left == right || key(left) != key(right) { Same::Yes } else { Same::No }
        }
        (Value::Object(left), Value::Object(right)) if left.keys().eq(right.keys()) => {
            all(left.values().zip(right.values()).map(|(left, right)| fingerprints(left, right)))
        }
        _ => equal(left, right, None),
    }
}

fn tolerance(equality: &Equality) -> Option<f64> {
    match equality {
        Equality::Float(text) => text.parse().ok(),
        _ => None,
    }
}

/// The value in the form in which what counts as equal is equal.
fn canonical(value: &PlanValue, equality: &Equality) -> PlanValue {
    match (value, equality) {
        (Value::Text(text), Equality::CaseInsensitive) => Value::text(text.to_lowercase()),
        (Value::Text(text), Equality::Json) => serde_json::from_str(text)
            .ok()
            .and_then(|json| KnownValue::from_json(&json).ok())
            .map_or_else(|| value.clone(), |parsed| canonical(&parsed.lift(), &Equality::Exact)),
        (Value::List(items), _) => {
            let mut items: Vec<PlanValue> = items.iter().map(|item| canonical(item, equality)).collect();
            match equality {
                Equality::Unordered => items.sort_by_cached_key(sort_key),
                Equality::Keyed(key) => {
                    items.sort_by_cached_key(|item| item.field(key).map_or_else(|| sort_key(item), sort_key));
                }
                _ => {}
            }
            Value::List(Arc::new(items))
        }
        (Value::Object(items), _) => Value::Object(Arc::new(
            items
                .iter()
                .filter(|(_, item)| !item.is_null())
                .map(|(name, item)| (name.clone(), canonical(item, equality)))
                .collect(),
        )),
        _ => value.clone(),
    }
}

fn sort_key(value: &PlanValue) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn equal(left: &PlanValue, right: &PlanValue, tolerance: Option<f64>) -> Same {
    match (left, right) {
        (Value::Hole(_), _) | (_, Value::Hole(_)) => Same::Undecided,
        (Value::Number(a), Value::Number(b)) => {
            let near = |tolerance: f64| {
                let (a, b) = (a.to_f64(), b.to_f64());
                (a - b).abs() <= tolerance * a.abs().max(b.abs())
            };
            if a == b || tolerance.is_some_and(near) { Same::Yes } else { Same::No }
        }
        (Value::List(a), Value::List(b)) => {
            if a.len() != b.len() {
                return Same::No;
            }
            all(a.iter().zip(b.iter()).map(|(a, b)| equal(a, b, tolerance)))
        }
        (Value::Object(a), Value::Object(b)) => {
            // An attribute that only one side has may still turn out null where it is a hole.
            let alone = |value: &PlanValue| if value.has_holes() { Same::Undecided } else { Same::No };
            let ours =
                a.iter().map(|(name, a)| b.get(name).map_or_else(|| alone(a), |b| equal(a, b, tolerance)));
            let theirs = b.iter().filter(|(name, _)| !a.contains_key(*name)).map(|(_, b)| alone(b));
            all(ours.chain(theirs))
        }
        _ if left == right => Same::Yes,
        _ => Same::No,
    }
}

fn all(parts: impl Iterator<Item = Same>) -> Same {
    let mut result = Same::Yes;
    for part in parts {
        match part {
            Same::No => return Same::No,
            Same::Undecided => result = Same::Undecided,
            Same::Yes => {}
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: serde_json::Value) -> PlanValue {
        KnownValue::from_json(&json).unwrap().lift()
    }

    #[test]
    fn each_equality_has_its_own_idea() {
        use serde_json::json;
        let float = Equality::Float("0.01".into());
        let keyed = Equality::Keyed("name".into());
        for (equality, left, right, wanted) in [
            (Equality::Exact, json!({"a": 1, "b": null}), json!({"a": 1}), Same::Yes),
            (Equality::Exact, json!([1, 2]), json!([2, 1]), Same::No),
            (Equality::Unordered, json!([1, 2]), json!([2, 1]), Same::Yes),
            (Equality::CaseInsensitive, json!("Ab"), json!("aB"), Same::Yes),
            (Equality::Json, json!("{\"a\": 1}"), json!("{ \"a\":1 }"), Same::Yes),
            (Equality::Json, json!("{\"a\": 1}"), json!("{\"a\": 2}"), Same::No),
            (float.clone(), json!(100), json!(100.5), Same::Yes),
            (float, json!(100), json!(102), Same::No),
            (keyed, json!([{"name": "b"}, {"name": "a"}]), json!([{"name": "a"}, {"name": "b"}]), Same::Yes),
            (Equality::Exact, json!("a"), json!(1), Same::No),
            (Equality::Fingerprint, json!({"s": "k1:a"}), json!({"s": "k1:a"}), Same::Yes),
            (Equality::Fingerprint, json!({"s": "k1:a"}), json!({"s": "k1:b"}), Same::No),
            (Equality::Fingerprint, json!({"s": "k1:a"}), json!({"s": "k2:b"}), Same::Yes),
            (Equality::Fingerprint, json!({"s": "k1:a"}), json!({}), Same::No),
            (Equality::Fingerprint, json!(null), json!({"s": "k1:a"}), Same::No),
        ] {
            assert_eq!(
                same(&value(left.clone()), &value(right.clone()), &equality),
                wanted,
                "{left} {right}"
            );
        }
    }
}
