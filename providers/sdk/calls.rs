//! A call is a value before it is an act.

use mlp_eval::PlanValue;
use mlp_value::{KnownValue, Value};
use serde::{Deserialize, Serialize};

/// What a call does to its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// Makes it; retryable by identity.
    Create,
    /// Changes it in place.
    Update,
    /// Makes a new immutable version.
    NewVersion,
    /// Ends it.
    Delete,
}

/// One mutating call of a target's API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The operation's name in the target's words, for budgets and messages.
    pub operation: String,
    /// What it does.
    pub kind: CallKind,
    /// Native kind.
    pub resource: String,
    /// The object's identity.
    pub identity: String,
    /// The fields it sends; holes are filled before it is made.
    pub body: PlanValue,
}

/// A change to be made, as [`super::Provider::calls`] is asked about it.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceChange {
    /// Native kind.
    pub resource: String,
    /// Identity.
    pub identity: String,
    /// What happens.
    pub kind: CallKind,
    /// As last applied; `None` for a create.
    pub before: Option<KnownValue>,
    /// As it should be; `None` for a delete.
    pub after: Option<PlanValue>,
    /// Whether it is taken over from whoever made it.
    pub takes_over: bool,
}

impl ResourceChange {
    /// The change as one call, which the target knows as `<native kind>.<verb>`.
    #[must_use]
    pub fn as_call(&self, verb: &str) -> Call {
        Call {
            operation: format!("{}.{verb}", self.resource),
            kind: self.kind,
            resource: self.resource.clone(),
            identity: self.identity.clone(),
            body: self.after.clone().unwrap_or(Value::Null),
        }
    }
}
