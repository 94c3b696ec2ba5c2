//! `mlp validate`: language and types, for every environment.

use mlp_diag::{Diagnostic, Diagnostics};

use super::exit::Exit;
use super::project::{Project, VariableArgs};
use super::{Globals, report};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    variables: VariableArgs,
}

/// Checks everything and reports every mistake once.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let project = Project::read(globals, &args.variables);
    let mut all: Diagnostics = project.diagnostics.clone();
    let environments = match &globals.environment {
        Some(name) => vec![name.clone()],
        None => project.environments(),
    };
    // A directory without any file is all there is to say.
    if project.is_empty() {
        return report::diagnostics(&all, &project.sources, globals);
    }
    // Without an environment there is nothing to resolve against, but the index is still checked.
    let checked = if environments.is_empty() { vec![String::new()] } else { environments.clone() };
    for environment in &checked {
        for diagnostic in project.resolve(environment).1 {
            if !all.contains(&diagnostic) {
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
    let exit = report::diagnostics(&all, &project.sources, globals);
    if !all.iter().any(Diagnostic::is_error) && !globals.json {
        let names = environments.join(", ");
        report::data(&format!(
            "The specification is valid in {}: {names}\n",
            report::count(environments.len(), "environment")
        ));
    } else if all.is_empty() {
        report::data(&format!(
            "{}\n",
            serde_json::json!({ "format_version": report::FORMAT_VERSION, "valid": true, "environments": environments, "diagnostics": [] })
        ));
    }
    exit
}
