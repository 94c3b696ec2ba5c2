//! What the Kubernetes provider makes of each portable kind.

use mlp_provider::Support;

/// Kinds that become objects.
pub(crate) const NATIVE: &[&str] = &["dataset", "endpoint", "pipeline", "storage"];

/// Kinds to which the specification alone gives their meaning.
const DECLARATIVE: &[&str] = &[
    "component",
    "compute",
    "environment",
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
    ("check", "`check` is not served on Kubernetes yet: nothing runs it in the cluster so far"),
    ("data", "`data` is not looked up in clusters yet"),
    ("entity", "`entity` is not served on Kubernetes yet: there is no feature store so far"),
    ("experiment", "`experiment` is not served on Kubernetes yet: there is no tracker in the cluster so far"),
    ("features", "`features` is not served on Kubernetes yet: there is no feature store so far"),
    (
        "import",
        "`import` is not served on Kubernetes yet: what is in the cluster without our marks stays as it is",
    ),
    (
        "model",
        "`model` is not served on Kubernetes yet: there is no model registry in the cluster so far; serve an image that holds its model with `serve = component.x`",
    ),
    (
        "monitor",
        "`monitor` is not served on Kubernetes yet: nothing computes its signals in the cluster so far",
    ),
    ("package", "`package` is not served on Kubernetes yet"),
    ("policy", "`policy` is not served on Kubernetes yet"),
    ("product", "`product` is not served on Kubernetes yet"),
    ("promotion", "`promotion` is not served on Kubernetes yet"),
    (
        "registry",
        "`registry` is not served on Kubernetes yet: there is no model registry in the cluster so far",
    ),
    (
        "source",
        "`source` is not served on Kubernetes yet: nothing reads it in the cluster so far; let a step read it",
    ),
    ("standard", "`standard` is not served on Kubernetes yet"),
    ("workspace", "`workspace` is not served on Kubernetes yet"),
];

pub(crate) fn support(kind: &str) -> Support {
    if NATIVE.contains(&kind) {
        return Support::Native;
    }
    if DECLARATIVE.contains(&kind) {
        return Support::Declarative;
    }
    match REFUSED.iter().find(|(name, _)| *name == kind) {
        Some((_, reason)) => Support::Refused(reason),
        None => Support::Refused("the Kubernetes provider does not know this kind"),
    }
}
