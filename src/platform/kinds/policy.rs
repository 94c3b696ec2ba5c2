//! `policy`.

use crate::schema::{Attribute, Kind, Scope, Ty};

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new(
        "applies",
        Ty::OneOf(&[Ty::KindName, Ty::List(&Ty::KindName)]),
        "The kinds it is about; without it, every kind.",
    ),
    Attribute::new("when", Ty::Quoted(Scope::Policy), "When it applies; without it, always."),
    Attribute::new("assert", Ty::Quoted(Scope::Policy), "What must be true.").required(),
    Attribute::new("effect", Ty::Enum(&["deny", "warn"]), "What happens when it is not.").default("\"deny\""),
    Attribute::new("message", Ty::Text, "What is said when it is not."),
];

/// A rule over declarations and planned changes.
pub const KIND: Kind = Kind {
    name: "policy",
    doc: "A rule over declarations and planned changes.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[],
    common: true,
    partial: true,
};
