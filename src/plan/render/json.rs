//! The plan for programs, in the shape of Terraform's: `resource_changes` with `actions`, `before` and `after`.

use mlp_eval::{PlanValue, Unknown};
use mlp_value::{KnownValue, ResourceId, Value, fingerprint_of, has_sealed};
use serde_json::{Map, Value as Json, json};

use crate::{Action, DriftItem, FieldChange, Part, Plan, PlanStep};

/// The plan as JSON.
pub fn render_json(plan: &Plan) -> Json {
    let shown = plan.steps.iter().filter(|step| step.part != Some(Part::Old));
    json!({
        "format_version": format!("{}.0", plan.format_version),
        "mlp_version": plan.mlp_version,
        "project": plan.project,
        "environment": plan.environment,
        "mode": plan.mode,
        "lineage": plan.lineage,
        "serial": plan.serial,
        "state_digest": plan.state_digest,
        "spec_digest": plan.spec_digest,
        "resource_changes": shown.map(|step| resource_change(plan, step)).collect::<Vec<_>>(),
        "resource_drift": plan.drift.iter().map(drift).collect::<Vec<_>>(),
        "deferred_changes": plan.deferred,
        "kept": plan.kept,
        "unchanged": plan.unchanged,
        "summary": plan.counts,
        "warnings": plan.warnings,
    })
}

fn address(id: &ResourceId, kind: &str) -> Map<String, Json> {
    let mut map = Map::new();
    map.insert("address".into(), json!(id));
    map.insert("mode".into(), json!("managed"));
    map.insert("type".into(), json!(kind));
    map.insert("name".into(), json!(id.address.name.as_ref()));
    map
}

fn actions(plan: &Plan, step: &PlanStep) -> Json {
    match step.action {
        Action::NoOp => json!(["no-op"]),
        Action::Resize | Action::Update => json!(["update"]),
        Action::NewVersion => json!(["new-version"]),
        Action::Create => json!(["create"]),
        Action::Delete => json!(["delete"]),
        Action::Read => json!(["read"]),
        Action::Forget => json!(["forget"]),
        Action::Move => json!(["move"]),
        Action::Defer => json!(["defer"]),
        Action::Import if step.calls.is_empty() => json!(["import"]),
        Action::Import => json!(["import", "update"]),
        Action::Replace => {
            let old =
                plan.steps.iter().find(|one| one.resource == step.resource && one.part == Some(Part::Old));
            let new_first = old.is_some_and(|old| old.number > step.number);
            if new_first { json!(["create", "delete"]) } else { json!(["delete", "create"]) }
        }
    }
}

fn resource_change(plan: &Plan, step: &PlanStep) -> Json {
    let mut map = address(&step.resource, &step.kind);
    let hidden = |name: &str| step.secret.iter().any(|secret| secret == name);
    let before = step
        .before
        .as_ref()
        .map_or(Json::Null, |value| without(&masked(&value.lift()), &hidden, &mut |_| Json::Null));
    let after = step
        .config
        .as_ref()
        .map_or(Json::Null, |value| without(&masked(value), &hidden, &mut |_| Json::Null));
    let unknown = step.config.as_ref().and_then(unknown_in).unwrap_or_else(|| json!({}));
    let sealed = [step.before.as_ref().map(KnownValue::lift), step.config.clone()];
    let sealed = sealed.iter().flatten().filter_map(Value::as_object).flatten();
    let sealed = sealed.filter(|(_, value)| has_sealed(value)).map(|(name, _)| name.to_string());
    let sensitive: Map<String, Json> =
        step.secret.iter().cloned().chain(sealed).map(|name| (name, Json::Bool(true))).collect();
    let replaced = step.changes.iter().filter(|change| change.action == Action::Replace);
    map.insert("provider_name".into(), json!(step.provider));
    map.insert("identity".into(), json!(step.identity));
    map.insert("previous_address".into(), json!(step.moved_from));
    map.insert("action_reason".into(), json!(step.reason));
    map.insert("place".into(), json!(step.place));
    map.insert("stateful".into(), json!(step.stateful));
    map.insert("removal".into(), json!(step.removal));
    map.insert(
        "change".into(),
        json!({
            "actions": actions(plan, step),
            "before": before,
            "after": after,
            "after_unknown": unknown,
            "before_sensitive": sensitive,
            "after_sensitive": sensitive,
            "replace_paths": replaced.map(|change| change.path.to_string()).collect::<Vec<_>>(),
        }),
    );
    map.insert("fields".into(), step.changes.iter().map(field).collect());
    Json::Object(map)
}

fn field(change: &FieldChange) -> Json {
    json!({
        "path": change.path, "action": change.action, "reason": change.reason, "origin": change.origin,
        "drift": change.drift, "sensitive": change.sensitive,
        "before": change.before.as_ref().map(KnownValue::to_plain_json),
        "after": change.after.as_ref().map(|value| value.to_plain_json_with(&mut |_: &Unknown| Json::Null)),
        "after_unknown": change.after.as_ref().is_some_and(Value::has_holes),
    })
}

fn drift(item: &DriftItem) -> Json {
    let mut map = address(&item.resource, &item.kind);
    let actions = if item.gone { json!(["delete"]) } else { json!(["update"]) };
    map.insert("change".into(), json!({ "actions": actions }));
    map.insert("fields".into(), item.changes.iter().map(field).collect());
    Json::Object(map)
}

/// The value with a word instead of what must not be shown.
fn masked(value: &PlanValue) -> PlanValue {
    if fingerprint_of(value).is_some() {
        return Value::text("(sensitive)");
    }
    match value {
        Value::List(items) => Value::list(items.iter().map(masked)),
        Value::Object(items) => Value::object(items.iter().map(|(name, item)| (name.as_ref(), masked(item)))),
        other => other.clone(),
    }
}

/// Plain JSON less the fields that are never shown.
fn without(value: &PlanValue, hidden: &dyn Fn(&str) -> bool, hole: &mut dyn FnMut(&Unknown) -> Json) -> Json {
    let Some(items) = value.as_object() else { return value.to_plain_json_with(hole) };
    let shown = items.iter().filter(|(name, _)| !hidden(name));
    Json::Object(shown.map(|(name, item)| (name.to_string(), item.to_plain_json_with(hole))).collect())
}

/// `true` where the value is not known yet, in its shape; `None` where all of it is known.
fn unknown_in(value: &PlanValue) -> Option<Json> {
    match value {
        Value::Hole(_) => Some(Json::Bool(true)),
        Value::List(items) if value.has_holes() => {
            Some(items.iter().map(|item| unknown_in(item).unwrap_or(Json::Bool(false))).collect())
        }
        Value::Object(items) if value.has_holes() => Some(Json::Object(
            items.iter().filter_map(|(name, item)| Some((name.to_string(), unknown_in(item)?))).collect(),
        )),
        _ => None,
    }
}
