//! The plan as data: the whole decision, self-contained.

use std::collections::BTreeMap;

use mlp_diag::Diagnostics;
use mlp_eval::PlanValue;
use mlp_provider::{Call, Removal, ResourceKind};
use mlp_state::{Record, Status};
use mlp_value::{Address, KnownValue, Path, ResourceId};
use serde::{Deserialize, Serialize};

use crate::{Action, Cause, Mode, OriginText, Part, PlanOptions};

/// Version of the plan's form on disk.
pub const FORMAT_VERSION: u32 = 2;

/// A field that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Which.
    pub path: Path,
    /// What it is; `None` when there is nothing, or it must not be shown.
    pub before: Option<KnownValue>,
    /// What it will be; `None` when there will be nothing, or it must not be shown.
    pub after: Option<PlanValue>,
    /// What the change does.
    pub action: Action,
    /// What it comes from.
    pub cause: Cause,
    /// Why it does that, in the words of the kind.
    pub reason: Option<String>,
    /// Where the new value came from.
    pub origin: Option<OriginText>,
    /// Neither value is to be shown.
    pub sensitive: bool,
}

impl FieldChange {
    /// Why, in one sentence: what the kind says of it and what it comes from.
    pub fn why(&self) -> String {
        match &self.reason {
            Some(reason) => format!("{reason}; {}", self.cause.phrase()),
            None => self.cause.phrase().to_owned(),
        }
    }
}

/// All of a [`Record`] but what only apply knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordTemplate {
    /// Address and role.
    pub id: ResourceId,
    /// Native kind.
    pub kind: String,
    /// Kind and name of the provider.
    pub provider: String,
    /// The name by which the target knows it.
    pub identity: String,
    /// What must be there before it.
    pub depends_on: Vec<ResourceId>,
    /// Refuse to destroy or replace.
    pub protect: bool,
    /// Destroying means forgetting.
    pub keep: bool,
    /// Version of the kind's fields.
    pub schema_version: u32,
    /// Version of the lowering.
    pub lowering_version: u32,
    /// Where it is declared.
    pub place: Option<String>,
    /// The address it was made under, where that is another.
    #[serde(default)]
    pub made_as: Option<Address>,
}

impl RecordTemplate {
    /// The record once it is known what was applied and what it tells others.
    pub fn record(&self, applied: KnownValue, outputs: KnownValue, status: Status) -> Record {
        Record {
            id: self.id.clone(),
            kind: self.kind.clone(),
            provider: self.provider.clone(),
            identity: self.identity.clone(),
            applied,
            outputs,
            depends_on: self.depends_on.clone(),
            protect: self.protect,
            keep: self.keep,
            schema_version: self.schema_version,
            lowering_version: self.lowering_version,
            status,
            place: self.place.clone(),
            made_as: self.made_as.clone(),
        }
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanStep {
    /// Its number, from 1; steps it comes after have lower ones.
    pub number: u32,
    /// Of what.
    pub resource: ResourceId,
    /// Native kind.
    pub kind: String,
    /// The name by which the target knows it.
    pub identity: String,
    /// Kind and name of the provider.
    pub provider: String,
    /// What is done; both halves of a replacement say `Replace`.
    pub action: Action,
    /// Which half of a replacement it is.
    pub part: Option<Part>,
    /// Why.
    pub reason: Option<String>,
    /// The calls, in order; none where only memory changes.
    pub calls: Vec<Call>,
    /// Numbers of the steps it comes directly after.
    pub after: Vec<u32>,
    /// What changes.
    pub changes: Vec<FieldChange>,
    /// What to remember when it is done; `None`: forget it.
    pub record: Option<RecordTemplate>,
    /// As it is now.
    pub before: Option<KnownValue>,
    /// As it should be, holes and all: what `applied` will be once they are filled.
    pub config: Option<PlanValue>,
    /// Outputs it has now, which an update keeps until it is read back.
    pub outputs: Option<KnownValue>,
    /// Fields that are never shown.
    pub secret: Vec<String>,
    /// Destroying it loses data.
    pub stateful: bool,
    /// Where it is declared.
    pub place: Option<String>,
    /// What destroying it loses, once the target was asked.
    pub removal: Option<Removal>,
    /// The id under which the old object is remembered while its successor is made before it ends.
    #[serde(default)]
    pub deposed: Option<ResourceId>,
    /// The id under which it is remembered so far.
    #[serde(default)]
    pub moved_from: Option<ResourceId>,
}

/// Something changed outside `mlp`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftItem {
    /// What.
    pub resource: ResourceId,
    /// Native kind.
    pub kind: String,
    /// It is gone altogether.
    pub gone: bool,
    /// As it is remembered.
    pub before: KnownValue,
    /// As it was found; `None` when it is gone.
    pub after: Option<KnownValue>,
    /// Fields: `before` as remembered, `after` as found.
    pub changes: Vec<FieldChange>,
}

/// Something that the running platform moved by itself since the last apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventItem {
    /// What.
    pub resource: ResourceId,
    /// Native kind.
    pub kind: String,
    /// Fields and outputs: `before` as remembered, `after` as it is now.
    pub changes: Vec<FieldChange>,
}

/// Something that stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unchanged {
    /// What.
    pub resource: ResourceId,
    /// Native kind.
    pub kind: String,
    /// Kind and name of the provider.
    pub provider: String,
    /// The name by which the target knows it.
    pub identity: String,
    /// As it is.
    pub config: KnownValue,
    /// What it needs.
    pub depends_on: Vec<ResourceId>,
    /// Where it is declared.
    pub place: Option<String>,
}

/// A value of the specification that a person sees beside the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// The value; null when it must not be shown.
    pub value: KnownValue,
    /// It must not be shown.
    pub sensitive: bool,
}

/// What a plan has to carry so that it can be shown and judged with nothing beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// Kind and name of the provider, `local.here`.
    pub provider: String,
    /// Version of the provider that read and would act.
    pub provider_version: String,
    /// Where it would act, in the words of the provider: the cluster and the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What was asked for on the command line.
    pub options: PlanOptions,
    /// Field tables of the kinds in the plan.
    pub kinds: BTreeMap<String, ResourceKind>,
    /// The values of the specification's variables.
    pub variables: BTreeMap<String, Given>,
    /// Lines of the specification by their place, `main.mlp:41`.
    pub lines: BTreeMap<String, String>,
    /// What a person should know, with the lines it speaks of.
    pub notices: Vec<Notice>,
}

/// A warning as it was shown when the plan was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Stable code.
    pub code: String,
    /// One line.
    pub headline: String,
    /// All of it, for a person.
    pub text: String,
    /// All of it, for a program.
    pub detail: serde_json::Value,
}

/// Something that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeferredItem {
    /// What.
    pub resource: ResourceId,
    /// Native kind.
    pub kind: String,
    /// For a person.
    pub why: String,
    /// What would provide it, for `mlp up`.
    pub filled_by: Vec<ResourceId>,
    /// The resources through which it waits, nearest first; empty when it waits itself.
    pub through: Vec<ResourceId>,
}

/// Something that stays in the target and is forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What.
    pub resource: ResourceId,
    /// Why.
    pub reason: String,
}

/// How many of what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Made, replacements included.
    pub add: usize,
    /// Changed in place or given a new version.
    pub change: usize,
    /// Ended, replacements included.
    pub destroy: usize,
    /// Taken over.
    pub import: usize,
    /// Forgotten.
    pub forget: usize,
    /// Known under another address.
    #[serde(default)]
    pub moved: usize,
    /// Waiting.
    pub deferred: usize,
    /// Only read: what is remembered changes.
    #[serde(default)]
    pub read: usize,
}

/// The whole decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of its form.
    pub format_version: u32,
    /// The version that made it.
    pub mlp_version: String,
    /// What it is for.
    pub mode: Mode,
    /// The project's name.
    pub project: String,
    /// The environment's name.
    pub environment: String,
    /// The state's lineage; empty before the first apply.
    pub lineage: String,
    /// The state's serial.
    pub serial: u64,
    /// Digest of the state it was made over.
    pub state_digest: String,
    /// Digest of the specification and every fact used.
    pub spec_digest: String,
    /// The steps, each after those it depends on.
    pub steps: Vec<PlanStep>,
    /// What changed outside `mlp`.
    pub drift: Vec<DriftItem>,
    /// What the running platform moved by itself.
    #[serde(default)]
    pub events: Vec<EventItem>,
    /// The outputs, each under a path of its name: as they were told last, and as they will be.
    #[serde(default)]
    pub outputs: Vec<FieldChange>,
    /// What waits.
    pub deferred: Vec<DeferredItem>,
    /// What stays in the target and is forgotten.
    pub kept: Vec<Kept>,
    /// What stays as it is.
    #[serde(default)]
    pub unchanged: Vec<Unchanged>,
    /// How many do not.
    pub counts: Counts,
    /// What each change leads to beyond this plan, by the specification's references.
    #[serde(default)]
    pub consequences: BTreeMap<ResourceId, Vec<String>>,
    /// What a person should know.
    pub warnings: Diagnostics,
    /// What it carries so that it can be shown with nothing beside it.
    #[serde(default)]
    pub context: Context,
    /// Hex BLAKE3 of the rest, in a file; empty elsewhere.
    #[serde(default)]
    pub seal: String,
}
