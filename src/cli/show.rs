//! `mlp show`: the state, or a plan file, rendered anywhere.

use std::path::PathBuf;

use mlp_diag::{Diagnostic, SourceMap};
use mlp_plan::{Plan, RenderOptions, render_json, render_text};

use super::exit::Exit;
use super::project::{Project, VariableArgs};
use super::{Globals, report};
use crate::engine::session_for;
use crate::host::{files, terminal};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A plan written by `mlp plan -out`; the state when left out
    plan: Option<PathBuf>,
    /// Show what was shortened
    #[arg(long)]
    verbose: bool,
}

/// Shows it.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    match &args.plan {
        Some(path) => plan_file(path, args.verbose, globals),
        None => state(globals),
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
    for record in state.resources.values() {
        let place = record.place.as_ref().map(|place| format!("  ({place})")).unwrap_or_default();
        report::data(&format!("{}  {}  {}{place}\n", record.id, record.kind, record.identity));
        for (name, value) in record.outputs.as_object().into_iter().flatten() {
            report::data(&format!("    {name} = {}\n", value.to_plain_json()));
        }
    }
    Exit::Success
}
