//! `data`.

use crate::schema::Kind;

/// A read-only look-up of something that exists; its other attributes are those of its type.
pub const KIND: Kind = Kind {
    name: "data",
    doc: "A read-only look-up of something that exists; its other attributes are those of its type.",
    labels: &["type", "name"],
    attributes: &[],
    open: true,
    members: &[],
    outputs: &[],
    common: true,
    partial: true,
};
