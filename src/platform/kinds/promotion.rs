//! `promotion`.

use crate::forms;
use crate::schema::{Attribute, Kind, Scope, Ty};

/// Who must approve.
const APPROVE: &[Attribute] = &[
    Attribute::new("by", Ty::List(&Ty::Ref(&["team"])), "The teams whose members may approve.").required(),
    Attribute::new("count", Ty::Integer(1, i64::MAX), "How many must approve.").default("1"),
    Attribute::new("not_author", Ty::Bool, "Whether the author's own approval does not count.")
        .default("false"),
];

/// When a crossing is undone.
const ROLLBACK: &[Attribute] = &[
    Attribute::new("on", Ty::List(&Ty::Ref(&["alert", "monitor", "signal"])), "What undoes it.").required(),
    Attribute::new("to", Ty::Enum(&["previous"]), "What is returned to.").default("\"previous\""),
];

/// What guards an environment.
const GATE: &[Attribute] = &[
    Attribute::new("require", Ty::List(&Ty::Quoted(Scope::Gate)), "Conditions that must all hold."),
    Attribute::new("approve", Ty::Object(APPROVE), "Who must approve."),
    Attribute::new(
        "window",
        Ty::Form(&forms::WINDOW),
        "When it may be entered: days, hours and a time zone.",
    ),
    Attribute::new("rollback", Ty::Object(ROLLBACK), "When a crossing is undone."),
];

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("description", Ty::Text, "What it is, for people."),
    Attribute::new("path", Ty::List(&Ty::Ref(&["environment"])), "The environments in order.").required(),
    Attribute::new("carry", Ty::Enum(&["code", "model"]), "What crosses from one environment to the next.")
        .default("\"code\""),
    Attribute::new(
        "evidence",
        Ty::List(&Ty::Enum(&["plan", "tests", "model_card", "lineage"])),
        "What must be kept of every crossing.",
    ),
    Attribute::new(
        "gate",
        Ty::Labelled(GATE),
        "What must hold before the environment of that name is entered.",
    ),
];

/// The path of the specification or its models through the environments.
pub const KIND: Kind = Kind {
    name: "promotion",
    doc: "The path of the specification or its models through the environments.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[],
    common: false,
    partial: false,
};
