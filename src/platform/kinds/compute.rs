//! `compute`.

use crate::phrases::COMPUTE_ATTRIBUTES;
use crate::schema::Kind;

/// A pool of processors or accelerators, with its queue and quota.
pub const KIND: Kind = Kind {
    name: "compute",
    doc: "A pool of processors or accelerators, with its queue and quota.",
    labels: &["name"],
    attributes: COMPUTE_ATTRIBUTES,
    open: false,
    members: &[],
    outputs: &[],
    common: true,
    partial: true,
};
