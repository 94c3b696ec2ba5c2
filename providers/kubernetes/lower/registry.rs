//! `registry` of images: what is built is pushed to it; it makes no object. That of models is the floor's.

use mlp_provider::{LowerInput, Lowered};

use super::builder::Builder;
use crate::codes;

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let mut builder = Builder::new(input, &["kind", "uri"]);
    if builder.text("kind") != Some("image") {
        let help =
            "leave it out of this environment with `except`; registries are of models and of images here";
        builder.not_served("kind", "a registry of another kind", help);
    } else if builder.text("uri").is_none() {
        let help = "say where it is: `uri = \"registry.example/team\"`";
        builder.error(codes::VALUE, "uri", "it is not said where the registry of images is", help);
    }
    builder.finish(Vec::new())
}
