//! `access`.

use crate::phrases::PRINCIPALS;
use crate::schema::{Attribute, Kind, Ty};

/// Principals by what they do.
const VERBS: &[Attribute] = &[
    Attribute::new("read", PRINCIPALS, "Who reads."),
    Attribute::new("write", PRINCIPALS, "Who changes."),
    Attribute::new("run", PRINCIPALS, "Who starts runs."),
    Attribute::new("approve", PRINCIPALS, "Who approves."),
    Attribute::new("invoke", PRINCIPALS, "Who calls."),
];

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("on", Ty::List(&Ty::Ref(&[])), "What it is about.").required(),
    Attribute::new("allow", Ty::Object(VERBS), "What is permitted, to whom."),
    Attribute::new("deny", Ty::Object(VERBS), "What is refused, to whom; `*` is everyone else."),
];

/// Who may do what; a denial wins over a permission.
pub const KIND: Kind = Kind {
    name: "access",
    doc: "Who may do what; a denial wins over a permission.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[],
    common: true,
    partial: true,
};
