//! `mlp apply`: make it so.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use mlp_apply::{Cancel, Outcome};
use mlp_diag::{Blame, Diagnostic, SourceMap};
use mlp_plan::{Mode, Plan, PlanOptions};

use super::exit::Exit;
use super::plan::{Asked, plan_of, settled, show};
use super::project::{Compiled, Project, VariableArgs};
use super::{Globals, plan_file, report};
use crate::engine::{self, Pace, Planned, Request, Watcher, lower_place};
use crate::host::{terminal, who};
use crate::talk::{Answer, Progress, approve};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A plan written by `mlp plan -out`; needs no approval
    plan: Option<PathBuf>,
    #[command(flatten)]
    variables: VariableArgs,
    #[command(flatten)]
    asked: Asked,
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
    let asked = match saved_or_asked(args, globals) {
        Ok(asked) => asked,
        Err(problem) => return report::diagnostics(&[*problem], &SourceMap::default(), globals),
    };
    // A plan is for the environment it was made for, unless another is named, which is refused below.
    let environment = asked.saved.as_ref().map(|plan| plan.environment.clone());
    let globals = &Globals { environment: globals.environment.clone().or(environment), ..globals.clone() };
    let compiled = match Project::read(globals, &args.variables).compile(globals) {
        Ok(compiled) => compiled,
        Err((diagnostics, sources)) => {
            let exit = report::diagnostics(&diagnostics, &sources, globals);
            // A plan file holds no sensitive value: one that is not given again makes it stale.
            let missing = diagnostics.iter().filter(|one| one.is_error()).all(|one| one.code == NO_VALUE);
            return if args.plan.is_some() && missing { Exit::Stale } else { exit };
        }
    };
    let planned = plan_of(&compiled, &asked.request, globals)
        .and_then(|planned| settled(&compiled, planned, &asked.request, globals));
    let mut planned = match planned {
        Ok(planned) => planned,
        Err(exit) => return exit,
    };
    let saved = asked.saved.is_some();
    if let Some(plan) = asked.saved {
        if let Some(problem) = stale(&plan, &planned) {
            report::diagnostics(&[problem], &compiled.sources, globals);
            return Exit::Stale;
        }
        planned.plan = plan;
    }
    if !globals.json {
        if !saved {
            report::diagnostics(&planned.plan.warnings, &compiled.sources, globals);
        }
        show(&planned, globals, false);
    }
    let noted = planned.plan.is_empty() && !planned.plan.steps.is_empty();
    if planned.plan.is_empty() && !noted {
        return published(&compiled, "apply", globals);
    }
    // What is only taken note of changes nothing that anybody has to approve.
    if !saved
        && !noted
        && let Some(exit) = refused(&args.how, question(planned.plan.mode), globals)
    {
        return exit;
    }
    let session = match Applying::new(globals) {
        Ok(session) => session,
        Err(exit) => return exit,
    };
    let command = if planned.plan.mode == Mode::Destroy { "destroy" } else { "apply" };
    let exit = session.apply(&compiled, &planned, command, &args.how, globals);
    if exit == Exit::Success && !globals.json {
        super::output::print(&compiled, globals);
    }
    exit
}

fn question(mode: Mode) -> &'static str {
    match mode {
        Mode::Apply => "Do you want to make these changes?",
        Mode::Destroy => "Do you really want to destroy all of this?",
        Mode::RefreshOnly => "Do you want to take note of this? Nothing but what is remembered changes.",
    }
}

/// What is to be planned, and the plan that was saved.
struct Wanted {
    request: Request,
    saved: Option<Plan>,
}

fn saved_or_asked(args: &Args, globals: &Globals) -> Result<Wanted, Box<Diagnostic>> {
    let request = args.asked.request()?;
    let Some(path) = &args.plan else { return Ok(Wanted { request, saved: None }) };
    if request != (Request { mode: Mode::Apply, options: PlanOptions::default() }) {
        return Err(Box::new(
            Diagnostic::error("MLP0972", "a saved plan is applied as it is: it takes no options of planning")
                .help("plan again with these options, or apply the plan without them"),
        ));
    }
    let plan = plan_file::read(path, globals)?;
    let request = Request { mode: plan.mode, options: plan.context.options.clone() };
    Ok(Wanted { request, saved: Some(plan) })
}

/// What moved since a plan was made, if anything did.
fn stale(plan: &Plan, fresh: &Planned) -> Option<Diagnostic> {
    let mut moved = plan.moved_since(&fresh.plan);
    if moved.is_empty() && !fresh.knows_values_of(plan) {
        moved.push("sensitive values changed".to_owned());
    }
    (!moved.is_empty()).then(|| {
        Diagnostic::error("MLP0917", format!("the plan is stale: {}", moved.join(", and ")))
            .help("plan again, look at it, and apply that")
    })
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
    let told = match command {
        "destroy" => engine::withdraw(&compiled.platform, &compiled.directory),
        _ => engine::publish(&compiled.platform, &compiled.directory),
    };
    match told {
        Ok(()) => Exit::Success,
        Err(why) => {
            let headline = format!("the outputs cannot be written for other projects: {}", why.headline);
            let problem = Diagnostic::error("MLP0925", headline)
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
            let others = [
                (counts.moved, "moved"),
                (counts.import, "imported"),
                (counts.forget, "forgotten"),
                (counts.read, "read again"),
            ];
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
