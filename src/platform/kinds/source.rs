//! `source`.

use crate::forms;
use crate::phrases::{FORMAT, PRINCIPAL};
use crate::schema::{Attribute, Kind, Member, Ty};

/// How one table is read.
const TABLE: &[Attribute] = &[
    Attribute::new("cursor", Ty::Text, "The column to read on from: the largest value seen is remembered."),
    Attribute::new(
        "key",
        Ty::List(&Ty::Text),
        "The columns that identify a row; by default the table's primary key, and without one the whole row.",
    ),
    Attribute::new("query", Ty::Text, "A `SELECT` to read instead of the table of that name."),
];

/// What a reader should know.
const CATALOG: &[Attribute] = &[
    Attribute::new("owner", PRINCIPAL, "Who answers for the data."),
    Attribute::new("meaning", Ty::Text, "What it means."),
    Attribute::new(
        "structure",
        Ty::Enum(&["structured", "semi_structured", "unstructured"]),
        "How far it is structured.",
    ),
];

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new(
        "kind",
        Ty::Enum(&["file", "http", "object", "postgres", "mysql", "sqlite", "kafka"]),
        "The kind of system.",
    )
    .required(),
    Attribute::new(
        "uri",
        Ty::Form(&forms::LOCATION),
        "Where it is; for a file, a path of the project, in which `*` and `?` may stand for several.",
    )
    .required(),
    Attribute::new("secret", Ty::Ref(&["secret"]), "The credentials it is read with."),
    Attribute::new(
        "auth",
        Ty::Enum(&["bearer", "basic"]),
        "How the secret is shown to a web server: as a token, or as `user:password`; by default as a token.",
    ),
    Attribute::new("headers", Ty::Map(&Ty::Text), "Further header lines of a request, never secret ones."),
    Attribute::new("timeout", Ty::Duration, "How long it may be silent while it is read."),
    Attribute::new("format", FORMAT, "The format of its data."),
    Attribute::new("mode", Ty::Enum(&["batch", "cdc", "stream"]), "How it is read.").default("\"batch\""),
    Attribute::new(
        "tables",
        Ty::OneOf(&[Ty::List(&Ty::Text), Ty::Map(&Ty::Object(TABLE))]),
        "The tables that are read, by name or with how each is read.",
    ),
    Attribute::new("catalog", Ty::Object(CATALOG), "What a reader should know of it."),
    Attribute::new(
        "generate",
        Ty::Text,
        "The command that makes the file when it is missing, for the kind `file` only.",
    ),
];

/// An external system of record, read and never created.
pub const KIND: Kind = Kind {
    name: "source",
    doc: "An external system of record, read and never created.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[Member { word: "table", names_from: "tables", is: "source", facts: &[] }],
    outputs: &[],
    common: true,
    partial: true,
};
