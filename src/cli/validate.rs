//! `mlp validate`: language and types, for every environment; what a target, a policy or a price refuses belongs to `plan`.

use mlp_config::together;
use mlp_diag::{Diagnostic, Diagnostics};

use super::exit::Exit;
use super::project::{Project, VariableArgs};
use super::{Globals, report};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    variables: VariableArgs,
    /// Also list what could not be checked because nothing is declared to check it by, and end with 1 if there is any
    #[arg(long)]
    strict: bool,
}

/// Checks everything and reports every mistake once.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let project = Project::read(globals, &args.variables);
    let environments = match &globals.environment {
        Some(name) => vec![name.clone()],
        None => project.environments(),
    };
    // Without an environment there is nothing to resolve against, but the index is still checked.
    let checked = if environments.is_empty() { vec![String::new()] } else { environments.clone() };
    let (mut wrong, mut unchecked) = (Vec::new(), Vec::new());
    for environment in &checked {
        let found = project.resolution(environment);
        wrong.push(found.diagnostics);
        unchecked.push(found.unchecked);
    }
    let mut all: Diagnostics = project.diagnostics.clone();
    all.extend(together(&checked, wrong).into_iter().filter(|one| !project.diagnostics.contains(one)));
    let unchecked = together(&checked, unchecked);
    let valid = !all.iter().any(Diagnostic::is_error);
    let count = unchecked.len();
    if args.strict {
        all.extend(unchecked);
    }
    let exit = report::diagnostics(&all, &project.sources, globals);
    if valid {
        say(&environments, all.is_empty(), globals);
    }
    match (valid, count) {
        (false, _) | (true, 0) => exit,
        (true, _) if args.strict => {
            report::talk(&format!("{} could not be checked", report::count(count, "thing")));
            Exit::Error
        }
        (true, _) => {
            if !globals.json {
                report::talk(&format!(
                    "Not checked for want of declarations: {}; `mlp validate --strict` lists them.",
                    report::count(count, "thing")
                ));
            }
            exit
        }
    }
}

/// Says that everything is as it should be; JSON is one document, which the list of what is wrong is otherwise.
fn say(environments: &[String], nothing_else: bool, globals: &Globals) {
    if !globals.json {
        let names = environments.join(", ");
        let count = report::count(environments.len(), "environment");
        report::data(&format!("The specification is valid in {count}: {names}\n"));
    } else if nothing_else {
        report::data(&format!(
            "{}\n",
            serde_json::json!({ "format_version": report::FORMAT_VERSION, "valid": true, "environments": environments, "diagnostics": [] })
        ));
    }
}
