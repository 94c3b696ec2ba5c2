//! Online and batch serving: a python worker, supervised replicas, and a router in front of them.
//!
//! A replica answers `POST /predict` (`{"rows": [...]}` with `{"predictions": [...]}`) and `GET /healthz` on
//! `MLP_PORT` of loopback. The router splits traffic between variants by weight, between their replicas in
//! turn, and replaces its whole picture at once, so that a change costs no request.

mod access;
mod batch;
mod capture;
mod client;
mod compose;
mod endpoint;
mod graph;
mod hold;
mod hush;
mod inference;
mod keeper;
mod keeping;
mod launch;
mod metrics;
mod process;
mod refusal;
mod replica;
mod router;
mod routing;
mod scale;
mod server;
mod shadow;
mod spec;
mod spread;
#[cfg(test)]
mod tests;
mod window;

pub use batch::{BatchSpec, BatchWorker, predict_batch};
pub use capture::sealed_captures;
pub use endpoint::{Endpoint, EndpointStatus, VariantStatus};
pub use graph::{Feed, GraphSpec, Pick};
pub use keeper::{Keeper, View};
pub use keeping::keep;
pub use launch::Launch;
pub use replica::{EndpointEvent, Events, ReplicaState, ReplicaStatus};
pub use spec::{
    AuthSpec, CaptureSpec, EndpointSpec, HealthSpec, LimitScope, LimitSpec, ModelLabel, Protocol,
    RequestRate, ScaleSpec, SloSpec, VariantSpec, WHOLE,
};
pub use window::{MOST_FAILURES, Reading};
