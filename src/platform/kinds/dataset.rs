//! `dataset`.

use crate::forms;
use crate::phrases::{COLUMN_TYPE, ENCRYPT, FORMAT, SAMPLE};
use crate::schema::{Attribute, Kind, Member, Output, Scope, Ty};

/// One column.
const COLUMN: &[Attribute] = &[
    Attribute::new("type", COLUMN_TYPE, "The type of its values.").required(),
    Attribute::new("nullable", Ty::Bool, "Whether values may be missing.").default("false"),
    Attribute::new("allowed", Ty::List(&Ty::Any), "The only values it may have."),
    Attribute::new("min", Ty::Number, "The smallest value."),
    Attribute::new("max", Ty::Number, "The largest value."),
    Attribute::new("key", Ty::Bool, "Whether it identifies a row.").default("false"),
    Attribute::new("unique", Ty::Bool, "Whether no value may occur twice.").default("false"),
    Attribute::new("description", Ty::Text, "What it means."),
];

/// How contents are protected.
const PROTECTION: &[Attribute] = &[
    Attribute::new("encrypt", ENCRYPT, "Whether it is encrypted at rest, and with whose key."),
    Attribute::new(
        "mask",
        Ty::List(&Ty::Text),
        "Columns whose values are replaced by tokens before anything is written.",
    ),
    Attribute::new(
        "redact",
        Ty::List(&Ty::Text),
        "What is replaced in texts before anything is written: `email`, `phone`.",
    ),
    Attribute::new("retain", Ty::Duration, "How long it is kept."),
    Attribute::new("legal_basis", Ty::Text, "Why it may be processed."),
];

/// One expectation.
const EXPECTATION: &[Attribute] = &[
    Attribute::new(
        "check",
        Ty::Enum(&[
            "not_null",
            "unique",
            "row_count",
            "in_range",
            "in_set",
            "matches",
            "fresh",
            "range",
            "allowed",
            "pattern",
        ]),
        "A built-in check; `range`, `allowed` and `pattern` are other names of `in_range`, `in_set` and `matches`.",
    ),
    Attribute::new("columns", Ty::List(&Ty::Text), "The columns that are checked."),
    Attribute::new("column", Ty::Text, "The column that is checked."),
    Attribute::new("min", Ty::Number, "The smallest value or count."),
    Attribute::new("max", Ty::Number, "The largest value or count."),
    Attribute::new("values", Ty::List(&Ty::Any), "The only values allowed."),
    Attribute::new("pattern", Ty::Text, "A regular expression that every value matches."),
    Attribute::new("max_lag", Ty::Duration, "How old the newest value may be."),
    Attribute::new("assert", Ty::Quoted(Scope::Row), "What must be true of a row; null makes it false."),
    Attribute::new("at_least", Ty::Number, "The share of rows for which it must hold.").default("1"),
];

/// What is expected.
const QUALITY: &[Attribute] = &[
    Attribute::new("expect", Ty::Labelled(EXPECTATION), "One expectation by name."),
    Attribute::new("on_failure", Ty::Enum(&["block", "warn"]), "What happens when one is not met.")
        .default("\"block\""),
];

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new(
        "from",
        Ty::List(&Ty::OneOf(&[
            Ty::Ref(&["source", "dataset", "features", "artifact"]),
            Ty::Form(&forms::LOCATION),
        ])),
        "What it is read from: sources, datasets, paths or addresses.",
    ),
    Attribute::new("storage", Ty::Ref(&["storage"]), "Where its versions are kept."),
    Attribute::new(
        "version",
        Ty::Enum(&["snapshot", "tag", "content", "append-only"]),
        "What makes a version of it.",
    )
    .default("\"content\""),
    Attribute::new("format", FORMAT, "The format its versions are kept in."),
    Attribute::new(
        "schema",
        Ty::OneOf(&[Ty::Path, Ty::Map(&Ty::OneOf(&[COLUMN_TYPE, Ty::Object(COLUMN)]))]),
        "Its columns, in place or in a file: Avro, JSON Schema, or JSON as in place.",
    ),
    Attribute::new("classification", Ty::List(&Ty::Text), "What is sensitive about it."),
    Attribute::new("protection", Ty::Object(PROTECTION), "How its contents are protected."),
    Attribute::new("sample", Ty::Object(SAMPLE), "How much of it is kept."),
    Attribute::new("quality", Ty::Object(QUALITY), "What is expected of every version."),
];

/// Versioned, governed data.
pub const KIND: Kind = Kind {
    name: "dataset",
    doc: "Versioned, governed data.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[Member { word: "version", names_from: "", is: "dataset", facts: &[] }],
    outputs: &[
        Output { name: "version", ty: Ty::Text, doc: "The version that was made or found." },
        Output { name: "rows", ty: Ty::Number, doc: "How many rows that version has." },
    ],
    common: true,
    partial: true,
};
