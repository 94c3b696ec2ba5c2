//! `component`.

use crate::phrases::{INPUT_TYPE, OUTPUT_TYPE, PARAM_OBJECT, RUNTIME};
use crate::schema::{Attribute, Kind, Scope, Ty};

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("runtime", RUNTIME, "What it runs in."),
    Attribute::new("code", Ty::Path, "The directory of its code, which is the working directory of a run."),
    Attribute::new("run", Ty::Quoted(Scope::Command), "The command of a step."),
    Attribute::new(
        "serve",
        Ty::Text,
        "What serves: a class as `module:Class`, or a command that answers on `$MLP_PORT`.",
    ),
    Attribute::new("inputs", Ty::Map(&INPUT_TYPE), "The artifacts it takes."),
    Attribute::new(
        "params",
        Ty::Map(&Ty::OneOf(&[Ty::Object(PARAM_OBJECT), Ty::Any])),
        "The parameters it takes, by default value or in full.",
    ),
    Attribute::new("outputs", Ty::Map(&OUTPUT_TYPE), "The artifacts it hands on."),
];

/// A reusable typed step, or a server.
pub const KIND: Kind = Kind {
    name: "component",
    doc: "A reusable typed step, or a server.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[],
    common: true,
    partial: true,
};
