//! `resource`.

use crate::schema::Kind;

/// One native resource, unabstracted; its other attributes are its own fields.
pub const KIND: Kind = Kind {
    name: "resource",
    doc: "One native resource, unabstracted; its other attributes are its own fields.",
    labels: &["type", "name"],
    attributes: &[],
    open: true,
    members: &[],
    outputs: &[],
    common: true,
    partial: true,
};
