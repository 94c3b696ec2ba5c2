//! `budget`.

use crate::schema::{Attribute, Kind, Ty};

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("scope", Ty::List(&Ty::Ref(&[])), "What it is about; without it, everything."),
    Attribute::new("monthly", Ty::Money, "The most in one month."),
    Attribute::new("per_run", Ty::Money, "The most in one run; a plan that cannot fit is refused."),
    Attribute::new("warn_at", Ty::Number, "The share at which someone is told."),
];

/// How much may be spent.
pub const KIND: Kind = Kind {
    name: "budget",
    doc: "How much may be spent.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[],
    common: true,
    partial: true,
};
