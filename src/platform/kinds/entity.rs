//! `entity`.

use crate::schema::{Attribute, Kind, Ty};

/// Its attributes.
const ATTRIBUTES: &[Attribute] =
    &[Attribute::new("key", Ty::List(&Ty::Text), "The columns that identify it.").required()];

/// What features are keyed by.
pub const KIND: Kind = Kind {
    name: "entity",
    doc: "What features are keyed by.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[],
    common: true,
    partial: true,
};
