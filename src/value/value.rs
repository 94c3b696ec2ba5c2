//! The value itself, open in what a hole may be.

use std::sync::Arc;

use litemap::LiteMap;
use serde::{Deserialize, Serialize};

use crate::{Number, Path, Step};

/// Attributes by name, in the order of their names. One allocation of just their size: most objects have a few attributes, and there
/// are millions of them.
pub type Object<H> = LiteMap<Arc<str>, Value<H>>;

/// A value that may hold holes of type `H`; [`KnownValue`] cannot hold any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<H> {
    /// Absent on purpose.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An exact decimal.
    Number(Number),
    /// Text.
    Text(Arc<str>),
    /// A list, tuple or set (sets are sorted and without duplicates).
    List(Arc<Vec<Value<H>>>),
    /// A map or object.
    Object(Arc<Object<H>>),
    /// Not known yet.
    Hole(H),
}

/// A hole that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Never {}

/// A value without holes: what providers receive and return, and all that state can hold.
pub type KnownValue = Value<Never>;

impl<H> Value<H> {
    /// Text.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(Arc::from(text.as_ref()))
    }

    /// A whole number.
    pub fn int(number: i64) -> Self {
        Self::Number(Number::from(number))
    }

    /// A list.
    pub fn list(items: impl IntoIterator<Item = Self>) -> Self {
        Self::List(Arc::new(items.into_iter().collect()))
    }

    /// An object.
    pub fn object<K: AsRef<str>>(items: impl IntoIterator<Item = (K, Self)>) -> Self {
        Self::Object(Arc::new(
            items.into_iter().map(|(key, value)| (Arc::from(key.as_ref()), value)).collect(),
        ))
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn as_number(&self) -> Option<&Number> {
        match self {
            Self::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// The attributes, if it is an object.
    pub fn as_object(&self) -> Option<&Object<H>> {
        match self {
            Self::Object(items) => Some(items),
            _ => None,
        }
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The attribute or item one step below.
    pub fn step(&self, step: &Step) -> Option<&Self> {
        match (self, step) {
            (Self::Object(items), Step::Field(name)) => items.get(name),
            (Self::List(items), Step::Index(index)) => items.get(*index),
            _ => None,
        }
    }

    /// The value at a path.
    pub fn get(&self, path: &Path) -> Option<&Self> {
        path.steps().iter().try_fold(self, |value, step| value.step(step))
    }

    /// The attribute of that name; null counts as absent.
    pub fn field(&self, name: &str) -> Option<&Self> {
        self.as_object()?.get(name).filter(|value| !value.is_null())
    }

    /// What kind of value it is, in a word for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::List(_) => "list",
            Self::Object(_) => "object",
            Self::Hole(_) => "unknown",
        }
    }

    /// Calls `visit` for this value and everything below it, parents first.
    pub fn walk<'v>(&'v self, visit: &mut dyn FnMut(&Path, &'v Self)) {
        fn go<'v, H>(path: &mut Path, value: &'v Value<H>, visit: &mut dyn FnMut(&Path, &'v Value<H>)) {
            visit(path, value);
            match value {
                Value::List(items) => {
                    for (index, item) in items.iter().enumerate() {
                        path.push(Step::Index(index));
                        go(path, item, visit);
                        path.pop();
                    }
                }
                Value::Object(items) => {
                    for (name, item) in items.iter() {
                        path.push(Step::Field(name.clone()));
                        go(path, item, visit);
                        path.pop();
                    }
                }
                _ => {}
            }
        }
        go(&mut Path::default(), self, visit);
    }

    /// Whether anything in it is still a hole.
    pub fn has_holes(&self) -> bool {
        match self {
            Self::Hole(_) => true,
            Self::List(items) => items.iter().any(Self::has_holes),
            Self::Object(items) => items.values().any(Self::has_holes),
            _ => false,
        }
    }

    /// The same value with every hole replaced by what `fill` gives for it; stops at the first error.
    pub fn fill<G, E>(&self, fill: &mut dyn FnMut(&H) -> Result<Value<G>, E>) -> Result<Value<G>, E> {
        Ok(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(number) => Value::Number(number.clone()),
            Self::Text(text) => Value::Text(text.clone()),
            Self::List(items) => {
                Value::List(Arc::new(items.iter().map(|item| item.fill(fill)).collect::<Result<_, E>>()?))
            }
            Self::Object(items) => Value::Object(Arc::new(
                items
                    .iter()
                    .map(|(name, item)| Ok((name.clone(), item.fill(fill)?)))
                    .collect::<Result<_, E>>()?,
            )),
            Self::Hole(hole) => fill(hole)?,
        })
    }

    /// The value without holes, or the first hole.
    pub fn known(&self) -> Result<KnownValue, H>
    where
        H: Clone,
    {
        self.fill(&mut |hole: &H| Err(hole.clone()))
    }
}

impl KnownValue {
    /// The same value where holes would be allowed.
    pub fn lift<H>(&self) -> Value<H> {
        match self.fill(&mut |hole: &Never| -> Result<Value<H>, Never> { match *hole {} }) {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }
}

impl<H> From<&str> for Value<H> {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl<H> From<bool> for Value<H> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_found_and_filled() {
        let value: Value<u8> = Value::object([("a", Value::list([Value::int(1), Value::Hole(7)]))]);
        assert!(value.has_holes());
        assert_eq!(value.known(), Err(7));
        let filled = value.fill(&mut |hole| Ok::<_, ()>(KnownValue::int(i64::from(*hole)))).unwrap();
        assert_eq!(filled.get(&"a[1]".parse().unwrap()), Some(&KnownValue::int(7)));
    }

    #[test]
    fn walk_visits_parents_first() {
        let value = KnownValue::object([("a", KnownValue::list([KnownValue::Null]))]);
        let mut seen = Vec::new();
        value.walk(&mut |path, _| seen.push(path.to_string()));
        assert_eq!(seen, ["", "a", "a[0]"]);
    }
}
