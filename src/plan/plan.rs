//! The plan as data: the whole decision, self-contained.

use mlp_diag::Diagnostics;
use mlp_eval::PlanValue;
use mlp_provider::{Call, Removal};
use mlp_state::{Record, Status};
use mlp_value::{Address, KnownValue, Path, ResourceId};
use serde::{Deserialize, Serialize};

/// Version of the plan's form on disk.
pub const FORMAT_VERSION: u32 = 1;

/// What is planned for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Make what is there what is written.
    Apply,
    /// End everything.
    Destroy,
    /// Remember what is there, and change nothing.
    RefreshOnly,
}

/// What is done to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing.
    NoOp,
    /// More or fewer, in place.
    Resize,
    /// Changed in place.
    Update,
    /// Made.
    Create,
    /// Ended and made anew.
    Replace,
    /// Ended.
    Delete,
    /// Only read: what is remembered changes.
    Read,
    /// Found with our marks, and remembered from now on.
    Import,
    /// Its address changes.
    Move,
    /// No longer remembered; it stays in the target.
    Forget,
    /// It waits.
    Defer,
    /// A new immutable version beside the old ones.
    NewVersion,
}

impl Action {
    /// The sign before it: `+`, `~`, `-`, `-/+`, `<=`.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::NoOp => " ",
            Self::Resize | Self::Update => "~",
            Self::NewVersion => "+~",
            Self::Create => "+",
            Self::Replace => "-/+",
            Self::Delete => "-",
            Self::Read => "<=",
            Self::Import => "<-",
            Self::Move => "->",
            Self::Forget => ".",
            Self::Defer => "?",
        }
    }

    /// What happens, after the resource's name: "will be created".
    pub fn phrase(self) -> &'static str {
        match self {
            Self::NoOp => "stays as it is",
            Self::Resize => "will be resized in place",
            Self::Update => "will be updated in place",
            Self::NewVersion => "will get a new version",
            Self::Create => "will be created",
            Self::Replace => "must be replaced",
            Self::Delete => "will be destroyed",
            Self::Read => "will be read again",
            Self::Import => "will be taken over",
            Self::Move => "has moved",
            Self::Forget => "will no longer be remembered",
            Self::Defer => "waits",
        }
    }
}

/// Which half of a replacement a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The old one ends.
    Old,
    /// The new one is made.
    New,
}

/// How a value came to stand where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OriginKind {
    /// In the declaration.
    Written,
    /// In a partial block of an environment.
    Environment,
    /// By the kind's default.
    Default,
}

/// Where a value came from, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginText {
    /// `main.mlp:41`; empty for a default without a place.
    pub place: String,
    /// The environment whose partial block set it.
    pub environment: Option<String>,
    /// How.
    pub kind: OriginKind,
}

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
    /// Why it does that.
    pub reason: Option<String>,
    /// Where the new value came from.
    pub origin: Option<OriginText>,
    /// Neither value is to be shown.
    pub sensitive: bool,
    /// It was changed outside `mlp` and is put right.
    pub drift: bool,
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
    /// Fields: `before` as remembered, `after` as found.
    pub changes: Vec<FieldChange>,
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
    /// What waits.
    pub deferred: Vec<DeferredItem>,
    /// What stays in the target and is forgotten.
    pub kept: Vec<Kept>,
    /// How many stay as they are.
    pub unchanged: usize,
    /// How many do not.
    pub counts: Counts,
    /// What each change leads to beyond this plan, by the specification's references.
    #[serde(default)]
    pub consequences: std::collections::BTreeMap<ResourceId, Vec<String>>,
    /// What a person should know.
    pub warnings: Diagnostics,
}

impl Plan {
    /// Whether there is nothing to do; what waits counts as nothing.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Hex BLAKE3 of all of it but what the target was asked for the list of removals.
    pub fn digest(&self) -> String {
        let mut plain = self.clone();
        plain.steps.iter_mut().for_each(|step| step.removal = None);
        // A plan is plain data whose keys are text, which JSON always holds; an impossible failure digests as nothing.
        let json = serde_json::to_vec(&plain).unwrap_or_default();
        blake3::hash(&json).to_hex().to_string()
    }

    /// Reads a plan.
    ///
    /// # Errors
    /// It is no plan, or one of a newer version.
    pub fn from_json(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Head {
            format_version: u32,
        }
        let head: Head = serde_json::from_str(text).map_err(|error| format!("this is no plan: {error}"))?;
        if head.format_version != FORMAT_VERSION {
            let found = head.format_version;
            return Err(format!("the plan has format version {found}, and this mlp reads {FORMAT_VERSION}"));
        }
        serde_json::from_str(text).map_err(|error| format!("the plan cannot be read: {error}"))
    }

    pub(crate) fn count(&mut self) {
        let mut counts = Counts { deferred: self.deferred.len(), ..Counts::default() };
        for step in &self.steps {
            counts.moved += usize::from(step.moved_from.is_some() && step.part != Some(Part::Old));
            match (step.action, step.part) {
                (Action::Create, _) | (Action::Replace, Some(Part::New)) => counts.add += 1,
                (Action::Delete, _) | (Action::Replace, _) => counts.destroy += 1,
                (Action::Resize | Action::Update | Action::NewVersion, _) => counts.change += 1,
                (Action::Import, _) => counts.import += 1,
                (Action::Forget, _) => counts.forget += 1,
                _ => {}
            }
        }
        self.counts = counts;
    }
}
