//! What a step takes: outputs of other steps, versions of datasets and models, files of sources, storage.

use std::collections::BTreeMap;

use super::builder::{Builder, object_name};
use super::step::{Steps, Written};
use super::versioned;
use crate::codes;
use crate::mlp_diag::one_of;
use crate::mlp_eval::{PlanValue, Reference, reference_of};
use crate::mlp_value::Value;

/// `"table"` in full: `{ type = "table" }`.
pub(super) fn typed(value: &PlanValue) -> PlanValue {
    match value.as_text() {
        Some(_) => Value::object([("type", value.clone())]),
        None => value.clone(),
    }
}

pub(super) fn type_of(value: &PlanValue) -> &str {
    value.field("type").and_then(Value::as_text).unwrap_or("file")
}

pub(super) fn inputs(
    builder: &mut Builder<'_>,
    steps: &Steps<'_>,
    name: &str,
    step: &Written<'_>,
) -> PlanValue {
    let declared = step.component.and_then(|component| component.body.field("inputs")?.as_object());
    let own = step.body.field("inputs").and_then(Value::as_object);
    let mut found = BTreeMap::new();
    for (input, value) in own.into_iter().flat_map(|inputs| inputs.iter()) {
        let path = format!("step.{name}.inputs.{input}");
        let Some(binding) = binding(builder, steps, value, &path) else { continue };
        if step.component.is_some() {
            match declared.and_then(|declared| declared.get(input)).map(typed) {
                None => {
                    let names = declared.into_iter().flat_map(|declared| declared.keys()).map(AsRef::as_ref);
                    let help = one_of(input, names.collect::<Vec<_>>());
                    builder.error(codes::STEP, &path, format!("the component has no input `{input}`"), &help);
                }
                Some(wanted) if !fits(type_of(&binding), type_of(&wanted)) => {
                    let text = format!(
                        "`{input}` takes a {}, and this is a {}",
                        type_of(&wanted),
                        type_of(&binding)
                    );
                    builder.error(codes::STEP, &path, text, "");
                }
                Some(_) => {}
            }
        }
        found.insert(input.to_string(), binding);
    }
    for (input, wanted) in declared.into_iter().flat_map(|declared| declared.iter()) {
        if found.contains_key(input.as_ref()) {
            continue;
        }
        if typed(wanted).field("optional").and_then(Value::as_bool) == Some(true) {
            found.insert(input.to_string(), Value::object([("absent", Value::Bool(true))]));
        } else {
            builder.error(
                codes::STEP,
                &format!("step.{name}.inputs"),
                format!("the input `{input}` is missing"),
                "give it, or declare it `optional(...)`",
            );
        }
    }
    Value::object(found)
}

/// The step and further words of a reference into this pipeline.
pub(super) fn own_step(builder: &Builder<'_>, reference: &Reference) -> Option<(String, Option<String>)> {
    if reference.address != builder.declaration().address {
        return None;
    }
    match reference.path.as_slice() {
        [word, step] if word == "step" => Some((step.clone(), None)),
        [word, step, output] if word == "step" => Some((step.clone(), Some(output.clone()))),
        _ => None,
    }
}

pub(super) fn binding(
    builder: &mut Builder<'_>,
    steps: &Steps<'_>,
    value: &PlanValue,
    path: &str,
) -> Option<PlanValue> {
    if versioned::leads_to_dataset(value) {
        return dataset(builder, steps, value, path);
    }
    let Some(reference) = reference_of(value) else {
        builder.not_served(
            path,
            "an input that is no reference",
            "refer to a dataset, a model, a source, a storage or the output of a step",
        );
        return None;
    };
    if reference.address == builder.declaration().address {
        return output(builder, steps, &reference, path);
    }
    match reference.address.kind.as_ref() {
        "model" => {
            let mut fields = builder.model(value, path)?;
            fields.insert("type", Value::text("model"));
            Some(Value::object(fields))
        }
        "storage" => {
            let found = builder.referred(value, "storage", path)?;
            let name = object_name(&found.address);
            Some(Value::object([("storage", Value::text(name)), ("type", Value::text("directory"))]))
        }
        "source" => source(builder, value, path),
        other => {
            builder.not_served(
                path,
                &format!("an input from a {other}"),
                "refer to a dataset, a model, a source of kind `file`, a storage or the output of a step",
            );
            None
        }
    }
}

/// A version of a dataset; the newest only where this pipeline does not write it.
fn dataset(builder: &mut Builder<'_>, steps: &Steps<'_>, value: &PlanValue, path: &str) -> Option<PlanValue> {
    let found = versioned::dataset(builder, value, path)?;
    if let (Some(writer), None) = (steps.writer_of(&found.address), &found.pin) {
        let text = format!("`{}` is written by step `{writer}` of this pipeline", found.address);
        builder.error(codes::STEP, path, text, &format!("take what the step hands on: `step.{writer}`"));
    }
    let mut fields = found.fields();
    fields.insert("type", Value::text("table"));
    Some(Value::object(fields))
}

fn output(
    builder: &mut Builder<'_>,
    steps: &Steps<'_>,
    reference: &Reference,
    path: &str,
) -> Option<PlanValue> {
    let (step, output) = own_step(builder, reference)?;
    let Some(source) = steps.written.get(&step) else {
        let help = one_of(&step, steps.written.keys().map(String::as_str).collect::<Vec<_>>());
        builder.error(codes::UNRESOLVED, path, format!("there is no step `{step}`"), &help);
        return None;
    };
    let output = match output {
        Some(output) => output,
        None if source.outputs.len() == 1 => source.outputs.keys().next()?.clone(),
        None => {
            builder.error(
                codes::UNRESOLVED,
                path,
                format!("`{reference}` does not say which output is meant"),
                "",
            );
            return None;
        }
    };
    let Some(spec) = source.outputs.get(&output) else {
        let help = one_of(&output, source.outputs.keys().map(String::as_str).collect::<Vec<_>>());
        builder.error(codes::UNRESOLVED, path, format!("step `{step}` has no output `{output}`"), &help);
        return None;
    };
    Some(Value::object([
        ("step", Value::text(&step)),
        ("output", Value::text(&output)),
        ("type", Value::text(type_of(spec))),
    ]))
}

/// The file of a source, as it is when a run starts.
fn source(builder: &mut Builder<'_>, value: &PlanValue, path: &str) -> Option<PlanValue> {
    let found = builder.referred(value, "source", path)?;
    let word = |name: &str| found.body.field(name).and_then(Value::as_text);
    let uri = word("uri").map(|uri| uri.strip_prefix("file://").unwrap_or(uri));
    let (Some("file"), Some(file)) = (word("kind"), uri) else {
        let what = format!("an input straight from `{}`", found.address);
        builder.not_served(path, &what, "make a dataset of it (`from = [source.x]`), and refer to that");
        return None;
    };
    let table =
        matches!(word("format"), Some("csv" | "jsonl")) || file.ends_with(".csv") || file.ends_with(".jsonl");
    let kind = if file.ends_with('/') {
        "directory"
    } else if table {
        "table"
    } else {
        "file"
    };
    Some(Value::object([("file", Value::text(file)), ("type", Value::text(kind))]))
}

/// A reader of any file takes every kind of file, one of any directory every kind of directory.
fn fits(given: &str, wanted: &str) -> bool {
    given == wanted || matches!((given, wanted), ("table" | "metrics", "file") | ("model", "directory"))
}
