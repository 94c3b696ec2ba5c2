//! `mlp plan`: what would change.

use std::path::{Path, PathBuf};

use mlp_diag::{Diagnostic, SourceMap};
use mlp_plan::{Mode, PlanOptions, RenderOptions, render_text};

use super::exit::Exit;
use super::plan_file::{Format, Showing};
use super::project::{Compiled, Project, VariableArgs};
use super::{Globals, plan_file, report};
use crate::engine::{Planned, Request, carry, generated, make_plan, settle_left};
use crate::host::{terminal, who};

/// Which resources a plan is about.
#[derive(Debug, Clone, clap::Args)]
pub struct Selection {
    /// Only this resource and what it needs
    #[arg(long, value_name = "ADDRESS")]
    pub target: Vec<String>,
    /// Not this resource and what needs it
    #[arg(long, value_name = "ADDRESS")]
    pub exclude: Vec<String>,
}

impl Selection {
    /// As the planner takes it.
    pub fn options(&self) -> PlanOptions {
        PlanOptions { targets: self.target.clone(), excludes: self.exclude.clone(), ..PlanOptions::default() }
    }
}

/// What is planned, from the command line of `plan` and `apply`.
#[derive(Debug, Clone, clap::Args)]
pub struct Asked {
    #[command(flatten)]
    selection: Selection,
    /// Make this resource anew
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["destroy", "refresh_only"])]
    replace: Vec<String>,
    /// Plan to destroy everything
    #[arg(long)]
    destroy: bool,
    /// Only take note of what changed outside
    #[arg(long, conflicts_with = "destroy")]
    refresh_only: bool,
    /// Take over fields that another manager of the target has set meanwhile
    #[arg(long, conflicts_with = "destroy")]
    force_conflicts: bool,
    /// Whether to read what was made before; without it, what is remembered counts as what is there
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    refresh: bool,
}

impl Asked {
    /// As the engine takes it.
    ///
    /// # Errors
    /// Two options that exclude each other.
    pub fn request(&self) -> Result<Request, Box<Diagnostic>> {
        if self.refresh_only && !self.refresh {
            return Err(Box::new(
                Diagnostic::error("MLP0971", "`--refresh-only` and `--refresh=false` leave nothing to do")
                    .help("take one of the two away"),
            ));
        }
        let mode = match (self.destroy, self.refresh_only) {
            (true, _) => Mode::Destroy,
            (_, true) => Mode::RefreshOnly,
            _ => Mode::Apply,
        };
        let options = PlanOptions {
            replace: self.replace.clone(),
            no_refresh: !self.refresh,
            force_conflicts: self.force_conflicts,
            ..self.selection.options()
        };
        Ok(Request { mode, options })
    }
}

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    variables: VariableArgs,
    #[command(flatten)]
    asked: Asked,
    /// Write the plan to a file, for `mlp show` and `mlp apply`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write blocks for imported objects that have no declaration, to a new file of the project
    #[arg(long, value_name = "FILE")]
    generate_config_out: Option<PathBuf>,
    /// Exit with 2 when there are changes
    #[arg(long)]
    detailed_exitcode: bool,
    #[command(flatten)]
    showing: Showing,
}

/// Plans and shows.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let alone = |problem: Box<Diagnostic>| report::diagnostics(&[*problem], &SourceMap::default(), globals);
    let request = match args.asked.request() {
        Ok(request) => request,
        Err(problem) => return alone(problem),
    };
    if let Some(path) = &args.generate_config_out
        && let Err(exit) = generate(path, &args.variables, globals)
    {
        return exit;
    }
    let (compiled, mut planned) = match prepare(globals, &args.variables, &request) {
        Ok(prepared) => prepared,
        Err(exit) => return exit,
    };
    let format = args.showing.format(globals);
    if format != Format::Text || args.out.is_some() {
        carry(&mut planned.plan, &compiled.platform, &compiled.sources, &planned.vault);
    }
    // In JSON they are part of the one document.
    if format != Format::Json {
        report::diagnostics(&planned.plan.warnings, &compiled.sources, globals);
    }
    match args.showing.draw(&planned.plan, globals) {
        Ok(text) => report::data(&text),
        Err(problem) => return alone(problem),
    }
    if let Some(path) = &args.out {
        if let Err(problem) = plan_file::write(path, &planned.plan, &compiled) {
            return alone(problem);
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
    let _stage = mlp_trace::stage("draw");
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
