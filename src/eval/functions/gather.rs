//! Several lists or objects made into one.

use std::collections::BTreeMap;
use std::sync::Arc;

use mlp_value::{Type, Value};

use super::Given;
use super::arguments::{Arguments, blame};
use super::collection::common_item;
use super::define::Want::{Any, Fields, Sequence, TextLists, Texts};
use super::define::{FunctionInfo, new, nullable, p};
use crate::PlanValue;
use crate::convert::{convert_typed, describe};
use crate::typed::{Typed, item_type, object, tuple, unify};

pub(super) const FUNCTIONS: &[FunctionInfo] = &[
    new("coalesce", "The first value that is neither null nor an empty string.", &[], Any, coalesce)
        .variadic(nullable("values", Any))
        .deciding()
        .examples(&[("coalesce(null, \"\", \"b\")", "\"b\""), ("coalesce(1, \"a\")", "\"1\"")]),
    new("coalescelist", "The first list that is neither null nor empty.", &[], Any, coalescelist)
        .variadic(nullable("lists", Sequence))
        .deciding()
        .examples(&[("coalescelist([], [\"c\", \"d\"])", "[\"c\", \"d\"]")]),
    new("concat", "The lists one after the other.", &[], Any, concat)
        .variadic(p("lists", Sequence))
        .structural()
        .examples(&[("concat([\"a\"], [\"b\", 1])", "[\"a\", \"b\", 1]")]),
    new("merge", "One map or object of all attributes; later ones win.", &[], Any, merge)
        .variadic(nullable("maps", Fields))
        .structural()
        .examples(&[("merge({ a = 1, b = 2 }, { b = 3 })", "{ a = 1, b = 3 }")]),
    new(
        "transpose",
        "Keys and values of a map of lists exchanged.",
        &[p("map", TextLists)],
        TextLists,
        transpose,
    )
    .examples(&[(
        "transpose({ a = [\"1\", \"2\"], b = [\"2\"] })",
        "{ \"1\" = [\"a\"], \"2\" = [\"a\", \"b\"] }",
    )]),
    new(
        "zipmap",
        "A map of a list of keys and a list of values.",
        &[p("keys", Texts), p("values", Sequence)],
        Any,
        zipmap,
    )
    .structural()
    .examples(&[("zipmap([\"a\", \"b\"], [1, 2])", "{ a = 1, b = 2 }")]),
];

fn coalesce(call: &Arguments<'_>) -> Given {
    if call.len() == 0 {
        return Err("at least one value is needed".into());
    }
    let types = (0..call.len()).filter(|at| !(call.value(*at).is_null() && call.type_of(*at) == Type::Any));
    let types: Vec<Type> = types.map(|at| call.type_of(at)).collect();
    let ty = if types.is_empty() { Some(Type::Any) } else { unify(&types) };
    let Some(ty) = ty else { return Err("the values have no type in common".into()) };
    for at in 0..call.len() {
        match call.value(at) {
            Value::Null => {}
            Value::Text(text) if text.is_empty() => {}
            // It may turn out to be null or empty.
            Value::Hole(hole) if hole.not_null && (hole.prefix.is_some() || hole.ty != Type::String) => {
                return Ok((at == 0 || hole.ty == ty).then(|| call.typed(at)).filter(|_| hole.ty == ty));
            }
            Value::Hole(_) => return Ok(None),
            _ if ty == Type::Any => return Ok(Some(call.typed(at))),
            _ => return convert_typed(&call.typed(at), &ty).map(Some).or_else(|why| blame(at, why)),
        }
    }
    Err("every value is null or an empty string".into())
}

fn coalescelist(call: &Arguments<'_>) -> Given {
    if call.len() == 0 {
        return Err("at least one list is needed".into());
    }
    for at in (0..call.len()).filter(|at| !call.value(*at).is_null()) {
        if matches!(call.value(at), Value::Hole(_)) {
            return Ok(None);
        }
        if !call.sequence(at)?.is_empty() {
            return Ok(Some(call.typed(at)));
        }
    }
    Err("every list is null or empty".into())
}

fn concat(call: &Arguments<'_>) -> Given {
    if call.len() == 0 {
        return Err("at least one list is needed".into());
    }
    let mut all = Vec::new();
    for at in 0..call.len() {
        call.budget.items(call.sequence(at)?.len())?;
        all.extend(call.parts(at)?);
    }
    let types: Vec<Type> = (0..call.len()).map(|at| call.type_of(at)).collect();
    let lists = types.iter().all(|ty| matches!(ty, Type::List(_)));
    let joined = tuple(all);
    let Some(item) = lists.then(|| common_item(&types)).flatten() else { return Ok(Some(joined)) };
    Ok(Some(convert_typed(&joined, &Type::List(Box::new(item)))?))
}

fn merge(call: &Arguments<'_>) -> Given {
    let (mut merged, mut types) = (BTreeMap::<Arc<str>, Typed>::new(), Vec::new());
    for at in (0..call.len()).filter(|at| !call.value(*at).is_null()) {
        let items = call.object(at)?;
        call.budget.items(items.len())?;
        let typed = call.typed(at);
        types.push(typed.type_of());
        merged.extend(items.keys().cloned().zip(typed.parts()));
    }
    let merged = object(merged);
    match types.first() {
        Some(ty @ Type::Map(_)) if types.iter().all(|other| other == ty) => {
            Ok(Some(Typed::new(merged.value, ty)))
        }
        _ => Ok(Some(merged)),
    }
}

fn transpose(call: &Arguments<'_>) -> Given {
    let mut turned: BTreeMap<Arc<str>, Vec<PlanValue>> = BTreeMap::new();
    for (key, items) in call.object(0)? {
        let Value::List(items) = items else { return blame(0, format!("`{key}` is {}", describe(items))) };
        for item in items.iter() {
            call.budget.items(1)?;
            let Value::Text(text) = item else {
                return blame(0, format!("in `{key}` a string is needed, one is {}", describe(item)));
            };
            turned.entry(text.clone()).or_default().push(Value::Text(key.clone()));
        }
    }
    let turned = turned.into_iter().map(|(key, items)| (key, Value::list(items)));
    let ty = Type::Map(Box::new(Type::List(Box::new(Type::String))));
    Ok(Some(Typed::new(Value::Object(Arc::new(turned.collect())), &ty)))
}

fn zipmap(call: &Arguments<'_>) -> Given {
    if call.value(0).has_holes() {
        return Ok(None);
    }
    let (keys, values) = (call.texts(0)?, call.sequence(1)?);
    if keys.len() != values.len() {
        return blame(1, format!("there are {} keys and {} values", keys.len(), values.len()));
    }
    let built = object(keys.into_iter().zip(call.parts(1)?).collect());
    match call.type_of(1) {
        Type::List(item) => Ok(Some(Typed::new(built.value, &Type::Map(item)))),
        _ => Ok(Some(built)),
    }
}

/// Sets of one type: their items together, with that type.
pub(super) fn alike(call: &Arguments<'_>) -> Result<(Vec<Vec<PlanValue>>, Type), super::Fault> {
    let types: Vec<Type> = (0..call.len()).map(|at| call.type_of(at)).collect();
    let empty = |at: &usize| call.list(*at).is_ok_and(<[PlanValue]>::is_empty);
    let given: Vec<Type> = (0..call.len()).filter(|at| !empty(at)).map(|at| types[at].clone()).collect();
    let item = common_item(&given).ok_or("the sets have no type in common")?;
    let ty = Type::Set(Box::new(item));
    let mut sets = Vec::new();
    for at in 0..call.len() {
        call.budget.items(call.list(at)?.len())?;
        let Value::List(items) = convert_typed(&call.typed(at), &ty)?.value else { continue };
        sets.push(items.to_vec());
    }
    Ok((sets, ty))
}

/// The type of one column of a product of lists.
pub(super) fn column(ty: &Type) -> Type {
    match ty {
        Type::List(item) | Type::Set(item) => (**item).clone(),
        Type::Tuple(items) => item_type(items.clone()).unwrap_or(Type::Any),
        _ => Type::Any,
    }
}
