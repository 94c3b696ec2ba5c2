//! Lists, maps and objects: what is in them and what is made of them.

use mlp_diag::one_of;
use mlp_value::{Type, Value};

use super::Given;
use super::arguments::{Arguments, Fault, blame, give};
use super::define::Want::{Any, Bool, Bools, Fields, Items, List, Number, Numbers, Sequence, Text, Texts};
use super::define::{FunctionInfo, new, nullable, p};
use crate::PlanValue;
use crate::convert::{convert_typed, describe, to_bool};
use crate::equality::{equal, order};
use crate::text::characters;
use crate::typed::{Typed, is_set, item_type, tuple, unify};

pub(super) const FUNCTIONS: &[FunctionInfo] = &[
    new("alltrue", "Whether all items are true; an empty list is.", &[p("list", Bools)], Bool, |call| {
        truths(call, false)
    })
    .structural()
    .examples(&[("alltrue([true, \"true\"])", "true"), ("alltrue([])", "true")]),
    new("anytrue", "Whether any item is true.", &[p("list", Bools)], Bool, |call| truths(call, true))
        .structural()
        .examples(&[("anytrue([false, true])", "true")]),
    new(
        "chunklist",
        "The list in lists of at most so many items.",
        &[p("list", List), p("size", Number)],
        List,
        chunklist,
    )
    .structural()
    .examples(&[("chunklist([\"a\", \"b\", \"c\"], 2)", "[[\"a\", \"b\"], [\"c\"]]")]),
    new("compact", "The texts that are neither null nor empty.", &[p("list", Texts)], Texts, |call| {
        let items = call.list(0)?.iter().filter(|item| !item.is_null() && item.as_text() != Some(""));
        Ok(Some(texts(items.cloned())))
    })
    .examples(&[("compact([\"a\", \"\", null, \"b\"])", "[\"a\", \"b\"]")]),
    new(
        "contains",
        "Whether the list or set holds the value.",
        &[p("list", Items), p("value", Any)],
        Bool,
        |call| found(call, |place| Ok(Value::Bool(place.is_some()))),
    )
    .structural()
    .examples(&[("contains([\"a\", \"b\"], \"a\")", "true"), ("contains([1], \"1\")", "false")]),
    new("distinct", "The list without later duplicates.", &[p("list", List)], List, distinct)
        .examples(&[("distinct([\"b\", \"a\", \"b\"])", "[\"b\", \"a\"]")]),
    new(
        "element",
        "An item of the list; the index goes round.",
        &[p("list", Sequence), p("index", Number)],
        Any,
        element,
    )
    .structural()
    .picking()
    .examples(&[("element([\"a\", \"b\", \"c\"], 4)", "\"b\"")]),
    new(
        "flatten",
        "The list with the items of inner lists in their place.",
        &[p("list", Items)],
        Any,
        flatten,
    )
    .structural()
    .examples(&[("flatten([[\"a\", [\"b\"]], [], [\"c\"]])", "[\"a\", \"b\", \"c\"]")]),
    new(
        "index",
        "The number of the first item equal to the value.",
        &[p("list", Sequence), p("value", Any)],
        Number,
        |call| {
            call.sequence(0)?;
            found(call, |place| {
                let place = place.and_then(|place| i64::try_from(place).ok());
                place.map(Value::int).ok_or_else(|| "the list does not hold it".to_owned())
            })
        },
    )
    .structural()
    .examples(&[("index([\"a\", \"b\", \"c\"], \"b\")", "1")]),
    new(
        "keys",
        "The keys of a map or the names of an object's attributes, sorted.",
        &[p("map", Fields)],
        Any,
        |call| {
            if let Value::Hole(hole) = call.value(0) {
                // Of an object the names are known before the values are.
                let Type::Object(names) = &hole.ty else { return Ok(None) };
                return Ok(Some(Value::list(names.keys().map(Value::text)).into()));
            }
            let keys = texts(call.object(0)?.keys().map(|key| Value::Text(key.clone())));
            let of_map = matches!(call.type_of(0), Type::Map(_));
            Ok(Some(if of_map { keys } else { keys.value.into() }))
        },
    )
    .deciding()
    .examples(&[("keys({ b = 1, a = 2 })", "[\"a\", \"b\"]")]),
    new("length", "The number of items, attributes or characters.", &[p("value", Any)], Number, length)
        .deciding()
        .picking()
        .examples(&[("length([\"a\", \"b\"])", "2"), ("length({ a = 1 })", "1"), ("length(\"hello\")", "5")]),
    new(
        "lookup",
        "The value of that key, or the default.",
        &[p("map", Fields), p("key", Text), nullable("default", Any)],
        Any,
        lookup,
    )
    .optional(1)
    .structural()
    .picking()
    .examples(&[
        ("lookup({ a = \"ay\", b = \"bee\" }, \"a\", \"what?\")", "\"ay\""),
        ("lookup({ a = \"ay\" }, \"c\", \"what?\")", "\"what?\""),
    ]),
    new(
        "matchkeys",
        "The values whose key at the same place is among those wanted.",
        &[p("values", List), p("keys", List), p("wanted", List)],
        List,
        matchkeys,
    )
    .examples(&[(
        "matchkeys([\"i-1\", \"i-2\", \"i-3\"], [\"us\", \"eu\", \"us\"], [\"us\"])",
        "[\"i-1\", \"i-3\"]",
    )]),
    new(
        "one",
        "The only item of a list or set, or null of an empty one.",
        &[p("list", Items)],
        Any,
        |call| match call.parts(0)?.as_slice() {
            [] => give(Value::Null),
            [only] => Ok(Some(only.clone())),
            more => blame(0, format!("it has {} items, at most one is expected", more.len())),
        },
    )
    .structural()
    .examples(&[("one([\"a\"])", "\"a\""), ("one([])", "null")]),
    new(
        "range",
        "The numbers from a start (0) up to, not including, a limit, by a step (1).",
        &[],
        Numbers,
        super::numeric::range,
    )
    .variadic(p("numbers", Number))
    .examples(&[("range(3)", "[0, 1, 2]"), ("range(1, 8, 2)", "[1, 3, 5, 7]"), ("range(3, 1)", "[3, 2]")])
    .differs("up to a million numbers; Terraform stops at 1024"),
    new("reverse", "The list backwards.", &[p("list", Items)], Any, |call| {
        let mut parts = call.parts(0)?;
        parts.reverse();
        Ok(Some(relist(parts, &call.type_of(0))))
    })
    .structural()
    .examples(&[("reverse([1, 2, 3])", "[3, 2, 1]")]),
    new(
        "slice",
        "The items from a start up to, not including, an end.",
        &[p("list", Sequence), p("start", Number), p("end", Number)],
        Any,
        slice,
    )
    .deciding()
    .examples(&[("slice([\"a\", \"b\", \"c\", \"d\"], 1, 3)", "[\"b\", \"c\"]")]),
    new("sort", "The texts in the order of their characters' numbers.", &[p("list", Texts)], Texts, |call| {
        let mut sorted = call.texts(0)?;
        sorted.sort();
        Ok(Some(texts(sorted.into_iter().map(Value::Text))))
    })
    .examples(&[("sort([\"e\", \"d\", \"a\", \"x\"])", "[\"a\", \"d\", \"e\", \"x\"]")]),
    new(
        "values",
        "The values of a map or object, in the order of their keys.",
        &[p("map", Fields)],
        Any,
        |call| {
            call.object(0)?;
            let ty = match call.type_of(0) {
                Type::Map(item) => Type::List(item),
                _ => Type::Tuple(Vec::new()),
            };
            Ok(Some(relist(call.typed(0).parts(), &ty)))
        },
    )
    .structural()
    .examples(&[("values({ a = 3, c = 2, d = 1 })", "[3, 2, 1]")]),
];

/// A list of texts.
pub(super) fn texts(items: impl IntoIterator<Item = PlanValue>) -> Typed {
    Typed::new(Value::list(items), &Type::List(Box::new(Type::String)))
}

/// Parts of a list as a list of the same kind: a tuple of a tuple, a list of a list or set.
fn relist(parts: Vec<Typed>, of: &Type) -> Typed {
    match of {
        Type::List(item) | Type::Set(item) => {
            let ty = Type::List(item.clone());
            Typed::new(Value::list(parts.into_iter().map(|part| part.value)), &ty)
        }
        _ => tuple(parts),
    }
}

/// One item decides, whatever is unknown beside it.
fn truths(call: &Arguments<'_>, decisive: bool) -> Given {
    let mut open = false;
    for item in call.list(0)? {
        match item {
            Value::Hole(_) => open = true,
            Value::Null if decisive => {}
            Value::Null => return give(Value::Bool(false)),
            known if to_bool(known)? == decisive => return give(Value::Bool(decisive)),
            _ => {}
        }
    }
    Ok((!open).then(|| Value::Bool(!decisive).into()))
}

fn chunklist(call: &Arguments<'_>) -> Given {
    let (items, size) = (call.list(0)?, call.size(1)?);
    let size = if size == 0 { items.len().max(1) } else { size };
    let chunks = items.chunks(size).map(|chunk| Value::list(chunk.iter().cloned()));
    let ty = Type::List(Box::new(call.type_of(0)));
    Ok(Some(Typed::new(Value::list(chunks), &ty)))
}

/// What follows from the place of a value in a list; nothing while an item that is not known yet may be it.
fn found(call: &Arguments<'_>, tell: impl Fn(Option<usize>) -> Result<PlanValue, String>) -> Given {
    let mut open = false;
    for (at, item) in call.list(0)?.iter().enumerate() {
        match equal(item, call.value(1)) {
            // An earlier item may be it as well, once it is known; whether there is any is certain.
            Some(true) if open && call.values.len() == 2 => {
                let here = tell(Some(at)).map_err(Fault::from)?;
                return if matches!(here, Value::Bool(_)) { give(here) } else { Ok(None) };
            }
            Some(true) => return give(tell(Some(at)).map_err(Fault::from)?),
            Some(false) => {}
            None => open = true,
        }
    }
    if open {
        return Ok(None);
    }
    tell(None).map_or_else(|why| blame(1, why), give)
}

fn distinct(call: &Arguments<'_>) -> Given {
    let items = call.list(0)?;
    let mut places: Vec<usize> = (0..items.len()).collect();
    places.sort_by(|left, right| order(&items[*left], &items[*right]).then(left.cmp(right)));
    places.dedup_by(|later, earlier| equal(&items[*later], &items[*earlier]) == Some(true));
    places.sort_unstable();
    let kept = Value::list(places.into_iter().map(|at| items[at].clone()));
    Ok(Some(Typed::new(kept, &call.type_of(0))))
}

fn element(call: &Arguments<'_>) -> Given {
    let (items, index) = (call.sequence(0)?, call.integer(1)?);
    if items.is_empty() {
        return blame(0, "an empty list has no items");
    }
    let length = i64::try_from(items.len()).map_err(|_| "the list is too long")?;
    let at = usize::try_from(index.rem_euclid(length)).unwrap_or(0);
    let ty = crate::typed::note_of_item(&call.typed(0).ty, at, &items[at]);
    Ok(Some(Typed { value: items[at].clone(), ty }))
}

fn flatten(call: &Arguments<'_>) -> Given {
    fn go(typed: &Typed, flat: &mut Vec<Typed>, call: &Arguments<'_>) -> Result<bool, Fault> {
        for part in typed.parts() {
            match &part.value {
                Value::List(_) => {
                    if !go(&part, flat, call)? {
                        return Ok(false);
                    }
                }
                // It may turn out to be a list.
                Value::Hole(hole)
                    if matches!(hole.ty, Type::Any | Type::List(_) | Type::Set(_) | Type::Tuple(_)) =>
                {
                    return Ok(false);
                }
                _ => {
                    call.budget.items(1)?;
                    flat.push(part);
                }
            }
        }
        Ok(true)
    }
    call.list(0)?;
    let mut flat = Vec::new();
    Ok(go(&call.typed(0), &mut flat, call)?.then(|| tuple(flat)))
}

fn length(call: &Arguments<'_>) -> Given {
    let count = match call.value(0) {
        // A set may shrink once what is in it is known.
        Value::List(items) if is_set(&call.typed(0).ty) && items.iter().any(Value::has_holes) => {
            return Ok(None);
        }
        Value::List(items) => items.len(),
        Value::Object(items) => items.len(),
        Value::Text(text) => characters(text).count(),
        Value::Hole(hole) => match &hole.ty {
            Type::Tuple(items) => items.len(),
            Type::Object(items) => items.len(),
            Type::Number | Type::Bool => {
                return blame(0, format!("a list, a map or a string is needed, this is a {}", hole.ty));
            }
            _ => return Ok(None),
        },
        other => {
            return blame(0, format!("a list, a map or a string is needed, this is {}", describe(other)));
        }
    };
    give(Value::int(i64::try_from(count).unwrap_or(i64::MAX)))
}

fn lookup(call: &Arguments<'_>) -> Given {
    let (items, key) = (call.object(0)?, call.text(1)?);
    let default = call.typed(2);
    let ty = call.typed(0).ty;
    let item = match ty.as_deref() {
        Some(Type::Map(item)) => Some(item),
        _ => None,
    };
    // The default is of the type of the map's values, found or not.
    let default = match (item, call.has(2)) {
        (_, false) => None,
        (Some(item), true) if default.value.is_null() => Some(Typed::new(default.value, item)),
        (Some(item), true) => match convert_typed(&default, item) {
            Ok(typed) => Some(typed),
            Err(why) => return blame(2, format!("it must be of the type of the map's values: {why}")),
        },
        (None, true) => Some(default),
    };
    match (items.get(&key), default) {
        (Some(value), _) => Ok(Some(Typed {
            ty: crate::typed::note_of_field(&call.typed(0).ty, &key, value),
            value: value.clone(),
        })),
        (None, Some(default)) => Ok(Some(default)),
        (None, None) => {
            blame(1, format!("there is no `{key}`; {}", one_of(&key, items.keys().map(|key| &**key))))
        }
    }
}

fn matchkeys(call: &Arguments<'_>) -> Given {
    let (values, keys, wanted) = (call.list(0)?, call.list(1)?, call.list(2)?);
    if values.len() != keys.len() {
        return blame(1, format!("it has {} items, `values` has {}", keys.len(), values.len()));
    }
    let types = [call.type_of(1), call.type_of(2)];
    if !keys.is_empty() && !wanted.is_empty() && types[0] != types[1] {
        let Some(ty) = unify(&types) else { return blame(2, "its items are of another type than the keys") };
        let convert = |at: usize| convert_typed(&call.typed(at), &ty).map(|typed| typed.value);
        let (Value::List(keys), Value::List(wanted)) = (convert(1)?, convert(2)?) else {
            return blame(2, "its items are of another type than the keys");
        };
        return matched(call, values, &keys, &wanted);
    }
    matched(call, values, keys, wanted)
}

fn matched(call: &Arguments<'_>, values: &[PlanValue], keys: &[PlanValue], wanted: &[PlanValue]) -> Given {
    let mut sorted: Vec<&PlanValue> = wanted.iter().collect();
    sorted.sort_by(|left, right| order(left, right));
    let is_wanted = |key: &PlanValue| sorted.binary_search_by(|other| order(other, key)).is_ok();
    let kept = values.iter().zip(keys).filter(|(_, key)| is_wanted(key)).map(|(value, _)| value.clone());
    Ok(Some(Typed::new(Value::list(kept), &call.type_of(0))))
}

fn slice(call: &Arguments<'_>) -> Given {
    let known = |at: usize| !matches!(call.value(at), Value::Hole(_));
    let count = if known(0) { call.sequence(0)?.len() } else { usize::MAX };
    let start = if known(1) { call.size(1)? } else { 0 };
    let end = if known(2) { call.size(2)? } else { count.max(start) };
    if end > count && known(0) {
        return blame(2, format!("the list has {count} items, {end} lies beyond them"));
    }
    if start > end {
        return blame(1, format!("{start} lies behind the end, {end}"));
    }
    if !(known(0) && known(1) && known(2)) {
        return Ok(None);
    }
    let parts = call.parts(0)?.drain(start..end).collect();
    Ok(Some(relist(parts, &call.type_of(0))))
}

/// The type that the items of several lists can have together.
pub(super) fn common_item(lists: &[Type]) -> Option<Type> {
    let items = lists.iter().filter_map(|ty| match ty {
        Type::List(item) | Type::Set(item) => Some((**item).clone()),
        _ => None,
    });
    item_type(items.collect())
}
