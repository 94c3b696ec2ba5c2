//! `endpoint`.

use crate::forms;
use crate::phrases::{ACCELERATOR_PHRASE, CAPACITY, COMPUTE, NODES, PRINCIPALS, RUNTIME, TRIGGER};
use crate::schema::{Attribute, Kind, Member, Output, Scope, Ty};

/// One variant.
const VARIANT: &[Attribute] = &[
    Attribute::new("model", Ty::Ref(&["model"]), "The version it serves.").required(),
    Attribute::new(
        "traffic",
        Ty::OneOf(&[Ty::Integer(0, 100), Ty::Enum(&["remainder"])]),
        "Its percentage of the requests, or what the others leave.",
    ),
    Attribute::new(
        "shadow",
        Ty::Integer(0, 100),
        "The percentage of requests it also gets, its answers thrown away.",
    ),
];

/// How one model is spread.
const PARALLEL: &[Attribute] = &[
    Attribute::new("tensor", Ty::Integer(1, i64::MAX), "Devices each layer is spread over."),
    Attribute::new("pipeline", Ty::Integer(1, i64::MAX), "Devices the layers are spread over."),
    Attribute::new("data", Ty::Integer(1, i64::MAX), "Copies in one replica."),
];

/// How weights reach the nodes.
const WEIGHTS: &[Attribute] = &[
    Attribute::new("cache", Ty::Enum(&["node", "shared", "none"]), "Where they are kept between starts."),
    Attribute::new("prefetch", Ty::Bool, "Whether they are fetched before they are needed."),
];

/// When nothing runs.
const ZERO: &[Attribute] = &[
    Attribute::new("after", Ty::Duration, "How long no request must have come.").required(),
    Attribute::new(
        "environments",
        Ty::List(&Ty::Ref(&["environment"])),
        "Where it may happen; without it, everywhere.",
    ),
];

/// How many replicas there are.
const SCALING: &[Attribute] = &[
    Attribute::new("min", Ty::Integer(0, i64::MAX), "The fewest replicas.").default("1"),
    Attribute::new("max", Ty::Integer(1, i64::MAX), "The most replicas."),
    Attribute::new(
        "metric",
        Ty::Enum(&["requests", "concurrency", "queue_depth", "tokens_per_s", "ttft", "gpu_util"]),
        "What the number follows.",
    ),
    Attribute::new("target", Ty::Number, "The value of the metric for each replica."),
    Attribute::new("zero", Ty::Object(ZERO), "When nothing runs."),
];

/// How a new version takes over.
const ROLLOUT: &[Attribute] = &[
    Attribute::new("strategy", Ty::Enum(&["canary", "blue_green", "all_at_once"]), "The way it takes over.")
        .default("\"canary\""),
    Attribute::new(
        "steps",
        Ty::List(&Ty::Integer(1, 100)),
        "Percentages of the variant's share, in turn; a canary without them takes 5, 25 and 100.",
    ),
    Attribute::new("hold", Ty::Duration, "How long each is held; without it, five minutes."),
    Attribute::new(
        "abort_on",
        Ty::List(&Ty::OneOf(&[Ty::Ref(&["alert", "monitor", "signal"]), Ty::Quoted(Scope::Metric)])),
        "What returns to the version before.",
    ),
];

/// What answers instead.
const FALLBACK: &[Attribute] = &[
    Attribute::new("on", Ty::Enum(&["deferred", "error"]), "When it answers.").default("\"deferred\""),
    Attribute::new("to", Ty::Ref(&["component", "model", "endpoint"]), "What answers.").required(),
];

/// What is promised.
const SLO: &[Attribute] = &[
    Attribute::new("p50", Ty::Duration, "Half of the answers are faster."),
    Attribute::new("p95", Ty::Duration, "Of a hundred answers 95 are faster."),
    Attribute::new("p99", Ty::Duration, "Of a hundred answers 99 are faster."),
    Attribute::new("ttft_p95", Ty::Duration, "Of a hundred first tokens 95 are faster."),
    Attribute::new("tpot_p95", Ty::Duration, "Of a hundred further tokens 95 are faster."),
    Attribute::new("availability", Ty::Number, "The share of time in which it answers."),
    Attribute::new("error_rate", Ty::Number, "The largest share of failed answers."),
];

/// What is recorded.
const CAPTURE: &[Attribute] = &[
    Attribute::new("inputs", Ty::Bool, "Whether requests are recorded.").default("true"),
    Attribute::new("outputs", Ty::Bool, "Whether answers are recorded.").default("true"),
    Attribute::new("sample", Ty::Number, "Which share is recorded.").default("1"),
    Attribute::new("to", Ty::Ref(&["dataset"]), "Where it is recorded.").required(),
];

/// Who may call.
const AUTH: &[Attribute] = &[
    Attribute::new("callers", PRINCIPALS, "Who may call it."),
    Attribute::new("keys_from", Ty::Ref(&["secret"]), "The keys callers show."),
    Attribute::new("token", Ty::Ref(&["secret"]), "The token that is shown to an outside endpoint."),
];

/// How much a caller may use.
const LIMITS: &[Attribute] = &[
    Attribute::new("per", Ty::Enum(&["user", "caller", "endpoint"]), "What is counted together.")
        .default("\"caller\""),
    Attribute::new("requests", Ty::Rate, "How many requests."),
    Attribute::new("tokens", Ty::Rate, "How many tokens."),
    Attribute::new("body", Ty::Bytes, "The longest body of a request."),
    Attribute::new(
        "concurrency",
        Ty::Integer(1, i64::MAX),
        "How many requests may be under way at once; more are refused.",
    ),
];

/// What is kept out.
const GUARD: &[Attribute] = &[
    Attribute::new("pii", Ty::Enum(&["mask", "block"]), "What becomes of personal data."),
    Attribute::new("topics_deny", Ty::List(&Ty::Text), "Topics that are refused."),
];

/// One model of a graph.
const NODE: &[Attribute] = &[
    Attribute::new("model", Ty::Ref(&["model"]), "The version it serves.").required(),
    Attribute::new(
        "input",
        ANSWERS,
        "The node whose answer it takes, or a field of it, or an object of them; without it, the request.",
    ),
];

/// The answer of a node, or several by name.
const ANSWERS: Ty = Ty::OneOf(&[Ty::Ref(&["node"]), Ty::Map(&Ty::Ref(&["node"]))]);

/// Several models.
const GRAPH: &[Attribute] = &[
    Attribute::new("node", Ty::Labelled(NODE), "One model by name; inside the graph it is `node.<name>`."),
    Attribute::new(
        "output",
        ANSWERS,
        "The node whose answer is given, or a field of it, or an object of them.",
    )
    .required(),
];

/// Where a batch writes.
const BATCH_OUTPUT: &[Attribute] = &[
    Attribute::new("to", Ty::Ref(&["dataset", "storage"]), "What it writes.").required(),
    Attribute::new("mode", Ty::Enum(&["append", "overwrite"]), "What becomes of what is there.")
        .default("\"append\""),
];

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new(
        "kind",
        Ty::Enum(&["online", "batch", "async", "serverless", "llm", "edge", "external"]),
        "How it serves.",
    )
    .default("\"online\""),
    Attribute::new(
        "port",
        Ty::Integer(0, 65535),
        "The port it listens on, where the provider has one; 0 takes a free one.",
    ),
    Attribute::new("host", Ty::Text, "The address it listens on, where the provider has one."),
    Attribute::new("uri", Ty::Form(&forms::URL), "Where it is, for one that exists outside."),
    Attribute::new(
        "protocol",
        Ty::Enum(&["open-inference-v2", "openai", "json", "grpc"]),
        "How requests and answers are written.",
    ),
    Attribute::new("model", Ty::Ref(&["model"]), "The only model, where there are no variants."),
    Attribute::new("variant", Ty::Labelled(VARIANT), "One of several models that share the traffic."),
    Attribute::new(
        "follow",
        Ty::Enum(&["auto", "plan"]),
        "Whether serving follows an alias by itself or only an apply moves it.",
    )
    .default("\"auto\""),
    Attribute::new(
        "serve",
        Ty::OneOf(&[Ty::Ref(&["component"]), Ty::Text]),
        "What serves, instead of what the model says: a component, `module:Class`, or a command.",
    ),
    Attribute::new("runtime", RUNTIME, "What it runs in."),
    Attribute::new("compute", COMPUTE, "Where it runs."),
    Attribute::new(
        "accelerator",
        ACCELERATOR_PHRASE,
        "The accelerators it needs, instead of those of its compute.",
    ),
    Attribute::new("nodes", NODES, "On how many nodes one replica runs."),
    Attribute::new("capacity", Ty::Object(CAPACITY), "How capacity is bought."),
    Attribute::new("parallel", Ty::Object(PARALLEL), "How one model is spread over devices."),
    Attribute::new("weights", Ty::Object(WEIGHTS), "How weights reach the nodes."),
    Attribute::new("scaling", Ty::Object(SCALING), "How many replicas there are."),
    Attribute::new("rollout", Ty::Object(ROLLOUT), "How a new version takes over."),
    Attribute::new("timeout", Ty::Duration, "The longest an answer may take."),
    Attribute::new("fallback", Ty::Object(FALLBACK), "What answers when no variant can."),
    Attribute::new("slo", Ty::Object(SLO), "What is promised."),
    Attribute::new("capture", Ty::Object(CAPTURE), "What is recorded of requests."),
    Attribute::new("auth", Ty::Object(AUTH), "Who may call it."),
    Attribute::new("limits", Ty::Object(LIMITS), "How much a caller may use."),
    Attribute::new("guard", Ty::Object(GUARD), "What is kept out of requests and answers."),
    Attribute::new("features", Ty::List(&Ty::Ref(&["features"])), "Features looked up for every request."),
    Attribute::new("graph", Ty::Object(GRAPH), "Several models that answer together."),
    Attribute::new(
        "input",
        Ty::OneOf(&[Ty::Ref(&["dataset", "features", "storage"]), Ty::Form(&forms::LOCATION)]),
        "What a batch reads.",
    ),
    Attribute::new("output", Ty::Object(BATCH_OUTPUT), "Where a batch writes."),
    Attribute::new("trigger", Ty::MaybeLabelled(TRIGGER), "What starts a batch."),
    Attribute::new("secrets", Ty::Map(&Ty::Ref(&["secret"])), "Secrets it gets, by environment variable."),
];

/// Serving: online, batch, asynchronous, serverless, a language model, at the edge or outside.
pub const KIND: Kind = Kind {
    name: "endpoint",
    doc: "Serving: online, batch, asynchronous, serverless, a language model, at the edge or outside.",
    labels: &["name"],
    attributes: ATTRIBUTES,
    open: false,
    members: &[
        Member { word: "variant", names_from: "variant", is: "variant", facts: &[] },
        Member { word: "node", names_from: "graph.node", is: "node", facts: &["*"] },
    ],
    outputs: &[Output { name: "url", ty: Ty::Text, doc: "Where it answers." }],
    common: true,
    partial: true,
};
