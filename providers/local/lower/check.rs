//! `check`: evaluated where its pipeline registers a version, or where a version of its model is registered.

use mlp_provider::{LowerInput, Lowered};

use super::builder::Builder;
use crate::mlp_eval::reference_of;

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let mut builder = Builder::new(input, &["on", "assert", "message"]);
    let on = builder.attribute("on").and_then(reference_of);
    if let Some(on) = on.filter(|on| !matches!(on.address.kind.as_ref(), "pipeline" | "model")) {
        builder.not_served("on", &format!("a check on `{on}`"), "check a pipeline or a model");
    }
    builder.finish(Vec::new())
}
