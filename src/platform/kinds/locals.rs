//! `locals`.

use crate::schema::Kind;

/// Names for expressions: each attribute is one, read as `local.<name>`.
pub const KIND: Kind = Kind {
    name: "locals",
    doc: "Names for expressions: each attribute is one, read as `local.<name>`.",
    labels: &[],
    attributes: &[],
    open: true,
    members: &[],
    outputs: &[],
    common: false,
    partial: false,
};
