//! `runtime`.

use crate::phrases::RUNTIME_ATTRIBUTES;
use crate::schema::Kind;

/// A reproducible environment for code.
pub const KIND: Kind = Kind {
    name: "runtime",
    doc: "A reproducible environment for code.",
    labels: &["name"],
    attributes: RUNTIME_ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[],
    common: true,
    partial: true,
};
