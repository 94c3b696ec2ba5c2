//! `provider`.

use crate::schema::{Attribute, Kind, Ty};

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("description", Ty::Text, "What it is, for people."),
    Attribute::new("labels", Ty::Map(&Ty::Text), "Labels put on everything made with it."),
];

/// Where things can run; its other attributes are those of its kind.
pub const KIND: Kind = Kind {
    name: "provider",
    doc: "Where things can run; its other attributes are those of its kind.",
    labels: &["kind", "name"],
    attributes: ATTRIBUTES,
    open: true,
    members: &[],
    outputs: &[],
    common: false,
    partial: true,
};
