//! `module`.

use crate::schema::{Attribute, Kind, Ty};

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("source", Ty::Text, "Where it comes from.").required().at_load(),
    Attribute::new("version", Ty::Text, "Its version.").at_load(),
    Attribute::new("inputs", Ty::Map(&Ty::Any), "Values of its variables."),
];

/// A sub-graph used again with inputs of its own.
pub const KIND: Kind = Kind {
    name: "module",
    doc: "A sub-graph used again with inputs of its own.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[],
    common: true,
    partial: true,
};
