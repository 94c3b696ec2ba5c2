//! `variable`.

use crate::phrases::CONDITION;
use crate::schema::{Attribute, Kind, Ty};

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("type", Ty::TypeExpr, "The type its value must have.").at_load(),
    Attribute::new("default", Ty::Any, "The value when none is given; in which order others are taken is told in [Variables](../variables.md).").at_load(),
    Attribute::new("description", Ty::Text, "What it is for."),
    Attribute::new("sensitive", Ty::Bool, "Whether its value must not be shown.").default("false").at_load(),
    Attribute::new("nullable", Ty::Bool, "Whether its value may be null; otherwise null means the default.").default("true").at_load(),
    Attribute::new("ephemeral", Ty::Bool, "Whether its value must not be kept in plans and states.").default("false").at_load(),
    Attribute::new("validation", Ty::Repeated(CONDITION), "What must hold for its value.").at_load(),
];

/// A parameter of the specification.
pub const KIND: Kind = Kind {
    name: "variable",
    doc: "A parameter of the specification.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[],
    common: false,
    partial: false,
};
