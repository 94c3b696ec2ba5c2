//! `environment`.

use crate::phrases::{SAMPLE, STATE};
use crate::schema::{Attribute, Kind, Ty};

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("description", Ty::Text, "What it is, for people."),
    Attribute::new("provider", Ty::Ref(&["provider"]), "Where its things run.").required().at_load(),
    Attribute::new("mode", Ty::Enum(&["development", "shared", "production"]), "What it permits.")
        .default("\"shared\"")
        .at_load(),
    Attribute::new("variables", Ty::Map(&Ty::Any), "Values of variables in it.").at_load(),
    Attribute::new(
        "only",
        Ty::List(&Ty::Ref(&[])),
        "The declarations it has, with what they refer to; without it, all of them.",
    )
    .at_load(),
    Attribute::new("except", Ty::List(&Ty::Ref(&[])), "Declarations it does not have.").at_load(),
    Attribute::new("residency", Ty::List(&Ty::Text), "The places where its data may be."),
    Attribute::new("sample", Ty::Object(SAMPLE), "How much of every dataset is kept in it."),
    Attribute::new("labels", Ty::Map(&Ty::Text), "Labels put on everything in it."),
    Attribute::new("state", Ty::Object(STATE), "Where its state is kept.").at_load(),
];

/// A target the specification is compiled for, with the partial blocks that differ there.
pub const KIND: Kind = Kind {
    name: "environment",
    doc: "A target the specification is compiled for, with the partial blocks that differ there.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[],
    common: false,
    partial: false,
};
