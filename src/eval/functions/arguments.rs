//! The arguments of a call as its function sees them, and what it says when it refuses them.

use std::sync::Arc;

use mlp_value::{Number, Object, Type, Value};

use crate::budget::{Budget, Exhausted};
use crate::convert::describe;
use crate::typed::{Typed, is_set};
use crate::{PlanValue, Scope, Unknown};

/// The arguments of a call, and what a function may use.
pub(crate) struct Arguments<'a> {
    pub(crate) values: &'a [Typed],
    pub(crate) budget: &'a Budget,
    pub(crate) scope: &'a dyn Scope,
}

/// Why a function gives nothing.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) why: String,
    /// Which argument is to blame, where it is one.
    pub(crate) argument: Option<usize>,
    /// Nothing is wrong with the arguments, but the result is too large.
    pub(crate) exhausted: bool,
}

/// What a function gives; `None` where it cannot be known yet.
pub(crate) type Given = Result<Option<Typed>, Fault>;

impl From<String> for Fault {
    fn from(why: String) -> Self {
        Self { why, argument: None, exhausted: false }
    }
}

impl From<&str> for Fault {
    fn from(why: &str) -> Self {
        Self::from(why.to_owned())
    }
}

impl From<Exhausted> for Fault {
    fn from(exhausted: Exhausted) -> Self {
        Self { why: exhausted.0, argument: None, exhausted: true }
    }
}

/// A refusal for which one argument is to blame.
pub(crate) fn blame<T>(argument: usize, why: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { why: why.into(), argument: Some(argument), exhausted: false })
}

/// A value that shows its type.
pub(crate) fn give(value: PlanValue) -> Given {
    Ok(Some(value.into()))
}

/// Text.
pub(crate) fn text(text: impl AsRef<str>) -> Given {
    give(Value::text(text))
}

impl Arguments<'_> {
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn has(&self, at: usize) -> bool {
        at < self.values.len()
    }

    pub(crate) fn value(&self, at: usize) -> &PlanValue {
        self.values.get(at).map_or(&Value::Null, |typed| &typed.value)
    }

    pub(crate) fn typed(&self, at: usize) -> Typed {
        self.values.get(at).cloned().unwrap_or_else(|| Value::Null.into())
    }

    pub(crate) fn type_of(&self, at: usize) -> Type {
        self.values.get(at).map_or(Type::Any, Typed::type_of)
    }

    /// A text; the call has converted it.
    pub(crate) fn text(&self, at: usize) -> Result<Arc<str>, Fault> {
        match self.value(at) {
            Value::Text(text) => Ok(text.clone()),
            other => blame(at, format!("a string is needed, this is {}", describe(other))),
        }
    }

    /// A number; the call has converted it.
    pub(crate) fn number(&self, at: usize) -> Result<Number, Fault> {
        match self.value(at) {
            Value::Number(number) => Ok(number.clone()),
            other => blame(at, format!("a number is needed, this is {}", describe(other))),
        }
    }

    pub(crate) fn integer(&self, at: usize) -> Result<i64, Fault> {
        let number = self.number(at)?;
        let whole = number.to_i64();
        whole.map_or_else(
            || blame(at, format!("a whole number is needed, this is {}", describe(self.value(at)))),
            Ok,
        )
    }

    /// A whole number that is not negative.
    pub(crate) fn size(&self, at: usize) -> Result<usize, Fault> {
        let number = self.integer(at)?;
        usize::try_from(number).or_else(|_| blame(at, format!("it must not be negative, this is {number}")))
    }

    /// A list, a tuple or a set.
    pub(crate) fn list(&self, at: usize) -> Result<&[PlanValue], Fault> {
        match self.value(at) {
            Value::List(items) => Ok(items),
            other => blame(at, format!("a list is needed, this is {}", describe(other))),
        }
    }

    /// A list or a tuple, in which items have numbers.
    pub(crate) fn sequence(&self, at: usize) -> Result<&[PlanValue], Fault> {
        if self.values.get(at).is_some_and(|typed| is_set(&typed.ty)) {
            return blame(at, "a list is needed, this is a set: `tolist(x)` makes a list of it");
        }
        self.list(at)
    }

    /// The items of a list with their types.
    pub(crate) fn parts(&self, at: usize) -> Result<Vec<Typed>, Fault> {
        self.list(at)?;
        Ok(self.typed(at).parts())
    }

    pub(crate) fn object(&self, at: usize) -> Result<&Object<Unknown>, Fault> {
        match self.value(at) {
            Value::Object(items) => Ok(items),
            other => blame(at, format!("a map or an object is needed, this is {}", describe(other))),
        }
    }

    /// A list of texts; the call has converted it. A null among them is refused.
    pub(crate) fn texts(&self, at: usize) -> Result<Vec<Arc<str>>, Fault> {
        let items = self.list(at)?.iter().enumerate();
        let texts = items.map(|(number, item)| match item {
            Value::Text(text) => Ok(text.clone()),
            other => blame(at, format!("a string is needed, item {number} is {}", describe(other))),
        });
        texts.collect()
    }
}
