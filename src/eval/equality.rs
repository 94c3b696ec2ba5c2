//! Equality and order of values.

use std::cmp::Ordering;

use mlp_value::{Type, Value};

use crate::PlanValue;

/// Whether two values are equal, without any conversion; `None` when that is not known yet.
pub(crate) fn equal(left: &PlanValue, right: &PlanValue) -> Option<bool> {
    match (left, right) {
        (Value::Hole(hole), Value::Null) | (Value::Null, Value::Hole(hole)) if hole.not_null => Some(false),
        (Value::Hole(hole), known) | (known, Value::Hole(hole)) if never(&hole.ty, known) => Some(false),
        (Value::Hole(hole), Value::Text(text)) | (Value::Text(text), Value::Hole(hole)) => match &hole.prefix
        {
            Some(prefix) if !text.starts_with(prefix.as_str()) => Some(false),
            _ => None,
        },
        (Value::Hole(_), _) | (_, Value::Hole(_)) => None,
        (Value::List(left), Value::List(right)) => {
            if left.len() != right.len() {
                return Some(false);
            }
            all_equal(left.iter().zip(right.iter()))
        }
        (Value::Object(left), Value::Object(right)) => {
            if !left.keys().eq(right.keys()) {
                return Some(false);
            }
            all_equal(left.values().zip(right.values()))
        }
        _ => Some(left == right),
    }
}

/// Whether what will be of a type can never equal a value. Lists of all kinds may, and so may maps and objects.
fn never(ty: &Type, value: &PlanValue) -> bool {
    match value {
        Value::Null => false,
        Value::Hole(hole) => {
            !matches!(hole.ty, Type::Any) && *ty != Type::Any && rank_of(ty) != rank_of(&hole.ty)
        }
        known => *ty != Type::Any && rank_of(ty) != Some(rank(known)),
    }
}

fn rank_of(ty: &Type) -> Option<u8> {
    Some(match ty {
        Type::Any => return None,
        Type::Bool => 1,
        Type::Number => 2,
        Type::String => 3,
        Type::List(_) | Type::Set(_) | Type::Tuple(_) => 4,
        Type::Map(_) | Type::Object(_) => 5,
    })
}

/// One difference decides, whatever is unknown beside it.
fn all_equal<'v>(pairs: impl Iterator<Item = (&'v PlanValue, &'v PlanValue)>) -> Option<bool> {
    let mut all = Some(true);
    for (left, right) in pairs {
        match equal(left, right) {
            Some(true) => {}
            Some(false) => return Some(false),
            None => all = None,
        }
    }
    all
}

/// A total order, for sets: by kind, then by value; null and holes come last, and holes are never equal.
pub(crate) fn order(left: &PlanValue, right: &PlanValue) -> Ordering {
    match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Number(left), Value::Number(right)) => left.cmp(right),
        (Value::Text(left), Value::Text(right)) => left.cmp(right),
        (Value::List(left), Value::List(right)) => {
            let items = left.iter().zip(right.iter()).map(|(left, right)| order(left, right));
            items.fold(Ordering::Equal, Ordering::then).then(left.len().cmp(&right.len()))
        }
        (Value::Object(left), Value::Object(right)) => {
            let items = left.values().zip(right.values()).map(|(left, right)| order(left, right));
            left.keys().cmp(right.keys()).then_with(|| items.fold(Ordering::Equal, Ordering::then))
        }
        _ => rank(left).cmp(&rank(right)),
    }
}

fn rank(value: &PlanValue) -> u8 {
    match value {
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::Text(_) => 3,
        Value::List(_) => 4,
        Value::Object(_) => 5,
        Value::Null => 6,
        Value::Hole(_) => 7,
    }
}

/// The items as a set: sorted, and without those that are certainly there twice.
pub(crate) fn to_set(mut items: Vec<PlanValue>) -> Vec<PlanValue> {
    items.sort_by(order);
    items.dedup_by(|later, earlier| equal(later, earlier) == Some(true));
    items
}
