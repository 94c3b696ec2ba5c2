//! `mlp output`: the values of outputs, for people and scripts.

use mlp_diag::Diagnostic;
use mlp_eval::PlanValue;
use mlp_plan::OutputScope;
use mlp_value::{Address, Path, Value};

use super::exit::Exit;
use super::project::{Compiled, Project, VariableArgs};
use super::{Globals, report};
use crate::engine::session_for;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One output; all when left out
    name: Option<String>,
    /// Text without quotes
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    variables: VariableArgs,
}

struct Output {
    name: String,
    value: PlanValue,
    sensitive: bool,
}

/// Prints them.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let compiled = match Project::read(globals, &args.variables).compile(globals) {
        Ok(compiled) => compiled,
        Err((diagnostics, sources)) => return report::diagnostics(&diagnostics, &sources, globals),
    };
    let outputs = match outputs(&compiled) {
        Ok(outputs) => outputs,
        Err(diagnostics) => return report::diagnostics(&diagnostics, &compiled.sources, globals),
    };
    let Some(name) = &args.name else {
        print_all(&outputs, globals);
        return Exit::Success;
    };
    match outputs.iter().find(|output| output.name == *name) {
        None => {
            let names: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
            let problem = Diagnostic::error("MLP0921", format!("there is no output `{name}`"))
                .help(mlp_diag::one_of(name, names.iter().copied()));
            report::diagnostics(&[problem], &compiled.sources, globals)
        }
        Some(output) => match (args.raw, output.value.as_text()) {
            (true, Some(text)) => {
                report::data(&format!("{text}\n"));
                Exit::Success
            }
            // A sensitive output is printed when it is asked for by name, as scripts need it.
            _ => {
                report::data(&format!("{}\n", text_of(&output.value)));
                Exit::Success
            }
        },
    }
}

/// Prints all outputs below something else; says nothing when there are none.
pub fn print(compiled: &Compiled, globals: &Globals) {
    if let Ok(outputs) = outputs(compiled)
        && !outputs.is_empty()
    {
        report::data("\nOutputs:\n");
        print_all(&outputs, globals);
    }
}

fn print_all(outputs: &[Output], globals: &Globals) {
    if globals.json {
        let all: serde_json::Map<String, serde_json::Value> = outputs
            .iter()
            .map(|output| {
                let value = output.value.to_plain_json_with(&mut |_| serde_json::Value::Null);
                (output.name.clone(), serde_json::json!({ "value": value, "sensitive": output.sensitive }))
            })
            .collect();
        return report::data(&format!("{}\n", serde_json::Value::Object(all)));
    }
    for output in outputs {
        let value = if output.sensitive { "(sensitive)".to_owned() } else { text_of(&output.value) };
        report::data(&format!("  {} = {value}\n", output.name));
    }
}

fn text_of(value: &PlanValue) -> String {
    value
        .to_plain_json_with(&mut |hole| format!("(known after {})", hole.after.join(", ")).into())
        .to_string()
}

fn outputs(compiled: &Compiled) -> Result<Vec<Output>, Vec<Diagnostic>> {
    let declared = compiled.platform.declarations.values().filter(|declaration| declaration.kind == "output");
    let mut declared = declared.peekable();
    if declared.peek().is_none() {
        return Ok(Vec::new());
    }
    let runtime = report::runtime().map_err(|diagnostic| vec![*diagnostic])?;
    let (_, _, loaded) =
        runtime.block_on(session_for(&compiled.platform, &*compiled.provider, &compiled.directory))?;
    let known = |address: &Address| loaded.state.outputs(address).map(|outputs| outputs.lift());
    let scope = OutputScope::new(&known);
    declared
        .map(|declaration| {
            let written = declaration.body.field("value").cloned().unwrap_or(Value::Null);
            let path = Path::of(&["value"]);
            let marked = declaration.sensitive.iter().any(|sensitive| sensitive.starts_with(&path));
            let said = declaration.body.field("sensitive").and_then(Value::as_bool).unwrap_or(false);
            Ok(Output {
                name: declaration.address.name.to_string(),
                value: scope.fill(&written)?,
                sensitive: marked || said,
            })
        })
        .collect()
}
