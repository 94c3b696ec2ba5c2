//! `provider`.

use crate::schema::{Attribute, Kind, Ty};

/// Its attributes.
const ATTRIBUTES: &[Attribute] = &[
    Attribute::new("description", Ty::Text, "What it is, for people."),
    Attribute::new("labels", Ty::Map(&Ty::Text), "Labels put on everything made with it."),
];

/// The settings of each kind of provider; of other kinds they are not known.
pub const SETTINGS: &[(&str, &[Attribute])] = &[
    (
        "local",
        &[Attribute::new(
            "accelerators",
            Ty::List(&Ty::Text),
            "The accelerators that steps may reserve, instead of those this machine tells of.",
        )],
    ),
    (
        "kubernetes",
        &[
            Attribute::new("context", Ty::Text, "The context of the cluster."),
            Attribute::new("kubeconfig", Ty::Path, "The file that the context is read from."),
            Attribute::new("namespace", Ty::Text, "The namespace of what is made."),
            Attribute::new("location", Ty::Text, "Where the cluster stands, for `residency`."),
            Attribute::new("queue", Ty::Enum(&["kueue", "volcano", "none"]), "What queues jobs there."),
            Attribute::new("prices", Ty::Path, "The table of what a GPU-hour costs there."),
        ],
    ),
    (
        "aws",
        &[
            Attribute::new("region", Ty::Text, "The region."),
            Attribute::new("account", Ty::Text, "The account, which must be the one that is reached."),
            Attribute::new("profile", Ty::Text, "The profile of the credentials."),
            Attribute::new("role", Ty::Text, "The role that is taken on."),
        ],
    ),
    (
        "azure",
        &[
            Attribute::new("subscription", Ty::Text, "The subscription."),
            Attribute::new("tenant", Ty::Text, "The tenant."),
            Attribute::new("location", Ty::Text, "The region."),
            Attribute::new("resource_group", Ty::Text, "The resource group of what is made."),
            Attribute::new("workspace", Ty::Text, "The workspace for machine learning."),
        ],
    ),
    (
        "gcp",
        &[
            Attribute::new("project", Ty::Text, "The project."),
            Attribute::new("region", Ty::Text, "The region."),
            Attribute::new("account", Ty::Text, "The service account that is acted as."),
        ],
    ),
];

/// Where things can run; its other attributes are those of its kind.
pub const KIND: Kind = Kind {
    name: "provider",
    doc: "Where things can run; its other attributes are those of its kind.",
    labels: &["kind", "name"],
    attributes: ATTRIBUTES,
    open: true,
    members: &[],
    outputs: &[],
    common: false,
    partial: true,
};
