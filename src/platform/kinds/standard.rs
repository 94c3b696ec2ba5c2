//! `standard`.

use crate::forms;
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
    Attribute::new("version", Ty::Form(&forms::VERSION), "Its version.").at_load(),
];

/// A pinned pack of an organisation: components, checks, runtimes and policies.
pub const KIND: Kind = Kind {
    name: "standard",
    doc: "A pinned pack of an organisation: components, checks, runtimes and policies.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[
        Member { word: "check", names_from: "", is: "check", facts: &["passed"] },
        Member { word: "component", names_from: "", is: "component", facts: &[] },
        Member { word: "entity", names_from: "", is: "entity", facts: &[] },
        Member { word: "policy", names_from: "", is: "policy", facts: &[] },
        Member { word: "runtime", names_from: "", is: "runtime", facts: &[] },
        Member { word: "team", names_from: "", is: "team", facts: &[] },
    ],
    outputs: &[],
    common: false,
    partial: false,
};
