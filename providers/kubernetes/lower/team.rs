//! `team`: a label of what it owns.

use mlp_provider::{LowerInput, Lowered};

use super::builder::Builder;

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    Builder::new(input, &[]).finish(Vec::new())
}
