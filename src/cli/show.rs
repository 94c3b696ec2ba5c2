//! `mlp show`: the state, a plan file, or the versions of something applied, rendered anywhere.

use std::path::{Path, PathBuf};

use mlp_diag::{Diagnostic, SourceMap};
use mlp_plan::{Plan, RenderOptions, render_json, render_text};
use mlp_provider::ShowQuery;
use mlp_state::Encryption;

use super::exit::Exit;
use super::project::{Project, VariableArgs};
use super::run::applied;
use super::{Globals, report};
use crate::engine::{self, key_sources, lower_place, session_for};
use crate::host::{files, terminal};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A plan written by `mlp plan -out`, or the address of a dataset, for its versions; the state when left out
    plan: Option<PathBuf>,
    /// How the second version of a dataset differs from the first: the starts of their names, `previous`, `current`
    #[arg(long, num_args = 2, value_names = ["FROM", "TO"], requires = "plan")]
    compare: Option<Vec<String>>,
    /// Show what was shortened
    #[arg(long)]
    verbose: bool,
}

/// Shows it.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    if let Some(address) = args.plan.as_deref().and_then(|path| address(path, args.compare.is_some())) {
        return versions(args, &address, globals);
    }
    match &args.plan {
        Some(path) => plan_file(path, args.verbose, globals),
        None => state(globals),
    }
}

/// The argument as an address: no file is called so, or only something applied can be compared.
fn address(path: &Path, compares: bool) -> Option<String> {
    let text = path.to_str()?;
    let looks = text
        .parse::<mlp_value::Address>()
        .is_ok_and(|address| mlp_platform::kinds::kind(&address.kind).is_some());
    (looks && (compares || !path.exists())).then(|| text.to_owned())
}

fn versions(args: &Args, address: &str, globals: &Globals) -> Exit {
    let compiled = match Project::read(globals, &VariableArgs::default()).compile(globals) {
        Ok(compiled) => compiled,
        Err((diagnostics, sources)) => return report::diagnostics(&diagnostics, &sources, globals),
    };
    let compare = args.compare.as_deref().and_then(|pair| match pair {
        [from, to] => Some((from.clone(), to.clone())),
        _ => None,
    });
    let shown = report::runtime().map_err(|diagnostic| vec![*diagnostic]).and_then(|runtime| {
        runtime.block_on(async {
            let (session, _, loaded) =
                session_for(&compiled.platform, &*compiled.provider, &compiled.directory).await?;
            let record = applied(&loaded.state, address).map_err(|diagnostic| vec![*diagnostic])?;
            let query =
                ShowQuery { resource: record.kind.clone(), identity: record.identity.clone(), compare };
            let shown = session.show(&query).await.map_err(|error| vec![*error.diagnostic])?;
            shown.ok_or_else(|| {
                vec![
                    Diagnostic::error("MLP0923", format!("`{address}` has no versions that are shown here"))
                        .help("show a dataset; `mlp status` says how everything else is"),
                ]
            })
        })
    });
    match shown {
        Err(mut diagnostics) => {
            for diagnostic in &mut diagnostics {
                lower_place(diagnostic, &compiled.platform, &compiled.sources);
            }
            report::diagnostics(&diagnostics, &compiled.sources, globals)
        }
        Ok(shown) if globals.json => {
            let document =
                serde_json::json!({ "format_version": report::FORMAT_VERSION, "shown": shown.detail });
            report::data(&format!("{document}\n"));
            Exit::Success
        }
        Ok(shown) => {
            shown.lines.iter().for_each(|line| report::data(&format!("{line}\n")));
            Exit::Success
        }
    }
}

/// The keys of the project around, for a plan file that is encrypted.
fn keys(globals: &Globals) -> Result<Encryption, Diagnostic> {
    let compiled = Project::read(globals, &VariableArgs::default()).compile(globals);
    compiled
        .map_or_else(|_| Ok(Encryption::default()), |found| key_sources(&found.platform, &found.directory))
}

fn plan_file(path: &Path, verbose: bool, globals: &Globals) -> Exit {
    let read = files::read_text(path).and_then(|text| {
        let name = path.display().to_string();
        let text = engine::plan_file::opened(&name, text, || keys(globals)).map_err(Box::new)?;
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
