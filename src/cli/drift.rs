//! `mlp drift`: what was changed outside, and nothing else.

use mlp_plan::{Mode, RenderOptions, render_drift, render_json};

use super::exit::Exit;
use super::plan::{Selection, prepare};
use super::project::VariableArgs;
use super::{Globals, report};
use crate::engine::{Request, carry};
use crate::host::terminal;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    variables: VariableArgs,
    #[command(flatten)]
    selection: Selection,
    /// Exit with 2 when something was changed outside
    #[arg(long)]
    detailed_exitcode: bool,
    /// Show what was shortened
    #[arg(long)]
    verbose: bool,
}

/// Looks and says.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let request = Request { mode: Mode::RefreshOnly, options: args.selection.options() };
    let (compiled, mut planned) = match prepare(globals, &args.variables, &request) {
        Ok(prepared) => prepared,
        Err(exit) => return exit,
    };
    let plan = &mut planned.plan;
    if globals.json {
        carry(plan, &compiled.platform, &compiled.sources, &planned.vault);
        report::data(&format!("{}\n", render_json(plan)));
    } else {
        report::diagnostics(&plan.warnings, &compiled.sources, globals);
        let style = terminal::stdout_style(globals.no_color);
        let options = RenderOptions { color: style.color, width: style.width, verbose: args.verbose };
        report::data(&render_drift(plan, options));
        report::data(&match plan.drift.len() {
            0 => "No drift. Nothing was changed outside mlp.\n".to_owned(),
            count => format!(
                "Drift: {} changed outside mlp. `mlp plan` shows how it is put right; `mlp apply --refresh-only` \
                 takes note of it.\n",
                report::count(count, "resource")
            ),
        });
    }
    if args.detailed_exitcode && !plan.drift.is_empty() { Exit::Changes } else { Exit::Success }
}
