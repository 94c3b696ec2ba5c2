//! `package`.

use crate::schema::{Attribute, Kind, Ty};

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("name", Ty::Text, "Its name.").required().at_load(),
    Attribute::new("version", Ty::Text, "Its version.").required().at_load(),
    Attribute::new("description", Ty::Text, "What it is, for people."),
];

/// What a standard says of itself, in its own files.
pub const KIND: Kind = Kind {
    name: "package",
    doc: "What a standard says of itself, in its own files.",
    labels: &[],
    attributes: ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[],
    common: false,
    partial: false,
};
