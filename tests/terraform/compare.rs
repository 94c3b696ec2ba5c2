//! What came out here against what Terraform said.

use mlp_eval::{Outcome, PlanValue};
use mlp_value::{Number, Type, Value as Plain};
use serde_json::Value;

/// Digits that are compared.
const DIGITS: i64 = 28;

pub enum Verdict {
    Same,
    Different(String),
}

pub fn compare(ours: Result<Outcome, String>, case: &Value) -> Verdict {
    let different = |how: String| Verdict::Different(how);
    let (ours, theirs) = match (ours, case.get("error"), case.get("infinite")) {
        (Err(_), Some(_), _) => return Verdict::Same,
        (Err(why), None, Some(_)) => return different(format!("infinite there; here an error: {why}")),
        (Err(why), None, None) => {
            let (value, unknown) = (&case["value"], case.get("unknown"));
            return different(format!("there {value} (unknown {unknown:?}); here an error: {why}"));
        }
        (Ok(ours), Some(why), _) => {
            return different(format!("here {}; there an error: {why}", shown(&ours.value)));
        }
        (Ok(ours), None, Some(_)) => {
            return different(format!("here {}; infinite there", shown(&ours.value)));
        }
        (Ok(ours), None, None) => (ours, &case["value"]),
    };
    let unknown = case.get("unknown").unwrap_or(&Value::Bool(false));
    if !same(&ours.value, theirs, unknown) {
        return different(format!("here {}; there {theirs} unknown {unknown}", shown(&ours.value)));
    }
    match case.get("type") {
        Some(ty) if !ours.value.has_holes() && !alike(&ours.type_of(), ty) => {
            different(format!("type: here {}; there {ty}", ours.type_of()))
        }
        _ => Verdict::Same,
    }
}

fn shown(value: &PlanValue) -> String {
    match value {
        Plain::Hole(hole) => format!("(unknown {})", hole.ty),
        Plain::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Plain::Object(items) => {
            let items: Vec<String> =
                items.iter().map(|(key, item)| format!("{key:?}: {}", shown(item))).collect();
            format!("{{{}}}", items.join(", "))
        }
        Plain::Text(text) => format!("{text:?}"),
        Plain::Number(number) => number.to_string(),
        Plain::Bool(truth) => truth.to_string(),
        Plain::Null => "null".to_owned(),
    }
}

fn same(ours: &PlanValue, theirs: &Value, unknown: &Value) -> bool {
    if *unknown == Value::Bool(true) {
        return matches!(ours, Plain::Hole(_));
    }
    match (ours, theirs) {
        (Plain::Null, Value::Null) => true,
        (Plain::Bool(ours), Value::Bool(theirs)) => ours == theirs,
        (Plain::Number(ours), Value::String(theirs)) => {
            let theirs = theirs.strip_prefix('#').and_then(|text| text.parse::<Number>().ok());
            theirs.is_some_and(|theirs| rounded(ours) == rounded(&theirs))
        }
        (Plain::Text(ours), Value::String(theirs)) => **ours == **theirs,
        (Plain::List(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).enumerate().all(|(at, (ours, theirs))| {
                    same(ours, theirs, unknown.get(at).unwrap_or(&Value::Bool(false)))
                })
        }
        (Plain::Object(ours), Value::Object(theirs)) => {
            let known = |name: &str| unknown.get(name).unwrap_or(&Value::Bool(false));
            theirs.keys().all(|name| ours.contains_key(name.as_str()))
                && ours
                    .iter()
                    .all(|(name, ours)| same(ours, theirs.get(&**name).unwrap_or(&Value::Null), known(name)))
        }
        _ => false,
    }
}

fn rounded(number: &Number) -> Number {
    let text = number.to_string();
    let text = text.trim_start_matches('-');
    let whole = text.split('.').next().unwrap_or_default();
    let place = match whole.trim_start_matches('0').len() {
        0 => {
            let fraction = text.split('.').nth(1).unwrap_or_default();
            -((fraction.len() - fraction.trim_start_matches('0').len()) as i64)
        }
        digits => digits as i64,
    };
    number.rounded(DIGITS - place)
}

/// Whether a type is that of Terraform's answer, where both say something.
fn alike(ours: &Type, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Type::Any, _) => true,
        (_, Value::String(word)) => match word.as_str() {
            "dynamic" => true,
            "string" => *ours == Type::String,
            "number" => *ours == Type::Number,
            _ => *ours == Type::Bool,
        },
        (_, Value::Array(parts)) => match (ours, parts[0].as_str().unwrap()) {
            (Type::List(item), "list") | (Type::Set(item), "set") | (Type::Map(item), "map") => {
                alike(item, &parts[1])
            }
            (Type::Tuple(items), "tuple") => {
                let theirs = parts[1].as_array().unwrap();
                items.len() == theirs.len()
                    && items.iter().zip(theirs).all(|(ours, theirs)| alike(ours, theirs))
            }
            (Type::Object(items), "object") => {
                let theirs = parts[1].as_object().unwrap();
                items.len() == theirs.len()
                    && items
                        .iter()
                        .all(|(name, (ours, _))| theirs.get(name).is_some_and(|theirs| alike(ours, theirs)))
            }
            _ => false,
        },
        _ => false,
    }
}
