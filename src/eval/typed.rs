//! Types of values: what a value shows by itself, what has to be noted beside it, and the type several can become.
//!
//! A value says that it is a list; whether that list is a tuple, a list of one type or a set is noted beside it, and only where it is
//! not a tuple, so that what a person writes in brackets costs nothing.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use mlp_value::{Type, Value};

use crate::PlanValue;

/// The type of a value where the value does not show it.
pub(crate) type Note = Option<Arc<Type>>;

/// A value and what is noted of its type.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    pub(crate) value: PlanValue,
    pub(crate) ty: Note,
}

impl Typed {
    /// A value of a type.
    pub(crate) fn new(value: PlanValue, ty: &Type) -> Self {
        Self { ty: noted(&value, ty), value }
    }

    pub(crate) fn type_of(&self) -> Type {
        type_with(&self.value, &self.ty)
    }

    /// Items of a list or set, or values of a map or object, each with its type.
    pub(crate) fn parts(&self) -> Vec<Self> {
        match &self.value {
            Value::List(items) => {
                let parts = items.iter().enumerate();
                parts
                    .map(|(at, item)| Self { value: item.clone(), ty: note_of_item(&self.ty, at, item) })
                    .collect()
            }
            Value::Object(items) => {
                let parts = items.iter();
                parts
                    .map(|(key, item)| Self { value: item.clone(), ty: note_of_field(&self.ty, key, item) })
                    .collect()
            }
            _ => Vec::new(),
        }
    }
}

impl From<PlanValue> for Typed {
    fn from(value: PlanValue) -> Self {
        Self { value, ty: None }
    }
}

/// A list in brackets, with what has to be noted of its items.
pub(crate) fn tuple(items: Vec<Typed>) -> Typed {
    let plain = items.iter().all(|item| item.ty.is_none());
    let ty = (!plain).then(|| Arc::new(Type::Tuple(items.iter().map(Typed::type_of).collect())));
    Typed { value: Value::list(items.into_iter().map(|item| item.value)), ty }
}

/// An object, with what has to be noted of its attributes.
pub(crate) fn object(items: BTreeMap<Arc<str>, Typed>) -> Typed {
    let plain = items.values().all(|item| item.ty.is_none());
    let ty = (!plain).then(|| {
        let types = items.iter().map(|(name, item)| (name.to_string(), (item.type_of(), false)));
        Arc::new(Type::Object(types.collect()))
    });
    let items = items.into_iter().map(|(name, item)| (name, item.value));
    Typed { value: Value::Object(Arc::new(items.collect())), ty }
}

/// The type that a value shows: lists are tuples, null is of any type.
pub(crate) fn natural(value: &PlanValue) -> Type {
    match value {
        Value::Null => Type::Any,
        Value::Bool(_) => Type::Bool,
        Value::Number(_) => Type::Number,
        Value::Text(_) => Type::String,
        Value::Hole(hole) => hole.ty.clone(),
        Value::List(items) => Type::Tuple(items.iter().map(natural).collect()),
        Value::Object(items) => Type::Object(
            items.iter().map(|(name, item)| (name.to_string(), (natural(item), false))).collect(),
        ),
    }
}

pub(crate) fn type_with(value: &PlanValue, note: &Note) -> Type {
    note.as_deref().cloned().unwrap_or_else(|| natural(value))
}

/// What has to be noted of a value of this type: nothing where it shows.
pub(crate) fn noted(value: &PlanValue, ty: &Type) -> Note {
    shows_not(value, ty).then(|| Arc::new(ty.clone()))
}

fn shows_not(value: &PlanValue, ty: &Type) -> bool {
    match (ty, value) {
        (Type::Any, _) | (_, Value::Hole(_)) => false,
        (_, Value::Null) | (Type::List(_) | Type::Set(_) | Type::Map(_), _) => true,
        (Type::Tuple(types), Value::List(items)) => {
            types.len() == items.len() && items.iter().zip(types).any(|(item, ty)| shows_not(item, ty))
        }
        (Type::Object(types), Value::Object(items)) => types
            .iter()
            .any(|(name, (ty, _))| items.get(name.as_str()).is_some_and(|item| shows_not(item, ty))),
        _ => false,
    }
}

/// What is noted of an item of a list.
pub(crate) fn note_of_item(note: &Note, at: usize, item: &PlanValue) -> Note {
    match note.as_deref()? {
        Type::List(ty) | Type::Set(ty) => noted(item, ty),
        Type::Tuple(types) => noted(item, types.get(at)?),
        _ => None,
    }
}

/// What is noted of an attribute or a value of a map.
pub(crate) fn note_of_field(note: &Note, name: &str, item: &PlanValue) -> Note {
    match note.as_deref()? {
        Type::Map(ty) => noted(item, ty),
        Type::Object(types) => noted(item, &types.get(name)?.0),
        _ => None,
    }
}

/// Whether it is a set.
pub(crate) fn is_set(note: &Note) -> bool {
    matches!(note.as_deref(), Some(Type::Set(_)))
}

/// Whether a value of one type may become one of another; `safe` leaves out what can fail by the value.
pub(crate) fn converts(from: &Type, to: &Type, safe: bool) -> bool {
    match (from, to) {
        _ if from == to => true,
        (_, Type::Any) | (Type::Any, _) => true,
        (Type::Number | Type::Bool, Type::String) => true,
        (Type::String, Type::Number | Type::Bool) => !safe,
        (Type::List(from) | Type::Set(from), Type::List(to) | Type::Set(to))
        | (Type::Map(from), Type::Map(to)) => converts(from, to, safe),
        (Type::Tuple(from), Type::List(to) | Type::Set(to)) => {
            from.iter().all(|from| converts(from, to, safe))
        }
        (Type::Tuple(from), Type::Tuple(to)) => {
            from.len() == to.len() && from.iter().zip(to).all(|(from, to)| converts(from, to, safe))
        }
        (Type::Object(from), Type::Map(to)) => from.values().all(|(from, _)| converts(from, to, safe)),
        (Type::Map(from), Type::Object(to)) => !safe && to.values().all(|(to, _)| converts(from, to, safe)),
        (Type::Object(from), Type::Object(to)) => {
            to.iter().all(|(name, (to, optional))| match from.get(name) {
                Some((from, _)) => converts(from, to, safe),
                None => *optional,
            })
        }
        _ => false,
    }
}

/// The type that values of all these types can become, as Terraform finds it.
pub(crate) fn unify(types: &[Type]) -> Option<Type> {
    let mut seen = HashSet::new();
    let types: Vec<Type> = types.iter().filter(|ty| seen.insert(*ty)).cloned().collect();
    if let [only] = types.as_slice() {
        return Some(only.clone());
    }
    unify_several(&types)
}

/// The type that several different types can become.
fn unify_several(types: &[Type]) -> Option<Type> {
    let has_any = types.contains(&Type::Any);
    let all = |wanted: &dyn Fn(&Type) -> bool| types.iter().all(|ty| matches!(ty, Type::Any) || wanted(ty));
    let some = |wanted: &dyn Fn(&Type) -> bool| types.iter().any(wanted);
    let (map, list) = (|ty: &Type| matches!(ty, Type::Map(_)), |ty: &Type| matches!(ty, Type::List(_)));
    let (object, tuple) =
        (|ty: &Type| matches!(ty, Type::Object(_)), |ty: &Type| matches!(ty, Type::Tuple(_)));
    let set = |ty: &Type| matches!(ty, Type::Set(_));
    if some(&map) && all(&|ty| map(ty) || object(ty)) {
        return unify_items(types).map(|item| Type::Map(Box::new(item)));
    }
    if some(&list) && all(&|ty| list(ty) || tuple(ty)) {
        return unify_items(types).map(|item| Type::List(Box::new(item)));
    }
    if some(&set) && all(&set) {
        return unify_items(types).map(|item| Type::Set(Box::new(item)));
    }
    if some(&object) && all(&object) {
        return if has_any { Some(Type::Any) } else { unify_objects(types) };
    }
    if some(&tuple) && all(&tuple) {
        return if has_any { Some(Type::Any) } else { unify_tuples(types) };
    }
    if some(&object) && some(&tuple) {
        return None;
    }
    // What is generally preferred stands first: any, then string before number and bool.
    let mut preferred: Vec<&Type> = types.iter().collect();
    preferred.sort_by_key(|wanted| types.iter().filter(|ty| !converts(ty, wanted, true)).count());
    preferred.into_iter().find(|wanted| types.iter().all(|ty| converts(ty, wanted, false))).cloned()
}

/// The type of all items of several collections, tuples and objects.
fn unify_items(types: &[Type]) -> Option<Type> {
    let mut items = Vec::new();
    for ty in types {
        match ty {
            Type::List(item) | Type::Set(item) | Type::Map(item) => items.push((**item).clone()),
            Type::Tuple(types) => items.extend(types.iter().cloned()),
            Type::Object(types) => items.extend(types.values().map(|(ty, _)| ty.clone())),
            _ => {}
        }
    }
    item_type(items)
}

/// The one type of items; any where there are none.
pub(crate) fn item_type(mut items: Vec<Type>) -> Option<Type> {
    if items.iter().any(|ty| *ty != Type::Any) {
        items.retain(|ty| *ty != Type::Any);
    }
    if items.is_empty() { Some(Type::Any) } else { unify(&items) }
}

fn unify_objects(types: &[Type]) -> Option<Type> {
    let objects: Vec<_> =
        types.iter().filter_map(|ty| if let Type::Object(items) = ty { Some(items) } else { None }).collect();
    let first = objects.first()?;
    let together = || {
        let mut unified = BTreeMap::new();
        for name in first.keys() {
            let attributes: Option<Vec<Type>> =
                objects.iter().map(|items| Some(items.get(name)?.0.clone())).collect();
            unified.insert(name.clone(), (item_type(attributes?)?, false));
        }
        Some(Type::Object(unified))
    };
    if objects.iter().all(|items| items.keys().eq(first.keys()))
        && let Some(ty) = together()
    {
        return Some(ty);
    }
    unify_items(types).map(|item| Type::Map(Box::new(item)))
}

fn unify_tuples(types: &[Type]) -> Option<Type> {
    let tuples: Vec<_> =
        types.iter().filter_map(|ty| if let Type::Tuple(items) = ty { Some(items) } else { None }).collect();
    let length = tuples.first()?.len();
    let together = || {
        let columns = (0..length).map(|at| item_type(tuples.iter().map(|items| items[at].clone()).collect()));
        columns.collect::<Option<Vec<_>>>().map(Type::Tuple)
    };
    if tuples.iter().all(|items| items.len() == length)
        && let Some(ty) = together()
    {
        return Some(ty);
    }
    unify_items(types).map(|item| Type::List(Box::new(item)))
}

/// The target of a conversion with `any` inside replaced by what the source gives for it.
pub(crate) fn concrete(from: &Type, to: &Type) -> Result<Type, String> {
    let one = |items: Vec<Type>, what: &str| {
        item_type(items).ok_or_else(|| format!("all {what} must have one type, these have none in common"))
    };
    Ok(match (from, to) {
        (_, Type::Any) => from.clone(),
        (Type::List(from) | Type::Set(from), Type::List(to)) => Type::List(Box::new(concrete(from, to)?)),
        (Type::List(from) | Type::Set(from), Type::Set(to)) => Type::Set(Box::new(concrete(from, to)?)),
        (Type::Map(from), Type::Map(to)) => Type::Map(Box::new(concrete(from, to)?)),
        (Type::Tuple(items), Type::List(to)) => Type::List(Box::new(one(each(items.iter(), to)?, "items")?)),
        (Type::Tuple(items), Type::Set(to)) => Type::Set(Box::new(one(each(items.iter(), to)?, "items")?)),
        (Type::Object(items), Type::Map(to)) => {
            Type::Map(Box::new(one(each(items.values().map(|(ty, _)| ty), to)?, "values")?))
        }
        (Type::Tuple(from), Type::Tuple(to)) if from.len() == to.len() => {
            let types = from.iter().zip(to).map(|(from, to)| concrete(from, to));
            Type::Tuple(types.collect::<Result<_, _>>()?)
        }
        (Type::Object(from), Type::Object(to)) => {
            let types = to.iter().map(|(name, (ty, optional))| {
                let ty = from.get(name).map_or_else(|| Ok(ty.clone()), |(from, _)| concrete(from, ty));
                Ok::<_, String>((name.clone(), (ty?, *optional)))
            });
            Type::Object(types.collect::<Result<_, _>>()?)
        }
        _ => to.clone(),
    })
}

fn each<'t>(items: impl Iterator<Item = &'t Type>, to: &Type) -> Result<Vec<Type>, String> {
    if !has_any(to) {
        return Ok(vec![to.clone()]);
    }
    items.map(|from| concrete(from, to)).collect()
}

/// Whether something in a type is of any type.
pub(crate) fn has_any(ty: &Type) -> bool {
    match ty {
        Type::Any => true,
        Type::List(item) | Type::Set(item) | Type::Map(item) => has_any(item),
        Type::Tuple(items) => items.iter().any(has_any),
        Type::Object(items) => items.values().any(|(item, _)| has_any(item)),
        Type::String | Type::Number | Type::Bool => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shows_is_not_noted() {
        let value: PlanValue = Value::list([Value::int(1), Value::Null]);
        assert_eq!(noted(&value, &natural(&value)), None);
        let list = Type::List(Box::new(Type::Number));
        assert_eq!(noted(&value, &list).as_deref(), Some(&list));
        let nested = Type::Tuple(vec![Type::Number, Type::String]);
        assert_eq!(noted(&value, &nested).as_deref(), Some(&nested), "the null is a string's");
    }

    #[test]
    fn several_types_become_one() {
        let tuple = |items: &[Type]| Type::Tuple(items.to_vec());
        for (types, wanted) in [
            (vec![Type::Number, Type::String], Some(Type::String)),
            (vec![Type::Number, Type::Bool], None),
            (vec![tuple(&[Type::Number]), tuple(&[Type::String])], Some(tuple(&[Type::String]))),
            (vec![tuple(&[]), tuple(&[Type::String])], Some(Type::List(Box::new(Type::String)))),
            (vec![tuple(&[]), Type::Object(BTreeMap::new())], None),
            (
                vec![Type::Set(Box::new(Type::Number)), Type::Set(Box::new(Type::String))],
                Some(Type::Set(Box::new(Type::String))),
            ),
        ] {
            assert_eq!(unify(&types), wanted, "{types:?}");
        }
    }
}
