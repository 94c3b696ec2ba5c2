//! `check`.

use crate::phrases::RUNTIME;
use crate::schema::{Attribute, Kind, Member, Scope, Ty};

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new(
        "on",
        Ty::Ref(&["pipeline", "model", "endpoint", "component", "dataset", "features"]),
        "What is tested.",
    ),
    Attribute::new("runtime", RUNTIME, "What the command runs in."),
    Attribute::new("code", Ty::Path, "The directory of the command's code."),
    Attribute::new(
        "run",
        Ty::Quoted(Scope::Command),
        "A command whose success is the test's; `input.x` are the outputs of the pipeline.",
    ),
    Attribute::new("assert", Ty::Quoted(Scope::Check), "What must be true of the metrics."),
    Attribute::new("message", Ty::Text, "What is said when it fails."),
    Attribute::new("timeout", Ty::Duration, "The longest the command may take."),
];

/// A test run by `mlp test` and usable in gates.
pub const KIND: Kind = Kind {
    name: "check",
    doc: "A test run by `mlp test` and usable in gates.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[Member { word: "passed", names_from: "", is: "fact", facts: &[] }],
    outputs: &[],
    common: true,
    partial: true,
};
