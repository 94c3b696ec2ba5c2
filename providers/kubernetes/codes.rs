//! Diagnostic codes of this room: MLP0860–MLP0875. The program takes this file in whether it is built with this provider or not,
//! so that every code can be explained.

/// Codes with their titles.
pub const CODES: &[(&str, &str)] = &[
    (CLUSTER, "a cluster cannot be reached"),
    (SETTINGS, "the settings of a Kubernetes provider do not say where things go"),
    (NOT_SERVED, "an attribute is not served by the Kubernetes provider"),
    (IMAGE, "something that runs in a cluster has no image, or one that is not pinned"),
    (VALUE, "a value is not possible in a cluster"),
    (UNRESOLVED, "a reference leads nowhere in a cluster"),
    (REFUSED, "a cluster refuses an object"),
    (TAKEN, "a field of an object belongs to another manager"),
    (NOT_READY, "an object of a cluster does not become ready"),
    (HELD, "an object of a cluster is not let go"),
    (DENIED, "the cluster does not permit a call"),
    (RUN, "a run in a cluster failed"),
    (NO_LOGS, "there are no such logs in the cluster"),
    (NOT_BUILT, "the image of a runtime is not built, or was built of something else"),
    (FORWARD, "nothing in the cluster can be reached through a port"),
    (TYPE, "a manifest is not of the types that the cluster serves"),
    (KIND, "a cluster does not serve a kind"),
    (IN_POD, "work in a pod of the registry cannot be done"),
];

pub(crate) const CLUSTER: &str = "MLP0860";
pub(crate) const SETTINGS: &str = "MLP0861";
pub(crate) const NOT_SERVED: &str = "MLP0862";
pub(crate) const IMAGE: &str = "MLP0863";
pub(crate) const VALUE: &str = "MLP0864";
pub(crate) const UNRESOLVED: &str = "MLP0865";
pub(crate) const REFUSED: &str = "MLP0866";
pub(crate) const TAKEN: &str = "MLP0867";
pub(crate) const NOT_READY: &str = "MLP0868";
pub(crate) const HELD: &str = "MLP0869";
pub(crate) const DENIED: &str = "MLP0870";
pub(crate) const RUN: &str = "MLP0871";
pub(crate) const NO_LOGS: &str = "MLP0872";
pub(crate) const NOT_BUILT: &str = "MLP0873";
pub(crate) const FORWARD: &str = "MLP0877";
pub(crate) const TYPE: &str = "MLP0878";
pub(crate) const KIND: &str = "MLP0879";
pub(crate) const IN_POD: &str = "MLP0875";
