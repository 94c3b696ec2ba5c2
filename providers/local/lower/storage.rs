//! `storage`: a directory of the environment.

use std::collections::BTreeMap;

use mlp_provider::{LowerInput, Lowered};

use super::builder::Builder;

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let builder = Builder::new(input, &["kind", "pattern"]);
    let mut config = BTreeMap::new();
    for name in ["kind", "pattern"] {
        if let Some(value) = builder.attribute(name) {
            config.insert(name, value.clone());
        }
    }
    let desired = builder.resource("local_directory", "storage", true, config);
    builder.finish(vec![desired])
}
