//! Phrases that several kinds share.

use crate::forms;
use crate::schema::{Attribute, Ty};

/// A key of the customer.
pub const ENCRYPT_KEY: &[Attribute] =
    &[Attribute::new("key", Ty::Ref(&["secret"]), "The secret that holds the customer's key.").required()];

/// `true` for the target's own key, or a customer's.
pub const ENCRYPT: Ty = Ty::OneOf(&[Ty::Bool, Ty::Object(ENCRYPT_KEY)]);

/// The types of artifacts that steps hand on.
pub const ARTIFACT: Ty = Ty::Enum(&["table", "model", "metrics", "file", "directory"]);

/// The types of columns and features.
pub const COLUMN_TYPE: Ty = Ty::Enum(&["string", "number", "integer", "bool", "timestamp", "date", "any"]);

/// File formats of tabular and nested data.
pub const FORMAT: Ty = Ty::Enum(&["csv", "json", "jsonl", "parquet", "avro"]);

/// An input in full; `optional("model")` gives one with `optional = true`.
pub const INPUT_OBJECT: &[Attribute] = &[
    Attribute::new("type", ARTIFACT, "The artifact type it takes.").required(),
    Attribute::new("optional", Ty::Bool, "Whether it may be absent; an absent input arrives empty.")
        .default("false"),
];

/// What an input takes.
pub const INPUT_TYPE: Ty = Ty::OneOf(&[ARTIFACT, Ty::Object(INPUT_OBJECT)]);

/// An output in full.
pub const OUTPUT_OBJECT: &[Attribute] = &[
    Attribute::new("type", ARTIFACT, "The artifact type it hands on.").required(),
    Attribute::new(
        "names",
        Ty::List(&Ty::Text),
        "The metrics it holds; with none declared their names are not checked.",
    ),
    Attribute::new(
        "columns",
        Ty::List(&Ty::Text),
        "The columns it holds; with none declared they are not checked.",
    ),
];

/// What an output hands on.
pub const OUTPUT_TYPE: Ty = Ty::OneOf(&[ARTIFACT, Ty::Object(OUTPUT_OBJECT)]);

/// A parameter in full.
pub const PARAM_OBJECT: &[Attribute] = &[
    Attribute::new(
        "type",
        Ty::Enum(&["string", "number", "integer", "bool", "list", "map", "any"]),
        "The type of its value.",
    ),
    Attribute::new("default", Ty::Any, "The value when none is given."),
    Attribute::new("description", Ty::Text, "What it is for."),
];

/// How much of the data is kept.
pub const SAMPLE: &[Attribute] = &[
    Attribute::new("rows", Ty::Integer(1, i64::MAX), "How many rows are kept."),
    Attribute::new("fraction", Ty::Number, "Which share of the rows is kept, between 0 and 1."),
    Attribute::new(
        "seed",
        Ty::Integer(0, i64::MAX),
        "The seed of the choice; the same seed keeps the same rows.",
    )
    .default("0"),
];

const KEY_RECIPIENTS: Attribute =
    Attribute::new("recipients", Ty::List(&Ty::Text), "Who may read it: public keys of `age`, `age1…`.");
const KEY_IDENTITY: Attribute = Attribute::new(
    "identity",
    Ty::OneOf(&[Ty::Text, Ty::List(&Ty::Text)]),
    "Where the secret key of a recipient is: `file:PATH` or `env:NAME`.",
);
const KEY_PASSPHRASE: Attribute =
    Attribute::new("passphrase", Ty::Text, "Where the passphrase is: `env:NAME` or `file:PATH`.");

/// What opens and closes an encrypted state.
pub const STATE_KEY: &[Attribute] = &[KEY_RECIPIENTS, KEY_IDENTITY, KEY_PASSPHRASE];

/// How a state is encrypted.
pub const STATE_ENCRYPT: &[Attribute] = &[
    KEY_RECIPIENTS,
    KEY_IDENTITY,
    KEY_PASSPHRASE,
    Attribute::new(
        "previous",
        Ty::List(&Ty::Object(STATE_KEY)),
        "What it was encrypted with before; the next apply writes it anew with the present key.",
    ),
];

/// Where state is kept.
pub const STATE: &[Attribute] = &[
    Attribute::new(
        "backend",
        Ty::Enum(&["local", "s3", "gcs", "azure", "kubernetes"]),
        "The kind of store; its own settings stand beside it.",
    )
    .default("\"local\""),
    Attribute::new("lease", Ty::Duration, "How long a lease lasts without a sign of life of its holder.")
        .default("\"60s\""),
    Attribute::new(
        "encrypt",
        Ty::Object(STATE_ENCRYPT),
        "Who may read it; without it, whoever reads the files.",
    ),
];

/// The settings of each kind of store.
pub const BACKENDS: &[(&str, &[Attribute])] = &[
    (
        "local",
        &[Attribute::new(
            "path",
            Ty::Text,
            "The directory it is kept below, in `<project>/<environment>`; without it, `.mlp/` of the project.",
        )],
    ),
    (
        "s3",
        &[
            Attribute::new("bucket", Ty::Text, "The bucket."),
            Attribute::new("prefix", Ty::Text, "What the keys of its objects start with."),
            Attribute::new("region", Ty::Text, "The region of the bucket."),
            Attribute::new("endpoint", Ty::Form(&forms::URL), "The service, where it is not the vendor's."),
        ],
    ),
    (
        "gcs",
        &[
            Attribute::new("bucket", Ty::Text, "The bucket."),
            Attribute::new("prefix", Ty::Text, "What the names of its objects start with."),
        ],
    ),
    (
        "azure",
        &[
            Attribute::new("account", Ty::Text, "The storage account."),
            Attribute::new("container", Ty::Text, "The container."),
            Attribute::new("prefix", Ty::Text, "What the names of its blobs start with."),
        ],
    ),
    (
        "kubernetes",
        &[
            Attribute::new("context", Ty::Text, "The context of the cluster."),
            Attribute::new("kubeconfig", Ty::Text, "The kubeconfig, where it is not the usual one."),
            Attribute::new("namespace", Ty::Text, "The namespace of its secrets."),
            Attribute::new("prefix", Ty::Text, "What tells it from others of the namespace."),
        ],
    ),
];

/// The accelerator phrase.
pub const ACCELERATOR: &[Attribute] = &[
    Attribute::new(
        "name",
        Ty::OneOf(&[Ty::Text, Ty::List(&Ty::Text)]),
        "Chips in order of preference, never instance types.",
    )
    .required(),
    Attribute::new("count", Ty::Integer(1, i64::MAX), "How many devices each node has."),
    Attribute::new("slice", Ty::Text, "A part of one device, instead of a count."),
    Attribute::new(
        "memory",
        Ty::SizeBound,
        "Nominal memory of one device: at least so much (`80GiB`, `>=80GiB`), or another bound (`=40GiB`, `<80GiB`).",
    ),
    Attribute::new("form", Ty::Enum(&["sxm", "nvl", "pcie"]), "The form of the device."),
    Attribute::new(
        "topology",
        Ty::Form(&forms::TOPOLOGY),
        "The topology of a slice of pods; its hosts are derived.",
    ),
];

/// The accelerator phrase, the same wherever hardware is asked for.
pub const ACCELERATOR_PHRASE: Ty = Ty::Object(ACCELERATOR);

/// A range of nodes.
pub const NODE_RANGE: &[Attribute] = &[
    Attribute::new("min", Ty::Integer(0, i64::MAX), "The fewest nodes that are kept.").default("0"),
    Attribute::new("max", Ty::Integer(1, i64::MAX), "The most nodes that may run.").required(),
];

/// How many nodes.
pub const NODES: Ty = Ty::OneOf(&[Ty::Integer(1, i64::MAX), Ty::Object(NODE_RANGE)]);

/// How work survives an interruption.
pub const CHECKPOINT: &[Attribute] = &[
    Attribute::new("to", Ty::Ref(&["storage"]), "Where checkpoints are written."),
    Attribute::new("every", Ty::Duration, "How often one is written.").required(),
    Attribute::new("resume", Ty::Bool, "Whether a retry starts from the last one.").default("true"),
];

/// How capacity is bought.
pub const CAPACITY: &[Attribute] = &[
    Attribute::new(
        "prefer",
        Ty::List(&Ty::Enum(&["spot", "on_demand", "reserved", "queued"])),
        "Ways to buy it in order of preference.",
    ),
    Attribute::new("max_wait", Ty::Duration, "How long to wait for it before giving up."),
    Attribute::new("reservation", Ty::Map(&Ty::Text), "The name of the reservation by kind of provider."),
    Attribute::new("checkpoint", Ty::Object(CHECKPOINT), "How work survives losing it."),
];

/// A queue for jobs.
pub const QUEUE: &[Attribute] = &[
    Attribute::new("name", Ty::Text, "Its name in the cluster.").required(),
    Attribute::new("quota", Ty::Map(&Ty::Number), "How many devices of each chip it may use."),
    Attribute::new("borrow", Ty::Bool, "Whether it may use what other queues leave idle.").default("false"),
    Attribute::new("preempts", Ty::List(&Ty::Text), "Names of the queues whose jobs it may push out."),
];

/// What describes a pool, whether declared or anonymous.
pub const COMPUTE_ATTRIBUTES: &[Attribute] = &[
    Attribute::new("cpu", Ty::Number, "Processor cores of each node."),
    Attribute::new("memory", Ty::Bytes, "Main memory of each node."),
    Attribute::new("disk", Ty::Bytes, "Local disk of each node."),
    Attribute::new("accelerator", ACCELERATOR_PHRASE, "The accelerators of each node."),
    Attribute::new("nodes", NODES, "How many nodes, or a range of them."),
    Attribute::new("fabric", Ty::Enum(&["any", "gpudirect", "rdma"]), "The network between nodes."),
    Attribute::new(
        "placement",
        Ty::Enum(&["any", "zone", "block", "rack", "nvlink_domain"]),
        "How close to each other nodes must be.",
    ),
    Attribute::new("capacity", Ty::Object(CAPACITY), "How capacity is bought."),
    Attribute::new("queue", Ty::Object(QUEUE), "The queue jobs are put in."),
    Attribute::new("idle_after", Ty::Duration, "How long an idle node is kept."),
];

/// A pool, or an anonymous one written in place.
pub const COMPUTE: Ty = Ty::OneOf(&[Ty::Ref(&["compute"]), Ty::Object(COMPUTE_ATTRIBUTES)]);

/// What describes a runtime, whether declared or anonymous.
pub const RUNTIME_ATTRIBUTES: &[Attribute] = &[
    Attribute::new("language", Ty::Text, "The programming language: `python`, `r`, `scala` and others."),
    Attribute::new(
        "version",
        Ty::Form(&forms::VERSION),
        "The version of the language or engine, or a constraint on it.",
    ),
    Attribute::new(
        "lock",
        Ty::Path,
        "The lock file of its packages; its content is part of what is reproduced.",
    ),
    Attribute::new(
        "image",
        Ty::Form(&forms::IMAGE),
        "The container image that is there already, best pinned by digest.",
    ),
    Attribute::new(
        "base",
        Ty::Form(&forms::IMAGE),
        "The image on which `mlp image build` builds one with the locked packages and the code, where there is none yet.",
    ),
    Attribute::new(
        "registry",
        Ty::Ref(&["registry"]),
        "The registry of images that what is built is pushed to, where the environment has several.",
    ),
    Attribute::new("engine", Ty::Text, "The engine the code runs on: `spark`, `ray`, `vllm` and others."),
    Attribute::new("args", Ty::Map(&Ty::Any), "Arguments of the engine."),
    Attribute::new("env", Ty::Map(&Ty::Text), "Environment variables, never secret ones."),
];

/// A runtime, or an anonymous one written in place.
pub const RUNTIME: Ty = Ty::OneOf(&[Ty::Ref(&["runtime"]), Ty::Object(RUNTIME_ATTRIBUTES)]);

/// When a step is tried again.
pub const RETRY: &[Attribute] = &[
    Attribute::new("max", Ty::Integer(0, i64::MAX), "How many times it is tried again.").required(),
    Attribute::new(
        "on",
        Ty::List(&Ty::Enum(&["preempted", "node_failure", "timeout", "error"])),
        "After which ends it is tried again.",
    ),
    Attribute::new("backoff", Ty::Duration, "The pause before the next try."),
];

/// When a result is used again.
pub const CACHE: &[Attribute] = &[
    Attribute::new("enabled", Ty::Bool, "Whether results are used again at all.").default("true"),
    Attribute::new(
        "key",
        Ty::List(&Ty::Enum(&["code", "inputs", "params", "runtime"])),
        "What must be equal for a result to be used again.",
    ),
    Attribute::new("ttl", Ty::Duration, "How long a result may be used again."),
];

/// What starts a run.
pub const TRIGGER: &[Attribute] = &[
    Attribute::new("cron", Ty::Form(&forms::CRON), "A schedule in the five fields of cron."),
    Attribute::new("timezone", Ty::Form(&forms::TIMEZONE), "The time zone of the schedule.")
        .default("\"UTC\""),
    Attribute::new(
        "catch_up",
        Ty::Enum(&["none", "last", "all"]),
        "Which missed times of the schedule are made up for.",
    )
    .default("\"none\""),
    Attribute::new(
        "monitor",
        Ty::Ref(&["monitor", "signal"]),
        "The monitor or signal whose breaches start a run.",
    ),
    Attribute::new("breaches", Ty::Integer(1, i64::MAX), "How many breaches in a row it takes."),
    Attribute::new("dataset", Ty::Ref(&["dataset"]), "The dataset whose growth starts a run."),
    Attribute::new("rows", Ty::Integer(1, i64::MAX), "How many new rows it takes."),
    Attribute::new("cooldown", Ty::Duration, "The shortest pause between two runs."),
];

/// A team, or a principal such as `service:checkout`.
pub const PRINCIPAL: Ty = Ty::OneOf(&[Ty::Ref(&["team"]), Ty::Form(&forms::PRINCIPAL)]);

/// Teams, or principals such as `service:checkout`.
pub const PRINCIPALS: Ty = Ty::List(&PRINCIPAL);

/// A condition that must hold.
pub const CONDITION: &[Attribute] = &[
    Attribute::new(
        "condition",
        Ty::Any,
        "What must be true; evaluated by itself, it may name the value it checks.",
    )
    .required()
    .at_apply(),
    Attribute::new("error_message", Ty::Text, "What is said when it is not.").required(),
];

/// How long operations may take.
pub const TIMEOUTS: &[Attribute] = &[
    Attribute::new("create", Ty::Duration, "The longest a creation may take."),
    Attribute::new("update", Ty::Duration, "The longest an update may take."),
    Attribute::new("delete", Ty::Duration, "The longest a deletion may take."),
];

/// How changes are made.
pub const LIFECYCLE: &[Attribute] = &[
    Attribute::new("protect", Ty::Bool, "Whether destroying or replacing it is refused."),
    Attribute::new(
        "on_destroy",
        Ty::Enum(&["delete", "keep"]),
        "What becomes of the real thing when the declaration goes.",
    ),
    Attribute::new("ignore_changes", Ty::List(&Ty::Text), "Attributes whose drift is left alone."),
    Attribute::new(
        "create_before_destroy",
        Ty::Bool,
        "Whether a replacement is made before the old one goes.",
    ),
    Attribute::new("replace_triggered_by", Ty::List(&Ty::Ref(&[])), "Declarations whose change replaces it."),
    Attribute::new("precondition", Ty::Repeated(CONDITION), "What must hold before it is changed."),
    Attribute::new("postcondition", Ty::Repeated(CONDITION), "What must hold after it was changed."),
];

/// Native fields for one kind of provider.
pub const OVERRIDE: &[Attribute] = &[
    Attribute::new("reason", Ty::Text, "Why the portable attributes are not enough.").required(),
    Attribute::new("set", Ty::Map(&Ty::Any), "Values by role and native path.").required(),
];

/// Attributes that every resource-like block takes.
pub const COMMON_ATTRIBUTES: &[Attribute] = &[
    Attribute::new("description", Ty::Text, "What it is, for people.").at_apply(),
    Attribute::new("owner", PRINCIPAL, "Who answers for it."),
    Attribute::new("labels", Ty::Map(&Ty::Text), "Labels put on everything made for it.").at_apply(),
    Attribute::new("depends_on", Ty::List(&Ty::Ref(&[])), "Declarations that must be applied before it."),
    Attribute::new(
        "provider",
        Ty::Ref(&["provider"]),
        "The provider it is made with, instead of the environment's.",
    ),
    Attribute::new(
        "environments",
        Ty::List(&Ty::Ref(&["environment"])),
        "The environments it exists in; without it, all of them.",
    )
    .at_load(),
    Attribute::new("for_each", Ty::Any, "A map or set with one instance for each key.").at_load(),
    Attribute::new("count", Ty::Any, "How many instances there are.").at_load(),
    Attribute::new("timeouts", Ty::Object(TIMEOUTS), "How long operations may take."),
    Attribute::new("lifecycle", Ty::Object(LIFECYCLE), "How changes are made."),
    Attribute::new("override", Ty::Labelled(OVERRIDE), "Native fields for one kind of provider."),
];
