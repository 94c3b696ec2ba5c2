//! `mlp release`: let a version that a rollout took out be tried again.

use mlp_diag::Diagnostic;

use super::exit::Exit;
use super::project::{Compiled, Project, VariableArgs};
use super::run::applied;
use super::{Globals, report};
use crate::engine::session_for;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose version: `endpoint.churn`
    address: String,
    #[command(flatten)]
    variables: VariableArgs,
}

/// Releases it, and says so.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let compiled = match Project::read(globals, &args.variables).compile(globals) {
        Ok(compiled) => compiled,
        Err((diagnostics, sources)) => return report::diagnostics(&diagnostics, &sources, globals),
    };
    match release(args, &compiled) {
        Ok(()) => {
            report::talk(&format!("{} tries the version that was held again.", args.address));
            Exit::Success
        }
        Err(diagnostics) => report::diagnostics(&diagnostics, &compiled.sources, globals),
    }
}

fn release(args: &Args, compiled: &Compiled) -> Result<(), Vec<Diagnostic>> {
    let runtime = report::runtime().map_err(|diagnostic| vec![*diagnostic])?;
    runtime.block_on(async {
        let (session, _, loaded) =
            session_for(&compiled.platform, &*compiled.provider, &compiled.directory).await?;
        let record = applied(&loaded.state, &args.address).map_err(|diagnostic| vec![*diagnostic])?;
        let released = session.release(&record.kind, &record.identity).await;
        if released.map_err(|error| vec![*error.diagnostic])? {
            return Ok(());
        }
        let text = format!("`{}` holds no version back", args.address);
        Err(vec![Diagnostic::error("MLP0926", text).help("`mlp status` says what is held, and why")])
    })
}
