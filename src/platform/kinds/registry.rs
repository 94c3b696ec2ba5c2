//! `registry`.

use crate::schema::{Attribute, Kind, Output, Ty};

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("kind", Ty::Enum(&["model", "image"]), "What it holds.").default("\"model\""),
    Attribute::new("backend", Ty::Enum(&["native", "mlflow"]), "What it is kept in.").default("\"native\""),
    Attribute::new("uri", Ty::Text, "Where it is, for one that exists already."),
];

/// Where models or images live.
pub const KIND: Kind = Kind {
    name: "registry",
    doc: "Where models or images live.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[Output { name: "path", ty: Ty::Text, doc: "Where it is." }],
    common: true,
    partial: true,
};
