//! `component`: what its steps and endpoints make of it.

use mlp_provider::{LowerInput, Lowered};

use super::builder::Builder;

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let served = &[
        "runtime",
        "runtime.image",
        "runtime.language",
        "runtime.version",
        "runtime.env.**",
        "code",
        "run",
        "serve",
        "inputs.**",
        "params.**",
        "outputs.**",
    ];
    Builder::new(input, served).finish(Vec::new())
}
