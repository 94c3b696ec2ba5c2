//! `project`.

use crate::phrases::STATE;
use crate::schema::{Attribute, Kind, Ty};

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("mlp_version", Ty::Text, "The versions of the language it is written for.").at_load(),
    Attribute::new("version", Ty::Text, "The version of its outputs, for projects that refer to them.")
        .at_load(),
    Attribute::new("description", Ty::Text, "What it is, for people."),
    Attribute::new("labels", Ty::Map(&Ty::Text), "Labels put on everything made for it."),
    Attribute::new("state", Ty::Object(STATE), "Where state is kept unless an environment says otherwise.")
        .at_load(),
    Attribute::new("storage", Ty::Ref(&["storage"]), "Where artifacts go unless a pipeline says otherwise."),
];

/// The identity of the specification.
pub const KIND: Kind = Kind {
    name: "project",
    doc: "The identity of the specification.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[],
    common: false,
    partial: false,
};
