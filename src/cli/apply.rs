//! `mlp apply`: make it so.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use mlp_apply::{Cancel, Outcome};
use mlp_diag::{Blame, Diagnostic, SourceMap};
use mlp_plan::{Mode, Plan};

use super::exit::Exit;
use super::plan::{Selection, plan_of, settled, show};
use super::project::{Compiled, Project, VariableArgs};
use super::{Globals, report};
use crate::engine::{self, Pace, Planned, Request, Watcher, key_sources, lower_place, outside, plan_file};
use crate::host::{files, terminal, who};
use crate::talk::{Answer, Progress, approve};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A plan written by `mlp plan -out`; needs no approval
    plan: Option<PathBuf>,
    #[command(flatten)]
    variables: VariableArgs,
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    pub(super) how: How,
}

/// How to apply.
#[derive(Debug, Clone, clap::Args)]
pub struct How {
    /// Do not ask
    #[arg(long)]
    pub auto_approve: bool,
    /// Steps at once
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub parallelism: usize,
    /// Start rollouts and leave them to the target
    #[arg(long)]
    pub no_wait: bool,
}

impl From<&How> for Pace {
    fn from(how: &How) -> Self {
        Self { parallelism: how.parallelism, follow_through: !how.no_wait }
    }
}

/// The code of a variable without a valid value.
const NO_VALUE: &str = "MLP0313";

/// Plans, asks, applies.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let request = Request { mode: Mode::Apply, options: args.selection.options() };
    let compiled = match Project::read(globals, &args.variables).compile(globals) {
        Ok(compiled) => compiled,
        Err((diagnostics, sources)) => {
            let exit = report::diagnostics(&diagnostics, &sources, globals);
            // A plan file holds no sensitive value: one that is not given again makes it stale.
            let missing = diagnostics.iter().filter(|one| one.is_error()).all(|one| one.code == NO_VALUE);
            return if args.plan.is_some() && missing { Exit::Stale } else { exit };
        }
    };
    let planned = plan_of(&compiled, &request, globals)
        .and_then(|planned| settled(&compiled, planned, &request, globals));
    let mut planned = match planned {
        Ok(planned) => planned,
        Err(exit) => return exit,
    };
    let saved = match &args.plan {
        None => false,
        Some(path) => match saved_plan(path, &planned, &compiled) {
            Ok(plan) => {
                planned.plan = plan;
                true
            }
            Err((diagnostic, exit)) => {
                report::diagnostics(&[*diagnostic], &compiled.sources, globals);
                return exit;
            }
        },
    };
    if !globals.json {
        report::diagnostics(&planned.plan.warnings, &compiled.sources, globals);
        show(&planned, globals, false);
    }
    if planned.plan.is_empty() {
        return published(&compiled, "apply", globals);
    }
    if !saved && let Some(exit) = refused(&args.how, "Do you want to make these changes?", globals) {
        return exit;
    }
    let session = match Applying::new(globals) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let exit = session.apply(&compiled, &planned, "apply", &args.how, globals);
    if exit == Exit::Success && !globals.json {
        super::output::print(&compiled, globals);
    }
    exit
}

/// Reads a plan file and refuses one that was made for something else.
fn saved_plan(
    path: &std::path::Path,
    fresh: &Planned,
    compiled: &Compiled,
) -> Result<Plan, (Box<Diagnostic>, Exit)> {
    let text = files::read_text(path).map_err(|diagnostic| (diagnostic, Exit::Error))?;
    let name = path.display().to_string();
    let text = plan_file::opened(&name, text, || key_sources(&compiled.platform, &compiled.directory))
        .map_err(|diagnostic| (Box::new(diagnostic), Exit::Error))?;
    let plan = Plan::from_json(&text).map_err(|why| {
        let diagnostic = Diagnostic::error("MLP0916", format!("`{}`: {why}", path.display()))
            .help("write it anew with `mlp plan -out`");
        (Box::new(diagnostic), Exit::Error)
    })?;
    let moved = [
        ("project", plan.project != fresh.plan.project),
        ("environment", plan.environment != fresh.plan.environment),
        ("state", plan.lineage != fresh.plan.lineage || plan.state_digest != fresh.plan.state_digest),
        ("specification", plan.spec_digest != fresh.plan.spec_digest),
        ("sensitive values", !fresh.knows_values_of(&plan)),
        ("version of mlp", plan.mlp_version != fresh.plan.mlp_version),
    ];
    let moved: Vec<&str> = moved.iter().filter(|(_, moved)| *moved).map(|(name, _)| *name).collect();
    if moved.is_empty() {
        return Ok(plan);
    }
    let diagnostic = Diagnostic::error(
        "MLP0917",
        format!("the plan is stale: the {} changed since", moved.join(" and the ")),
    )
    .help("plan again, look at it, and apply that");
    Err((Box::new(diagnostic), Exit::Stale))
}

/// Asks; gives the exit when the answer is not `yes`.
pub fn refused(how: &How, question: &str, globals: &Globals) -> Option<Exit> {
    if how.auto_approve {
        return None;
    }
    match approve(question) {
        Answer::Approved => None,
        Answer::Declined => {
            report::talk("\nNothing was changed.");
            Some(Exit::Declined)
        }
        Answer::Nobody => {
            let problem = Diagnostic::error("MLP0918", "nobody is there to approve")
                .help("use a terminal, or -auto-approve, or apply a plan written by `mlp plan -out`");
            report::diagnostics(&[problem], &SourceMap::default(), globals);
            Some(Exit::Declined)
        }
    }
}

/// A runtime, a watcher, and both interrupts.
pub struct Applying {
    /// Waits for targets.
    pub runtime: tokio::runtime::Runtime,
    /// Hears of everything.
    pub watcher: Watcher,
}

impl Applying {
    /// Ready to apply and run.
    ///
    /// # Errors
    /// The exit when there are no threads.
    pub fn new(globals: &Globals) -> Result<Self, Exit> {
        let runtime = report::runtime()
            .map_err(|diagnostic| report::diagnostics(&[*diagnostic], &SourceMap::default(), globals))?;
        let interrupts = Arc::new(AtomicU32::new(0));
        let cancel = Cancel::default();
        runtime.spawn({
            let (interrupts, cancel) = (interrupts.clone(), cancel.clone());
            async move {
                while tokio::signal::ctrl_c().await.is_ok() {
                    let times = interrupts.fetch_add(1, Ordering::Relaxed);
                    cancel.request();
                    report::talk(if times == 0 {
                        "\nStopping: nothing new is started, what is under way is finished. Interrupt again to leave at once."
                    } else {
                        "\nLeaving: what is under way is settled by the next apply."
                    });
                }
            }
        });
        let style = terminal::stderr_style(globals.no_color);
        let progress = Arc::new(Progress::new(terminal::is_live(), globals.json, style.width, interrupts));
        let directory = globals.directory.clone().unwrap_or_else(|| PathBuf::from("."));
        let commit = std::fs::canonicalize(directory).ok().and_then(|directory| who::commit(&directory));
        let watcher = Watcher { apply: progress.clone(), run: progress, cancel, who: who::who(), commit };
        Ok(Self { runtime, watcher })
    }

    /// Applies a plan and says what came of it.
    pub fn apply(
        &self,
        compiled: &Compiled,
        planned: &Planned,
        command: &str,
        how: &How,
        globals: &Globals,
    ) -> Exit {
        let applying = engine::apply(planned, &*compiled.provider, command, how.into(), &self.watcher);
        match self.runtime.block_on(applying) {
            Err(diagnostics) => report::diagnostics(&diagnostics, &compiled.sources, globals),
            Ok(outcome) => match said(&outcome, planned, compiled, globals) {
                Exit::Success => published(compiled, command, globals),
                exit => exit,
            },
        }
    }
}

/// Tells other projects the outputs as they are now.
pub fn published(compiled: &Compiled, command: &str, globals: &Globals) -> Exit {
    if command == "destroy" {
        outside::withdraw(&compiled.platform, &compiled.directory);
        return Exit::Success;
    }
    match engine::publish(&compiled.platform, &compiled.directory) {
        Ok(()) => Exit::Success,
        Err(why) => {
            let problem = Diagnostic::error(
                "MLP0925",
                format!("the outputs cannot be written for other projects: {why}"),
            )
            .help("everything was applied; check the permissions of `.mlp` and apply again");
            report::diagnostics(&[problem], &compiled.sources, globals)
        }
    }
}

fn said(outcome: &Outcome, planned: &Planned, compiled: &Compiled, globals: &Globals) -> Exit {
    let mut problems: Vec<Diagnostic> =
        outcome.failed.iter().map(|(_, diagnostic)| diagnostic.clone()).collect();
    problems.extend(outcome.problems.iter().cloned());
    for diagnostic in &mut problems {
        lower_place(diagnostic, &compiled.platform, &compiled.sources);
    }
    if !problems.is_empty() {
        report::talk("");
    }
    let exit = report::diagnostics(&problems, &compiled.sources, globals);
    let counts = planned.plan.counts;
    if outcome.stale {
        return Exit::Stale;
    }
    if problems.is_empty() && !outcome.cancelled {
        if !globals.json {
            let mut text = format!(
                "\nApplied: {} added, {} changed, {} destroyed",
                counts.add, counts.change, counts.destroy
            );
            let others = [(counts.moved, "moved"), (counts.import, "imported"), (counts.forget, "forgotten")];
            for (count, word) in others.into_iter().filter(|(count, _)| *count > 0) {
                text.push_str(&format!(", {count} {word}"));
            }
            report::talk(&(text + "."));
        }
        return Exit::Success;
    }
    report::talk(&format!(
        "\n{} of {} steps were done, {} failed, {} were not started. Applying again is safe.",
        outcome.done.len(),
        planned.plan.steps.len(),
        outcome.failed.len(),
        outcome.skipped.len()
    ));
    if outcome.cancelled {
        Exit::Cancelled
    } else if problems.iter().all(|problem| problem.blame == Blame::Policy) && !problems.is_empty() {
        Exit::Denied
    } else if outcome.done.is_empty() {
        exit
    } else {
        Exit::Partly
    }
}

/// Plans again after something was applied.
///
/// # Errors
/// The exit that follows from what was reported.
pub fn again(compiled: &Compiled, globals: &Globals) -> Result<Planned, Exit> {
    plan_of(compiled, &Request { mode: Mode::Apply, options: mlp_plan::PlanOptions::default() }, globals)
}
