//! `mlp validate`: language and types, for every environment; what a target, a policy or a price refuses belongs to `plan`.

use std::collections::HashSet;

use mlp_config::together;
use mlp_diag::{Diagnostic, Diagnostics};

use super::exit::Exit;
use super::project::{Project, VariableArgs};
use super::{Globals, report};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How to say it: for a person, a program, or a code review
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    #[command(flatten)]
    variables: VariableArgs,
    /// Also list what could not be checked because nothing is declared to check it by, and end with 1 if there is any
    #[arg(long)]
    strict: bool,
}

/// How mistakes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    /// SARIF 2.1.0
    Sarif,
}

/// Checks everything and reports every mistake once.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let globals = &Globals { json: globals.json || args.format == Format::Json, ..globals.clone() };
    let project = Project::read(globals, &args.variables);
    let environments = match &globals.environment {
        Some(name) => vec![name.clone()],
        None => project.environments(),
    };
    // A directory without any file is all there is to say.
    if project.is_empty() {
        return told(&project.diagnostics, &project.sources, args, globals);
    }
    let (mut all, unchecked) = everything(&project, &environments);
    let valid = !all.iter().any(Diagnostic::is_error);
    let count = if valid { unchecked.len() } else { 0 };
    if args.strict {
        all.extend(unchecked);
    }
    in_order(&mut all);
    let strictly = if args.strict && count > 0 { Exit::Error } else { Exit::Success };
    if globals.json {
        let list: Vec<_> =
            all.iter().map(|diagnostic| mlp_diag::render_json(diagnostic, &project.sources)).collect();
        let document = serde_json::json!({
            "format_version": report::FORMAT_VERSION, "valid": valid, "environments": environments,
            "unchecked": count, "diagnostics": list,
        });
        report::data(&format!("{document}\n"));
        return if valid { strictly } else { Exit::of(&all) };
    }
    let exit = told(&all, &project.sources, args, globals);
    if !valid {
        return exit;
    }
    if args.format == Format::Text {
        valid_in(&environments, count, args.strict);
    }
    strictly
}

/// What is wrong, and what could not be checked, each told once for all environments.
fn everything(project: &Project, environments: &[String]) -> (Diagnostics, Diagnostics) {
    // Without an environment there is nothing to resolve against, but the index is still checked.
    let checked = if environments.is_empty() { vec![String::new()] } else { environments.to_vec() };
    let (mut wrong, mut unchecked) = (Vec::new(), Vec::new());
    for environment in &checked {
        let found = project.resolution(environment);
        wrong.push(found.diagnostics);
        unchecked.push(found.unchecked);
    }
    let mut all: Diagnostics = project.diagnostics.clone();
    let known: HashSet<&Diagnostic> = project.diagnostics.iter().collect();
    all.extend(together(&checked, wrong).into_iter().filter(|one| !known.contains(one)));
    // What only follows from a mistake is none of its own.
    if all.iter().any(Diagnostic::is_error) {
        all.retain(|diagnostic| diagnostic.severity != mlp_diag::Severity::Note);
    }
    (all, together(&checked, unchecked))
}

/// In the order of the text; what stands nowhere comes last.
fn in_order(all: &mut Diagnostics) {
    all.sort_by_key(|diagnostic| {
        diagnostic.place().map_or((1, None), |span| (0, Some((span.file, span.start))))
    });
}

/// Says that everything is as it should be, and what that does not cover.
fn valid_in(environments: &[String], unchecked: usize, strict: bool) {
    let names = environments.join(", ");
    let count = report::count(environments.len(), "environment");
    report::data(&format!("The specification is valid in {count}: {names}\n"));
    let things = report::count(unchecked, "thing");
    match (unchecked, strict) {
        (0, _) => {}
        (_, true) => report::talk(&format!("{things} could not be checked")),
        (_, false) => report::talk(&format!(
            "Not checked for want of declarations: {things}; `mlp validate --strict` lists them."
        )),
    }
}

fn told(all: &[Diagnostic], sources: &mlp_diag::SourceMap, args: &Args, globals: &Globals) -> Exit {
    if args.format != Format::Sarif {
        return report::diagnostics(all, sources, globals);
    }
    let rules: Vec<mlp_diag::Rule<'_>> = crate::codes::all()
        .map(|(code, title)| mlp_diag::Rule {
            code,
            title,
            page: crate::explain::page(code).unwrap_or(title),
        })
        .collect();
    let document = mlp_diag::render_sarif(env!("CARGO_PKG_VERSION"), all, sources, &rules);
    report::data(&format!("{document:#}\n"));
    Exit::of(all)
}
