//! `import`.

use crate::schema::{Attribute, Kind, Ty};

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("to", Ty::Address, "The declaration that takes it over.").required().at_load(),
    Attribute::new("id", Ty::Text, "The native identifier of what exists.").required(),
    Attribute::new(
        "environments",
        Ty::List(&Ty::Ref(&["environment"])),
        "The environments it happens in; without it, all of them.",
    )
    .at_load(),
    Attribute::new("for_each", Ty::Any, "A map or set with one import for each key.").at_load(),
];

/// Taking over what exists without creating it again.
pub const KIND: Kind = Kind {
    name: "import",
    doc: "Taking over what exists without creating it again.",
    labels: &[],
    attributes: ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[],
    common: false,
    partial: false,
};
