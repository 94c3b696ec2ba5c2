//! `moved`.

use crate::schema::{Attribute, Kind, Ty};

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("from", Ty::Address, "The address it had.").required().at_load(),
    Attribute::new("to", Ty::Address, "The address it has.").required().at_load(),
    Attribute::new(
        "environments",
        Ty::List(&Ty::Ref(&["environment"])),
        "The environments it happened in; without it, all of them.",
    )
    .at_load(),
];

/// A declaration that has a new address.
pub const KIND: Kind = Kind {
    name: "moved",
    doc: "A declaration that has a new address.",
    labels: &[],
    attributes: ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[],
    common: false,
    partial: false,
};
