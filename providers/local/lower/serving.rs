//! What endpoints have beside their variants: what serves, who may ask and how much, what is recorded and promised.

use std::collections::BTreeMap;
use std::time::Duration;

use super::builder::{Builder, object_name};
use super::{runtime, step};
use crate::codes;
use crate::forms::form;
use crate::mlp_eval::PlanValue;
use crate::mlp_value::{Value, units};

pub(super) type Fields = BTreeMap<&'static str, PlanValue>;

/// What serves instead of what the version says: a class or command of its code, or a component with its own.
pub(super) fn serve(builder: &mut Builder<'_>, config: &mut Fields) {
    if let Some(serve) = builder.attribute("serve") {
        match serve.as_text() {
            Some(text) => server(builder, config, text),
            None => component(builder, config, serve),
        }
    }
    if let Some(value) = builder.attribute("runtime")
        && let Some(found) = runtime::resolve(builder, value, "runtime")
    {
        config.insert("runtime", found);
    }
}

fn server(builder: &mut Builder<'_>, config: &mut Fields, text: &str) {
    match form(text) {
        Ok(_) => _ = config.insert("serve", Value::text(text)),
        Err(why) => builder.error(codes::VALUE, "serve", why, FORMS),
    }
}

pub(super) const FORMS: &str =
    "name a class (`module:Class`), or a command with a path or arguments (`./serve`, `python3 app.py`)";

fn component(builder: &mut Builder<'_>, config: &mut Fields, serve: &PlanValue) {
    let Some(component) = builder.referred(serve, "component", "serve") else { return };
    let Some(text) = component.body.field("serve").and_then(Value::as_text) else {
        let text = format!("`{}` serves nothing", component.address);
        return builder.error(codes::VALUE, "serve", text, "give the component `serve = \"module:Class\"`");
    };
    server(builder, config, text);
    let code = component.body.field("code").and_then(Value::as_text).unwrap_or(".");
    if let Some(code) = step::code(builder, code, "serve") {
        config.insert("code", code);
    }
    if let Some(value) = component.body.field("runtime")
        && let Some(found) = runtime::resolve(builder, value, "serve")
    {
        config.insert("runtime", found);
    }
}

/// How many replicas each variant has, and how their number follows the requests under way.
pub(super) fn scaling(builder: &mut Builder<'_>) -> Fields {
    let number = |path: &str| builder.attribute(path).and_then(Value::as_number)?.to_i64();
    let (min, max) = (number("scaling.min").unwrap_or(1), number("scaling.max"));
    if min == 0 {
        builder.not_served("scaling.min", "scaling to zero", "use `min = 1`");
    }
    let min = min.max(1);
    let mut scale = Fields::from([("replicas", Value::int(min))]);
    match max {
        Some(max) if max < min => {
            let text = format!("{max} replicas at most are fewer than {min} at least");
            builder.error(codes::VALUE, "scaling.max", text, "");
        }
        Some(max) if max > min => {
            scale.insert("max_replicas", Value::int(max));
            scale.insert("target", target(builder));
        }
        _ => {
            for path in ["scaling.metric", "scaling.target"] {
                if builder.attribute(path).is_some() {
                    let text = "the number of replicas follows nothing while it cannot grow";
                    builder.error(codes::VALUE, path, text, "set `max` above `min`, or leave this out");
                }
            }
        }
    }
    scale
}

/// The requests under way for each replica.
fn target(builder: &mut Builder<'_>) -> PlanValue {
    if let Some(metric) = builder.text("scaling.metric").filter(|metric| *metric != "concurrency") {
        builder.not_served(
            "scaling.metric",
            &format!("scaling by `{metric}`"),
            "use `concurrency`, the requests under way for each replica",
        );
    }
    match builder.attribute("scaling.target").and_then(Value::as_number) {
        None => Value::int(2),
        Some(target) if target.to_f64() > 0.0 => Value::Number(target.clone()),
        Some(_) => {
            builder.error(codes::VALUE, "scaling.target", "a target is above zero", "");
            Value::int(2)
        }
    }
}

/// Secrets for the environment of the replicas, by variable.
pub(super) fn secrets(builder: &mut Builder<'_>, config: &mut Fields) {
    let Some(written) = builder.attribute("secrets").and_then(Value::as_object) else { return };
    let mut found = BTreeMap::new();
    for (variable, value) in written.iter() {
        let path = format!("secrets.{variable}");
        if variable.starts_with("MLP_") {
            builder.error(
                codes::VALUE,
                &path,
                "names that begin with `MLP_` are taken",
                "choose another name",
            );
        }
        if let Some(from) = secret(builder, value, &path) {
            found.insert(variable.to_string(), from);
        }
    }
    config.insert("secrets", Value::object(found));
}

/// Where a secret is: `env:NAME` or `file:PATH`. Others are refused where they are declared.
fn secret(builder: &mut Builder<'_>, value: &PlanValue, path: &str) -> Option<PlanValue> {
    builder.referred(value, "secret", path)?.body.field("from").cloned()
}

/// Who may ask, and how much.
pub(super) fn access(builder: &mut Builder<'_>, config: &mut Fields) {
    let keys = builder.attribute("auth.keys_from");
    if let Some(keys) = keys
        && let Some(from) = secret(builder, keys, "auth.keys_from")
    {
        config.insert("auth", Value::object([("keys_from", from)]));
    }
    let mut limits = Fields::new();
    for (native, path) in [("body", "limits.body")] {
        if let Some(text) = builder.text(path) {
            match units::bytes(text) {
                Ok(bytes) if bytes > 0 => _ = limits.insert(native, whole(bytes)),
                Ok(_) => builder.error(codes::VALUE, path, "a body of nothing asks nothing", ""),
                Err(why) => builder.error(codes::VALUE, path, why, ""),
            }
        }
    }
    if let Some(most) = builder.attribute("limits.concurrency") {
        limits.insert("in_flight", most.clone());
    }
    if let Some(requests) = builder.text("limits.requests") {
        rate(builder, &mut limits, requests, keys.is_some());
    }
    if !limits.is_empty() {
        config.insert("limits", Value::object(limits));
    }
}

fn rate(builder: &mut Builder<'_>, limits: &mut Fields, requests: &str, has_keys: bool) {
    let per = builder.text("limits.per").unwrap_or("caller");
    let scope = if per == "endpoint" { "all" } else { "key" };
    if scope == "key" && !has_keys {
        builder.error(
            codes::VALUE,
            "limits.requests",
            format!("without `auth` nobody can tell one {per} from another"),
            "add `auth`, or use `per = \"endpoint\"`",
        );
    }
    match units::rate(requests) {
        Ok(rate) if rate.count > 0 => {
            limits.insert("requests", whole(rate.count));
            limits.insert("window_ms", milliseconds(rate.per));
            limits.insert("per", Value::text(scope));
        }
        Ok(_) => builder.error(codes::VALUE, "limits.requests", "a limit of no request answers nothing", ""),
        Err(why) => builder.error(codes::VALUE, "limits.requests", why, ""),
    }
}

fn whole(number: u64) -> PlanValue {
    Value::int(i64::try_from(number).unwrap_or(i64::MAX))
}

fn milliseconds(duration: Duration) -> PlanValue {
    Value::int(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

/// How long an answer and a start may take.
pub(super) fn times(builder: &mut Builder<'_>, config: &mut Fields) {
    for (native, path) in [("timeout_ms", "timeout"), ("start_timeout_ms", "timeouts.create")] {
        let Some(text) = builder.text(path) else { continue };
        match units::duration(text) {
            Ok(duration) if !duration.is_zero() => _ = config.insert(native, milliseconds(duration)),
            Ok(_) => builder.error(codes::VALUE, path, "nothing is done in no time", ""),
            Err(why) => builder.error(codes::VALUE, path, why, ""),
        }
    }
}

/// What is promised, as the router measures it: a latency for a share of the answers, or a share that does not fail.
pub(super) fn promises(builder: &mut Builder<'_>, config: &mut Fields) {
    let mut found = Fields::new();
    for (name, share) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
        let path = format!("slo.{name}");
        let Some(text) = builder.text(&path) else { continue };
        match units::duration(text) {
            Ok(within) => {
                let fields = [("share", number(share)), ("within_ms", milliseconds(within))];
                found.insert(name, Value::object(fields));
            }
            Err(why) => builder.error(codes::VALUE, &path, why, ""),
        }
    }
    for name in ["availability", "error_rate"] {
        let path = format!("slo.{name}");
        let Some(written) = builder.attribute(&path).and_then(Value::as_number) else { continue };
        let written = written.to_f64();
        if !(0.0..=1.0).contains(&written) {
            builder.error(codes::VALUE, &path, format!("{written} is no share: it lies between 0 and 1"), "");
            continue;
        }
        let share = if name == "availability" { written } else { 1.0 - written };
        found.insert(name, Value::object([("share", number(share))]));
    }
    if !found.is_empty() {
        config.insert("slo", Value::object(found));
    }
}

/// A share in the language's exact numbers.
fn number(share: f64) -> PlanValue {
    format!("{share:.6}").parse().map_or(Value::Null, Value::Number)
}

/// What is recorded, and the dataset whose versions it becomes.
pub(super) fn capture(builder: &mut Builder<'_>, config: &mut Fields) {
    let Some(to) = builder.attribute("capture.to") else { return };
    let Some(dataset) = builder.referred(to, "dataset", "capture.to") else { return };
    let name = &dataset.address;
    let field = |name: &str| dataset.body.field(name).filter(|value| !matches!(value, Value::Null));
    if field("from").is_some() {
        let text = format!("`{name}` is read from elsewhere, so that nothing can be recorded in it");
        builder.error(codes::VALUE, "capture.to", text, "name a dataset without `from`");
    }
    if field("format").and_then(Value::as_text).is_some_and(|format| format != "jsonl") {
        builder.not_served("capture.to", "recording in another format than `jsonl`", "leave `format` out");
    }
    let protection = field("protection");
    if ["encrypt"].iter().any(|word| protection.is_some_and(|found| is_true(found.field(word)))) {
        let what = "recording requests in an encrypted dataset";
        builder.not_served(
            "capture.to",
            what,
            "name a dataset that is not encrypted, and mask what is sensitive",
        );
    }
    let mut found = Fields::from([("to", Value::text(object_name(name)))]);
    for part in ["inputs", "outputs"] {
        let on = builder.attribute(&format!("capture.{part}")).and_then(Value::as_bool).unwrap_or(true);
        found.insert(part, Value::Bool(on));
    }
    sample(builder, &mut found);
    for part in ["mask", "redact"] {
        if let Some(words) = protection.and_then(|protection| protection.field(part)) {
            found.insert(part, words.clone());
        }
    }
    config.insert("capture", Value::object(found));
}

fn is_true(value: Option<&PlanValue>) -> bool {
    value.is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)))
}

fn sample(builder: &mut Builder<'_>, found: &mut Fields) {
    let Some(sample) = builder.attribute("capture.sample") else { return };
    match sample.as_number().map(crate::mlp_value::Number::to_f64) {
        Some(share) if (0.0..=1.0).contains(&share) => _ = found.insert("sample", sample.clone()),
        _ => builder.error(
            codes::VALUE,
            "capture.sample",
            "a sample is the share of the requests that is recorded: it lies between 0 and 1",
            "write `0.1` for a tenth",
        ),
    }
}
