//! `mlp run`: one run of a pipeline or a batch endpoint.

use std::collections::BTreeMap;

use mlp_diag::Diagnostic;
use mlp_provider::RunRequest;
use mlp_state::{Record, State};
use mlp_value::KnownValue;

use super::apply::Applying;
use super::exit::Exit;
use super::project::{Compiled, Project, VariableArgs};
use super::{Globals, report, up};
use crate::engine::{lower_place, session_for};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to run: `pipeline.train`, `endpoint.nightly`
    address: String,
    /// A parameter of this run, `name=value`
    #[arg(long = "param", value_name = "NAME=VALUE")]
    param: Vec<String>,
    /// Run every step, also those whose result is known
    #[arg(long)]
    fresh: bool,
    /// Only this step and those it needs, to try it out: nothing is registered or written to datasets
    #[arg(long = "step", value_name = "NAME")]
    step: Vec<String>,
    #[command(flatten)]
    variables: VariableArgs,
}

/// Runs it to its end.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let compiled = match Project::read(globals, &args.variables).compile(globals) {
        Ok(compiled) => compiled,
        Err((diagnostics, sources)) => return report::diagnostics(&diagnostics, &sources, globals),
    };
    let applying = match Applying::new(globals) {
        Ok(applying) => applying,
        Err(exit) => return exit,
    };
    match once(args, &compiled, &applying) {
        Ok(summary) => {
            drop(applying);
            up::told(&[summary], Vec::new(), &compiled, globals)
        }
        Err(mut diagnostics) => {
            drop(applying);
            for diagnostic in &mut diagnostics {
                lower_place(diagnostic, &compiled.platform, &compiled.sources);
            }
            report::diagnostics(&diagnostics, &compiled.sources, globals)
        }
    }
}

fn once(
    args: &Args,
    compiled: &Compiled,
    applying: &Applying,
) -> Result<mlp_provider::RunSummary, Vec<Diagnostic>> {
    let opening = session_for(&compiled.platform, &*compiled.provider, &compiled.directory);
    let (session, _, loaded) = applying.runtime.block_on(opening)?;
    let record = applied(&loaded.state, &args.address).map_err(|diagnostic| vec![*diagnostic])?;
    let request = RunRequest {
        resource: record.kind.clone(),
        identity: record.identity.clone(),
        id: record.id.clone(),
        params: parameters(&args.param)?,
        who: applying.watcher.who.clone(),
        commit: applying.watcher.commit.clone(),
        fresh: args.fresh,
        steps: args.step.clone(),
    };
    applying
        .runtime
        .block_on(session.run(&request, &*applying.watcher.run))
        .map_err(|error| vec![*error.diagnostic])
}

/// `name=value`: JSON where it is JSON, else text.
fn parameters(given: &[String]) -> Result<BTreeMap<String, KnownValue>, Vec<Diagnostic>> {
    let one = |text: &String| match text.split_once('=') {
        None => Err(vec![
            Diagnostic::error("MLP0912", format!("`-param {text}` names no value"))
                .help("write `-param name=value`"),
        ]),
        Some((name, value)) => {
            let json = serde_json::from_str(value).unwrap_or_else(|_| serde_json::Value::from(value));
            let value = KnownValue::from_json(&json).map_err(|why| {
                vec![
                    Diagnostic::error("MLP0912", format!("`-param {text}`: {why}"))
                        .help("write `-param name=value`"),
                ]
            })?;
            Ok((name.trim().to_owned(), value))
        }
    };
    given.iter().map(one).collect()
}

/// The record of what was applied under a name: of an address, or of one role of it.
///
/// # Errors
/// Nothing applied is called so.
pub fn applied<'s>(state: &'s State, name: &str) -> Result<&'s Record, Box<Diagnostic>> {
    let is_it = |record: &&Record| record.id.to_string() == name || record.id.address.to_string() == name;
    state.resources.values().map(|record| &**record).find(is_it).ok_or_else(|| {
        let known: Vec<String> = state.resources.keys().map(ToString::to_string).collect();
        Box::new(
            Diagnostic::error("MLP0920", format!("nothing applied is called `{name}`"))
                .note(mlp_diag::one_of(name, known.iter().map(String::as_str)))
                .help("apply it first with `mlp apply`"),
        )
    })
}
