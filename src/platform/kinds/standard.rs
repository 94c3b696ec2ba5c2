//! `standard`.

use crate::schema::{Attribute, Kind, Member, Ty};

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("description", Ty::Text, "What it is, for people."),
    Attribute::new(
        "source",
        Ty::Text,
        "Where it comes from: a path of the project or an address in a registry.",
    )
    .required()
    .at_load(),
    Attribute::new("version", Ty::Text, "Its version.").at_load(),
];

/// A pinned pack of an organisation: components, checks, runtimes and policies.
pub const KIND: Kind = Kind {
    name: "standard",
    doc: "A pinned pack of an organisation: components, checks, runtimes and policies.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[
        Member { word: "check", names_from: "", is: "check" },
        Member { word: "component", names_from: "", is: "component" },
        Member { word: "entity", names_from: "", is: "entity" },
        Member { word: "policy", names_from: "", is: "policy" },
        Member { word: "runtime", names_from: "", is: "runtime" },
        Member { word: "team", names_from: "", is: "team" },
    ],
    outputs: &[],
    common: false,
    partial: false,
};
