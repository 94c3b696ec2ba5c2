//! `mlp version`.

use super::exit::Exit;
use super::{Globals, report};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Prints the version, the edition of the language and what was built in.
pub fn run(_args: &Args, globals: &Globals) -> Exit {
    let version = env!("CARGO_PKG_VERSION");
    let providers = crate::engine::built_with();
    if globals.json {
        let document = serde_json::json!({
            "format_version": report::FORMAT_VERSION, "version": version,
            "language": "0.1", "providers": providers,
        });
        report::data(&format!("{document}\n"));
    } else {
        report::data(&format!("mlp {version}, language 0.1, providers: {}\n", providers.join(", ")));
    }
    Exit::Success
}
