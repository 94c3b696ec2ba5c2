//! Conversion between types, and the type of a value.

use std::collections::BTreeMap;
use std::sync::Arc;

use mlp_value::{KnownValue, Number, Object, Path, Step, Type, Value};

use crate::equality::to_set;
use crate::typed::{Typed, concrete, converts};
use crate::unknown::Waits;
use crate::{Expr, Marks, Node, PlanValue, Unknown, reference_of};

/// The function that finishes a conversion of an unknown value; only residuals hold it.
pub(crate) const CONVERT: &str = "$convert";

/// Converts a value to a type as Terraform does: strings, numbers and bools into each other where the text allows it, lists,
/// sets and tuples into each other, objects into maps; missing optional attributes become null, unnamed ones are dropped. Items of
/// a list, set or map of `any` become the one type that all of them can be.
///
/// # Errors
/// What was expected, what was found, and where inside the value.
pub fn convert(value: &PlanValue, ty: &Type) -> Result<PlanValue, String> {
    Ok(convert_typed(&Typed::from(value.clone()), ty)?.value)
}

/// The same for a value of which more is known than it shows, with the type that it has then.
pub(crate) fn convert_typed(value: &Typed, ty: &Type) -> Result<Typed, String> {
    let from = match ty {
        Type::Any => return Ok(value.clone()),
        // The type of what is in a value takes work to find out, and plays no role for these.
        Type::String | Type::Number | Type::Bool => Type::Any,
        _ => value.type_of(),
    };
    let ty = concrete(&from, ty)?;
    Ok(Typed::new(at(&value.value, &ty, &mut Path::default())?, &ty))
}

fn at(value: &PlanValue, ty: &Type, path: &mut Path) -> Result<PlanValue, String> {
    let refuse = |path: &Path, why: String| if path.is_root() { why } else { format!("at `{path}`: {why}") };
    match (value, ty) {
        (_, Type::Any) | (Value::Null, _) => Ok(value.clone()),
        (Value::Hole(hole), _) => hole_to(hole, ty).map_err(|why| refuse(path, why)),
        (_, Type::String) => to_text(value).map(Value::Text).map_err(|why| refuse(path, why)),
        (_, Type::Number) => to_number(value).map(Value::Number).map_err(|why| refuse(path, why)),
        (_, Type::Bool) => to_bool(value).map(Value::Bool).map_err(|why| refuse(path, why)),
        (Value::List(items), Type::List(item)) => Ok(Value::list(each(items, item, path)?)),
        (Value::List(items), Type::Set(item)) => Ok(Value::list(to_set(each(items, item, path)?))),
        (Value::List(items), Type::Tuple(types)) if items.len() == types.len() => {
            let pairs = items.iter().zip(types).enumerate();
            let items = pairs.map(|(index, (item, ty))| below(item, ty, Step::Index(index), path));
            Ok(Value::List(Arc::new(items.collect::<Result<_, _>>()?)))
        }
        (Value::List(items), Type::Tuple(types)) => Err(refuse(
            path,
            format!("a tuple of {} items is needed, this one has {}", types.len(), items.len()),
        )),
        (Value::Object(items), Type::Map(item)) => {
            let items = items.iter().map(|(key, value)| {
                Ok::<_, String>((key.clone(), below(value, item, Step::Field(key.clone()), path)?))
            });
            Ok(Value::Object(Arc::new(items.collect::<Result<_, _>>()?)))
        }
        (Value::Object(items), Type::Object(attributes)) => object(items, attributes, path),
        _ => Err(refuse(path, format!("{ty} is needed, this is {}", describe(value)))),
    }
}

fn below(value: &PlanValue, ty: &Type, step: Step, path: &mut Path) -> Result<PlanValue, String> {
    path.push(step);
    let converted = at(value, ty, path);
    path.pop();
    converted
}

fn each(items: &[PlanValue], ty: &Type, path: &mut Path) -> Result<Vec<PlanValue>, String> {
    let items = items.iter().enumerate();
    items.map(|(index, item)| below(item, ty, Step::Index(index), path)).collect()
}

fn object(
    items: &Object<Unknown>,
    attributes: &BTreeMap<String, (Type, bool)>,
    path: &mut Path,
) -> Result<PlanValue, String> {
    let mut converted = Object::new();
    for (name, (ty, optional)) in attributes {
        let key: Arc<str> = Arc::from(name.as_str());
        let value = match items.get(&key) {
            Some(value) => below(value, ty, Step::Field(key.clone()), path)?,
            None if *optional => Value::Null,
            None => {
                let near = mlp_diag::did_you_mean(name, items.keys().map(|key| &**key));
                let hint = near.map(|near| format!(" (is `{near}` meant?)")).unwrap_or_default();
                let place = if path.is_root() { String::new() } else { format!("at `{path}`: ") };
                return Err(format!("{place}attribute `{name}` is required{hint}"));
            }
        };
        converted.insert(key, value);
    }
    Ok(Value::Object(Arc::new(converted)))
}

fn hole_to(hole: &Unknown, ty: &Type) -> Result<PlanValue, String> {
    if hole.ty == *ty {
        return Ok(Value::Hole(hole.clone()));
    }
    if !converts(&hole.ty, ty, false) {
        return Err(format!("{ty} is needed, this will be {}", hole.ty));
    }
    let wanted = serde_json::to_string(ty).map_err(|error| error.to_string())?;
    let value = Value::Hole(hole.clone());
    let arguments = vec![(*hole.residual).clone(), Expr::literal(KnownValue::text(wanted))];
    let node = Node::Call { function: Arc::from(CONVERT), arguments, expand_last: false };
    let mut converted = Waits::of([&value]).hole(ty.clone(), node, hole.residual.span);
    converted.not_null = hole.not_null;
    converted.prefix = hole.prefix.clone().filter(|_| *ty == Type::String);
    Ok(Value::Hole(converted))
}

/// The text of a string, number or bool.
pub(crate) fn to_text(value: &PlanValue) -> Result<Arc<str>, String> {
    match value {
        Value::Text(text) => Ok(text.clone()),
        Value::Number(number) => Ok(Arc::from(number.to_string())),
        Value::Bool(value) => Ok(Arc::from(if *value { "true" } else { "false" })),
        _ => Err(format!("a string is needed, this is {}", describe(value))),
    }
}

/// The number of a number, or of a string that is written as one.
pub(crate) fn to_number(value: &PlanValue) -> Result<Number, String> {
    let refuse = || format!("a number is needed, this is {}", describe(value));
    match value {
        Value::Number(number) => Ok(number.clone()),
        Value::Text(text) if text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte)) => {
            text.parse().map_err(|_| refuse())
        }
        _ => Err(refuse()),
    }
}

/// The truth of a bool, or of a string that is written as one.
pub(crate) fn to_bool(value: &PlanValue) -> Result<bool, String> {
    match value {
        Value::Bool(value) => Ok(*value),
        Value::Text(text) if matches!(&**text, "true" | "1") => Ok(true),
        Value::Text(text) if matches!(&**text, "false" | "0") => Ok(false),
        _ => Err(format!("true or false is needed, this is {}", describe(value))),
    }
}

/// A value in a few words, for messages; a sensitive one stays hidden.
pub(crate) fn describe_marked(value: &PlanValue, marks: Marks) -> String {
    match value {
        Value::Null | Value::Hole(_) => describe(value),
        _ if marks.sensitive => format!("a {} that is sensitive", value.kind()),
        _ => describe(value),
    }
}

/// A value in a few words, for messages.
pub(crate) fn describe(value: &PlanValue) -> String {
    const SHOWN: usize = 40;
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => format!("the bool {value}"),
        Value::Number(number) if number.weight() > 60 => "a very long number".to_owned(),
        Value::Number(number) => format!("the number {number}"),
        Value::Text(text) if text.chars().count() > SHOWN => {
            format!("the string {:?}…", text.chars().take(SHOWN).collect::<String>())
        }
        Value::Text(text) => format!("the string {text:?}"),
        Value::List(items) => format!("a list of {}", count(items.len(), "item")),
        Value::Object(items) => match reference_of(value) {
            Some(reference) => format!("a reference to `{reference}`"),
            None => match items.get("$call").and_then(Value::as_text) {
                Some(function) => format!("a call of `{function}`, which is answered later"),
                None => format!("an object of {}", count(items.len(), "attribute")),
            },
        },
        Value::Hole(hole) => format!("a value not known yet ({})", hole.ty),
    }
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// The type of a value: a list whose items agree is a list, any other a tuple.
pub fn type_of(value: &PlanValue) -> Type {
    match value {
        Value::Null => Type::Any,
        Value::Bool(_) => Type::Bool,
        Value::Number(_) => Type::Number,
        Value::Text(_) => Type::String,
        Value::Hole(hole) => hole.ty.clone(),
        Value::List(items) => {
            let mut types: Vec<Type> = items.iter().map(type_of).collect();
            match types.first() {
                None => Type::Tuple(Vec::new()),
                Some(first) if types.iter().all(|ty| ty == first) => {
                    Type::List(Box::new(types.swap_remove(0)))
                }
                Some(_) => Type::Tuple(types),
            }
        }
        Value::Object(items) => Type::Object(
            items.iter().map(|(name, item)| (name.to_string(), (type_of(item), false))).collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(items: &[&str]) -> PlanValue {
        Value::list(items.iter().map(Value::text))
    }

    #[test]
    fn values_become_what_is_asked() {
        let strings = Type::List(Box::new(Type::String));
        let numbers = Type::Set(Box::new(Type::Number));
        let config = Type::Object(BTreeMap::from([
            ("name".to_owned(), (Type::String, false)),
            ("size".to_owned(), (Type::Number, true)),
        ]));
        let number = |text: &str| Value::Number(text.parse().unwrap());
        for (value, ty, wanted) in [
            (Value::int(5), &Type::String, Value::text("5")),
            (Value::text("1.50"), &Type::Number, number("1.5")),
            (Value::text("true"), &Type::Bool, Value::Bool(true)),
            (Value::Bool(false), &Type::String, Value::text("false")),
            (Value::Null, &strings, Value::Null),
            (Value::list([Value::int(1), Value::text("a")]), &strings, list(&["1", "a"])),
            (list(&["3", "1", "3"]), &numbers, Value::list([Value::int(1), Value::int(3)])),
            (
                Value::object([("name", Value::int(7)), ("more", Value::Null)]),
                &config,
                Value::object([("name", Value::text("7")), ("size", Value::Null)]),
            ),
        ] {
            assert_eq!(convert(&value, ty), Ok(wanted));
        }
    }

    #[test]
    fn a_refusal_names_the_place() {
        let ty = Type::Map(Box::new(Type::List(Box::new(Type::Number))));
        let value = Value::object([("a", list(&["1", "x"]))]);
        assert_eq!(
            convert(&value, &ty).unwrap_err(),
            "at `a[1]`: a number is needed, this is the string \"x\""
        );
        assert!(convert(&Value::Bool(true), &Type::Number).is_err());
        assert!(convert(&Value::text("1_000"), &Type::Number).is_err());
    }
}
