//! One step of a pipeline: what its component, the pipeline's defaults and the step itself say together.

use std::collections::BTreeMap;

use super::builder::{Builder, object_name};
use super::pipeline::parameter;
use super::{runtime, versioned};
use crate::codes;
use crate::mlp_diag::one_of;
use crate::mlp_eval::{Node, Part, PlanValue, Quoted, Reference, Unknown, reference_of};
use crate::mlp_platform::Declaration;
use crate::mlp_value::facts::{Fact, Need};
use crate::mlp_value::{Object, Value};

/// The steps as written, each with its component, and what they hand on.
pub(super) struct Steps<'a> {
    written: BTreeMap<String, Written<'a>>,
}

struct Written<'a> {
    body: &'a PlanValue,
    component: Option<&'a Declaration>,
    defaults: Option<&'a PlanValue>,
    outputs: BTreeMap<String, PlanValue>,
}

impl<'a> Steps<'a> {
    pub(super) fn collect(builder: &mut Builder<'a>, steps: &'a Object<Unknown>) -> Self {
        let defaults = builder.attribute("defaults");
        let mut written = BTreeMap::new();
        for (name, body) in steps {
            let component = match body.field("use") {
                Some(used) => builder.referred(used, "component", &format!("step.{name}.use")),
                None => None,
            };
            let declared = body.field("outputs").or_else(|| component?.body.field("outputs"));
            let outputs = declared.and_then(Value::as_object).map(|outputs| {
                outputs.iter().map(|(name, output)| (name.to_string(), typed(output))).collect()
            });
            let outputs = outputs.unwrap_or_default();
            written.insert(name.to_string(), Written { body, component, defaults, outputs });
        }
        Self { written }
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.written.keys().cloned().collect()
    }
}

impl<'a> Written<'a> {
    /// The step's own attribute, else its component's, else the pipeline's default.
    fn attribute(&self, name: &str) -> Option<&'a PlanValue> {
        let component = || self.component.and_then(|component| component.body.field(name));
        let defaults = || self.defaults.and_then(|defaults| defaults.field(name));
        self.body.field(name).or_else(component).or_else(defaults)
    }
}

/// `"table"` in full: `{ type = "table" }`.
fn typed(value: &PlanValue) -> PlanValue {
    match value.as_text() {
        Some(_) => Value::object([("type", value.clone())]),
        None => value.clone(),
    }
}

fn type_of(value: &PlanValue) -> &str {
    value.field("type").and_then(Value::as_text).unwrap_or("file")
}

/// Where the code is and what it is.
pub(super) fn code(builder: &mut Builder<'_>, directory: &str, path: &str) -> Option<PlanValue> {
    let mut fields = BTreeMap::from([("directory", Value::text(directory))]);
    match builder.ask(Need::Tree(directory.to_owned())) {
        Some(Fact::Digest { digest, .. }) => {
            fields.insert("digest", Value::text(digest));
        }
        Some(Fact::Failed(why)) => {
            builder.error(
                codes::CODE_MISSING,
                path,
                format!("the code directory `{directory}` cannot be read: {why}"),
                "",
            );
            return None;
        }
        Some(_) => {
            builder.error(
                codes::CODE_MISSING,
                path,
                format!("there is no code directory `{directory}`"),
                "name a directory of the project",
            );
            return None;
        }
        None => {}
    }
    Some(Value::object(fields))
}

/// A step as it will be run.
pub(super) fn resolve(builder: &mut Builder<'_>, steps: &Steps<'_>, name: &str) -> Option<PlanValue> {
    let step = steps.written.get(name)?;
    if step.body.field("register").is_some() {
        return register(builder, steps, name);
    }
    let at = |word: &str| format!("step.{name}.{word}");
    let Some(run) = step.attribute("run") else {
        builder.error(
            codes::STEP,
            &format!("step.{name}"),
            format!("step `{name}` has nothing to run"),
            "give it `run`, `use` or `register`",
        );
        return None;
    };
    let mut config = BTreeMap::from([("run", run.clone())]);
    check_command(builder, run, &at("run"));
    let directory = step.attribute("code").and_then(Value::as_text).unwrap_or(".");
    if let Some(code) = code(builder, directory, &at("code")) {
        config.insert("code", code);
    }
    let found = match step.attribute("runtime") {
        Some(value) => runtime::resolve(builder, value, &at("runtime")),
        None => runtime::default(builder, &format!("step.{name}")),
    };
    config.extend(found.map(|found| ("runtime", found)));
    config.insert("inputs", inputs(builder, steps, name, step));
    config.insert("outputs", Value::object(step.outputs.clone()));
    config.insert("params", params(builder, name, step));
    for word in ["timeout", "retry"] {
        config.extend(step.attribute(word).map(|value| (word, value.clone())));
    }
    if let Some(cache) = step.attribute("cache") {
        let key = cache.field("key").and_then(Value::as_list);
        if key.is_some_and(|key| {
            ["code", "inputs", "params", "runtime"].iter().any(|word| !key.contains(&Value::text(word)))
        }) {
            builder.not_served(
                &at("cache.key"),
                "a cache key that leaves something out",
                "leave `key` out: code, inputs, parameters and runtime always count",
            );
        }
        config.insert("cache", cache.clone());
    }
    config.extend(secrets(builder, name, step).map(|secrets| ("secrets", secrets)));
    config.extend(after(builder, steps, name, step).map(|after| ("after", after)));
    Some(Value::object(config))
}

fn after(builder: &mut Builder<'_>, steps: &Steps<'_>, name: &str, step: &Written<'_>) -> Option<PlanValue> {
    let items = step.body.field("after")?.as_list()?;
    let mut found = Vec::new();
    for item in items {
        match reference_of(item).and_then(|reference| own_step(builder, &reference)) {
            Some((other, _)) if steps.written.contains_key(&other) => found.push(Value::text(other)),
            _ => builder.error(
                codes::UNRESOLVED,
                &format!("step.{name}.after"),
                "`after` names steps of this pipeline",
                "",
            ),
        }
    }
    Some(Value::list(found))
}

fn secrets(builder: &mut Builder<'_>, name: &str, step: &Written<'_>) -> Option<PlanValue> {
    let written = step.attribute("secrets")?.as_object()?;
    let mut found = BTreeMap::new();
    for (variable, value) in written.iter() {
        if let Some(secret) = builder.referred(value, "secret", &format!("step.{name}.secrets.{variable}"))
            && let Some(from) = secret.body.field("from")
        {
            found.insert(variable.to_string(), from.clone());
        }
    }
    Some(Value::object(found))
}

fn params(builder: &mut Builder<'_>, name: &str, step: &Written<'_>) -> PlanValue {
    let declared = step.component.and_then(|component| component.body.field("params")?.as_object());
    let mut found: BTreeMap<String, PlanValue> = declared
        .into_iter()
        .flat_map(|params| params.iter())
        .map(|(name, value)| (name.to_string(), parameter(value)))
        .collect();
    let own = step.body.field("params").and_then(Value::as_object);
    for (param, value) in own.into_iter().flat_map(|params| params.iter()) {
        if step.component.is_some() && !found.contains_key(param.as_ref()) {
            let help = one_of(param, found.keys().map(String::as_str));
            builder.error(
                codes::STEP,
                &format!("step.{name}.params.{param}"),
                format!("the component has no parameter `{param}`"),
                &help,
            );
        }
        found.insert(param.to_string(), value.clone());
    }
    Value::object(found)
}

fn inputs(builder: &mut Builder<'_>, steps: &Steps<'_>, name: &str, step: &Written<'_>) -> PlanValue {
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
                Some(wanted) if type_of(&wanted) != type_of(&binding) => {
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
fn own_step(builder: &Builder<'_>, reference: &Reference) -> Option<(String, Option<String>)> {
    if reference.address != builder.declaration().address {
        return None;
    }
    match reference.path.as_slice() {
        [word, step] if word == "step" => Some((step.clone(), None)),
        [word, step, output] if word == "step" => Some((step.clone(), Some(output.clone()))),
        _ => None,
    }
}

fn binding(builder: &mut Builder<'_>, steps: &Steps<'_>, value: &PlanValue, path: &str) -> Option<PlanValue> {
    if versioned::leads_to_dataset(value) {
        let mut fields = versioned::dataset(builder, value, path)?.fields();
        fields.insert("type", Value::text("table"));
        return Some(Value::object(fields));
    }
    let Some(reference) = reference_of(value) else {
        builder.not_served(
            path,
            "an input that is no reference",
            "refer to a dataset, a model or the output of a step",
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
        other => {
            builder.not_served(
                path,
                &format!("an input from a {other}"),
                "refer to a dataset, a model or the output of a step",
            );
            None
        }
    }
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

fn register(builder: &mut Builder<'_>, steps: &Steps<'_>, name: &str) -> Option<PlanValue> {
    let step = steps.written.get(name)?;
    let at = |word: &str| format!("step.{name}.{word}");
    let model = builder.referred(step.body.field("register")?, "model", &at("register"))?;
    let target = Value::object([
        ("model", Value::text(object_name(&model.address))),
        ("address", Value::text(model.address.to_string())),
    ]);
    let mut config = BTreeMap::from([("register", target)]);
    if let Some(alias) = step.body.field("alias").and_then(Value::as_text) {
        let known: Vec<&str> = model
            .body
            .field("aliases")
            .and_then(Value::as_list)
            .unwrap_or_default()
            .iter()
            .filter_map(Value::as_text)
            .collect();
        if !known.contains(&alias) && alias != "latest" {
            let help = one_of(alias, known);
            builder.error(
                codes::UNRESOLVED,
                &at("alias"),
                format!("`{alias}` is no alias of `{}`", model.address),
                &help,
            );
        }
        config.insert("alias", Value::text(alias));
    }
    for (word, kind) in [("from", "model"), ("evidence", "metrics")] {
        let Some(value) = step.body.field(word) else {
            if word == "from" {
                builder.error(codes::STEP, &at("register"), "a version is registered `from` an output", "");
            }
            continue;
        };
        let Some(found) = binding(builder, steps, value, &at(word)) else { continue };
        if type_of(&found) != kind || found.field("step").is_none() {
            builder.error(
                codes::STEP,
                &at(word),
                format!("`{word}` is the output of a step that is a {kind}"),
                "",
            );
        }
        config.insert(word, found);
    }
    Some(Value::object(config))
}

/// Says which holes of a command cannot be filled.
fn check_command(builder: &mut Builder<'_>, run: &PlanValue, path: &str) {
    let Some(quoted) = Quoted::of(run) else { return };
    let simple = |node: &Node| match node {
        Node::Literal { .. } => true,
        Node::Traverse { traversal } => {
            matches!(traversal.root.as_ref(), "input" | "output" | "param" | "run")
                && traversal.steps.len() == 1
        }
        _ => false,
    };
    let good = match &quoted.expr.node {
        Node::Template { parts } => parts.iter().all(|part| match part {
            Part::Text { .. } => true,
            Part::Expr { expr } => simple(&expr.node),
            _ => false,
        }),
        node => simple(node),
    };
    if !good {
        builder.not_served(
            path,
            "a command that computes something",
            "use `${input.x}`, `${output.x}`, `${param.x}`, `${run.id}` and `${run.started_at}` as they are",
        );
    }
}
