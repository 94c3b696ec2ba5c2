//! `workspace`.

use crate::forms;
use crate::phrases::{COMPUTE, PRINCIPALS};
use crate::schema::{Attribute, Kind, Output, Ty};

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("image", Ty::OneOf(&[Ty::Ref(&["runtime"]), Ty::Form(&forms::IMAGE)]), "What runs in it.")
        .required(),
    Attribute::new("compute", COMPUTE, "Where it runs."),
    Attribute::new("idle", Ty::Duration, "After how long unused it is stopped."),
    Attribute::new("members", PRINCIPALS, "Who may use it."),
    Attribute::new("datasets", Ty::List(&Ty::Ref(&["dataset"])), "The datasets readable in it."),
    Attribute::new("size", Ty::Bytes, "How large its home is."),
];

/// A notebook or development box.
pub const KIND: Kind = Kind {
    name: "workspace",
    doc: "A notebook or development box.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[Output { name: "url", ty: Ty::Text, doc: "Where it is." }],
    common: true,
    partial: true,
};
