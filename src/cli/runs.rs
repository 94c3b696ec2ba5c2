//! `mlp runs`: the runs of pipelines and batch endpoints, newest first.

use mlp_diag::Diagnostic;
use mlp_provider::RunEntry;

use super::exit::Exit;
use super::project::{Compiled, Project, VariableArgs};
use super::run::applied;
use super::{Globals, report};
use crate::engine::session_for;
use crate::talk::runs_lines;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose: `pipeline.train`; all when left out
    address: Option<String>,
    /// How many
    #[arg(long, short = 'n', default_value_t = 20, value_name = "N")]
    limit: u32,
    #[command(flatten)]
    variables: VariableArgs,
}

/// Lists them.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let compiled = match Project::read(globals, &args.variables).compile(globals) {
        Ok(compiled) => compiled,
        Err((diagnostics, sources)) => return report::diagnostics(&diagnostics, &sources, globals),
    };
    let runs = match ask(args, &compiled) {
        Ok(runs) => runs,
        Err(diagnostics) => return report::diagnostics(&diagnostics, &compiled.sources, globals),
    };
    if globals.json {
        let document = serde_json::json!({ "format_version": report::FORMAT_VERSION, "runs": runs });
        report::data(&format!("{document}\n"));
    } else if runs.is_empty() {
        report::data("Nothing has run yet: `mlp run pipeline.<name>` begins.\n");
    } else {
        runs_lines(&runs).iter().for_each(|line| report::data(&format!("{line}\n")));
    }
    Exit::Success
}

fn ask(args: &Args, compiled: &Compiled) -> Result<Vec<RunEntry>, Vec<Diagnostic>> {
    let runtime = report::runtime().map_err(|diagnostic| vec![*diagnostic])?;
    runtime.block_on(async {
        let (session, _, loaded) =
            session_for(&compiled.platform, &*compiled.provider, &compiled.directory).await?;
        let address = match &args.address {
            Some(name) => Some(applied(&loaded.state, name).map_err(|diagnostic| vec![*diagnostic])?),
            None => None,
        };
        let address = address.map(|record| record.id.address.to_string());
        let runs = session.runs(address.as_deref(), args.limit);
        let runs = runs.await.map_err(|error| vec![*error.diagnostic])?;
        runs.ok_or_else(|| vec![report::not_offered("tell its runs")])
    })
}
