//! Parameters: their types, which are written or follow from their defaults, and values that fit them.

use std::collections::BTreeMap;

use super::builder::Builder;
use super::step::Written;
use crate::codes;
use crate::mlp_diag::one_of;
use crate::mlp_eval::{PlanValue, Quoted, reference_of};
use crate::mlp_value::{Number, Object, Value};

/// A parameter as it is declared.
pub(super) struct Declared<'v> {
    /// The value when none is given; nothing where one has to be.
    default: Option<&'v PlanValue>,
    /// The type, in the words of the language.
    kind: &'v str,
}

impl<'v> Declared<'v> {
    /// Reads `0.1` or `{ type = "number", default = 0.1 }`.
    pub(super) fn of(value: &'v PlanValue) -> Self {
        let plain = reference_of(value).is_none() && Quoted::of(value).is_none();
        let full = value
            .as_object()
            .filter(|fields| plain && (fields.contains_key("default") || fields.contains_key("type")));
        let (default, written) = match full {
            Some(fields) => (fields.get("default"), fields.get("type").and_then(Value::as_text)),
            None => (Some(value), None),
        };
        Self { default, kind: written.or_else(|| default.map(kind_of)).unwrap_or("any") }
    }

    /// The value when none is given.
    pub(super) fn value(&self) -> PlanValue {
        self.default.cloned().unwrap_or(Value::Null)
    }
}

/// The type of a value, in the words of the language.
fn kind_of<H>(value: &Value<H>) -> &'static str {
    match value {
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::Text(_) => "string",
        Value::List(_) => "list",
        _ => "any",
    }
}

/// Whether a value is of a type. One that is not there or not known yet is of every type.
pub(crate) fn fits<H>(kind: &str, value: &Value<H>) -> bool {
    match (kind, value) {
        ("string", Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Object(_)) => false,
        ("number" | "integer", Value::Bool(_) | Value::Text(_) | Value::List(_) | Value::Object(_)) => false,
        ("integer", Value::Number(number)) => Number::to_i64(number).is_some(),
        ("bool", Value::Number(_) | Value::Text(_) | Value::List(_) | Value::Object(_)) => false,
        ("list", Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Object(_)) => false,
        ("map", Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_)) => false,
        _ => true,
    }
}

/// The parameters of a pipeline: their values and their types.
pub(super) fn of_pipeline(
    builder: &mut Builder<'_>,
    params: &Object<crate::mlp_eval::Unknown>,
) -> (PlanValue, PlanValue) {
    let mut values = BTreeMap::new();
    let mut kinds = BTreeMap::new();
    for (name, written) in params {
        let declared = Declared::of(written);
        check_default(builder, &declared, &format!("params.{name}"));
        values.insert(name.to_string(), declared.value());
        kinds.insert(name.to_string(), Value::text(declared.kind));
    }
    (Value::object(values), Value::object(kinds))
}

fn check_default(builder: &mut Builder<'_>, declared: &Declared<'_>, path: &str) {
    if let Some(default) =
        declared.default.filter(|default| is_plain(default) && !fits(declared.kind, default))
    {
        let text = format!("the default is a {}, and the parameter is a {}", kind_of(default), declared.kind);
        builder.error(codes::VALUE, path, text, "change one of them");
    }
}

/// Whether a value is there to be looked at: what names something of a run is computed by the run.
fn is_plain(value: &PlanValue) -> bool {
    Quoted::of(value).is_none() && reference_of(value).is_none()
}

/// The parameters of a step: those of its component, with the values that it gives itself.
pub(super) fn of_step(builder: &mut Builder<'_>, name: &str, step: &Written<'_>) -> PlanValue {
    let declared = step.component.and_then(|component| component.body.field("params")?.as_object());
    let declared: BTreeMap<String, Declared<'_>> = declared
        .into_iter()
        .flat_map(|params| params.iter())
        .map(|(name, value)| (name.to_string(), Declared::of(value)))
        .collect();
    let mut found = BTreeMap::new();
    let own = step.body.field("params").and_then(Value::as_object);
    for (param, value) in own.into_iter().flat_map(|params| params.iter()) {
        let path = format!("step.{name}.params.{param}");
        match declared.get(param.as_ref()) {
            None if step.component.is_some() => {
                let help = one_of(param, declared.keys().map(String::as_str));
                builder.error(codes::STEP, &path, format!("the component has no parameter `{param}`"), &help);
            }
            Some(declared) if is_plain(value) && !fits(declared.kind, value) => {
                let text = format!("`{param}` is a {}, and this is a {}", declared.kind, kind_of(value));
                builder.error(codes::STEP, &path, text, "");
            }
            _ => {}
        }
        found.insert(param.to_string(), value.clone());
    }
    for (param, declared) in declared {
        if declared.default.is_none() && !found.contains_key(&param) {
            let text = format!("the parameter `{param}` of the component has no default and is not given");
            builder.error(
                codes::STEP,
                &format!("step.{name}.params"),
                text,
                "give it here, or a default there",
            );
        }
        found.entry(param).or_insert_with(|| declared.value());
    }
    Value::object(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> PlanValue {
        Value::Number(text.parse().unwrap())
    }

    #[test]
    fn the_type_is_written_or_follows_from_the_default() {
        let full = |fields: &[(&'static str, PlanValue)]| Value::object(fields.to_vec());
        for (value, kind, default) in [
            (number("0.1"), "number", number("0.1")),
            (Value::text("a"), "string", Value::text("a")),
            (Value::Bool(true), "bool", Value::Bool(true)),
            (full(&[("type", Value::text("integer"))]), "integer", Value::Null),
            (full(&[("default", number("3"))]), "number", number("3")),
            (full(&[("type", Value::text("any")), ("default", number("3"))]), "any", number("3")),
            (full(&[("depth", number("3"))]), "any", full(&[("depth", number("3"))])),
        ] {
            let declared = Declared::of(&value);
            assert_eq!((declared.kind, declared.value()), (kind, default), "{value:?}");
        }
    }

    #[test]
    fn values_are_of_their_types() {
        for (kind, value, expected) in [
            ("number", number("1.5"), true),
            ("integer", number("1.5"), false),
            ("integer", number("2"), true),
            ("number", Value::text("1"), false),
            ("string", Value::text("1"), true),
            ("bool", number("1"), false),
            ("list", Value::list([]), true),
            ("map", Value::list([]), false),
            ("any", number("1"), true),
            ("number", Value::Null, true),
        ] {
            assert_eq!(fits(kind, &value), expected, "{kind} {value:?}");
        }
    }
}
