//! `check`: a condition on metrics, or a command that is given what its pipeline made; both decide before a version is
//! registered and before a dataset is written.

use std::collections::BTreeMap;

use mlp_provider::{LowerInput, Lowered};

use super::builder::{Builder, object_name};
use super::inputs::type_of;
use super::runtime;
use super::step::{self, Holes, Steps};
use crate::codes;
use crate::mlp_eval::{PlanValue, reference_of};
use crate::mlp_platform::Declaration;
use crate::mlp_value::Value;

const SERVED: &[&str] = &[
    "on",
    "assert",
    "message",
    "run",
    "code",
    "timeout",
    "runtime",
    "runtime.language",
    "runtime.version",
    "runtime.lock",
    "runtime.env.**",
];

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let mut builder = Builder::new(input, SERVED);
    let on = builder.attribute("on").and_then(reference_of);
    match on {
        Some(on) if !matches!(on.address.kind.as_ref(), "pipeline" | "model") => {
            builder.not_served("on", &format!("a check on `{on}`"), "check a pipeline or a model");
        }
        Some(_) => {}
        None => {
            builder.error(codes::STEP, "on", "a check needs something to check", "name a pipeline or a model")
        }
    }
    match (builder.attribute("run"), builder.attribute("assert")) {
        (Some(_), _) => _ = command(&mut builder),
        (None, Some(_)) => {
            for word in ["code", "runtime", "timeout"] {
                if builder.attribute(word).is_some() {
                    let text = format!("`{word}` belongs to a command, and this check has none");
                    builder.error(codes::STEP, word, text, "give it `run`, or take it out");
                }
            }
        }
        (None, None) => {
            let help = "give it `assert = metrics.x > 0.5`, or `run = \"command\"`";
            builder.error(codes::STEP, "", "this check checks nothing", help);
        }
    }
    builder.finish(Vec::new())
}

/// The command of a check, in the words of a step's record.
fn command(builder: &mut Builder<'_>) -> Option<BTreeMap<&'static str, PlanValue>> {
    let mut config = BTreeMap::from([("run", builder.attribute("run")?.clone())]);
    let directory = builder.text("code").unwrap_or(".");
    config.extend(step::code(builder, directory, "code").map(|code| ("code", code)));
    let found = match builder.attribute("runtime") {
        Some(value) => runtime::resolve(builder, value, "runtime"),
        None => runtime::default(builder, ""),
    };
    config.extend(found.map(|found| ("runtime", found)));
    config.extend(builder.attribute("timeout").map(|timeout| ("timeout", timeout.clone())));
    Some(config)
}

/// The name of a check's command among the steps of a run.
fn step_name(check: &Declaration) -> String {
    format!("check-{}", object_name(&check.address))
}

/// A check as a pipeline's record holds it: with its command, which takes every output of the pipeline.
pub(super) fn resolve(
    builder: &mut Builder<'_>,
    check: &Declaration,
    steps: &Steps<'_>,
) -> Option<PlanValue> {
    let field = |word: &'static str| Some((word, check.body.field(word)?.clone()));
    let mut config: BTreeMap<&str, PlanValue> = ["assert", "message"].into_iter().filter_map(field).collect();
    if check.body.field("run").is_some() {
        // What is wrong with the command is said once, where the check is declared; but its holes depend on the pipeline.
        let input = LowerInput { declaration: check, ..builder.input };
        let mut own = Builder::new(&input, SERVED);
        let found = command(&mut own);
        own.diagnostics.clear();
        let inputs = outputs(steps);
        let known = Holes { inputs: inputs.keys().cloned().collect(), outputs: vec![], params: vec![] };
        step::check_command(&mut own, check.body.field("run")?, "run", &known);
        builder.needs.append(&mut own.needs);
        builder.diagnostics.append(&mut own.diagnostics);
        let name = step_name(check);
        if steps.names().contains(&name) {
            let text = format!("`{name}` is how the command of `{}` is called", check.address);
            builder.error(codes::STEP, &format!("step.{name}"), text, "call the step differently");
        }
        config.extend(found?);
        config.insert("name", Value::text(name));
        config.insert("inputs", Value::object(inputs));
        let names = steps.names().into_iter().filter(|name| !steps.registers(name)).map(Value::text);
        config.insert("after", Value::list(names));
    }
    Some(Value::object(config))
}

/// Every output of a pipeline as an input: `<step>_<output>`, and `<output>` where only one step has it.
fn outputs(steps: &Steps<'_>) -> BTreeMap<String, PlanValue> {
    let mut found = BTreeMap::new();
    let mut short: BTreeMap<&str, Vec<PlanValue>> = BTreeMap::new();
    for (step, written) in &steps.written {
        for (output, spec) in &written.outputs {
            let bound = Value::object([
                ("step", Value::text(step)),
                ("output", Value::text(output)),
                ("type", Value::text(type_of(spec))),
            ]);
            short.entry(output).or_default().push(bound.clone());
            found.insert(format!("{step}_{output}"), bound);
        }
    }
    for (output, mut bound) in short {
        if let (1, Some(only)) = (bound.len(), bound.pop()) {
            found.entry(output.to_owned()).or_insert(only);
        }
    }
    // A name with a dash and one with an underscore would be one variable of the environment.
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|name, _| seen.insert(name.replace('-', "_")));
    found
}
