//! The doing half.

use std::collections::BTreeMap;

use mlp_diag::{Diagnostic, Diagnostics};
use mlp_value::{KnownValue, ResourceId};
use serde::{Deserialize, Serialize};

use crate::{Call, CollectRequest, Collected, Desired, Owned, RollbackRequest, RunEntry};

/// Where a session works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The project's name.
    pub project: String,
    /// The environment's name.
    pub environment: String,
    /// The state's lineage: ours are the objects that carry it.
    pub lineage: String,
    /// The project's directory, absolute.
    pub directory: String,
    /// Where the environment keeps its things, absolute (`.mlp/<environment>`).
    pub home: String,
    /// The provider block's attributes.
    pub provider: KnownValue,
    /// The program to start for work that outlives the command, absolute.
    pub program: String,
    /// Secrets by the address of their block: the reference, never the value.
    pub secrets: BTreeMap<String, String>,
    /// Whether fields that another manager of the target has set meanwhile are taken over.
    #[serde(default)]
    pub take_over: bool,
}

/// What was found under an identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// Nothing.
    Absent,
    /// An object.
    Present(Observed),
}

/// An object as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Its fields, in the words of the field table.
    pub config: KnownValue,
    /// What it tells others (`url`, `version`).
    pub outputs: KnownValue,
    /// Whose it is.
    pub owner: Owner,
}

/// Whose an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// Ours by its tags.
    Mine,
    /// Somebody else's.
    Foreign,
    /// It carries no mark.
    CannotTell,
}

/// Whether an object is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// It is.
    Yes,
    /// Ask again; what it is doing.
    Wait(String),
    /// It serves, and a change of it goes on by itself for as long as the specification says.
    Underway(String),
    /// It will not become ready.
    Never(Box<Diagnostic>),
}

/// How an error is to be treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// Too many calls: slow down and try again.
    Throttled,
    /// Try again.
    Transient,
    /// Somebody changed it meanwhile.
    Conflict,
    /// The call is wrong; trying again does not help.
    Invalid,
    /// What is there cannot be changed like this, and made anew it could be.
    Fixed,
    /// Not allowed.
    Denied,
    /// Anything else.
    Fatal,
}

/// What went wrong in a target.
#[derive(Debug, Clone, PartialEq)]
pub struct ProviderError {
    /// How to treat it.
    pub class: ErrorClass,
    /// What to say; speaks of address and path where it can.
    pub diagnostic: Box<Diagnostic>,
}

impl ProviderError {
    /// An error that trying again does not mend.
    pub fn new(class: ErrorClass, diagnostic: Diagnostic) -> Self {
        Self { class, diagnostic: Box::new(diagnostic) }
    }
}

/// Something that will be lost, for the list `destroy` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// "3 versions, 1.2 MiB", "2 processes".
    pub what: String,
    /// Bytes that will be freed.
    pub bytes: u64,
}

/// A request to run a pipeline or batch endpoint once.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRequest {
    /// Native kind and identity of what is run.
    pub resource: String,
    /// Identity.
    pub identity: String,
    /// What it is called in the specification.
    pub id: ResourceId,
    /// Parameters that override the pipeline's.
    pub params: BTreeMap<String, KnownValue>,
    /// Who asked, for the lineage.
    pub who: String,
    /// The git commit of the project, where there is one.
    pub commit: Option<String>,
    /// Ignore cached steps.
    pub fresh: bool,
    /// Only these steps and what they need, to try them out; nothing is registered or written to datasets. All of them
    /// when empty.
    pub steps: Vec<String>,
}

/// How a step went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepSummary {
    /// `succeeded`, `cached`, `failed`, `skipped`, `cancelled`, `running`.
    pub status: String,
    /// Why it was cached or not, or why it failed.
    pub reason: String,
    /// Seconds.
    pub seconds: f64,
}

/// How a run went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Its number.
    pub run: String,
    /// What was run.
    pub id: ResourceId,
    /// `succeeded`, `failed`, `cancelled`, `running`.
    pub status: String,
    /// RFC 3339.
    pub started: String,
    /// Seconds.
    pub seconds: f64,
    /// Steps by name.
    pub steps: BTreeMap<String, StepSummary>,
    /// What came of it, a line each: "model.churn version 3 registered as challenger".
    pub results: Vec<String>,
    /// Metrics of the registered version.
    pub metrics: BTreeMap<String, f64>,
    /// What went wrong.
    pub problems: Vec<Diagnostic>,
}

/// One line of `mlp status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusEntry {
    /// What it is about.
    pub id: ResourceId,
    /// `running`, `ready`, `stopped`, `degraded`, `missing`, `unknown`.
    pub state: String,
    /// Details for people, a line each.
    pub lines: Vec<String>,
    /// The same for programs.
    pub detail: serde_json::Value,
}

/// Which logs.
#[derive(Debug, Clone, PartialEq)]
pub struct LogQuery {
    /// Native kind.
    pub resource: String,
    /// Identity.
    pub identity: String,
    /// A step, variant or replica; all when empty.
    pub part: Option<String>,
    /// A run; the last when empty.
    pub run: Option<String>,
    /// Last lines only.
    pub tail: Option<usize>,
    /// Go on as they grow.
    pub follow: bool,
}

/// A port of this machine that is to lead to an object.
#[derive(Debug, Clone, PartialEq)]
pub struct ForwardRequest {
    /// Native kind.
    pub resource: String,
    /// Identity.
    pub identity: String,
    /// The port; a free one when it is 0.
    pub port: u16,
}

/// What is to be shown of one object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShowQuery {
    /// Native kind.
    pub resource: String,
    /// Identity.
    pub identity: String,
    /// How the second version differs from the first, instead of the list of versions.
    pub compare: Option<(String, String)>,
}

/// What an object consists of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// For people, a line each.
    pub lines: Vec<String>,
    /// The same for programs.
    pub detail: serde_json::Value,
}

/// Something that happened, for whoever watches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Event {
    /// Work on something began.
    Started {
        /// What: a step, a replica.
        subject: String,
    },
    /// It goes on.
    Progress {
        /// What.
        subject: String,
        /// How far.
        text: String,
    },
    /// It ended.
    Finished {
        /// What.
        subject: String,
        /// How.
        text: String,
        /// Whether well.
        good: bool,
    },
    /// A line of a log.
    Line {
        /// Whose.
        subject: String,
        /// The line.
        text: String,
    },
}

/// Whoever watches.
pub trait Reporter: Send + Sync {
    /// Takes an event; must not block.
    fn event(&self, event: Event);
    /// Whether the person wants it to stop.
    fn cancelled(&self) -> bool {
        false
    }
}

/// The doing half of a provider, on the target's own client library.
#[async_trait::async_trait]
pub trait Session: Send + Sync {
    /// Hears what is wanted before any of it is read, and what of it is to be taken over under which identity: says what of it this
    /// target does not know, by address and path.
    ///
    /// # Errors
    /// The target did not answer.
    async fn expect(&self, wanted: &[(&Desired, Option<&str>)]) -> Result<Diagnostics, ProviderError> {
        let _ = wanted;
        Ok(Diagnostics::new())
    }

    /// Reads an object.
    ///
    /// # Errors
    /// The target did not answer, or not in a way that can be understood. An absent object is no error.
    async fn read(&self, resource: &str, identity: &str) -> Result<Seen, ProviderError>;

    /// Makes one call; its body has no holes left.
    ///
    /// # Errors
    /// The call failed, or its outcome is not known (`Transient`).
    async fn perform(&self, call: &Call, reporter: &dyn Reporter) -> Result<(), ProviderError>;

    /// Where it works, for a person: "cluster https://… (context a), namespace b"; none where that needs no saying.
    fn place(&self) -> Option<String> {
        None
    }

    /// Whether calls can be tried without any effect.
    fn rehearses(&self) -> bool {
        false
    }

    /// Tries a call that makes or changes an object, without any effect; asked only of a target that [rehearses](Self::rehearses).
    ///
    /// # Errors
    /// The target would refuse it (`Fixed`: it would take it as a new object), or make something else of it.
    async fn rehearse(&self, call: &Call) -> Result<(), ProviderError> {
        let _ = call;
        Ok(())
    }

    /// What the credentials may not do of these calls, asked of the target before anything is changed; nothing where that cannot
    /// be asked.
    ///
    /// # Errors
    /// The target does not answer.
    async fn refused(&self, calls: &[(&ResourceId, &Call)]) -> Result<Diagnostics, ProviderError> {
        let _ = calls;
        Ok(Diagnostics::new())
    }

    /// What an object of a kind that lives in the state alone (`ResourceKind::in_state`) tells others; no other call reads or
    /// changes it. `before` is what it told so far, none where it is new; `key` names this change and no other.
    ///
    /// # Errors
    /// It cannot be what the call asks for.
    async fn remember(
        &self,
        call: &Call,
        before: Option<&KnownValue>,
        key: &str,
    ) -> Result<KnownValue, ProviderError> {
        let _ = (call, before, key);
        Ok(KnownValue::object::<&str>([]))
    }

    /// Whether an object is ready.
    ///
    /// # Errors
    /// The target did not answer.
    async fn ready(&self, resource: &str, identity: &str) -> Result<Ready, ProviderError>;

    /// What deleting an object would lose.
    ///
    /// # Errors
    /// The target did not answer.
    async fn removal(&self, resource: &str, identity: &str) -> Result<Option<Removal>, ProviderError>;

    /// Which aliases and other moving names have which value now, so that what is deferred can be decided: answers
    /// whether `desired` still has to wait.
    ///
    /// # Errors
    /// The target did not answer.
    async fn deferred(&self, desired: &Desired) -> Result<bool, ProviderError>;

    /// Runs a pipeline or a batch endpoint once, to its end.
    ///
    /// # Errors
    /// It could not be started; a run that fails is a summary that says so.
    async fn run(&self, request: &RunRequest, reporter: &dyn Reporter) -> Result<RunSummary, ProviderError>;

    /// What is there and how it is.
    ///
    /// # Errors
    /// The target did not answer.
    async fn status(
        &self,
        resources: &[(ResourceId, String, String)],
    ) -> Result<Vec<StatusEntry>, ProviderError>;

    /// The versions of an object, or how two of them differ; nothing where it has none.
    ///
    /// # Errors
    /// There is no such version, or it cannot be read.
    async fn show(&self, query: &ShowQuery) -> Result<Option<Shown>, ProviderError> {
        let _ = query;
        Ok(None)
    }

    /// Everything that carries the marks of this project and environment, of whatever lineage: what a lost state is rebuilt
    /// from. None where this target does not tell.
    ///
    /// # Errors
    /// The target did not answer.
    async fn owned(&self) -> Result<Option<Vec<Owned>>, ProviderError> {
        Ok(None)
    }

    /// Logs, as `Line` events.
    ///
    /// # Errors
    /// There are none, or they cannot be read.
    async fn logs(&self, query: &LogQuery, reporter: &dyn Reporter) -> Result<(), ProviderError>;

    /// Whether objects of this target are reached through a port that is opened for it: not where they are on this machine.
    fn forwards(&self) -> bool {
        false
    }

    /// Opens a port of this machine that leads to an object, tells its address, and carries connections until it is dropped;
    /// asked only of a target that [forwards](Self::forwards). Connections that fail are `Line` events.
    ///
    /// # Errors
    /// There is nothing to lead to, or the port is taken.
    async fn forward(
        &self,
        request: &ForwardRequest,
        opened: &(dyn Fn(String) + Send + Sync),
        reporter: &dyn Reporter,
    ) -> Result<(), ProviderError> {
        let _ = (request, opened, reporter);
        Ok(())
    }

    /// Lets versions that a rollout took out of an object be tried again; whether there were any.
    ///
    /// # Errors
    /// The target did not answer.
    async fn release(&self, _resource: &str, _identity: &str) -> Result<bool, ProviderError> {
        Ok(false)
    }

    /// Ends what outlives commands, after the last object is gone.
    ///
    /// # Errors
    /// Something would not end.
    async fn close_environment(&self) -> Result<Vec<String>, ProviderError>;

    /// The runs there have been, newest first, of one object or of all; none where this target does not tell.
    ///
    /// # Errors
    /// They cannot be read.
    async fn runs(&self, address: Option<&str>, limit: u32) -> Result<Option<Vec<RunEntry>>, ProviderError> {
        let _ = (address, limit);
        Ok(None)
    }

    /// Moves an alias back and holds it, or lets it go; none where this target has no such thing.
    ///
    /// # Errors
    /// There is nothing to go back to, or the target did not answer.
    async fn rollback(&self, request: &RollbackRequest) -> Result<Option<Shown>, ProviderError> {
        let _ = request;
        Ok(None)
    }

    /// Removes what nothing needs any more; none where this target keeps nothing of that sort.
    ///
    /// # Errors
    /// The target did not answer; what was removed until then stays removed.
    async fn collect(&self, request: &CollectRequest) -> Result<Option<Collected>, ProviderError> {
        let _ = request;
        Ok(None)
    }
}
