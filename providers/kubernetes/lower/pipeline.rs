//! `pipeline`: a CronJob whose pod runs the steps one after another, with a schedule or without.
//!
//! All but the last are init containers: the cluster keeps their order by itself, and nobody outside it is needed for that.

use std::collections::BTreeMap;

use mlp_provider::{LowerInput, Lowered};

use super::builder::{Builder, from};
use super::params::PARAMS;
use super::step::{Needed, Step, volumes};
use super::{dataset, trigger};
use crate::codes;
use crate::mlp_eval::PlanValue;
use crate::mlp_value::{Value, units};
use crate::names;
use crate::natives::native;

const SERVED: &[&str] = &[
    "kind",
    "engine",
    "storage",
    "params.**",
    "defaults.runtime",
    "defaults.runtime.image",
    "defaults.runtime.language",
    "defaults.runtime.env.**",
    "defaults.compute.**",
    "defaults.secrets.**",
    "defaults.timeout",
    "defaults.retry.max",
    "step.*.use",
    "step.*.code",
    "step.*.run",
    "step.*.inputs.**",
    "step.*.params.**",
    "step.*.outputs.**",
    "step.*.after",
    "step.*.runtime",
    "step.*.runtime.image",
    "step.*.runtime.language",
    "step.*.runtime.env.**",
    "step.*.compute.**",
    "step.*.secrets.**",
    "step.*.timeout",
    "step.*.retry.max",
    "trigger.*.cron",
    "trigger.*.timezone",
    "trigger.*.catch_up",
];

/// Engines that are not there yet, and what they will need.
const ENGINES: &[(&str, &str)] = &[
    ("argo", "Argo Workflows are not written yet"),
    ("kubeflow", "pipelines of Kubeflow are not written yet"),
    ("airflow", "DAGs of Airflow are not written yet"),
];

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let mut builder = Builder::new(input, SERVED);
    engine(&mut builder);
    let steps = steps(&mut builder);
    let order = order(&mut builder, &steps);
    let mut needed = Needed::default();
    let containers: Vec<PlanValue> =
        order.iter().filter_map(|step| step.container(&mut builder, &steps, &mut needed)).collect();
    let shared = builder.attribute("storage").and_then(|value| {
        let storage = builder.referred(value, "storage", "storage")?;
        Some(dataset::claim(&builder, storage))
    });
    let mut fields = trigger::schedule(&mut builder);
    let (retries, seconds) = bounds(&mut builder, &order);
    fields.push(("concurrencyPolicy", Value::text("Forbid")));
    let Some((last, earlier)) = containers.split_last().filter(|_| containers.len() == order.len()) else {
        return builder.finish(Vec::new());
    };
    let mut pod = vec![("restartPolicy", Value::text("Never")), ("containers", Value::list([last.clone()]))];
    pod.extend(super::builder::list("initContainers", earlier.to_vec()));
    pod.extend(volumes(shared.as_deref(), &needed));
    pod.extend(seconds.map(|seconds| ("activeDeadlineSeconds", Value::int(seconds))));
    let template = Value::object([("spec", Value::object(pod))]);
    let spec = Value::object([("backoffLimit", Value::int(retries)), ("template", template)]);
    fields.push(("jobTemplate", Value::object([("metadata", marks(&builder, &needed)), ("spec", spec)])));
    let Some(kind) = native("kubernetes_cron_job") else { return builder.finish(Vec::new()) };
    let mut desired = builder.object("", kind, fields);
    from(&mut desired, &["jobTemplate"], "step");
    for word in ["schedule", "timeZone", "suspend", "startingDeadlineSeconds"] {
        from(&mut desired, &[word], "trigger");
    }
    builder.finish(vec![desired])
}

fn engine(builder: &mut Builder<'_>) {
    let Some(engine) = builder.text("engine").filter(|engine| !matches!(*engine, "auto" | "job")) else {
        return;
    };
    let note =
        ENGINES.iter().find(|(name, _)| *name == engine).map_or("there is no such engine", |(_, note)| note);
    let help = format!("{note}: use `engine = \"job\"`, which needs no operator");
    builder.not_served("engine", &format!("the engine `{engine}`"), &help);
}

fn steps<'a>(builder: &mut Builder<'a>) -> BTreeMap<String, Step<'a>> {
    let written = builder.attribute("step").and_then(Value::as_object);
    if written.is_none_or(|written| written.is_empty()) {
        builder.error(codes::VALUE, "step", "a pipeline needs a step", "add `step \"fit\" { run = \"…\" }`");
    }
    let mut found = BTreeMap::new();
    for (name, body) in written.into_iter().flatten() {
        let good = name.len() <= 63
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !name.starts_with('-')
            && !name.ends_with('-');
        if !good {
            let headline = format!("`{name}` cannot be the name of a container");
            let help = "a step in a cluster is called with lower-case letters, digits and dashes";
            builder.error(codes::VALUE, &format!("step.{name}"), headline, help);
        }
        found.insert(name.to_string(), Step::read(builder, name, body));
    }
    found
}

/// The steps, each after those it needs, otherwise by name.
fn order<'s, 'a>(builder: &mut Builder<'_>, steps: &'s BTreeMap<String, Step<'a>>) -> Vec<&'s Step<'a>> {
    let mut ordered: Vec<&Step<'a>> = Vec::new();
    while ordered.len() < steps.len() {
        let done = |name: &String| ordered.iter().any(|step| step.name == *name) || !steps.contains_key(name);
        let next = steps.values().find(|step| !done(&step.name) && step.after.iter().all(done));
        match next {
            Some(step) => ordered.push(step),
            None => {
                builder.error(
                    codes::VALUE,
                    "step",
                    "the steps wait for each other",
                    "take one of the references away",
                );
                return Vec::new();
            }
        }
    }
    ordered
}

/// How often a run is tried again, and how long it may take: of a pipeline of one step, these are the step's own.
fn bounds(builder: &mut Builder<'_>, steps: &[&Step<'_>]) -> (i64, Option<i64>) {
    let mut found = (0, None);
    for step in steps {
        let (retry, timeout) = step.bounds();
        let several = steps.len() > 1;
        for (word, set) in [("retry", retry.is_some()), ("timeout", timeout.is_some())] {
            if set && several {
                let what = format!("`{word}` of one of several steps");
                let help = "the steps share a pod, which is bounded and tried again as a whole: bound it with `override \"kubernetes\" { set = { \"jobTemplate.spec.activeDeadlineSeconds\" = 3600, \"jobTemplate.spec.backoffLimit\" = 2 } }`";
                builder.not_served(&format!("step.{}.{word}", step.name), &what, help);
            }
        }
        let seconds = timeout.and_then(|text| units::duration(text).ok()).map(|time| time.as_secs().max(1));
        found.0 = retry.and_then(Value::as_number).and_then(|max| max.to_i64()).unwrap_or(0);
        found.1 = seconds.and_then(|seconds| i64::try_from(seconds).ok());
    }
    found
}

/// What every run of the pipeline carries.
fn marks(builder: &Builder<'_>, needed: &Needed) -> PlanValue {
    let platform = builder.input.platform;
    let labels = Value::object([
        ("mlp.dev/project", Value::text(names::label(&platform.project.name))),
        ("mlp.dev/environment", Value::text(names::label(&platform.environment.folder()))),
        (crate::run::RUN_OF, Value::text(builder.name())),
    ]);
    let takers = serde_json::to_string(&needed.takers).unwrap_or_default();
    let annotations = Value::object([
        ("mlp.dev/pipeline", Value::text(builder.declaration().address.to_string())),
        (PARAMS, Value::text(takers)),
    ]);
    Value::object([("labels", labels), ("annotations", annotations)])
}
