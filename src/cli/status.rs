//! `mlp status`: what is declared, what is there, and how it is.

use mlp_value::ResourceId;

use super::exit::Exit;
use super::project::{Compiled, Project, VariableArgs};
use super::{Globals, output, report};
use crate::engine::session_for;
use crate::talk::status_lines;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    variables: VariableArgs,
}

/// Asks the target and prints what it says.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    match Project::read(globals, &args.variables).compile(globals) {
        Ok(compiled) => print(&compiled, globals),
        Err((diagnostics, sources)) => report::diagnostics(&diagnostics, &sources, globals),
    }
}

/// The same for a specification that is resolved already.
pub fn print(compiled: &Compiled, globals: &Globals) -> Exit {
    let asked = report::runtime().map_err(|diagnostic| vec![*diagnostic]).and_then(|runtime| {
        runtime.block_on(async {
            let (session, _, loaded) =
                session_for(&compiled.platform, &*compiled.provider, &compiled.directory).await?;
            let resources: Vec<(ResourceId, String, String)> = loaded
                .state
                .resources
                .values()
                .filter(|record| !compiled.provider.is_in_state(&record.kind))
                .map(|record| (record.id.clone(), record.kind.clone(), record.identity.clone()))
                .collect();
            let entries = session.status(&resources).await.map_err(|error| vec![*error.diagnostic])?;
            Ok((entries, loaded.state.resources.is_empty()))
        })
    });
    let (entries, nothing) = match asked {
        Ok(answer) => answer,
        Err(diagnostics) => return report::diagnostics(&diagnostics, &compiled.sources, globals),
    };
    if globals.json {
        let document = serde_json::json!({
            "format_version": report::FORMAT_VERSION,
            "project": compiled.platform.project.name,
            "environment": compiled.platform.environment.name,
            "resources": entries,
        });
        report::data(&format!("{document}\n"));
        return Exit::Success;
    }
    let environment = &compiled.platform.environment;
    let (kind, name) = &environment.provider;
    report::data(&format!(
        "\n{} in {} (provider.{kind}.{name})\n\n",
        compiled.platform.project.name, environment.name
    ));
    if nothing {
        report::data("Nothing is applied yet: `mlp up` begins.\n");
        return Exit::Success;
    }
    for line in status_lines(&entries) {
        report::data(&format!("{line}\n"));
    }
    output::print(compiled, globals);
    let curl = entries.iter().find_map(|entry| entry.detail.get("curl").and_then(serde_json::Value::as_str));
    if let Some(curl) = curl {
        report::data(&format!("\nTry it:\n  {curl}\n"));
    }
    Exit::Success
}
