//! Lists and objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use mlp_diag::one_of;
use mlp_value::{Number, Object, Type, Value};

use super::{Arguments, FunctionInfo, Given, MANY, deciding, function, structural};
use crate::convert::{describe, to_bool, to_text};
use crate::equality::{equal, order};
use crate::{PlanValue, Unknown};

pub(super) const FUNCTIONS: &[FunctionInfo] = &[
    function(
        "alltrue",
        "alltrue(list)",
        "Whether all items are true; an empty list is.",
        Type::Bool,
        (1, 1),
        |call| Ok(Some(Value::Bool(truths(call)?.into_iter().all(|truth| truth)))),
    ),
    function("anytrue", "anytrue(list)", "Whether any item is true.", Type::Bool, (1, 1), |call| {
        Ok(Some(Value::Bool(truths(call)?.into_iter().any(|truth| truth))))
    }),
    structural(
        "chunklist",
        "chunklist(list, size)",
        "The list in lists of at most so many items.",
        Type::Any,
        (2, 2),
        |call| {
            let (items, size) = (call.list(0)?, call.size(1)?);
            let size = if size == 0 { items.len().max(1) } else { size };
            list(items.chunks(size).map(|chunk| Value::list(chunk.iter().cloned())))
        },
    ),
    deciding(structural(
        "coalesce",
        "coalesce(values...)",
        "The first value that is neither null nor an empty string.",
        Type::Any,
        (1, MANY),
        |call| match call.values.iter().find(|value| !value.is_null() && value.as_text() != Some("")) {
            Some(Value::Hole(hole)) if hole.not_null && hole.prefix.is_some() => {
                Ok(Some(Value::Hole(hole.clone())))
            }
            Some(Value::Hole(_)) => Ok(None),
            Some(found) => Ok(Some(found.clone())),
            None => Err("every value is null or empty".to_owned()),
        },
    )),
    structural(
        "coalescelist",
        "coalescelist(lists...)",
        "The first list that is not empty.",
        Type::Any,
        (1, MANY),
        |call| {
            let first =
                call.values.iter().find(|value| value.as_list().is_some_and(|items| !items.is_empty()));
            first.cloned().map(Some).ok_or_else(|| "every list is empty".to_owned())
        },
    ),
    function(
        "compact",
        "compact(list)",
        "The texts that are neither null nor empty.",
        Type::Any,
        (1, 1),
        |call| {
            let items = call.list(0)?.iter();
            list(items.filter(|item| !item.is_null() && item.as_text() != Some("")).cloned())
        },
    ),
    structural(
        "concat",
        "concat(lists...)",
        "The lists one after the other.",
        Type::Any,
        (1, MANY),
        |call| {
            let mut all = Vec::new();
            for at in 0..call.len() {
                call.budget.items(call.list(at)?.len())?;
                all.extend(call.list(at)?.iter().cloned());
            }
            list(all)
        },
    ),
    function(
        "contains",
        "contains(list, value)",
        "Whether the list holds the value.",
        Type::Bool,
        (2, 2),
        |call| Ok(Some(Value::Bool(call.list(0)?.iter().any(|item| same(item, call.value(1)))))),
    ),
    function("distinct", "distinct(list)", "The list without later duplicates.", Type::Any, (1, 1), |call| {
        let items = call.list(0)?;
        let mut places: Vec<usize> = (0..items.len()).collect();
        places.sort_by(|left, right| order(&items[*left], &items[*right]).then(left.cmp(right)));
        places.dedup_by(|later, earlier| same(&items[*later], &items[*earlier]));
        places.sort_unstable();
        list(places.into_iter().map(|at| items[at].clone()))
    }),
    structural(
        "element",
        "element(list, index)",
        "An item of the list; the index goes round.",
        Type::Any,
        (2, 2),
        |call| {
            let (items, index) = (call.list(0)?, call.integer(1)?);
            let length = i64::try_from(items.len()).map_err(|_| "the list is too long")?;
            if length == 0 {
                return Err("the list is empty".to_owned());
            }
            let at = usize::try_from(index.rem_euclid(length)).unwrap_or(0);
            Ok(items.get(at).cloned())
        },
    ),
    structural(
        "flatten",
        "flatten(list)",
        "The list with the items of inner lists in their place.",
        Type::Any,
        (1, 1),
        flatten,
    ),
    function(
        "index",
        "index(list, value)",
        "The number of the first item equal to the value.",
        Type::Number,
        (2, 2),
        |call| {
            let at = call.list(0)?.iter().position(|item| same(item, call.value(1)));
            let at = at.and_then(|at| i64::try_from(at).ok());
            at.map(|at| Some(Value::int(at)))
                .ok_or_else(|| format!("the list does not hold {}", describe(call.value(1))))
        },
    ),
    structural("keys", "keys(object)", "The names of the attributes, sorted.", Type::Any, (1, 1), |call| {
        list(call.object(0)?.keys().map(|key| Value::Text(key.clone())))
    }),
    structural(
        "length",
        "length(value)",
        "The number of items, attributes or characters.",
        Type::Number,
        (1, 1),
        |call| {
            let count = match call.value(0) {
                Value::List(items) => items.len(),
                Value::Object(items) => items.len(),
                Value::Text(text) => text.chars().count(),
                other => {
                    return Err(format!(
                        "a list, an object or a string is needed, this is {}",
                        describe(other)
                    ));
                }
            };
            Ok(Some(Value::int(i64::try_from(count).unwrap_or(i64::MAX))))
        },
    ),
    structural(
        "lookup",
        "lookup(object, key, default)",
        "The attribute of that name, or the default.",
        Type::Any,
        (2, 3),
        |call| {
            let (items, key) = (call.object(0)?, call.text(1)?);
            match (items.get(&key), call.len()) {
                (Some(value), _) => Ok(Some(value.clone())),
                (None, 3) => Ok(Some(call.value(2).clone())),
                _ => Err(format!("there is no `{key}`; {}", one_of(&key, items.keys().map(|key| &**key)))),
            }
        },
    ),
    function(
        "matchkeys",
        "matchkeys(values, keys, wanted)",
        "The values whose key at the same place is wanted.",
        Type::Any,
        (3, 3),
        |call| {
            let (values, keys, wanted) = (call.list(0)?, call.list(1)?, call.list(2)?);
            if values.len() != keys.len() {
                return Err("values and keys have different lengths".to_owned());
            }
            let pairs = values.iter().zip(keys);
            list(
                pairs
                    .filter(|(_, key)| wanted.iter().any(|item| same(item, key)))
                    .map(|(value, _)| value.clone()),
            )
        },
    ),
    structural(
        "merge",
        "merge(objects...)",
        "One object of all attributes; later ones win.",
        Type::Any,
        (0, MANY),
        |call| {
            let mut merged = Object::new();
            for at in (0..call.len()).filter(|at| !call.value(*at).is_null()) {
                call.budget.items(call.object(at)?.len())?;
                merged.extend(call.object(at)?.iter().map(|(key, value)| (key.clone(), value.clone())));
            }
            object(merged)
        },
    ),
    structural(
        "one",
        "one(list)",
        "The only item of a list, or null of an empty one.",
        Type::Any,
        (1, 1),
        |call| match call.list(0)? {
            [] => Ok(Some(Value::Null)),
            [only] => Ok(Some(only.clone())),
            more => Err(format!("the list has {} items, at most one is expected", more.len())),
        },
    ),
    function(
        "range",
        "range(start, limit, step)",
        "The numbers from start (0) up to, not including, limit.",
        Type::Any,
        (1, 3),
        range,
    ),
    structural("reverse", "reverse(list)", "The list backwards.", Type::Any, (1, 1), |call| {
        list(call.list(0)?.iter().rev().cloned())
    }),
    structural(
        "slice",
        "slice(list, start, end)",
        "The items from start up to, not including, end.",
        Type::Any,
        (3, 3),
        |call| {
            let (items, start, end) = (call.list(0)?, call.size(1)?, call.size(2)?);
            let part = items.get(start..end).ok_or_else(|| {
                format!("{start} to {end} do not lie within a list of {} items", items.len())
            })?;
            list(part.iter().cloned())
        },
    ),
    function("sort", "sort(list)", "The texts in order.", Type::Any, (1, 1), |call| {
        let mut texts = call.texts(0)?;
        texts.sort();
        list(texts.into_iter().map(Value::Text))
    }),
    function(
        "transpose",
        "transpose(object)",
        "Keys and values of an object of lists exchanged.",
        Type::Any,
        (1, 1),
        transpose,
    ),
    structural(
        "values",
        "values(object)",
        "The values of the attributes, in the order of their names.",
        Type::Any,
        (1, 1),
        |call| list(call.object(0)?.values().cloned()),
    ),
    structural(
        "zipmap",
        "zipmap(keys, values)",
        "An object of a list of keys and a list of values.",
        Type::Any,
        (2, 2),
        |call| {
            if call.value(0).has_holes() {
                return Ok(None);
            }
            let (keys, values) = (call.texts(0)?, call.list(1)?);
            if keys.len() != values.len() {
                return Err(format!("there are {} keys and {} values", keys.len(), values.len()));
            }
            object(keys.into_iter().zip(values.iter().cloned()).collect())
        },
    ),
];

fn list(items: impl IntoIterator<Item = PlanValue>) -> Given {
    Ok(Some(Value::list(items)))
}

fn object(items: Object<Unknown>) -> Given {
    Ok(Some(Value::Object(Arc::new(items))))
}

fn same(left: &PlanValue, right: &PlanValue) -> bool {
    equal(left, right) == Some(true)
}

fn truths(call: &Arguments<'_>) -> Result<Vec<bool>, String> {
    call.list(0)?.iter().map(|item| if item.is_null() { Ok(false) } else { to_bool(item) }).collect()
}

fn flatten(call: &Arguments<'_>) -> Given {
    fn go(items: &[PlanValue], flat: &mut Vec<PlanValue>, call: &Arguments<'_>) -> Result<bool, String> {
        for item in items {
            match item {
                Value::List(inner) => {
                    if !go(inner, flat, call)? {
                        return Ok(false);
                    }
                }
                // It may turn out to be a list.
                Value::Hole(hole) if !matches!(hole.ty, Type::String | Type::Number | Type::Bool) => {
                    return Ok(false);
                }
                other => {
                    call.budget.items(1)?;
                    flat.push(other.clone());
                }
            }
        }
        Ok(true)
    }
    let mut flat = Vec::new();
    Ok(go(call.list(0)?, &mut flat, call)?.then(|| Value::list(flat)))
}

fn range(call: &Arguments<'_>) -> Given {
    let zero = Number::from(0_i64);
    let (start, limit) = match call.len() {
        1 => (zero.clone(), call.number(0)?),
        _ => (call.number(0)?, call.number(1)?),
    };
    let down = limit < start;
    let step = match call.len() {
        3 => call.number(2)?,
        _ => Number::from(if down { -1_i64 } else { 1 }),
    };
    if step.is_zero() || step.is_negative() != down && start != limit {
        return Err(format!("a step of {step} never leads from {start} to {limit}"));
    }
    let (mut numbers, mut next) = (Vec::new(), start);
    while if down { next > limit } else { next < limit } {
        call.budget.items(1)?;
        let after = next.plus(&step);
        numbers.push(Value::Number(std::mem::replace(&mut next, after)));
    }
    list(numbers)
}

fn transpose(call: &Arguments<'_>) -> Given {
    let mut turned: BTreeMap<Arc<str>, Vec<PlanValue>> = BTreeMap::new();
    for (key, items) in call.object(0)? {
        for item in items.as_list().ok_or_else(|| format!("`{key}` is not a list"))? {
            call.budget.items(1)?;
            turned.entry(to_text(item)?).or_default().push(Value::Text(key.clone()));
        }
    }
    object(turned.into_iter().map(|(key, items)| (key, Value::list(items))).collect())
}
