//! `model`.

use crate::forms;
use crate::phrases::RUNTIME;
use crate::schema::{Attribute, Kind, Member, Output, Scope, Ty};

/// Which versions are kept.
const KEEP: &[Attribute] = &[
    Attribute::new("versions", Ty::Integer(1, i64::MAX), "How many of the newest are kept."),
    Attribute::new("at_least", Ty::Duration, "How long every version is kept."),
];

/// What a user should know.
const CARD: &[Attribute] = &[
    Attribute::new("intended_use", Ty::Text, "What it is for."),
    Attribute::new("out_of_scope", Ty::List(&Ty::Text), "What it is not for."),
    Attribute::new("risk_class", Ty::Text, "How risky its use is, by which law."),
    Attribute::new("limitations", Ty::List(&Ty::Text), "Where it is known to fail."),
];

/// One gate.
const GATE: &[Attribute] = &[
    Attribute::new("from", Ty::Text, "The alias whose version is examined.").required(),
    Attribute::new("to", Ty::Text, "The alias that moves to it.").required(),
    Attribute::new(
        "assert",
        Ty::Quoted(Scope::Gate),
        "What must be true; without an incumbent `champion` is null.",
    )
    .required(),
    Attribute::new("message", Ty::Text, "What is said when it is not."),
];

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new(
        "registry",
        Ty::Ref(&["registry"]),
        "Where its versions live, instead of the environment's own.",
    ),
    Attribute::new("kind", Ty::Enum(&["full", "lora", "adapter"]), "What a version is."),
    Attribute::new("base", Ty::Text, "The model that versions are made from."),
    Attribute::new(
        "from",
        Ty::OneOf(&[Ty::Ref(&["artifact"]), Ty::Form(&forms::LOCATION)]),
        "Where its versions come from, for one trained elsewhere.",
    ),
    Attribute::new("signature", Ty::Path, "The file that says what it takes and gives."),
    Attribute::new(
        "serve",
        Ty::Text,
        "What serves it: a class as `module:Class`, or a command that answers on `$MLP_PORT`; without it, MLflow serves its own directories.",
    ),
    Attribute::new("code", Ty::Path, "The directory of the code that serves it."),
    Attribute::new("runtime", RUNTIME, "What it is served in."),
    Attribute::new("aliases", Ty::List(&Ty::Text), "Movable names of versions; `latest` is always one."),
    Attribute::new("keep", Ty::Object(KEEP), "Which versions are kept."),
    Attribute::new("card", Ty::Open(CARD), "What a user should know of it."),
    Attribute::new("license", Ty::Text, "The licence it is under."),
    Attribute::new("gate", Ty::Labelled(GATE), "What a version must meet to go from one alias to another."),
];

/// A registered model: its versions, aliases and the gates between them.
pub const KIND: Kind = Kind {
    name: "model",
    doc: "A registered model: its versions, aliases and the gates between them.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[
        Member { word: "alias", names_from: "aliases", is: "model", facts: &[] },
        Member { word: "version", names_from: "", is: "model", facts: &[] },
        Member { word: "gate", names_from: "gate", is: "gate", facts: &["passed"] },
    ],
    outputs: &[Output { name: "version", ty: Ty::Text, doc: "The version that `latest` names." }],
    common: true,
    partial: true,
};
