//! What a lowering takes and gives.

use std::collections::BTreeSet;

use mlp_diag::Diagnostics;
use mlp_eval::PlanValue;
use mlp_platform::{Declaration, Platform};
use mlp_value::facts::{Facts, Needs};
use mlp_value::{Address, Path, PathMap, ResourceId};
use serde::{Deserialize, Serialize};

/// What a lowering may look at.
#[derive(Debug, Clone, Copy)]
pub struct LowerInput<'a> {
    /// The whole specification for the environment.
    pub platform: &'a Platform,
    /// The declaration to lower.
    pub declaration: &'a Declaration,
    /// What is known of the world.
    pub facts: &'a Facts,
}

/// What a lowering gives: its best result, what is wrong, and what it would like to know.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lowered {
    /// Native resources.
    pub desired: Vec<Desired>,
    /// What is wrong, spoken of by address and path.
    pub diagnostics: Diagnostics,
    /// Open questions; with any open, the result is not final.
    pub needs: Needs,
}

/// A native resource as it should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Desired {
    /// Address and role.
    pub id: ResourceId,
    /// Native kind.
    pub kind: String,
    /// The name by which the target knows it; computed once, then remembered.
    pub identity: String,
    /// Its fields; holes are filled by apply.
    pub config: PlanValue,
    /// Native path → path in the declaration, for origins; a path without an entry has its nearest parent's.
    pub from: PathMap<Path>,
    /// What must be there before it.
    pub depends_on: BTreeSet<ResourceId>,
    /// Its rules of life.
    pub lifecycle: Lifecycle,
    /// Why it cannot be made yet.
    pub deferred: Option<Deferral>,
    /// Version of the lowering that made it.
    pub lowering_version: u32,
}

impl Desired {
    /// An object by itself: nothing comes before it, no rule of life holds, and nothing says where its fields come from.
    #[must_use]
    pub fn new(id: ResourceId, kind: &str, identity: impl Into<String>, config: PlanValue) -> Self {
        Self {
            id,
            kind: kind.to_owned(),
            identity: identity.into(),
            config,
            from: PathMap::new(),
            depends_on: BTreeSet::new(),
            lifecycle: Lifecycle::default(),
            deferred: None,
            lowering_version: 1,
        }
    }
}

/// Why something waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deferral {
    /// For a person: "model.churn has no version under alias champion".
    pub why: String,
    /// What would provide it, for `mlp up`: pipelines that register the model.
    pub filled_by: Vec<ResourceId>,
}

/// What destroying means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDestroy {
    /// Delete it.
    #[default]
    Delete,
    /// Keep it in the target and forget it.
    Keep,
}

/// Rules of life.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lifecycle {
    /// Refuse to destroy or replace.
    pub protect: bool,
    /// What destroying means.
    pub on_destroy: OnDestroy,
    /// New before old is gone.
    pub create_before_destroy: bool,
    /// Native fields whose changes are ignored.
    pub ignore_changes: Vec<Path>,
    /// Declarations a change of which makes it anew.
    #[serde(default)]
    pub replace_triggered_by: BTreeSet<Address>,
}

/// What would be declared to have an object as it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Declared {
    /// The attributes of the declaration in their order; references and conditions in their own form.
    pub body: Vec<(String, mlp_value::KnownValue)>,
    /// Native fields from which nothing follows that could be declared.
    pub left: Vec<String>,
}
