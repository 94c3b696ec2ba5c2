//! What a decision is made from.

use std::collections::{BTreeMap, BTreeSet};

use mlp_provider::{Desired, Provider, ResourceKind, Seen};
use mlp_state::State;
use mlp_value::{Address, Path, ResourceId};
use serde::{Deserialize, Serialize};

use crate::{Mode, OriginText};

/// Which resources, from the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanOptions {
    /// Only these and what they need; all when empty.
    pub targets: Vec<String>,
    /// Not these and what needs them.
    pub excludes: Vec<String>,
    /// Make these anew.
    pub replace: Vec<String>,
    /// What is remembered counts as what is there: nothing that was made before is read.
    pub no_refresh: bool,
    /// Fields that another manager of the target has set meanwhile are taken over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force_conflicts: bool,
}

/// Everything a decision is made from.
pub struct PlanInput<'a> {
    /// What for.
    pub mode: Mode,
    /// The project's name.
    pub project: &'a str,
    /// The environment's name.
    pub environment: &'a str,
    /// Kind and name of the provider, `local.here`.
    pub provider_name: &'a str,
    /// The native resources there should be.
    pub desired: &'a [Desired],
    /// Field tables by native kind.
    pub kinds: &'a dyn Fn(&str) -> Option<&'a ResourceKind>,
    /// Gives the calls that make a change.
    pub provider: &'a dyn Provider,
    /// What is remembered.
    pub state: &'a State,
    /// What was found, for every desired and every remembered resource; what was not looked for counts as unchanged.
    pub observed: &'a BTreeMap<ResourceId, Seen>,
    /// Where a native field's value came from; the root path asks for the declaration.
    pub origins: &'a dyn Fn(&ResourceId, &Path) -> Option<OriginText>,
    /// Deferred resources that still have to wait.
    pub still_deferred: &'a BTreeSet<ResourceId>,
    /// Which resources.
    pub options: &'a PlanOptions,
    /// Resources that the target cannot change as it is asked to, and would make anew; why, in its own words.
    pub anew: &'a BTreeMap<ResourceId, String>,
    /// Digest of the specification and every fact used.
    pub spec_digest: &'a str,
    /// What the specification says of what existed before it.
    pub refactor: &'a Refactor,
}

/// What the specification says of what existed before it: `moved`, `import` and `removed` by resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refactor {
    /// Digest of the state as it is stored, where the one of the input has records under new ids.
    pub state_digest: Option<String>,
    /// Resources that are stored under another id so far: new to old.
    pub moved: BTreeMap<ResourceId, ResourceId>,
    /// Objects to be taken over.
    pub imports: BTreeMap<ResourceId, Import>,
    /// Resources that are gone from the specification on purpose.
    pub removed: BTreeMap<ResourceId, Removed>,
}

/// An object to be taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The name by which the target knows it.
    pub identity: String,
    /// The address it was made under, where it says so.
    pub made_as: Option<Address>,
    /// Where the `import` stands.
    pub place: String,
}

/// A resource that is gone from the specification on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Whether the real thing goes too.
    pub destroy: bool,
    /// Where the `removed` stands.
    pub place: String,
}
