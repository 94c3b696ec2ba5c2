//! `mlp gc`: removes what nothing needs any more.

use std::time::Duration;

use mlp_diag::Diagnostic;
use mlp_provider::{CollectRequest, Collected};
use mlp_value::units;

use super::exit::Exit;
use super::project::{Compiled, Project, VariableArgs};
use super::{Globals, report};
use crate::engine::session_for;
use crate::host::who;
use crate::talk::collected_lines;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
    /// What is younger stays
    #[arg(long, default_value = "1h", value_name = "DURATION")]
    grace: String,
    /// How many runs of each pipeline keep their directories
    #[arg(long, default_value_t = 10, value_name = "N")]
    keep_runs: usize,
    #[command(flatten)]
    variables: VariableArgs,
}

/// Collects.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let compiled = match Project::read(globals, &args.variables).compile(globals) {
        Ok(compiled) => compiled,
        Err((diagnostics, sources)) => return report::diagnostics(&diagnostics, &sources, globals),
    };
    let asked = duration(&args.grace).and_then(|grace| ask(args, grace, &compiled));
    let collected = match asked {
        Ok(collected) => collected,
        Err(diagnostics) => return report::diagnostics(&diagnostics, &compiled.sources, globals),
    };
    if globals.json {
        let bytes: u64 = collected.garbage.iter().map(|one| one.bytes).sum();
        let document = serde_json::json!({
            "format_version": report::FORMAT_VERSION,
            "dry_run": args.dry_run,
            "bytes": bytes,
            "garbage": collected.garbage,
            "kept": collected.kept,
        });
        report::data(&format!("{document}\n"));
    } else {
        collected_lines(&collected, args.dry_run).iter().for_each(|line| report::data(&format!("{line}\n")));
    }
    Exit::Success
}

/// A duration, where `0` needs no unit.
fn duration(text: &str) -> Result<Duration, Vec<Diagnostic>> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    units::duration(text).map_err(|why| {
        vec![Diagnostic::error("MLP0912", format!("`--grace {text}`: {why}")).help("write `--grace 2h`")]
    })
}

fn ask(args: &Args, grace: Duration, compiled: &Compiled) -> Result<Collected, Vec<Diagnostic>> {
    let runtime = report::runtime().map_err(|diagnostic| vec![*diagnostic])?;
    runtime.block_on(async {
        let (session, ..) = session_for(&compiled.platform, &*compiled.provider, &compiled.directory).await?;
        let request =
            CollectRequest { dry_run: args.dry_run, grace, keep_runs: args.keep_runs, who: who::who() };
        let collected = session.collect(&request).await.map_err(|error| vec![*error.diagnostic])?;
        collected.ok_or_else(|| vec![report::not_offered("collect garbage")])
    })
}
