//! `component`: becomes part of the pipelines that use it.

use mlp_provider::{LowerInput, Lowered};

use super::builder::Builder;

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let served = [
        "runtime",
        "runtime.language",
        "runtime.version",
        "runtime.lock",
        "runtime.env.**",
        "code",
        "run",
        "serve",
        "inputs.**",
        "params.**",
        "outputs.**",
    ];
    Builder::new(input, &served).finish(Vec::new())
}
