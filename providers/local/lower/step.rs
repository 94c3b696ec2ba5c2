//! One step of a pipeline: what its component, the pipeline's defaults and the step itself say together.

use std::collections::BTreeMap;

use super::builder::{Builder, object_name};
use super::inputs::{binding, inputs, own_step, type_of, typed};
use super::{compute, params, runtime, writes};
use crate::mlp_diag::one_of;
use crate::mlp_eval::{Expr, Node, Part, PlanValue, Quoted, Unknown, reference_of};
use crate::mlp_platform::Declaration;
use crate::mlp_value::facts::{Fact, Need};
use crate::mlp_value::{Address, Object, Value};
use crate::{codes, gate};

/// The steps as written, each with its component, and what they hand on.
pub(super) struct Steps<'a> {
    pub(super) written: BTreeMap<String, Written<'a>>,
}

/// A step as it is written, with what it takes over.
pub(super) struct Written<'a> {
    pub(super) body: &'a PlanValue,
    pub(super) component: Option<&'a Declaration>,
    defaults: Option<&'a PlanValue>,
    pub(super) outputs: BTreeMap<String, PlanValue>,
    /// Datasets it writes, by the output that becomes their version.
    pub(super) writes: BTreeMap<String, &'a Declaration>,
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
            let mut outputs: BTreeMap<String, PlanValue> = outputs.unwrap_or_default();
            let writes = writes::collect(builder, name, body, &mut outputs);
            written.insert(name.to_string(), Written { body, component, defaults, outputs, writes });
        }
        writes::check_once(builder, &written);
        Self { written }
    }

    /// Whether a step registers a version instead of running a command.
    pub(super) fn registers(&self, name: &str) -> bool {
        self.written.get(name).is_some_and(|step| step.body.field("register").is_some())
    }

    /// The step of this pipeline that writes a dataset.
    pub(super) fn writer_of(&self, dataset: &Address) -> Option<&str> {
        let writes = |step: &Written<'_>| step.writes.values().any(|found| found.address == *dataset);
        self.written.iter().find(|(_, step)| writes(step)).map(|(name, _)| name.as_str())
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.written.keys().cloned().collect()
    }
}

impl<'a> Written<'a> {
    /// The step's own attribute, else its component's, else the pipeline's default.
    pub(super) fn attribute(&self, name: &str) -> Option<&'a PlanValue> {
        let component = || self.component.and_then(|component| component.body.field(name));
        let defaults = || self.defaults.and_then(|defaults| defaults.field(name));
        self.body.field(name).or_else(component).or_else(defaults)
    }

    /// Where an attribute stands: in the step, or among the pipeline's defaults.
    pub(super) fn at(&self, step: &str, name: &str) -> String {
        let inherited = self.body.field(name).is_none()
            && self.component.is_none_or(|component| component.body.field(name).is_none());
        if inherited { format!("defaults.{name}") } else { format!("step.{step}.{name}") }
    }
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
        // What it uses is not there, and that was said.
        if step.body.field("use").is_some() && step.component.is_none() {
            return None;
        }
        builder.error(
            codes::STEP,
            &format!("step.{name}"),
            format!("step `{name}` has nothing to run"),
            "give it `run`, `use` or `register`",
        );
        return None;
    };
    let mut config = BTreeMap::from([("run", run.clone())]);
    check_command(builder, run, &at("run"), &known(builder, step));
    let directory = step.attribute("code").and_then(Value::as_text).unwrap_or(".");
    if let Some(code) = code(builder, directory, &at("code")) {
        config.insert("code", code);
    }
    let found = match step.attribute("runtime") {
        Some(value) => runtime::resolve(builder, value, &step.at(name, "runtime")),
        None => runtime::default(builder, &format!("step.{name}")),
    };
    config.extend(found.map(|found| ("runtime", found)));
    config.insert("inputs", inputs(builder, steps, name, step));
    config.insert("outputs", Value::object(step.outputs.clone()));
    config.insert("params", params::of_step(builder, name, step));
    for word in ["timeout", "retry"] {
        config.extend(step.attribute(word).map(|value| (word, value.clone())));
    }
    config.extend(step.attribute("cache").map(|cache| ("cache", cache.clone())));
    config.extend(compute::reserved(builder, step, name).map(|reserved| ("resources", reserved)));
    if !step.writes.is_empty() {
        let name_of = |found: &&Declaration| Value::text(object_name(&found.address));
        let writes = step.writes.iter().map(|(output, found)| (output.clone(), name_of(found)));
        config.insert("writes", Value::object(writes.collect::<Vec<_>>()));
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

/// What the holes of a step's command may name.
fn known(builder: &Builder<'_>, step: &Written<'_>) -> Holes {
    let keys = |value: Option<&PlanValue>| -> Vec<String> {
        let fields = value.and_then(Value::as_object);
        fields.into_iter().flat_map(|fields| fields.keys()).map(ToString::to_string).collect()
    };
    let both = |word: &str| {
        let mut names = keys(step.body.field(word));
        names.extend(keys(step.component.and_then(|component| component.body.field(word))));
        names
    };
    let mut params = both("params");
    params.extend(keys(builder.attribute("params")));
    Holes { inputs: both("inputs"), outputs: step.outputs.keys().cloned().collect(), params }
}

/// The names that the holes of a command may have.
pub(super) struct Holes {
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    pub(super) params: Vec<String>,
}

/// Says what is no command, and which holes of a command cannot be filled.
pub(super) fn check_command(builder: &mut Builder<'_>, run: &PlanValue, path: &str, known: &Holes) {
    let Some(quoted) = Quoted::of(run) else { return check_words(builder, run, path) };
    let good = match &quoted.expr.node {
        Node::List { items } => !items.is_empty() && items.iter().all(is_text_with_holes),
        _ => is_text_with_holes(&quoted.expr),
    };
    if !good {
        builder.not_served(
            path,
            "a command that computes something",
            "use `${input.x}`, `${output.x}`, `${param.x}`, `${run.id}` and `${run.started_at}` as they are",
        );
        return;
    }
    let moments = ["id".to_owned(), "started_at".to_owned()];
    let mut unknown = Vec::new();
    quoted.expr.traversals(&mut |traversal, _| {
        let names = match traversal.root.as_ref() {
            "input" => &known.inputs[..],
            "output" => &known.outputs[..],
            "param" => &known.params[..],
            "run" => &moments[..],
            _ => return,
        };
        if let Some(word) = gate::first_word(traversal).filter(|word| !names.contains(word)) {
            unknown.push((traversal.root.to_string(), word, names.to_vec()));
        }
    });
    for (root, word, names) in unknown {
        let help = one_of(&word, names.iter().map(String::as_str).collect::<Vec<_>>());
        builder.error(
            codes::STEP,
            path,
            format!("the command names `{root}.{word}`, and there is none"),
            &help,
        );
    }
}

/// A command without holes is a line for the shell, or a program with its arguments.
fn check_words(builder: &mut Builder<'_>, run: &PlanValue, path: &str) {
    let word = |value: &PlanValue| {
        let text = value.as_text().is_some_and(|text| !text.contains('\0'));
        text || matches!(value, Value::Hole(_) | Value::Number(_) | Value::Bool(_))
    };
    let good = match run {
        Value::Text(text) => !text.trim().is_empty() && word(run),
        Value::List(items) => {
            items.iter().all(word) && items.first().is_some_and(|first| first.as_text() != Some(""))
        }
        other => matches!(other, Value::Hole(_)),
    };
    if !good {
        builder.error(
            codes::STEP,
            path,
            "this is no command".to_owned(),
            "write a command, or a program and its arguments: `\"python3 fit.py\"`, `[\"python3\", \"fit.py\"]`",
        );
    }
}

/// Text, a hole, or text with holes.
fn is_text_with_holes(expr: &Expr) -> bool {
    let simple = |node: &Node| match node {
        Node::Literal { .. } => true,
        Node::Traverse { traversal } => {
            matches!(traversal.root.as_ref(), "input" | "output" | "param" | "run")
                && traversal.steps.len() == 1
        }
        _ => false,
    };
    match &expr.node {
        Node::Template { parts } => parts.iter().all(|part| match part {
            Part::Text { .. } => true,
            Part::Expr { expr } => simple(&expr.node),
            _ => false,
        }),
        node => simple(node),
    }
}
