//! `reference`.

use crate::phrases::STATE;
use crate::schema::{Attribute, Kind, Ty};

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("project", Ty::Text, "The directory of the project; without it, this one.").at_load(),
    Attribute::new(
        "environment",
        Ty::OneOf(&[Ty::Ref(&["environment"]), Ty::Text]),
        "The environment; without it, the one of the same name.",
    )
    .at_load(),
    Attribute::new("version", Ty::Text, "The versions of its outputs that are accepted.").at_load(),
    Attribute::new("outputs", Ty::Map(&Ty::TypeExpr), "The outputs that are read, and their types."),
    Attribute::new("state", Ty::Open(STATE), "Where the other's state is kept.").at_load(),
];

/// Typed, versioned outputs of another project or environment.
pub const KIND: Kind = Kind {
    name: "reference",
    doc: "Typed, versioned outputs of another project or environment.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[],
    common: false,
    partial: true,
};
