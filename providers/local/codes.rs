//! Diagnostic codes of this room.

/// Codes with their titles.
pub const CODES: crate::mlp_diag::CodeList = &[
    (REFUSED, "the local provider does not serve this kind of thing"),
    (NOT_SERVED, "an attribute is not served by the local provider"),
    (UNRESOLVED, "a reference leads nowhere"),
    (SOURCE_MISSING, "the data of a source is missing"),
    (RUNTIME, "a runtime is not there or does not fit"),
    (STEP, "a step of a pipeline is not complete"),
    (TRAFFIC, "the traffic of an endpoint does not sum to 100 percent"),
    (VALUE, "a value is not possible here"),
    (CODE_MISSING, "a code directory cannot be read"),
    (DOCUMENT, "a record of the local provider cannot be read or written"),
    (GENERATE, "the command that makes a source failed"),
    (CHANGED, "something changed between plan and apply"),
    (SECRET, "a secret cannot be read"),
    (SUPERVISOR, "the supervisor does not answer"),
    (NOT_READY, "an endpoint does not become ready"),
    (NO_VERSION, "a model has no such version"),
    (ROLLED_BACK, "a new version of a model was taken out of an endpoint"),
    (CHECK_FAILED, "a check failed"),
    (GATE_REFUSED, "a gate refused a version"),
    (METRIC_MISSING, "a gate or check names a metric that is not there"),
    (RUN, "a run failed"),
    (NO_LOGS, "there are no such logs"),
    (TRIGGER, "a trigger is not possible as it is written"),
    (ROLLBACK, "a rollback is not possible"),
    (COLLECT, "garbage cannot be collected"),
];

pub(crate) const REFUSED: &str = "MLP0801";
pub(crate) const NOT_SERVED: &str = "MLP0802";
pub(crate) const UNRESOLVED: &str = "MLP0803";
pub(crate) const SOURCE_MISSING: &str = "MLP0804";
pub(crate) const RUNTIME: &str = "MLP0805";
pub(crate) const STEP: &str = "MLP0806";
pub(crate) const TRAFFIC: &str = "MLP0807";
pub(crate) const VALUE: &str = "MLP0808";
pub(crate) const CODE_MISSING: &str = "MLP0809";
pub(crate) const DOCUMENT: &str = "MLP0810";
pub(crate) const GENERATE: &str = "MLP0811";
pub(crate) const CHANGED: &str = "MLP0812";
pub(crate) const SECRET: &str = "MLP0813";
pub(crate) const SUPERVISOR: &str = "MLP0820";
pub(crate) const NOT_READY: &str = "MLP0821";
pub(crate) const NO_VERSION: &str = "MLP0822";
pub(crate) const ROLLED_BACK: &str = "MLP0823";
pub(crate) const CHECK_FAILED: &str = "MLP0830";
pub(crate) const GATE_REFUSED: &str = "MLP0831";
pub(crate) const METRIC_MISSING: &str = "MLP0832";
pub(crate) const RUN: &str = "MLP0840";
pub(crate) const NO_LOGS: &str = "MLP0841";
pub(crate) const TRIGGER: &str = "MLP0850";
pub(crate) const ROLLBACK: &str = "MLP0851";
pub(crate) const COLLECT: &str = "MLP0852";
