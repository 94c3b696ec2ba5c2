//! `mlp plan`: what would change.

use std::path::{Path, PathBuf};

use mlp_diag::Diagnostic;
use mlp_plan::{Mode, PlanOptions, RenderOptions, render_json, render_text};

use super::exit::Exit;
use super::project::{Compiled, Project, VariableArgs};
use super::{Globals, report};
use crate::engine::{Planned, Request, generated, make_plan, plan_file, settle_left};
use crate::host::{terminal, who};

/// Which resources a plan is about.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Selection {
    /// Only this resource and what it needs
    #[arg(long, value_name = "ADDRESS")]
    pub target: Vec<String>,
    /// Not this resource and what needs it
    #[arg(long, value_name = "ADDRESS")]
    pub exclude: Vec<String>,
    /// Make this resource anew
    #[arg(long, value_name = "ADDRESS")]
    pub replace: Vec<String>,
}

impl Selection {
    /// As the planner takes it.
    pub fn options(&self) -> PlanOptions {
        PlanOptions {
            targets: self.target.clone(),
            excludes: self.exclude.clone(),
            replace: self.replace.clone(),
        }
    }
}

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    variables: VariableArgs,
    #[command(flatten)]
    selection: Selection,
    /// Write the plan to a file, for `mlp show` and `mlp apply`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write blocks for imported objects that have no declaration, to a new file of the project
    #[arg(long, value_name = "FILE")]
    generate_config_out: Option<PathBuf>,
    /// Exit with 2 when there are changes
    #[arg(long)]
    detailed_exitcode: bool,
    /// Plan to destroy everything
    #[arg(long)]
    destroy: bool,
    /// Only take note of what changed outside
    #[arg(long, conflicts_with = "destroy")]
    refresh_only: bool,
    /// Show what was shortened
    #[arg(long)]
    verbose: bool,
}

/// Plans and shows.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let mode = match (args.destroy, args.refresh_only) {
        (true, _) => Mode::Destroy,
        (_, true) => Mode::RefreshOnly,
        _ => Mode::Apply,
    };
    if let Some(path) = &args.generate_config_out
        && let Err(exit) = generate(path, &args.variables, globals)
    {
        return exit;
    }
    let request = Request { mode, options: args.selection.options() };
    let (compiled, planned) = match prepare(globals, &args.variables, &request) {
        Ok(prepared) => prepared,
        Err(exit) => return exit,
    };
    report::diagnostics(&planned.plan.warnings, &compiled.sources, globals);
    if globals.json {
        report::data(&format!("{}\n", render_json(&planned.plan)));
    } else {
        show(&planned, globals, args.verbose);
    }
    if let Some(path) = &args.out {
        let text = serde_json::to_string(&planned.plan).unwrap_or_default();
        let text = match plan_file::closed(text, &compiled.platform, &compiled.directory) {
            Ok(text) => text,
            Err(problem) => return report::diagnostics(&[problem], &compiled.sources, globals),
        };
        let written = std::fs::write(path, text);
        if let Err(error) = written {
            let problem = Diagnostic::error(
                "MLP0915",
                format!("the plan cannot be written to `{}`: {error}", path.display()),
            )
            .help("name another file");
            return report::diagnostics(&[problem], &compiled.sources, globals);
        }
        report::talk(&format!("\nThe plan is in {0}. Apply it with: mlp apply {0}", path.display()));
    }
    if args.detailed_exitcode && !planned.plan.is_empty() { Exit::Changes } else { Exit::Success }
}

/// Writes the blocks of imported objects that nothing declares.
fn generate(path: &Path, variables: &VariableArgs, globals: &Globals) -> Result<(), Exit> {
    let compiled = Project::read(globals, variables)
        .compile(globals)
        .map_err(|(diagnostics, sources)| report::diagnostics(&diagnostics, &sources, globals))?;
    let failed = |mut diagnostics: Vec<Diagnostic>| {
        for one in &mut diagnostics {
            crate::engine::lower_place(one, &compiled.platform, &compiled.sources);
        }
        report::diagnostics(&diagnostics, &compiled.sources, globals)
    };
    let cannot = |why: String, help: &str| {
        failed(vec![
            Diagnostic::error("MLP0938", format!("`{}` {why}", path.display())).help(help.to_owned()),
        ])
    };
    let there = compiled.directory.join(path);
    if there.exists() {
        return Err(cannot("is there already".to_owned(), "name a new file: nothing is overwritten"));
    }
    let runtime = report::runtime().map_err(|diagnostic| failed(vec![*diagnostic]))?;
    let generating = generated(&compiled.platform, &*compiled.provider, &compiled.directory);
    let generated = runtime.block_on(generating).map_err(failed)?;
    if generated.text.is_empty() {
        report::talk("Every imported object is declared: nothing was written.");
        return Ok(());
    }
    std::fs::write(&there, &generated.text)
        .map_err(|error| cannot(format!("cannot be written: {error}"), "name another file"))?;
    report::diagnostics(&generated.warnings, &compiled.sources, globals);
    report::talk(&format!(
        "Wrote {} to {}. Look at it before it is applied.",
        generated.addresses.join(", "),
        path.display()
    ));
    Ok(())
}

/// Prints a plan for a person.
pub fn show(planned: &Planned, globals: &Globals, verbose: bool) {
    let style = terminal::stdout_style(globals.no_color);
    let options = RenderOptions { color: style.color, width: style.width, verbose };
    report::data(&render_text(&planned.plan, options));
}

/// Reads, resolves and plans; reports what is wrong.
///
/// # Errors
/// The exit that follows from what was reported.
pub fn prepare(
    globals: &Globals,
    variables: &VariableArgs,
    request: &Request,
) -> Result<(Compiled, Planned), Exit> {
    let compiled = Project::read(globals, variables)
        .compile(globals)
        .map_err(|(diagnostics, sources)| report::diagnostics(&diagnostics, &sources, globals))?;
    let mut planned = plan_of(&compiled, request, globals)?;
    planned.plan.warnings.splice(0..0, compiled.warnings.iter().cloned());
    Ok((compiled, planned))
}

/// The same for a command that will change something: what an apply that broke off left unknown is settled first, so that
/// the plan is made over what is remembered then.
///
/// # Errors
/// The exit that follows from what was reported.
pub fn prepare_change(
    globals: &Globals,
    variables: &VariableArgs,
    request: &Request,
) -> Result<(Compiled, Planned), Exit> {
    let (compiled, planned) = prepare(globals, variables, request)?;
    let planned = settled(&compiled, planned, request, globals)?;
    Ok((compiled, planned))
}

/// Settles what an apply that broke off left unknown, and plans again where there was any.
///
/// # Errors
/// The exit that follows from what was reported.
pub fn settled(
    compiled: &Compiled,
    planned: Planned,
    request: &Request,
    globals: &Globals,
) -> Result<Planned, Exit> {
    if !planned.unsettled {
        return Ok(planned);
    }
    let failed = |diagnostics: Vec<Diagnostic>| report::diagnostics(&diagnostics, &compiled.sources, globals);
    let runtime = report::runtime().map_err(|diagnostic| failed(vec![*diagnostic]))?;
    let who = who::who();
    let settling = settle_left(&planned, &*compiled.provider, &who);
    runtime.block_on(settling).map_err(failed)?;
    drop(runtime);
    plan_of(compiled, request, globals)
}

/// Plans what was resolved; reports what is wrong.
///
/// # Errors
/// The exit that follows from what was reported.
pub fn plan_of(compiled: &Compiled, request: &Request, globals: &Globals) -> Result<Planned, Exit> {
    let failed = |diagnostics: Vec<Diagnostic>| report::diagnostics(&diagnostics, &compiled.sources, globals);
    let runtime = report::runtime().map_err(|diagnostic| failed(vec![*diagnostic]))?;
    let answer = compiled.answer();
    let planning = make_plan(
        &compiled.platform,
        &compiled.sources,
        &*compiled.provider,
        &compiled.directory,
        &answer,
        request,
    );
    runtime.block_on(planning).map_err(failed)
}
