//! `app`.

use crate::schema::{Attribute, Kind, Ty};

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new(
        "consumes",
        Ty::List(&Ty::Ref(&["endpoint", "features", "dataset", "model"])),
        "What it uses.",
    )
    .required(),
    Attribute::new(
        "contract",
        Ty::Enum(&["openapi", "open-inference-v2", "protobuf"]),
        "How the contract is written.",
    ),
    Attribute::new("clients", Ty::List(&Ty::Text), "Languages that clients are generated for."),
];

/// A consumer: its contract, its generated clients and its owner.
pub const KIND: Kind = Kind {
    name: "app",
    doc: "A consumer: its contract, its generated clients and its owner.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[],
    common: true,
    partial: true,
};
