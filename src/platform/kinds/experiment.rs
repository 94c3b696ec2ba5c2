//! `experiment`.

use crate::schema::{Attribute, Kind, Ty};

/// The values of one parameter.
const RANGE: &[Attribute] = &[
    Attribute::new("uniform", Ty::List(&Ty::Number), "Smallest and largest value."),
    Attribute::new(
        "log_uniform",
        Ty::List(&Ty::Number),
        "Smallest and largest value, searched by magnitude.",
    ),
    Attribute::new(
        "integers",
        Ty::List(&Ty::Integer(i64::MIN, i64::MAX)),
        "Smallest and largest whole number.",
    ),
    Attribute::new("choice", Ty::List(&Ty::Any), "The only values."),
];

/// What is optimised.
const OBJECTIVE: &[Attribute] = &[
    Attribute::new("metric", Ty::Ref(&["artifact"]), "The metric: a step's output and a name in it.")
        .required(),
    Attribute::new("goal", Ty::Enum(&["maximize", "minimize"]), "Which way is better.").required(),
];

/// How parameters are searched.
const SWEEP: &[Attribute] = &[
    Attribute::new("search", Ty::Map(&Ty::Object(RANGE)), "The values of each parameter.").required(),
    Attribute::new("objective", Ty::Object(OBJECTIVE), "What is optimised.").required(),
    Attribute::new("trials", Ty::Integer(1, i64::MAX), "How many runs there are.").required(),
    Attribute::new("parallel", Ty::Integer(1, i64::MAX), "How many run at once.").default("1"),
    Attribute::new(
        "algorithm",
        Ty::Enum(&["grid", "random", "tpe", "bayesian", "hyperband"]),
        "How the next values are chosen.",
    )
    .default("\"random\""),
    Attribute::new("seed", Ty::Integer(0, i64::MAX), "The seed of the choice."),
];

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("pipeline", Ty::Ref(&["pipeline"]), "The pipeline that is run.").required(),
    Attribute::new("tracker", Ty::Enum(&["native", "mlflow", "comet", "wandb"]), "Where runs are recorded.")
        .default("\"native\""),
    Attribute::new("sweep", Ty::Object(SWEEP), "How parameters are searched."),
];

/// Tracking and sweeps over a pipeline.
pub const KIND: Kind = Kind {
    name: "experiment",
    doc: "Tracking and sweeps over a pipeline.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[],
    common: true,
    partial: true,
};
