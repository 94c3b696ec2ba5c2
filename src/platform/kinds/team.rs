//! `team`.

use crate::schema::{Attribute, Kind, Ty};

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("idp_group", Ty::Text, "The group of the identity provider they are in."),
    Attribute::new("members", Ty::List(&Ty::Text), "Principals, where there is no group."),
];

/// People who own, approve and are given access.
pub const KIND: Kind = Kind {
    name: "team",
    doc: "People who own, approve and are given access.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[],
    common: true,
    partial: true,
};
