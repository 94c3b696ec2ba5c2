//! `pipeline`.

use crate::phrases::{
    ACCELERATOR_PHRASE, CACHE, CAPACITY, COMPUTE, OUTPUT_TYPE, PARAM_OBJECT, RETRY, RUNTIME, TRIGGER,
};
use crate::schema::{Attribute, Kind, Member, Scope, Ty};

/// What every step takes over.
const DEFAULTS: &[Attribute] = &[
    Attribute::new("runtime", RUNTIME, "What it runs in."),
    Attribute::new("compute", COMPUTE, "Where it runs."),
    Attribute::new(
        "accelerator",
        ACCELERATOR_PHRASE,
        "The accelerators it needs, instead of those of its compute.",
    ),
    Attribute::new(
        "nodes",
        Ty::Integer(1, i64::MAX),
        "On how many nodes it runs, instead of those of its compute.",
    ),
    Attribute::new("capacity", Ty::Object(CAPACITY), "How capacity is bought for it."),
    Attribute::new("timeout", Ty::Duration, "The longest it may take, which also bounds its cost."),
    Attribute::new("max_cost", Ty::Money, "The most it may cost."),
    Attribute::new("retry", Ty::Object(RETRY), "When it is tried again."),
    Attribute::new("cache", Ty::Object(CACHE), "When an earlier result is used again."),
    Attribute::new("secrets", Ty::Map(&Ty::Ref(&["secret"])), "Secrets it gets, by environment variable."),
];

/// What is reported while a step runs.
const PROGRESS: &[Attribute] = &[
    Attribute::new("metric", Ty::Text, "The metric that shows progress.").required(),
    Attribute::new("every", Ty::Duration, "How often it is reported."),
];

/// One step.
const STEP: &[Attribute] = &[
    Attribute::new("use", Ty::Ref(&["component"]), "The component it runs."),
    Attribute::new("code", Ty::Path, "The directory of its code, which is the working directory of a run."),
    Attribute::new("run", Ty::Quoted(Scope::Command), "The command, where no component is used."),
    Attribute::new(
        "inputs",
        Ty::Map(&Ty::OneOf(&[
            Ty::Ref(&["dataset", "features", "model", "artifact", "storage", "source"]),
            Ty::Quoted(Scope::Binding),
        ])),
        "The artifacts it takes.",
    ),
    Attribute::new("params", Ty::Map(&Ty::Quoted(Scope::Step)), "Values of the component's parameters."),
    Attribute::new(
        "outputs",
        Ty::Map(&OUTPUT_TYPE),
        "The artifacts it hands on, where the component does not say.",
    ),
    Attribute::new(
        "after",
        Ty::List(&Ty::Ref(&["artifact"])),
        "Steps that must end before it though it takes nothing from them.",
    ),
    Attribute::new("runtime", RUNTIME, "What it runs in."),
    Attribute::new("compute", COMPUTE, "Where it runs."),
    Attribute::new(
        "accelerator",
        ACCELERATOR_PHRASE,
        "The accelerators it needs, instead of those of its compute.",
    ),
    Attribute::new(
        "nodes",
        Ty::Integer(1, i64::MAX),
        "On how many nodes it runs, instead of those of its compute.",
    ),
    Attribute::new("capacity", Ty::Object(CAPACITY), "How capacity is bought for it."),
    Attribute::new("timeout", Ty::Duration, "The longest it may take, which also bounds its cost."),
    Attribute::new("max_cost", Ty::Money, "The most it may cost."),
    Attribute::new("retry", Ty::Object(RETRY), "When it is tried again."),
    Attribute::new("cache", Ty::Object(CACHE), "When an earlier result is used again."),
    Attribute::new("secrets", Ty::Map(&Ty::Ref(&["secret"])), "Secrets it gets, by environment variable."),
    Attribute::new("gang", Ty::Bool, "Whether its nodes start together or not at all."),
    Attribute::new(
        "launcher",
        Ty::Enum(&["torchrun", "mpi", "jax", "ray", "none"]),
        "What starts the command on every node.",
    ),
    Attribute::new("progress", Ty::Object(PROGRESS), "What is reported while it runs."),
    Attribute::new("slices", Ty::List(&Ty::Text), "Columns by whose values metrics are also computed."),
    Attribute::new(
        "writes",
        Ty::List(&Ty::Ref(&["dataset", "features"])),
        "Datasets and features it writes.",
    ),
    Attribute::new("register", Ty::Ref(&["model"]), "The model a version is registered of."),
    Attribute::new("alias", Ty::Text, "The alias the new version gets, beside `latest`."),
    Attribute::new("from", Ty::Ref(&["artifact"]), "The artifact that is registered."),
    Attribute::new(
        "evidence",
        Ty::Ref(&["artifact"]),
        "The metrics kept with the version, which gates compare.",
    ),
];

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("kind", Ty::Enum(&["feature", "training", "inference", "generic"]), "What it is for.")
        .default("\"generic\""),
    Attribute::new("engine", Ty::Text, "What runs it; `auto` is the first engine of the provider.")
        .default("\"auto\""),
    Attribute::new(
        "storage",
        Ty::Ref(&["storage"]),
        "Where its artifacts go, instead of the environment's own.",
    ),
    Attribute::new(
        "params",
        Ty::Map(&Ty::OneOf(&[Ty::Object(PARAM_OBJECT), Ty::Quoted(Scope::Step)])),
        "Its parameters, by default value or in full.",
    ),
    Attribute::new(
        "defaults",
        Ty::Object(DEFAULTS),
        "Attributes of every step that does not set them itself.",
    ),
    Attribute::new("step", Ty::Labelled(STEP), "One step by name; inside the pipeline it is `step.<name>`."),
    Attribute::new("trigger", Ty::MaybeLabelled(TRIGGER), "What starts a run."),
];

/// A typed graph of steps.
pub const KIND: Kind = Kind {
    name: "pipeline",
    doc: "A typed graph of steps.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[
        Member { word: "step", names_from: "step", is: "artifact", facts: &["*"] },
        Member { word: "trigger", names_from: "trigger", is: "trigger", facts: &[] },
    ],
    outputs: &[],
    common: true,
    partial: true,
};
