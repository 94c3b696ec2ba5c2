//! `endpoint`: a router with supervised replicas, or predictions for a whole dataset.

use std::collections::BTreeMap;

use mlp_provider::{LowerInput, Lowered};

use super::builder::{Builder, object_name};
use super::trigger;
use super::versioned;
use super::{gpus, graph, rollout, serving};
use crate::codes;
use crate::mlp_eval::PlanValue;
use crate::mlp_value::{Path, Value};

use serving::Fields;

const ONLINE: &[&str] = &[
    "kind",
    "port",
    "host",
    "protocol",
    "model",
    "variant.*.model",
    "variant.*.traffic",
    "variant.*.shadow",
    "follow",
    "serve",
    "runtime",
    "runtime.language",
    "runtime.version",
    "runtime.lock",
    "runtime.env.**",
    "secrets.**",
    "accelerator.**",
    "graph.node.*.model",
    "graph.node.*.input",
    "graph.output",
    "timeout",
    "timeouts.create",
    "slo.p50",
    "slo.p95",
    "slo.p99",
    "slo.availability",
    "slo.error_rate",
    "capture.**",
    "scaling.min",
    "scaling.max",
    "scaling.metric",
    "scaling.target",
    "auth.keys_from",
    "limits.per",
    "limits.requests",
    "limits.body",
    "limits.concurrency",
    "rollout.strategy",
    "rollout.steps",
    "rollout.hold",
    "rollout.abort_on",
];
const BATCH: &[&str] = &[
    "kind",
    "model",
    "input",
    "output.to",
    "output.mode",
    "serve",
    "runtime",
    "runtime.language",
    "runtime.version",
    "runtime.lock",
    "runtime.env.**",
    "secrets.**",
    "timeout",
    "timeouts.create",
    "trigger.*.cron",
    "trigger.*.timezone",
    "trigger.*.catch_up",
    "trigger.*.dataset",
    "trigger.*.rows",
    "trigger.*.cooldown",
];
/// All of the traffic, in basis points.
const WHOLE: i64 = 10_000;

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    match input.declaration.body.field("kind").and_then(Value::as_text).unwrap_or("online") {
        "online" => online(input),
        "batch" => batch(input),
        other => {
            let mut builder = Builder::new(input, &[]);
            builder.diagnostics.clear();
            builder.not_served("kind", &format!("an endpoint of kind `{other}`"), "use `online` or `batch`");
            builder.finish(Vec::new())
        }
    }
}

fn online(input: &LowerInput<'_>) -> Lowered {
    let mut builder = Builder::new(input, ONLINE);
    let mut config = BTreeMap::from([("follow", Value::text(builder.text("follow").unwrap_or("auto")))]);
    config.insert("port", builder.attribute("port").cloned().unwrap_or_else(|| Value::int(0)));
    config.insert("host", Value::text(builder.text("host").unwrap_or("127.0.0.1")));
    protocol(&mut builder, &mut config);
    serving::serve(&mut builder, &mut config);
    serving::secrets(&mut builder, &mut config);
    serving::access(&mut builder, &mut config);
    serving::times(&mut builder, &mut config);
    serving::promises(&mut builder, &mut config);
    serving::capture(&mut builder, &mut config);
    rollout::lower(&mut builder, &mut config);
    let scale = serving::scaling(&mut builder);
    let has_graph = builder.attribute("graph").is_some();
    let (variants, models) = if has_graph {
        config.extend(graph::lower(&mut builder).map(|graph| ("graph", graph)));
        nodes(&mut builder, &scale)
    } else {
        variants(&mut builder, &scale)
    };
    let gpus = gpus::lower(&mut builder);
    let has_gpus = !gpus.is_empty();
    let variants = variants.into_iter().map(|(name, variant)| {
        let variant = gpus.get(&name).map_or(variant.clone(), |gpus| with(&variant, "gpus", gpus));
        (name, variant)
    });
    config.insert("variant", Value::object(variants));
    let mut desired = builder.resource("local_endpoint", "endpoints", false, config);
    let names: Vec<String> = desired
        .config
        .field("variant")
        .and_then(Value::as_object)
        .map(|variants| variants.keys().map(ToString::to_string).collect())
        .unwrap_or_default();
    for name in &names {
        let at = Path::of(&["variant", name]);
        if has_gpus {
            desired.from.insert(at.field("gpus"), Path::of(&["accelerator"]));
        }
        if has_graph {
            let node = Path::of(&["graph", "node", name, "model"]);
            let natives = ["alias", "version", "address"];
            desired.from.extend(natives.map(|native| (at.field(native), node.clone())));
            continue;
        }
        let written = |word: &str| builder.declaration().body.get(&at.field(word)).is_some();
        if written("traffic") {
            desired.from.insert(at.field("weight"), at.field("traffic"));
        }
        for (native, path) in [("replicas", "min"), ("max_replicas", "max"), ("target", "target")] {
            desired.from.insert(at.field(native), Path::of(&["scaling", path]));
        }
        for native in ["alias", "version", "address"] {
            desired.from.insert(
                at.field(native),
                if written("model") { at.field("model") } else { Path::of(&["model"]) },
            );
        }
    }
    desired.deferred = builder.deferral(&models);
    builder.finish(vec![desired])
}

fn protocol(builder: &mut Builder<'_>, config: &mut Fields) {
    match builder.text("protocol") {
        None | Some("json") => {
            config.insert("protocol", Value::text("plain"));
        }
        Some("open-inference-v2") => {
            config.insert("protocol", Value::text("open-inference-v2"));
        }
        Some(other) => builder.not_served(
            "protocol",
            &format!("the protocol `{other}`"),
            "use `json` or `open-inference-v2`",
        ),
    }
}

fn variants(builder: &mut Builder<'_>, scale: &Fields) -> (BTreeMap<String, PlanValue>, Vec<Fields>) {
    let mut models = Vec::new();
    let mut found = BTreeMap::new();
    let written = builder.attribute("variant").and_then(Value::as_object);
    if let (None, Some(model)) = (written, builder.attribute("model")) {
        if let Some(fields) = builder.model(model, "model") {
            models.push(fields.clone());
            found.insert("main".to_owned(), variant(fields, WHOLE, 0, scale));
        }
        return (found, models);
    }
    let Some(written) = written else {
        builder.error(codes::VALUE, "variant", "an endpoint needs a `model` or a `variant`", "");
        return (found, models);
    };
    let weights = weights(builder, written.iter().map(|(name, body)| (name.as_ref(), body)));
    for (name, body) in written.iter() {
        let path = format!("variant.{name}.model");
        let Some(fields) = body.field("model").and_then(|model| builder.model(model, &path)) else {
            continue;
        };
        models.push(fields.clone());
        let shadow = body
            .field("shadow")
            .and_then(Value::as_number)
            .and_then(crate::mlp_value::Number::to_i64)
            .unwrap_or(0);
        let weight = weights.get(name.as_ref()).copied().unwrap_or(0);
        found.insert(name.to_string(), variant(fields, weight, shadow, scale));
    }
    (found, models)
}

/// Each node of a graph is a variant that gets all of what is meant for it.
fn nodes(builder: &mut Builder<'_>, scale: &Fields) -> (BTreeMap<String, PlanValue>, Vec<Fields>) {
    for other in ["model", "variant"] {
        if builder.attribute(other).is_some() {
            let text = format!("an endpoint has a `graph` or a `{other}`, not both");
            builder.error(codes::VALUE, other, text, "name the model as a `node` of the graph");
        }
    }
    let mut models = Vec::new();
    let mut found = BTreeMap::new();
    for (name, model) in graph::models(builder) {
        if let Some(fields) = builder.model(model, &format!("graph.node.{name}.model")) {
            models.push(fields.clone());
            found.insert(name, variant(fields, WHOLE, 0, scale));
        }
    }
    (found, models)
}

fn with(variant: &PlanValue, name: &str, value: &PlanValue) -> PlanValue {
    let fields = variant.as_object().into_iter().flat_map(|fields| fields.iter());
    let fields = fields.map(|(name, value)| (name.to_string(), value.clone()));
    Value::object(fields.chain([(name.to_owned(), value.clone())]))
}

fn variant(mut fields: Fields, weight: i64, shadow: i64, scale: &Fields) -> PlanValue {
    fields.insert("weight", Value::int(weight));
    if shadow > 0 {
        fields.insert("shadow", Value::int(shadow));
    }
    fields.extend(scale.iter().map(|(name, value)| (*name, value.clone())));
    Value::object(fields)
}

/// Basis points by variant; `remainder`, or the only one without a number, gets what the others leave.
fn weights<'v>(
    builder: &mut Builder<'_>,
    variants: impl Iterator<Item = (&'v str, &'v PlanValue)>,
) -> BTreeMap<String, i64> {
    let mut found = BTreeMap::new();
    let mut rest = Vec::new();
    let mut count = 0;
    for (name, body) in variants {
        count += 1;
        match body.field("traffic") {
            Some(traffic) if traffic.as_text() == Some("remainder") => rest.push(name.to_owned()),
            Some(traffic) => {
                let percent = traffic.as_number().map_or(0.0, crate::mlp_value::Number::to_f64);
                #[expect(clippy::cast_possible_truncation, reason = "a percentage of at most 100")]
                found.insert(name.to_owned(), (percent * 100.0).round() as i64);
            }
            None if body.field("shadow").is_some() => {
                found.insert(name.to_owned(), 0);
            }
            None => rest.push(name.to_owned()),
        }
    }
    let sum: i64 = found.values().sum();
    match rest.as_slice() {
        [] if sum == WHOLE => {}
        [one] if sum <= WHOLE => {
            found.insert(one.clone(), WHOLE - sum);
        }
        [_, _, ..] => builder.error(
            codes::TRAFFIC,
            "variant",
            format!("{} have no traffic of their own", rest.join(" and ")),
            "give all variants but one a number, and that one `traffic = \"remainder\"`",
        ),
        _ => {
            let percent = sum / 100;
            builder.error(
                codes::TRAFFIC,
                "variant",
                format!("the traffic of {count} variants sums to {percent} %, not 100 %"),
                "give one variant `traffic = \"remainder\"`",
            );
        }
    }
    found
}

fn batch(input: &LowerInput<'_>) -> Lowered {
    let mut builder = Builder::new(input, BATCH);
    let mut config = Fields::new();
    let mut models = Vec::new();
    serving::serve(&mut builder, &mut config);
    serving::secrets(&mut builder, &mut config);
    serving::times(&mut builder, &mut config);
    match builder.attribute("model") {
        Some(model) => {
            if let Some(fields) = builder.model(model, "model") {
                models.push(fields.clone());
                config.insert("model", Value::object(fields));
            }
        }
        None => builder.error(codes::VALUE, "model", "a batch endpoint needs a `model`", ""),
    }
    for (native, path) in [("input", "input"), ("output", "output.to")] {
        match builder.attribute(path) {
            Some(value) => {
                let Some(found) = versioned::dataset(&mut builder, value, path) else { continue };
                config.insert(native, Value::text(object_name(&found.address)));
                match found.pin {
                    Some(_) if native == "output" => {
                        builder.error(
                            codes::VALUE,
                            path,
                            "nothing is written into a version that is there",
                            "",
                        );
                    }
                    Some((word, which)) => {
                        config.insert("pinned", Value::object([(word, Value::text(which))]));
                    }
                    None => {}
                }
            }
            None => builder.error(codes::VALUE, path, format!("a batch endpoint needs `{path}`"), ""),
        }
    }
    config.insert("mode", Value::text(builder.text("output.mode").unwrap_or("append")));
    trigger::lower(&mut builder, &mut config);
    let mut desired = builder.resource("local_batch_endpoint", "batch", false, config);
    desired.from.insert(Path::of(&["mode"]), Path::of(&["output", "mode"]));
    desired.deferred = builder.deferral(&models);
    builder.finish(vec![desired])
}
