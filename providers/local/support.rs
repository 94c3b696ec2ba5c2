//! What the local provider makes of each portable kind.

use mlp_provider::Support;

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
pub(crate) const NATIVE: &[&str] = &["dataset", "endpoint", "model", "pipeline", "storage"];

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

pub(crate) fn support(kind: &str) -> Support {
    if NATIVE.contains(&kind) {
        return Support::Native;
    }
    if DECLARATIVE.contains(&kind) {
        return Support::Declarative;
    }
    match REFUSED.iter().find(|(name, _)| *name == kind) {
        Some((_, reason)) => Support::Refused(reason),
        None => Support::Refused("the local provider does not know this kind"),
    }
}
