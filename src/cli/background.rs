//! `mlp background`: the body of the process that a provider starts for work that outlives a command.

use std::path::PathBuf;

use super::exit::Exit;
use super::{Globals, report};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The provider's kind
    provider: String,
    /// The directory to work in
    path: PathBuf,
}

/// Runs until it is told to end.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let result = match args.provider.as_str() {
        #[cfg(feature = "local")]
        "local" => report::runtime()
            .and_then(|runtime| runtime.block_on(mlp_local::supervise(args.path.clone())).map_err(Box::new)),
        // One endpoint of a project of the local provider.
        #[cfg(feature = "local")]
        "endpoint" => report::serving().and_then(|runtime| {
            runtime.block_on(mlp_local::keep_endpoint(args.path.clone())).map_err(Box::new)
        }),
        other => Err(Box::new(mlp_diag::Diagnostic::error(
            "MLP0901",
            format!("provider `{other}` has no work in the background"),
        ))),
    };
    match result {
        Ok(()) => Exit::Success,
        Err(diagnostic) => report::diagnostics(&[*diagnostic], &mlp_diag::SourceMap::default(), globals),
    }
}
