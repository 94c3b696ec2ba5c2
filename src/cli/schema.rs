//! `mlp schema`: the JSON Schema of the language.

use mlp_diag::{Diagnostic, SourceMap, one_of};
use mlp_platform::kinds::KINDS;
use serde_json::json;

use super::exit::Exit;
use super::{Globals, report};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only the body of this block
    block: Option<String>,
}

/// Prints it.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let mut schema = mlp_platform::json_schema();
    if let Some(name) = &args.block {
        if !KINDS.iter().any(|kind| kind.name == name) {
            let problem = Diagnostic::error("MLP0932", format!("there is no block `{name}`"))
                .help(one_of(name, KINDS.iter().map(|kind| kind.name)));
            return report::diagnostics(&[problem], &SourceMap::default(), globals);
        }
        schema["$ref"] = json!(format!("#/$defs/{name}"));
        for word in ["properties", "type", "additionalProperties"] {
            schema.as_object_mut().map(|fields| fields.remove(word));
        }
        schema["title"] = json!(name);
    }
    report::data(&format!("{schema:#}\n"));
    Exit::Success
}
