//! `secret`: a reference that is read when a step or endpoint needs it.

use mlp_provider::{LowerInput, Lowered};

use super::builder::Builder;
use crate::codes;
use crate::mlp_value::facts::{Fact, Need};

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let mut builder = Builder::new(input, &["from"]);
    let known = |from: &str| from.starts_with("env:") || from.starts_with("file:");
    if let Some(from) = builder.text("from").filter(|from| !known(from)) {
        builder.not_served("from", &format!("the secret store of `{from}`"), "use `env:NAME` or `file:PATH`");
    }
    if let Some(from) = builder.text("from").filter(|from| known(from)) {
        match builder.ask(Need::Secret(from.to_owned())) {
            Some(Fact::Refused(why)) => builder.error(codes::SECRET, "from", why.text.clone(), &why.help),
            Some(Fact::Failed(why)) => builder.error(codes::SECRET, "from", why.clone(), ""),
            _ => {}
        }
    }
    builder.finish(Vec::new())
}
