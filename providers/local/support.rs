//! What the local provider makes of each portable kind.

use mlp_provider::Dialect;

use crate::codes;

macro_rules! refuse {
    ($($kind:literal),* $(,)?) => {
        /// Kinds that this provider cannot serve, each with its reason and way out.
        const REFUSED: &[(&str, &str)] = &[$((
            $kind,
            concat!(
                "the local provider does not serve `", $kind, "`"
            ),
        )),*];
    };
}

refuse!(
    "access",
    "alert",
    "app",
    "budget",
    "entity",
    "experiment",
    "features",
    "monitor",
    "package",
    "policy",
    "product",
    "promotion",
    "standard",
    "team",
    "workspace",
);

/// Kinds that become resources of their own.
const NATIVE: &[&str] = &["dataset", "endpoint", "model", "pipeline", "storage"];

const DECLARATIVE: &[&str] = &[
    "check",
    "component",
    "compute",
    "data",
    "environment",
    "import",
    "locals",
    "module",
    "moved",
    "output",
    "project",
    "provider",
    "reference",
    "registry",
    "removed",
    "resource",
    "runtime",
    "secret",
    "source",
    "variable",
];

/// Why some attributes are not served, where that is worth a line.
const REASONS: &[(&str, &str)] = &[
    ("monitor", "monitors are not watched by the local provider; let a schedule or a dataset start the run"),
    ("breaches", "monitors are not watched by the local provider; let a schedule or a dataset start the run"),
    ("encrypt", "what is encrypted are datasets: set `protection = { encrypt = true }` there"),
    ("accelerator", "a batch runs on the processors of this machine"),
    ("nodes", "there is one node: this machine"),
    ("compute", "endpoints run as processes of this machine"),
    ("capacity", "a machine that is there already is not bought"),
    ("max_cost", "this machine has no price"),
    ("launcher", "there is one node, on which the command is started once"),
    ("gang", "there is one node, so that nothing has to start together"),
    ("progress", "a step says how far it is itself, in lines that begin with `mlp:progress`"),
    ("slices", "a step writes the metrics of slices itself, into `slices` of its metrics file"),
    ("image", "processes are started without containers"),
    ("tokens", "the router does not know what a token is"),
    ("ttft_p95", "the router does not know what a token is"),
    ("tpot_p95", "the router does not know what a token is"),
    ("callers", "there are no accounts on this machine; give keys with `auth.keys_from`"),
    (
        "create_before_destroy",
        "an object's name follows from its address, so that two cannot stand side by side",
    ),
    ("depends_on", "a check is run with what it is on, whose order holds for it too"),
    ("timeouts", "its operations are done when the call returns"),
];

/// What this provider serves, and how it says no.
pub(crate) static DIALECT: Dialect = Dialect {
    provider: "local provider",
    native: NATIVE,
    declarative: DECLARATIVE,
    refused: REFUSED,
    reasons: REASONS,
    // What is looked at beside something else has no order of its own.
    without: &[("check", "depends_on")],
    not_served: codes::NOT_SERVED,
    unresolved: codes::UNRESOLVED,
};
