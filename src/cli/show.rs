//! `mlp show`: the state, a plan file, or the versions of something applied, rendered anywhere.

use std::path::{Path, PathBuf};

use mlp_diag::{Diagnostic, SourceMap};
use mlp_provider::ShowQuery;

use super::exit::Exit;
use super::plan_file::{Format, Showing};
use super::project::{Project, VariableArgs};
use super::run::applied;
use super::{Globals, plan_file, report};
use crate::engine::{lower_place, session_for};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A plan written by `mlp plan -out`, or the address of a dataset, for its versions; the state when left out
    plan: Option<PathBuf>,
    /// How the second version of a dataset differs from the first: the starts of their names, `previous`, `current`
    #[arg(long, num_args = 2, value_names = ["FROM", "TO"], requires = "plan")]
    compare: Option<Vec<String>>,
    #[command(flatten)]
    showing: Showing,
}

/// Shows it.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    if let Some(address) = args.plan.as_deref().and_then(|path| address(path, args.compare.is_some())) {
        return versions(args, &address, globals);
    }
    match &args.plan {
        Some(path) => plan(path, args.showing, globals),
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

fn plan(path: &Path, showing: Showing, globals: &Globals) -> Exit {
    let alone = |problem: Box<Diagnostic>| report::diagnostics(&[*problem], &SourceMap::default(), globals);
    let plan = match plan_file::read(path, globals) {
        Ok(plan) => plan,
        Err(problem) => return alone(problem),
    };
    if showing.format(globals) == Format::Text {
        plan.context.notices.iter().for_each(|notice| report::talk(&format!("{}\n", notice.text)));
    }
    match showing.draw(&plan, globals) {
        Ok(text) => report::data(&text),
        Err(problem) => return alone(problem),
    }
    Exit::Success
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
