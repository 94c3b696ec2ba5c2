//! `mlp rollback`: an alias of a model goes back to an earlier version and stays there.

use mlp_diag::Diagnostic;
use mlp_provider::{RollbackAct, RollbackRequest, Shown};

use super::exit::Exit;
use super::project::{Compiled, Project, VariableArgs};
use super::run::applied;
use super::{Globals, report};
use crate::engine::session_for;
use crate::host::who;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The model: `model.churn`
    address: String,
    /// The alias; where it is left out, the one that the model's gates lead to
    #[arg(long, value_name = "NAME")]
    alias: Option<String>,
    /// The version to go back to; the one before the present when left out
    #[arg(long, value_name = "VERSION", conflicts_with = "release")]
    to: Option<u32>,
    /// Let runs move the alias again
    #[arg(long)]
    release: bool,
    /// Why, for the history
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    #[command(flatten)]
    variables: VariableArgs,
}

/// Goes back, or releases.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let compiled = match Project::read(globals, &args.variables).compile(globals) {
        Ok(compiled) => compiled,
        Err((diagnostics, sources)) => return report::diagnostics(&diagnostics, &sources, globals),
    };
    match ask(args, &compiled) {
        Ok(told) => report::told(&told, globals),
        Err(diagnostics) => report::diagnostics(&diagnostics, &compiled.sources, globals),
    }
}

fn ask(args: &Args, compiled: &Compiled) -> Result<Shown, Vec<Diagnostic>> {
    let act = match (args.release, args.to) {
        (true, _) => RollbackAct::Release,
        (false, Some(version)) => RollbackAct::To(version),
        (false, None) => RollbackAct::Back,
    };
    let runtime = report::runtime().map_err(|diagnostic| vec![*diagnostic])?;
    runtime.block_on(async {
        let (session, _, loaded) =
            session_for(&compiled.platform, &*compiled.provider, &compiled.directory).await?;
        let record = applied(&loaded.state, &args.address).map_err(|diagnostic| vec![*diagnostic])?;
        let request = RollbackRequest {
            resource: record.kind.clone(),
            identity: record.identity.clone(),
            alias: args.alias.clone(),
            act,
            who: who::who(),
            why: args.why.clone(),
        };
        let told = session.rollback(&request).await.map_err(|error| vec![*error.diagnostic])?;
        told.ok_or_else(|| {
            let text = format!("`{}` cannot be rolled back: it is no model with versions", args.address);
            vec![Diagnostic::error("MLP0930", text).help("name a model: `mlp rollback model.churn`")]
        })
    })
}
