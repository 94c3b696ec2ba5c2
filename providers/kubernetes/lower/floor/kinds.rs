//! The objects that work on a record: a Job that makes a version of a dataset, a CronJob for a pipeline or a batch, a Deployment and its
//! Service for an endpoint.

use std::collections::BTreeMap;

use mlp_provider::Desired;
use serde_json::json;

use super::pods::{self, Pod};
use super::{FLOOR, PORT, Record, Registry, SERVES, records, steps};
use crate::lower::builder::{Builder, env, from};
use crate::lower::params::PARAMS;
use crate::lower::{endpoint, trigger};
use crate::mlp_eval::{PlanValue, reference_of};
use crate::mlp_value::Value;
use crate::natives::native;

/// What changes with a record, so that what works on it is made anew.
const DIGEST: &str = "mlp.dev/record";

/// The record with what works on it; nothing where that was refused.
pub(super) fn objects(
    builder: &mut Builder<'_>,
    registry: &Registry,
    record: Record,
    desired: &Desired,
) -> Option<Vec<Desired>> {
    let Record { made, digest } = record;
    let more = match desired.kind.as_str() {
        "local_dataset" if desired.config.field("sources").is_some() => {
            vec![dataset(builder, registry, &digest, desired)?]
        }
        "local_pipeline" | "local_batch_endpoint" => vec![runs(builder, registry, desired)?],
        "local_endpoint" => vec![serves(builder, registry, &digest, desired)?, endpoint::service(builder)?],
        _ => Vec::new(),
    };
    let id = made.id.clone();
    let after = |mut one: Desired| {
        one.depends_on.extend(made.depends_on.iter().cloned());
        one.depends_on.insert(id.clone());
        let own = one.id.clone();
        one.depends_on.remove(&own);
        one
    };
    let more: Vec<Desired> = more.into_iter().map(after).collect();
    Some(more.into_iter().chain([made]).collect())
}

/// Puts annotations on an object.
pub(super) fn note(desired: &mut Desired, notes: &[(&str, String)]) {
    let Some(fields) = desired.config.as_object() else { return };
    let mut fields: BTreeMap<String, PlanValue> =
        fields.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    let all = fields.remove("annotations");
    let written = all.as_ref().and_then(Value::as_object).into_iter().flatten();
    let written = written.map(|(name, value)| (name.to_string(), value.clone()));
    let notes: BTreeMap<String, PlanValue> =
        written.chain(notes.iter().map(|(name, text)| ((*name).to_owned(), Value::text(text)))).collect();
    if !notes.is_empty() {
        fields.insert("annotations".to_owned(), Value::object(notes));
    }
    desired.config = Value::object(fields);
}

/// The fields of a Deployment of one pod: two would work on the same record.
pub(super) fn kept(builder: &Builder<'_>, pod: &Pod<'_>, digest: &str) -> Vec<(&'static str, PlanValue)> {
    let chosen = [(pods::PART, Value::text(pod.name)), (endpoint::POD, Value::text(builder.name()))];
    let labels = pod.labels(builder).into_iter().chain(chosen.clone());
    let mut metadata = vec![("labels", Value::object(labels))];
    if !digest.is_empty() {
        metadata.push(("annotations", Value::object([(DIGEST, Value::text(digest))])));
    }
    let template = Value::object([("metadata", Value::object(metadata)), ("spec", pod.spec(builder))]);
    vec![
        ("selector", Value::object([("matchLabels", Value::object(chosen))])),
        ("template", template),
        ("replicas", Value::int(1)),
        ("strategy", Value::object([("type", Value::text("Recreate"))])),
    ]
}

fn dataset(
    builder: &mut Builder<'_>,
    registry: &Registry,
    digest: &str,
    desired: &Desired,
) -> Option<Desired> {
    let pod = Pod {
        registry,
        image: pods::image(builder, &[])?,
        name: "dataset",
        arguments: vec!["bring".to_owned(), desired.identity.clone()],
        records: records(builder.input.platform, &builder.declaration().address),
        variables: Vec::new(),
        container: Vec::new(),
        stays: false,
    };
    let metadata = Value::object([
        ("labels", Value::object(pod.labels(builder))),
        ("annotations", Value::object([(DIGEST, Value::text(digest))])),
    ]);
    let template = Value::object([("metadata", metadata), ("spec", pod.spec(builder))]);
    let fields = vec![("template", template), ("backoffLimit", Value::int(0))];
    let mut job = builder.object("version", native("kubernetes_job")?, fields);
    from(&mut job, &["template"], "from");
    Some(job)
}

/// The runtimes of the steps of a pipeline, with where they are named.
fn runtimes(builder: &Builder<'_>) -> Vec<(PlanValue, String)> {
    let declaration = builder.declaration();
    if let Some(own) = builder.attribute("runtime") {
        return vec![(own.clone(), "runtime".to_owned())];
    }
    let default = builder.attribute("defaults.runtime");
    let of_step = |(name, step): (String, &PlanValue)| {
        let set = |value: Option<&PlanValue>| value.filter(|value| !value.is_null()).cloned();
        let component = step.field("use").and_then(reference_of);
        let component = component.and_then(|used| builder.input.platform.declarations.get(&used.address));
        let own = set(step.field("runtime")).or_else(|| set(component?.body.field("runtime")));
        Some((own.or_else(|| default.cloned())?, format!("step.{name}.runtime")))
    };
    steps(declaration).filter_map(of_step).collect()
}

fn runs(builder: &mut Builder<'_>, registry: &Registry, desired: &Desired) -> Option<Desired> {
    let own = runtimes(builder);
    let pod = Pod {
        registry,
        image: pods::image(builder, &own)?,
        name: "run",
        arguments: vec!["run".to_owned(), desired.identity.clone()],
        records: records(builder.input.platform, &builder.declaration().address),
        variables: Vec::new(),
        container: Vec::new(),
        stays: false,
    };
    let mut fields = trigger::schedule(builder);
    fields.push(("concurrencyPolicy", Value::text("Forbid")));
    let labels = pod.labels(builder).into_iter().chain([(crate::run::RUN_OF, Value::text(builder.name()))]);
    let labels: BTreeMap<&str, PlanValue> = labels.collect();
    let params = desired.config.field("params").and_then(Value::as_object);
    let params = params.into_iter().flat_map(|params| params.keys());
    let takers: BTreeMap<String, [&str; 1]> = params.map(|name| (name.to_string(), [pod.name])).collect();
    let floor = format!("{} {}", desired.kind, desired.identity);
    let annotations = Value::object([
        ("mlp.dev/pipeline", Value::text(builder.declaration().address.to_string())),
        (PARAMS, Value::text(json!(takers).to_string())),
        (FLOOR, Value::text(&floor)),
    ]);
    let template = Value::object([
        ("metadata", Value::object([("labels", Value::object(labels.clone()))])),
        ("spec", pod.spec(builder)),
    ]);
    let spec = Value::object([("backoffLimit", Value::int(0)), ("template", template)]);
    let metadata = Value::object([("labels", Value::object(labels)), ("annotations", annotations)]);
    fields.push(("jobTemplate", Value::object([("metadata", metadata), ("spec", spec)])));
    let mut made = builder.object("", native("kubernetes_cron_job")?, fields);
    from(&mut made, &["jobTemplate"], "step");
    for word in ["schedule", "timeZone", "suspend", "startingDeadlineSeconds"] {
        from(&mut made, &[word], "trigger");
    }
    made.deferred.clone_from(&desired.deferred);
    note(&mut made, &[(FLOOR, floor), (SERVES, served(desired))]);
    Some(made)
}

/// The versions that something serves, for the question whether they are there.
fn served(desired: &Desired) -> String {
    let variants = desired.config.field("variant").and_then(Value::as_object);
    let models =
        variants.into_iter().flat_map(|variants| variants.values()).chain(desired.config.field("model"));
    let plain = |model: &PlanValue| {
        let fields = ["address", "name", "model", "alias", "version"];
        let fields = fields.into_iter().filter_map(|name| Some((name, model.field(name)?.known().ok()?)));
        fields.collect::<BTreeMap<_, _>>()
    };
    json!(models.map(plain).collect::<Vec<_>>()).to_string()
}

fn serves(
    builder: &mut Builder<'_>,
    registry: &Registry,
    digest: &str,
    desired: &Desired,
) -> Option<Desired> {
    let own = runtimes(builder);
    let open = Value::object([
        ("containerPort", Value::int(PORT)),
        ("name", Value::text("http")),
        ("protocol", Value::text("TCP")),
    ]);
    let asked = Value::object([
        ("path", Value::text("/healthz")),
        ("port", Value::text("http")),
        ("scheme", Value::text("HTTP")),
    ]);
    let pod = Pod {
        registry,
        image: pods::image(builder, &own)?,
        name: "server",
        arguments: vec!["serve".to_owned(), desired.identity.clone()],
        records: records(builder.input.platform, &builder.declaration().address),
        // Who keeps the endpoints of the volume keeps this one alone.
        variables: vec![env("MLP_ENDPOINT", desired.identity.rsplit('/').next().unwrap_or_default())],
        container: vec![
            ("ports", Value::list([open])),
            ("readinessProbe", Value::object([("httpGet", asked), ("periodSeconds", Value::int(2))])),
        ],
        stays: true,
    };
    let fields = kept(builder, &pod, digest);
    let mut made = builder.object("", native("kubernetes_deployment")?, fields);
    from(&mut made, &["template"], "variant");
    made.deferred.clone_from(&desired.deferred);
    note(&mut made, &[(FLOOR, format!("{} {}", desired.kind, desired.identity)), (SERVES, served(desired))]);
    Some(made)
}
