//! `registry`: the embedded one of the environment.

use mlp_provider::{LowerInput, Lowered};

use super::builder::Builder;

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let mut builder = Builder::new(input, &["kind", "backend"]);
    if builder.text("kind") == Some("image") {
        builder.not_served("kind", "a registry of images", "use `kind = \"model\"`");
    }
    if builder.text("backend") == Some("mlflow") {
        builder.not_served("backend", "the backend `mlflow`", "use `backend = \"native\"`");
    }
    builder.finish(Vec::new())
}
