//! `storage`.

use crate::phrases::ENCRYPT;
use crate::schema::{Attribute, Kind, Output, Ty};

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("kind", Ty::Enum(&["object", "volume"]), "Objects by key, or a file system.")
        .default("\"object\""),
    Attribute::new(
        "pattern",
        Ty::Enum(&["scan", "random", "write_once_read_many", "write_many_read_rarely"]),
        "How it is used.",
    ),
    Attribute::new("size", Ty::Bytes, "How large a volume is."),
    Attribute::new("expire", Ty::Duration, "How long an object is kept."),
    Attribute::new("encrypt", ENCRYPT, "Whether it is encrypted at rest, and with whose key."),
    Attribute::new("versioning", Ty::Bool, "Whether replaced objects are kept."),
];

/// Bytes that are provisioned.
pub const KIND: Kind = Kind {
    name: "storage",
    doc: "Bytes that are provisioned.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[Output { name: "path", ty: Ty::Text, doc: "Where it is." }],
    common: true,
    partial: true,
};
