//! `pipeline`: its definition, resolved: components merged into steps, code by digest, interpreters by path.

use std::collections::{BTreeMap, BTreeSet};

use mlp_provider::{LowerInput, Lowered};

use super::builder::Builder;
use super::step::{self, Steps};
use super::trigger;
use crate::codes;
use crate::mlp_eval::{PlanValue, Quoted, reference_of};
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
        let params = params.iter().map(|(name, value)| (name.to_string(), parameter(value)));
        config.insert("params", Value::object(params.collect::<Vec<_>>()));
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
            config.insert("step", Value::object(resolved));
        }
        _ => builder.error(codes::STEP, "step", "a pipeline needs a step", ""),
    }
    let checks = checks(&builder, &models);
    if !checks.is_empty() {
        config.insert("checks", Value::object(checks));
    }
    trigger::lower(&mut builder, &mut config);
    let desired = builder.resource("local_pipeline", "pipelines", false, config);
    builder.finish(vec![desired])
}

/// The value of a parameter: its default, where it is written in full.
pub(super) fn parameter(value: &PlanValue) -> PlanValue {
    let full = reference_of(value).is_none() && Quoted::of(value).is_none();
    match value.as_object() {
        Some(fields) if full && (fields.contains_key("default") || fields.contains_key("type")) => {
            fields.get("default").cloned().unwrap_or(Value::Null)
        }
        _ => value.clone(),
    }
}

/// Checks on this pipeline, and on models it registers.
fn checks(builder: &Builder<'_>, models: &BTreeSet<String>) -> BTreeMap<String, PlanValue> {
    let own = builder.declaration().address.to_string();
    let mut found = BTreeMap::new();
    for check in builder.input.platform.declarations.values().filter(|found| found.kind == "check") {
        let on = check.body.field("on").and_then(reference_of).map(|on| on.address.to_string());
        let concerns = on.is_some_and(|on| on == own || models.contains(&on));
        if let (true, Some(assert)) = (concerns, check.body.field("assert")) {
            let mut fields = BTreeMap::from([("assert", assert.clone())]);
            if let Some(message) = check.body.field("message") {
                fields.insert("message", message.clone());
            }
            found.insert(check.address.to_string(), Value::object(fields));
        }
    }
    found
}
