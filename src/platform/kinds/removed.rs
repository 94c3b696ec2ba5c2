//! `removed`.

use crate::schema::{Attribute, Kind, Ty};

/// What becomes of the real thing.
const REMOVED_LIFECYCLE: &[Attribute] = &[
    Attribute::new(
        "on_destroy",
        Ty::Enum(&["delete", "keep"]),
        "Whether it is deleted or kept; kept unless said.",
    ),
    Attribute::new("destroy", Ty::Bool, "The same as a truth value: `false` keeps it."),
];

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("from", Ty::Address, "The address it had.").required().at_load(),
    Attribute::new("lifecycle", Ty::Object(REMOVED_LIFECYCLE), "What becomes of the real thing."),
    Attribute::new(
        "environments",
        Ty::List(&Ty::Ref(&["environment"])),
        "The environments it happened in; without it, all of them.",
    )
    .at_load(),
];

/// A declaration that is gone.
pub const KIND: Kind = Kind {
    name: "removed",
    doc: "A declaration that is gone.",
    labels: &[],
    attributes: ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[],
    common: false,
    partial: false,
};
