//! What the Kubernetes provider makes of each portable kind.

use mlp_provider::Dialect;

use crate::codes;

/// Kinds that become objects.
const NATIVE: &[&str] = &["dataset", "endpoint", "model", "pipeline", "registry", "storage"];

/// Kinds to which the specification alone gives their meaning.
const DECLARATIVE: &[&str] = &[
    "check",
    "component",
    "compute",
    "environment",
    "import",
    "locals",
    "module",
    "moved",
    "output",
    "project",
    "provider",
    "reference",
    "removed",
    "resource",
    "runtime",
    "secret",
    "source",
    "team",
    "variable",
];

/// Kinds that are refused, and what is not there yet.
const REFUSED: &[(&str, &str)] = &[
    (
        "access",
        "`access` is not served on Kubernetes yet: declare `kubernetes_role` and `kubernetes_role_binding` resources",
    ),
    (
        "alert",
        "`alert` is not served on Kubernetes yet: it needs rules of Prometheus, which are not written so far",
    ),
    ("app", "`app` is not served on Kubernetes yet"),
    (
        "budget",
        "`budget` is not served on Kubernetes: a cluster does not know what it costs; bound it with a `kubernetes_resource_quota` resource",
    ),
    ("data", "`data` is not looked up in clusters yet"),
    ("entity", "`entity` is not served on Kubernetes yet: there is no feature store so far"),
    ("experiment", "`experiment` is not served on Kubernetes yet: there is no tracker in the cluster so far"),
    ("features", "`features` is not served on Kubernetes yet: there is no feature store so far"),
    (
        "monitor",
        "`monitor` is not served on Kubernetes yet: nothing computes its signals in the cluster so far",
    ),
    ("package", "`package` is not served on Kubernetes yet"),
    ("policy", "`policy` is not served on Kubernetes yet"),
    ("product", "`product` is not served on Kubernetes yet"),
    ("promotion", "`promotion` is not served on Kubernetes yet"),
    ("standard", "`standard` is not served on Kubernetes yet"),
    ("workspace", "`workspace` is not served on Kubernetes yet"),
];

/// Why some attributes are not served, where that is worth a line.
const REASONS: &[(&str, &str)] = &[
    ("quality", "expectations are checked of data that the registry keeps: leave `storage` out"),
    ("protection", "what is protected is data that the registry keeps: leave `storage` out"),
    ("members", "who is in a team says something only to `access`, which is not served yet"),
    ("idp_group", "who is in a team says something only to `access`, which is not served yet"),
    ("cache", "results of earlier runs are not used again in the cluster yet"),
    (
        "base",
        "an image is built for a runtime that is declared by itself, and has no other: `runtime \"x\" { base = \"…\" }`",
    ),
    (
        "lock",
        "the packages are those of a finished image: with `base` instead of `image`, one is built that has them",
    ),
    ("version", "the language is that of a finished image: with `base` instead of `image`, it is looked at"),
    (
        "accelerator",
        "accelerators are not resolved for clusters yet; name the node and the resource with an `override`",
    ),
    (
        "encrypt",
        "volumes are encrypted by their class: name one with `override \"kubernetes\" { set = { storageClassName = \"…\" } }`",
    ),
    ("create_before_destroy", "a name follows from the address, so that two cannot stand side by side"),
];

/// What this provider serves, and how it says no.
pub(crate) static DIALECT: Dialect = Dialect {
    provider: "Kubernetes provider",
    native: NATIVE,
    declarative: DECLARATIVE,
    refused: REFUSED,
    reasons: REASONS,
    without: &[],
    not_served: codes::NOT_SERVED,
    unresolved: codes::UNRESOLVED,
};
