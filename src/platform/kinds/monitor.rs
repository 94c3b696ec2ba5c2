//! `monitor`.

use crate::schema::{Attribute, Kind, Member, Scope, Ty};

/// Where the truth comes from.
const TRUTH: &[Attribute] = &[
    Attribute::new("from", Ty::Ref(&["dataset"]), "The dataset that holds it.").required(),
    Attribute::new("join", Ty::Text, "The column that joins it to answers.").required(),
    Attribute::new("delay", Ty::Duration, "How long it takes to be known."),
];

/// One signal.
const SIGNAL: &[Attribute] = &[
    Attribute::new(
        "kind",
        Ty::Enum(&[
            "input_drift",
            "output_drift",
            "correlation_drift",
            "performance",
            "bias",
            "anomaly",
            "generation_quality",
            "generation_safety",
        ]),
        "What is watched.",
    )
    .required(),
    Attribute::new(
        "test",
        Ty::Enum(&["psi", "js", "ks", "chi2", "wasserstein", "frobenius"]),
        "The statistic that is computed.",
    ),
    Attribute::new(
        "features",
        Ty::OneOf(&[Ty::Text, Ty::List(&Ty::Text)]),
        "The features that are watched, or `top:<n>` of them.",
    ),
    Attribute::new("on", Ty::Text, "The field that is watched."),
    Attribute::new("metric", Ty::Text, "The metric that is watched."),
    Attribute::new("by", Ty::List(&Ty::Text), "Columns by whose values it is compared."),
    Attribute::new("method", Ty::Enum(&["isolation_forest", "ewma", "zscore"]), "How an anomaly is found."),
    Attribute::new("threshold", Ty::Number, "The value above which it is breached."),
    Attribute::new("min", Ty::Number, "The value below which it is breached."),
    Attribute::new("max", Ty::Number, "The value above which it is breached."),
    Attribute::new("max_rate", Ty::Number, "The share of anomalies above which it is breached."),
    Attribute::new("log_inputs", Ty::Bool, "Whether what was anomalous is recorded.").default("false"),
    Attribute::new("judge", Ty::Ref(&["endpoint"]), "The model that judges."),
];

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new(
        "target",
        Ty::Ref(&["endpoint", "model", "dataset", "features", "pipeline"]),
        "What is watched.",
    )
    .required(),
    Attribute::new(
        "baseline",
        Ty::OneOf(&[Ty::Ref(&["dataset"]), Ty::Quoted(Scope::Metric)]),
        "What it is compared with.",
    ),
    Attribute::new("labels_from", Ty::Object(TRUTH), "Where the truth comes from when it is known."),
    Attribute::new("every", Ty::Duration, "How often it is computed.").default("\"1h\""),
    Attribute::new(
        "engine",
        Ty::Text,
        "What computes it; `auto` is the provider's own where it can, built in where it cannot.",
    )
    .default("\"auto\""),
    Attribute::new("signal", Ty::Labelled(SIGNAL), "One signal by name."),
];

/// What is watched.
pub const KIND: Kind = Kind {
    name: "monitor",
    doc: "What is watched.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[Member { word: "signal", names_from: "signal", is: "signal", facts: &[] }],
    outputs: &[],
    common: true,
    partial: true,
};
