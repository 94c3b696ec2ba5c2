//! What a target says of itself when nobody remembers it any more.

use std::collections::BTreeMap;

use mlp_value::{KnownValue, ResourceId};
use serde::{Deserialize, Serialize};

/// An object that carries the marks of this project and environment, as it is found without any state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owned {
    /// Native kind.
    pub resource: String,
    /// The name by which the target knows it.
    pub identity: String,
    /// The address and role it was made under, where a mark tells.
    pub id: Option<ResourceId>,
    /// The lineage of the state that it belonged to.
    pub lineage: String,
    /// Whether it is as it was made, by the digest among its marks; not where somebody else has edited it.
    pub untouched: bool,
    /// Of one that was edited, computed fields that only say so, as they read of one that is whole.
    #[serde(default)]
    pub whole: BTreeMap<String, KnownValue>,
}
