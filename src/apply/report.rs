//! What goes in beside the plan, and what comes out.

use std::sync::Arc;
use std::time::Duration;

use mlp_plan::mlp_provider::mlp_diag::Diagnostic;
use mlp_plan::mlp_provider::mlp_eval::PlanValue;
use mlp_plan::mlp_provider::mlp_value::{Address, ResourceId};
use mlp_plan::mlp_provider::{Event, ResourceKind};
use mlp_plan::{Action, PlanStep};
use tokio::sync::watch;

/// Who is asked before something is made or changed.
pub trait Gate: std::fmt::Debug + Send + Sync {
    /// Why the step must not be taken, by the outputs of what there is by now.
    fn refuses(&self, step: &PlanStep, outputs: &dyn Fn(&Address) -> Option<PlanValue>)
    -> Option<Diagnostic>;
}

/// How to go about it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Steps at once; at least one.
    pub parallelism: usize,
    /// How long to wait until an object is ready, or gone.
    pub ready_timeout: Duration,
    /// Whether to wait for what goes on by itself while an object serves already, such as a rollout.
    pub follow_through: bool,
    /// How long to go on trying a call that fails for a passing reason.
    pub retry_deadline: Duration,
    /// First wait between tries; doubles up to ten seconds.
    pub backoff: Duration,
    /// The provider's field tables: how what is read back is compared.
    pub kinds: Vec<ResourceKind>,
    /// How to stop it.
    pub cancel: Cancel,
    /// Asked before each step that makes or changes something.
    pub gate: Option<Arc<dyn Gate>>,
}

impl Options {
    /// Ten steps at once, ten minutes to become ready, two minutes of trying again.
    pub fn new(kinds: &[ResourceKind]) -> Self {
        Self {
            parallelism: 10,
            ready_timeout: Duration::from_secs(600),
            follow_through: true,
            retry_deadline: Duration::from_secs(120),
            backoff: Duration::from_millis(100),
            kinds: kinds.to_vec(),
            cancel: Cancel::default(),
            gate: None,
        }
    }
}

/// A wish to stop: the first starts nothing new, the second waits for nothing any more.
#[derive(Debug, Clone)]
pub struct Cancel(watch::Sender<u32>);

impl Default for Cancel {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Cancel {
    /// Asks to stop, once more.
    pub fn request(&self) {
        self.0.send_modify(|times| *times = times.saturating_add(1));
    }

    /// How often it was asked.
    pub fn requests(&self) -> u32 {
        *self.0.borrow()
    }

    pub(crate) async fn at_least(&self, times: u32) {
        // The sender lives as long as `self`, so waiting only ends with the wish.
        let _ = self.0.subscribe().wait_for(|asked| *asked >= times).await;
    }
}

/// Something that happened while applying.
#[derive(Debug, Clone, PartialEq)]
pub enum ApplyEvent {
    /// A step began.
    Started {
        /// The plan's step.
        step: u32,
        /// Of what.
        resource: ResourceId,
        /// What is done.
        action: Action,
    },
    /// It tries again.
    Retry {
        /// Of what.
        resource: ResourceId,
        /// Why.
        why: String,
    },
    /// It waits for the object.
    Waiting {
        /// Of what.
        resource: ResourceId,
        /// What the object is doing.
        hint: String,
    },
    /// The provider says something of it.
    Provider {
        /// Of what.
        resource: ResourceId,
        /// What.
        event: Event,
    },
    /// A step is done.
    Done {
        /// The plan's step.
        step: u32,
        /// Of what.
        resource: ResourceId,
        /// What was done.
        action: Action,
    },
    /// A step failed.
    Failed {
        /// Of what.
        resource: ResourceId,
        /// How.
        diagnostic: Box<Diagnostic>,
    },
    /// A step was not started.
    Skipped {
        /// Of what.
        resource: ResourceId,
        /// Why.
        why: String,
    },
}

/// Whoever watches an apply.
pub trait ApplyReporter: Send + Sync {
    /// Takes an event; must not block.
    fn event(&self, event: ApplyEvent);
}

/// A step that was not started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Of what.
    pub resource: ResourceId,
    /// Why.
    pub why: String,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// Numbers of the steps that were done, in the order they ended.
    pub done: Vec<u32>,
    /// What failed.
    pub failed: Vec<(ResourceId, Diagnostic)>,
    /// What was not started.
    pub skipped: Vec<Skipped>,
    /// What kept all of it from starting, or from going on.
    pub problems: Vec<Diagnostic>,
    /// The plan was made over another state: nothing was done.
    pub stale: bool,
    /// It was asked to stop.
    pub cancelled: bool,
}

impl Outcome {
    /// Whether everything was done.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.skipped.is_empty() && self.problems.is_empty() && !self.cancelled
    }

    /// The word for the journal's closing entry.
    pub fn word(&self) -> &'static str {
        match self {
            _ if self.cancelled => "interrupted",
            _ if self.is_complete() => "done",
            _ => "failed",
        }
    }
}
