//! `secret`: a reference that is read when a step or endpoint needs it.

use mlp_provider::{LowerInput, Lowered};

use super::builder::Builder;

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let mut builder = Builder::new(input, &["from"]);
    let known = |from: &str| from.starts_with("env:") || from.starts_with("file:");
    if let Some(from) = builder.text("from").filter(|from| !known(from)) {
        builder.not_served("from", &format!("the secret store of `{from}`"), "use `env:NAME` or `file:PATH`");
    }
    builder.finish(Vec::new())
}
