//! `mlp up`: build the images that are missing, apply, run the pipelines that fill what is missing, apply again; then say what runs where.

use std::collections::BTreeSet;

use mlp_diag::Diagnostic;
use mlp_plan::Mode;
use mlp_provider::RunSummary;
use mlp_value::ResourceId;

use super::apply::{Applying, How, again, published, refused};
use super::exit::Exit;
use super::plan::{prepare, prepare_change, show};
use super::project::{Compiled, VariableArgs};
use super::{Globals, report, status};
use crate::engine::{self, Planned, Request};
use crate::talk::run_lines;

/// Rounds after which what is still deferred stays so.
const MOST_ROUNDS: usize = 8;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    variables: VariableArgs,
    #[command(flatten)]
    how: How,
}

/// Takes the specification to a running platform.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    // A plan names images by their digest: what is not built yet is built before.
    #[cfg(feature = "image")]
    if let Err(exit) = super::image::bring(globals, &args.variables) {
        return exit;
    }
    let request = Request { mode: Mode::Apply, options: mlp_plan::PlanOptions::default() };
    let (mut compiled, planned) = match prepare_change(globals, &args.variables, &request) {
        Ok(prepared) => prepared,
        Err(exit) => return exit,
    };
    let idle = planned.plan.is_empty() && planned.plan.deferred.is_empty();
    if !globals.json {
        report::diagnostics(&planned.plan.warnings, &compiled.sources, globals);
        show(&planned, globals, false);
    }
    if !idle && let Some(exit) = refused(&args.how, "Do you want to bring this up?", globals) {
        return exit;
    }
    let applying = match Applying::new(globals) {
        Ok(applying) => applying,
        Err(exit) => return exit,
    };
    let exit = rounds(&applying, &mut compiled, planned, args, globals);
    drop(applying);
    if exit != Exit::Success {
        return exit;
    }
    match published(&compiled, "up", globals) {
        Exit::Success => status::print(&compiled, globals),
        exit => exit,
    }
}

fn rounds(
    applying: &Applying,
    compiled: &mut Compiled,
    first: Planned,
    args: &Args,
    globals: &Globals,
) -> Exit {
    let mut ran: BTreeSet<ResourceId> = BTreeSet::new();
    let mut planned = first;
    let mut worst = Exit::Success;
    for _ in 0..MOST_ROUNDS {
        if !planned.plan.is_empty() {
            let exit = applying.apply(compiled, &planned, "up", &args.how, globals);
            if exit != Exit::Success {
                return exit;
            }
        }
        if planned.plan.deferred.is_empty() {
            return if worst == Exit::Success {
                first_runs(applying, compiled, &planned, globals)
            } else {
                worst
            };
        }
        let before = ran.len();
        let converged = applying.runtime.block_on(engine::converge(&planned, &mut ran, &applying.watcher));
        let exit = told(&converged.runs, converged.problems, compiled, globals);
        if exit != Exit::Success {
            worst = exit;
        }
        if applying.watcher.run.cancelled() {
            return Exit::Cancelled;
        }
        planned = match planned_again(compiled, &args.variables, globals) {
            Ok(planned) => planned,
            Err(exit) => return exit,
        };
        if ran.len() == before && planned.plan.is_empty() {
            return still_waiting(&planned, compiled, worst, globals);
        }
    }
    still_waiting(&planned, compiled, worst, globals)
}

/// The plan after a round; what could not be expanded before is read again, since more is known now.
fn planned_again(
    compiled: &mut Compiled,
    variables: &VariableArgs,
    globals: &Globals,
) -> Result<Planned, Exit> {
    if compiled.platform.deferred.is_empty() {
        return again(compiled, globals);
    }
    let request = Request { mode: Mode::Apply, options: mlp_plan::PlanOptions::default() };
    let (found, planned) = prepare(globals, variables, &request)?;
    *compiled = found;
    Ok(planned)
}

/// Batch endpoints that have never run are run once: the platform is up when everything has answered once.
fn first_runs(applying: &Applying, compiled: &Compiled, planned: &Planned, globals: &Globals) -> Exit {
    let running = engine::first_runs(planned, &applying.watcher);
    match applying.runtime.block_on(running) {
        Ok(converged) => told(&converged.runs, converged.problems, compiled, globals),
        Err(diagnostics) => report::diagnostics(&diagnostics, &compiled.sources, globals),
    }
}

/// Says what the runs came to; the exit follows from it.
pub fn told(
    runs: &[RunSummary],
    mut problems: Vec<Diagnostic>,
    compiled: &Compiled,
    globals: &Globals,
) -> Exit {
    for run in runs {
        if globals.json {
            report::data(&format!("{}\n", serde_json::json!({ "type": "run_summary", "run": run })));
        } else {
            report::talk("");
            run_lines(run).iter().for_each(|line| report::talk(line));
            report::talk("");
        }
        problems.extend(run.problems.iter().cloned());
    }
    for problem in &mut problems {
        engine::lower_place(problem, &compiled.platform, &compiled.sources);
    }
    let exit = report::diagnostics(&problems, &compiled.sources, globals);
    let failed = runs.iter().any(|run| run.status == "failed");
    match (exit, failed, runs.iter().any(|run| run.status == "cancelled")) {
        (_, _, true) => Exit::Cancelled,
        (Exit::Success, true, _) => Exit::Error,
        (exit, ..) => exit,
    }
}

fn still_waiting(planned: &Planned, compiled: &Compiled, worst: Exit, globals: &Globals) -> Exit {
    if planned.plan.deferred.is_empty() {
        return worst;
    }
    let problems: Vec<Diagnostic> = planned
        .plan
        .deferred
        .iter()
        .map(|deferred| {
            let mut diagnostic =
                Diagnostic::error("MLP0919", format!("{} still waits: {}", deferred.resource, deferred.why))
                    .on(&deferred.resource.address, "")
                    .help("look at the runs above; once the model has a version, `mlp up` finishes the rest");
            engine::lower_place(&mut diagnostic, &compiled.platform, &compiled.sources);
            diagnostic
        })
        .collect();
    let exit = report::diagnostics(&problems, &compiled.sources, globals);
    if worst == Exit::Success { exit } else { worst }
}
