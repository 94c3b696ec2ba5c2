//! `mlp validate`: language and types, for every environment.

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
    let mut all: Diagnostics = project.diagnostics.clone();
    let environments = match &globals.environment {
        Some(name) => vec![name.clone()],
        None => project.environments(),
    };
    // A directory without any file is all there is to say.
    if project.is_empty() {
        return told(&all, &project.sources, args, globals);
    }
    // Without an environment there is nothing to resolve against, but the index is still checked.
    let checked = if environments.is_empty() { vec![String::new()] } else { environments.clone() };
    let mut known: std::collections::HashSet<Diagnostic> = all.iter().cloned().collect();
    for environment in &checked {
        for diagnostic in project.resolve(environment).1 {
            if known.insert(diagnostic.clone()) {
                all.push(diagnostic);
            }
        }
    }
    // What only follows from a mistake is none of its own.
    if all.iter().any(Diagnostic::is_error) {
        all.retain(|diagnostic| diagnostic.severity != mlp_diag::Severity::Note);
    }
    // In the order of the text; what stands nowhere comes last.
    all.sort_by_key(|diagnostic| {
        diagnostic.place().map_or((1, None), |span| (0, Some((span.file, span.start))))
    });
    let valid = !all.iter().any(Diagnostic::is_error);
    if globals.json {
        let list: Vec<_> =
            all.iter().map(|diagnostic| mlp_diag::render_json(diagnostic, &project.sources)).collect();
        let document = serde_json::json!({
            "format_version": report::FORMAT_VERSION, "valid": valid, "environments": environments, "diagnostics": list,
        });
        report::data(&format!("{document}\n"));
        return Exit::of(&all);
    }
    let exit = told(&all, &project.sources, args, globals);
    if valid && args.format == Format::Text {
        let names = environments.join(", ");
        report::data(&format!(
            "The specification is valid in {}: {names}\n",
            report::count(environments.len(), "environment")
        ));
    }
    exit
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
