//! `output`.

use crate::phrases::CONDITION;
use crate::schema::{Attribute, Kind, Ty};

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("value", Ty::Any, "The value.").required().at_apply(),
    Attribute::new("precondition", Ty::Repeated(CONDITION), "What must hold before its value is told.")
        .at_apply(),
    Attribute::new("description", Ty::Text, "What it is, for people."),
    Attribute::new("sensitive", Ty::Bool, "Whether it must not be shown.").default("false"),
];

/// A value shown after apply and readable by other projects.
pub const KIND: Kind = Kind {
    name: "output",
    doc: "A value shown after apply and readable by other projects.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[],
    common: false,
    partial: false,
};
