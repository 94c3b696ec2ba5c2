//! Values that are not known yet.

use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use mlp_diag::Span;
use mlp_value::{KnownValue, Type, Value};
use serde::{Deserialize, Serialize};

use crate::convert::CONVERT;
use crate::typed::Note;
use crate::{Expr, Node};

/// A value that will be known later. What is said of it lies beside it: there are few holes among millions of values, and each
/// value would be as large as a hole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Unknown(Arc<Later>);

/// What is said of a value that will be known later: its type, what is certain of it already, and how to compute it then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Later {
    /// Its type.
    pub ty: Type,
    /// Certain not to be null.
    pub not_null: bool,
    /// Text it certainly starts with.
    pub prefix: Option<String>,
    /// The residual: closed over everything known, with traversals only to what becomes known during apply.
    pub residual: Box<Expr>,
    /// Addresses it waits for, for `(known after endpoint.churn)`.
    pub after: Vec<String>,
}

impl Unknown {
    /// What is said of it, by itself.
    pub fn into_later(self) -> Later {
        Arc::unwrap_or_clone(self.0)
    }
}

impl From<Later> for Unknown {
    fn from(later: Later) -> Self {
        Self(Arc::new(later))
    }
}

impl Deref for Unknown {
    type Target = Later;

    fn deref(&self) -> &Later {
        &self.0
    }
}

impl DerefMut for Unknown {
    fn deref_mut(&mut self) -> &mut Later {
        Arc::make_mut(&mut self.0)
    }
}

/// A value in a plan: known, or with holes that apply fills.
pub type PlanValue = Value<Unknown>;

/// The expression that computes a value once its holes are known; a constant when it has none.
pub fn residual_of(value: &PlanValue) -> Expr {
    if let Ok(known) = value.known() {
        return Expr::literal(known);
    }
    match value {
        Value::Hole(hole) => (*hole.residual).clone(),
        Value::List(items) => Expr::new(Node::List { items: items.iter().map(residual_of).collect() }, None),
        Value::Object(items) => {
            let items = items
                .iter()
                .map(|(key, item)| (Expr::literal(KnownValue::Text(key.clone())), residual_of(item)))
                .collect();
            Expr::new(Node::Object { items }, None)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => Expr::literal(KnownValue::Null),
    }
}

/// The same for a value of which more is known than it shows: apply is told its type.
pub(crate) fn residual_typed(value: &PlanValue, ty: &Note) -> Expr {
    let residual = residual_of(value);
    let Some(wanted) = ty.as_deref().and_then(|ty| serde_json::to_string(ty).ok()) else { return residual };
    let arguments = vec![residual, Expr::literal(KnownValue::text(wanted))];
    Expr::new(Node::Call { function: Arc::from(CONVERT), arguments, expand_last: false }, None)
}

/// What the holes of some values wait for.
#[derive(Debug, Default)]
pub(crate) struct Waits(BTreeSet<String>);

impl Waits {
    pub(crate) fn of<'v>(values: impl IntoIterator<Item = &'v PlanValue>) -> Self {
        let mut waits = Self::default();
        values.into_iter().for_each(|value| waits.add(value));
        waits
    }

    pub(crate) fn add(&mut self, value: &PlanValue) {
        value.walk(&mut |_, item| {
            if let Value::Hole(hole) = item {
                self.0.extend(hole.after.iter().cloned());
            }
        });
    }

    pub(crate) fn join(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// A hole that waits for all of it, and is computed by `node`.
    pub(crate) fn hole(self, ty: Type, node: Node, span: Option<Span>) -> Unknown {
        let later = Later {
            not_null: matches!(ty, Type::Bool | Type::Number | Type::String),
            ty,
            prefix: None,
            residual: Box::new(Expr::new(node, span)),
            after: self.0.into_iter().collect(),
        };
        later.into()
    }
}
