//! `module`.

use crate::schema::{Attribute, Kind, Ty};

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("source", Ty::Text, "The directory it is read from, relative to this one.")
        .required()
        .at_load(),
    Attribute::new("version", Ty::Text, "Its version, where its source has versions.").at_load(),
    Attribute::new(
        "inputs",
        Ty::Map(&Ty::Any),
        "Values of its variables, where they have names of the block's own attributes; others stand beside these.",
    ),
];

/// A sub-graph used again with inputs of its own; its other attributes are the values of its variables.
pub const KIND: Kind = Kind {
    name: "module",
    doc: "A sub-graph used again with inputs of its own; its other attributes are the values of its variables.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: true,
    members: &[],
    outputs: &[],
    common: true,
    partial: true,
};
