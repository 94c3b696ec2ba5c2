//! `features`.

use crate::forms;
use crate::phrases::COLUMN_TYPE;
use crate::schema::{Attribute, Kind, Ty};

/// How history is kept.
const OFFLINE: &[Attribute] = &[
    Attribute::new("keep", Ty::Duration, "How long values are kept."),
    Attribute::new("storage", Ty::Ref(&["storage"]), "Where they are kept."),
];

/// How it is served.
const ONLINE: &[Attribute] = &[
    Attribute::new("ttl", Ty::Duration, "How long a value is served."),
    Attribute::new("p99", Ty::Duration, "How fast a look-up must be."),
];

/// How it is computed.
const TRANSFORM: &[Attribute] = &[
    Attribute::new(
        "kind",
        Ty::Enum(&["model_independent", "model_dependent", "on_demand"]),
        "When it is computed.",
    )
    .required(),
    Attribute::new("engine", Ty::Text, "What computes it.").required(),
    Attribute::new("code", Ty::Path, "The code that computes it.").required(),
    Attribute::new(
        "window",
        Ty::OneOf(&[Ty::Duration, Ty::List(&Ty::Duration)]),
        "The windows it aggregates over.",
    ),
];

/// What part of history is computed.
const BACKFILL: &[Attribute] = &[
    Attribute::new("start", Ty::Form(&forms::DAY), "The first day.").required(),
    Attribute::new("end", Ty::Form(&forms::DAY), "The last day; without it, today."),
];

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("entity", Ty::Ref(&["entity"]), "What it is keyed by.").required(),
    Attribute::new(
        "from",
        Ty::List(&Ty::Ref(&["dataset", "source", "features"])),
        "What it is computed from.",
    )
    .required(),
    Attribute::new("schema", Ty::Map(&COLUMN_TYPE), "Its features and their types."),
    Attribute::new("offline", Ty::Object(OFFLINE), "How its history is kept."),
    Attribute::new("online", Ty::Object(ONLINE), "How it is served."),
    Attribute::new("transform", Ty::Object(TRANSFORM), "How it is computed."),
    Attribute::new("backfill", Ty::Object(BACKFILL), "From when on its history is computed."),
];

/// A feature view, offline and online.
pub const KIND: Kind = Kind {
    name: "features",
    doc: "A feature view, offline and online.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[],
    common: true,
    partial: true,
};
