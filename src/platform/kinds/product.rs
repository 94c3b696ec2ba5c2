//! `product`.

use crate::forms;
use crate::schema::{Attribute, Kind, Scope, Ty};

/// One indicator.
const KPI: &[Attribute] = &[
    Attribute::new("unit", Ty::Text, "What it is counted in."),
    Attribute::new("target", Ty::Number, "The value that is aimed at."),
    Attribute::new("from", Ty::Text, "Where its value comes from: `sql:<path>` or a metric."),
];

/// One milestone.
const MILESTONE: &[Attribute] = &[
    Attribute::new(
        "done_when",
        Ty::List(&Ty::Quoted(Scope::Check)),
        "What must be true for it to be reached.",
    )
    .required(),
    Attribute::new("due", Ty::Form(&forms::DAY), "The day it is due."),
];

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("stage", Ty::Enum(&["poc", "prototype", "mvp", "production"]), "How far it is."),
    Attribute::new("kpi", Ty::Labelled(KPI), "One indicator by name."),
    Attribute::new("milestone", Ty::Labelled(MILESTONE), "One milestone by name."),
];

/// Why and how far: its indicators and milestones.
pub const KIND: Kind = Kind {
    name: "product",
    doc: "Why and how far: its indicators and milestones.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[],
    common: true,
    partial: true,
};
