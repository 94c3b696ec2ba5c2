//! `mlp explain`: the page of whatever has a name.

use super::exit::Exit;
use super::project::VariableArgs;
use super::{Globals, report};
use crate::explain::{Question, explain};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The code of a diagnostic (`MLP0304`)
    topic: String,
    #[command(flatten)]
    variables: VariableArgs,
}

/// Prints what is known of it.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    match explain(&Question { topic: &args.topic, globals, variables: &args.variables }) {
        Ok(answer) if globals.json => {
            let document = serde_json::json!({
                "format_version": report::FORMAT_VERSION, "topic": args.topic, "detail": answer.detail,
            });
            report::data(&format!("{document}\n"));
            Exit::Success
        }
        Ok(answer) => {
            report::data(&answer.text);
            Exit::Success
        }
        Err((diagnostics, sources)) => report::diagnostics(&diagnostics, &sources, globals),
    }
}
