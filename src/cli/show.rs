//! `mlp show`: the state, a plan file rendered anywhere, or all that is known of a model.

use std::path::PathBuf;

use mlp_diag::{Diagnostic, SourceMap};
use mlp_plan::{Plan, RenderOptions, render_json, render_text};
use mlp_state::Record;

use super::exit::Exit;
use super::project::{Project, VariableArgs};
use super::run::applied;
use super::{Globals, report};
use crate::engine::session_for;
use crate::host::{files, terminal};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A plan written by `mlp plan -out`, or an address (`model.churn`); the state when left out
    #[arg(value_name = "PLAN|ADDRESS")]
    what: Option<PathBuf>,
    /// Show what was shortened
    #[arg(long)]
    verbose: bool,
}

/// Shows it.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    match &args.what {
        Some(path) => match address(path) {
            Some(address) => object(&address, globals),
            None => plan_file(path, args.verbose, globals),
        },
        None => state(globals),
    }
}

/// What is no file and could be an address is one.
fn address(path: &std::path::Path) -> Option<String> {
    let text = path.to_str()?;
    let address: mlp_value::Address = text.parse().ok()?;
    let known = mlp_platform::kinds::KINDS.iter().any(|kind| kind.name == &*address.kind);
    (known && !path.exists()).then(|| text.to_owned())
}

fn object(address: &str, globals: &Globals) -> Exit {
    let compiled = match Project::read(globals, &VariableArgs::default()).compile(globals) {
        Ok(compiled) => compiled,
        Err((diagnostics, sources)) => return report::diagnostics(&diagnostics, &sources, globals),
    };
    let asked = report::runtime().map_err(|diagnostic| vec![*diagnostic]).and_then(|runtime| {
        runtime.block_on(async {
            let (session, _, loaded) =
                session_for(&compiled.platform, &*compiled.provider, &compiled.directory).await?;
            let record = applied(&loaded.state, address).map_err(|diagnostic| vec![*diagnostic])?.clone();
            let told = session.describe(&record.kind, &record.identity).await;
            told.map(|told| (record, told)).map_err(|error| vec![*error.diagnostic])
        })
    });
    match asked {
        Ok((_, Some(told))) => report::told(&told, globals),
        Ok((record, None)) if globals.json => {
            report::data(&format!("{}\n", serde_json::json!(record)));
            Exit::Success
        }
        Ok((record, None)) => {
            print(&record);
            Exit::Success
        }
        Err(diagnostics) => report::diagnostics(&diagnostics, &compiled.sources, globals),
    }
}

fn print(record: &Record) {
    let place = record.place.as_ref().map(|place| format!("  ({place})")).unwrap_or_default();
    report::data(&format!("{}  {}  {}{place}\n", record.id, record.kind, record.identity));
    for (name, value) in record.outputs.as_object().into_iter().flatten() {
        report::data(&format!("    {name} = {}\n", value.to_plain_json()));
    }
}

fn plan_file(path: &std::path::Path, verbose: bool, globals: &Globals) -> Exit {
    let read = files::read_text(path).and_then(|text| {
        Plan::from_json(&text).map_err(|why| {
            Box::new(
                Diagnostic::error("MLP0916", format!("`{}`: {why}", path.display()))
                    .help("write it anew with `mlp plan -out`"),
            )
        })
    });
    match read {
        Err(diagnostic) => report::diagnostics(&[*diagnostic], &SourceMap::default(), globals),
        Ok(plan) => {
            if globals.json {
                report::data(&format!("{}\n", render_json(&plan)));
            } else {
                let style = terminal::stdout_style(globals.no_color);
                report::data(&render_text(
                    &plan,
                    RenderOptions { color: style.color, width: style.width, verbose },
                ));
            }
            Exit::Success
        }
    }
}

fn state(globals: &Globals) -> Exit {
    let compiled = match Project::read(globals, &VariableArgs::default()).compile(globals) {
        Ok(compiled) => compiled,
        Err((diagnostics, sources)) => return report::diagnostics(&diagnostics, &sources, globals),
    };
    let loaded = report::runtime().map_err(|diagnostic| vec![*diagnostic]).and_then(|runtime| {
        runtime.block_on(session_for(&compiled.platform, &*compiled.provider, &compiled.directory))
    });
    let state = match loaded {
        Ok((_, _, loaded)) => loaded.state,
        Err(diagnostics) => return report::diagnostics(&diagnostics, &compiled.sources, globals),
    };
    if globals.json {
        report::data(&format!("{}\n", serde_json::json!(state)));
        return Exit::Success;
    }
    state.resources.values().for_each(print);
    Exit::Success
}
