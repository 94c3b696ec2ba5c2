//! `alert`.

use crate::forms;
use crate::schema::{Attribute, Kind, Scope, Ty};

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("when", Ty::Quoted(Scope::Metric), "What must be true.").required(),
    Attribute::new("lasting", Ty::Duration, "How long it must have been true."),
    Attribute::new(
        "notify",
        Ty::List(&Ty::Form(&forms::RECIPIENT)),
        "Who is told: `pagerduty:<service>`, `slack:<channel>`, `mail:<address>`.",
    )
    .required(),
];

/// When someone is told.
pub const KIND: Kind = Kind {
    name: "alert",
    doc: "When someone is told.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[],
    common: true,
    partial: true,
};
