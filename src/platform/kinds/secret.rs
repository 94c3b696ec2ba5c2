//! `secret`.

use crate::forms;
use crate::schema::{Attribute, Kind, Ty};

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[Attribute::new(
    "from",
    Ty::Form(&forms::SECRET_PLACE),
    "Where it is: `env:`, `file:`, `k8s:`, `vault:` or the prefix of another store, and its name there.",
)
.required()];

/// A reference to a credential, never its value.
pub const KIND: Kind = Kind {
    name: "secret",
    doc: "A reference to a credential, never its value.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[],
    common: true,
    partial: true,
};
