//! `pipeline`: its definition, resolved: components merged into steps, code by digest, interpreters by path.

use std::collections::{BTreeMap, BTreeSet};

use mlp_provider::{LowerInput, Lowered};

use super::builder::Builder;
use super::check;
use super::params;
use super::step::{self, Steps};
use super::trigger;
use crate::codes;
use crate::mlp_eval::{PlanValue, reference_of};
use crate::mlp_value::Value;

const SERVED: &[&str] = &[
    "kind",
    "engine",
    "params.**",
    "defaults.runtime",
    "defaults.timeout",
    "defaults.retry.**",
    "defaults.cache.**",
    "defaults.secrets.**",
    "defaults.compute.**",
    "defaults.accelerator.**",
    "defaults.nodes",
    "step.*.use",
    "step.*.code",
    "step.*.run",
    "step.*.inputs.**",
    "step.*.params.**",
    "step.*.outputs.**",
    "step.*.after",
    "step.*.runtime",
    "step.*.timeout",
    "step.*.retry.**",
    "step.*.cache.**",
    "step.*.secrets.**",
    "step.*.compute.**",
    "step.*.accelerator.**",
    "step.*.nodes",
    "step.*.writes",
    "step.*.register",
    "step.*.alias",
    "step.*.from",
    "step.*.evidence",
    "step.*.runtime.**",
    "defaults.runtime.**",
    "trigger.*.cron",
    "trigger.*.timezone",
    "trigger.*.catch_up",
    "trigger.*.dataset",
    "trigger.*.rows",
    "trigger.*.cooldown",
];

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let mut builder = Builder::new(input, SERVED);
    let mut config = BTreeMap::new();
    if let Some(kind) = builder.attribute("kind") {
        config.insert("kind", kind.clone());
    }
    if let Some(engine) = builder.text("engine").filter(|engine| !matches!(*engine, "auto" | "local")) {
        builder.not_served("engine", &format!("the engine `{engine}`"), "use `engine = \"auto\"`");
    }
    if let Some(params) = builder.attribute("params").and_then(Value::as_object) {
        let (values, kinds) = params::of_pipeline(&mut builder, params);
        config.insert("params", values);
        config.insert("param_types", kinds);
    }
    let written = builder.attribute("step").and_then(Value::as_object);
    let mut models = BTreeSet::new();
    match written {
        Some(written) if !written.is_empty() => {
            let steps = Steps::collect(&mut builder, written);
            let mut resolved = BTreeMap::new();
            for name in steps.names() {
                if let Some(step) = step::resolve(&mut builder, &steps, &name) {
                    models.extend(
                        step.field("register")
                            .and_then(|register| register.field("address")?.as_text().map(str::to_owned)),
                    );
                    resolved.insert(name, step);
                }
            }
            let found = checks(&mut builder, &steps, &models);
            if !found.is_empty() {
                config.insert("checks", Value::object(found));
            }
            config.insert("step", Value::object(resolved));
        }
        _ => builder.error(codes::STEP, "step", "a pipeline needs a step", ""),
    }
    trigger::lower(&mut builder, &mut config);
    let desired = builder.resource("local_pipeline", "pipelines", false, config);
    builder.finish(vec![desired])
}

/// Checks on this pipeline, and on models it registers.
fn checks(
    builder: &mut Builder<'_>,
    steps: &Steps<'_>,
    models: &BTreeSet<String>,
) -> BTreeMap<String, PlanValue> {
    let own = builder.declaration().address.to_string();
    let platform = builder.input.platform;
    let mut found = BTreeMap::new();
    for declaration in platform.declarations.values().filter(|found| found.kind == "check") {
        let on = declaration.body.field("on").and_then(reference_of).map(|on| on.address.to_string());
        if on.is_some_and(|on| on == own || models.contains(&on))
            && let Some(resolved) = check::resolve(builder, declaration, steps)
        {
            found.insert(declaration.address.to_string(), resolved);
        }
    }
    found
}
