//! `source`: files of the project, which datasets read.

use mlp_provider::{LowerInput, Lowered};

use super::builder::Builder;

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let mut builder = Builder::new(input, &["kind", "uri", "format", "mode", "generate", "catalog.**"]);
    if let Some(kind) = builder.text("kind").filter(|kind| *kind != "file") {
        builder.not_served(
            "kind",
            &format!("a source of kind `{kind}`"),
            "export it to a file and use `kind = \"file\"`",
        );
    }
    if let Some(mode) = builder.text("mode").filter(|mode| *mode != "batch") {
        builder.not_served("mode", &format!("the mode `{mode}`"), "use `mode = \"batch\"`");
    }
    builder.finish(Vec::new())
}
