//! `mlp destroy`: end and delete what was made, after saying what and how much.

use mlp_plan::Mode;
use mlp_value::units::format_bytes;

use super::apply::{Applying, How, refused};
use super::exit::Exit;
use super::plan::{Selection, prepare_change, show};
use super::project::VariableArgs;
use super::{Globals, report};
use crate::engine::{Planned, Request};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    variables: VariableArgs,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    how: How,
}

/// Plans the end, asks, and carries it out.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let request = Request { mode: Mode::Destroy, options: args.selection.options() };
    let (compiled, planned) = match prepare_change(globals, &args.variables, &request) {
        Ok(prepared) => prepared,
        Err(exit) => return exit,
    };
    if !globals.json {
        show(&planned, globals, false);
        losses(&planned);
    }
    let whole = args.selection.target.is_empty() && args.selection.exclude.is_empty();
    if !planned.plan.is_empty() {
        if let Some(exit) = refused(&args.how, "Do you really want to destroy all of this?", globals) {
            return exit;
        }
        let applying = match Applying::new(globals) {
            Ok(applying) => applying,
            Err(exit) => return exit,
        };
        let exit = applying.apply(&compiled, &planned, "destroy", &args.how, globals);
        if exit != Exit::Success {
            return exit;
        }
    }
    if !whole {
        return Exit::Success;
    }
    let closed = report::runtime().map_err(|diagnostic| *diagnostic).and_then(|runtime| {
        runtime.block_on(planned.session.close_environment()).map_err(|error| *error.diagnostic)
    });
    match closed {
        Err(diagnostic) => report::diagnostics(&[diagnostic], &compiled.sources, globals),
        Ok(stays) => {
            for line in stays {
                report::talk(&line);
            }
            for kept in &planned.plan.kept {
                report::talk(&format!("stays: {} ({})", kept.resource, kept.reason));
            }
            Exit::Success
        }
    }
}

/// What will be lost, with sizes.
fn losses(planned: &Planned) {
    let removals: Vec<_> =
        planned.plan.steps.iter().filter_map(|step| Some((&step.resource, step.removal.as_ref()?))).collect();
    if removals.is_empty() {
        return;
    }
    report::data("\nThis ends and deletes:\n");
    let mut bytes = 0;
    for (resource, removal) in removals {
        bytes += removal.bytes;
        report::data(&format!("  {resource}: {}\n", removal.what));
    }
    report::data(&format!("  in all {}\n", format_bytes(bytes)));
}
