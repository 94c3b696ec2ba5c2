//! Datasets that steps write: an output of the step, named like the dataset, becomes its next version.

use std::collections::BTreeMap;

use super::builder::Builder;
use super::step::Written;
use crate::codes;
use crate::mlp_eval::{PlanValue, reference_of};
use crate::mlp_platform::Declaration;
use crate::mlp_value::Value;

/// The datasets a step writes by their output, which is declared where the step does not do so itself.
pub(super) fn collect<'a>(
    builder: &mut Builder<'a>,
    step: &str,
    body: &PlanValue,
    outputs: &mut BTreeMap<String, PlanValue>,
) -> BTreeMap<String, &'a Declaration> {
    let path = format!("step.{step}.writes");
    let mut found = BTreeMap::new();
    for item in body.field("writes").and_then(Value::as_list).unwrap_or_default() {
        let kind = reference_of(item).map(|reference| reference.address.kind.to_string());
        if kind.as_deref() == Some("features") {
            builder.not_served(&path, "a step that writes features", "write a dataset");
            continue;
        }
        let Some(dataset) = builder.referred(item, "dataset", &path) else { continue };
        if dataset.body.field("from").is_some() {
            let text = format!(
                "`{}` is read from its sources (`from`), so that no step can write it",
                dataset.address
            );
            builder.error(codes::STEP, &path, text, "take `from` away, or write another dataset");
            continue;
        }
        let name = dataset.address.name.to_string();
        let format = dataset.body.field("format").and_then(Value::as_text);
        let made = || {
            let mut spec = BTreeMap::from([("type", Value::text("table"))]);
            spec.extend((format == Some("jsonl")).then(|| ("format", Value::text("jsonl"))));
            Value::object(spec)
        };
        let output = outputs.entry(name.clone()).or_insert_with(made);
        if output.field("type").and_then(Value::as_text) != Some("table") {
            let text = format!(
                "the output `{name}` becomes a version of `{}`, so that it is a table",
                dataset.address
            );
            builder.error(codes::STEP, &format!("step.{step}.outputs.{name}"), text, "");
            continue;
        }
        found.insert(name, dataset);
    }
    found
}

/// Says when two steps write the same dataset: whose version would be the last?
pub(super) fn check_once(builder: &mut Builder<'_>, steps: &BTreeMap<String, Written<'_>>) {
    let mut writers: BTreeMap<String, &str> = BTreeMap::new();
    let mut twice = Vec::new();
    for (name, step) in steps {
        for dataset in step.writes.values() {
            if let Some(other) = writers.insert(dataset.address.to_string(), name) {
                twice.push((
                    name.clone(),
                    format!("`{}` is written by step `{other}` already", dataset.address),
                ));
            }
        }
    }
    for (step, text) in twice {
        let help = "let one step write it, or write two datasets";
        builder.error(codes::STEP, &format!("step.{step}.writes"), text, help);
    }
}
