//! The plan for programs, in the shape of Terraform's `show -json`: `resource_changes` with `actions`, `before` and `after`.
//! What Terraform has no word for stands beside it in our own: `action`, `reason`, `fields`, `events`.

mod values;

use std::collections::BTreeSet;

use mlp_eval::{PlanValue, Unknown};
use mlp_value::{Key, KnownValue, ResourceId, Value};
use serde_json::{Map, Value as Json, json};

use self::values::{Shown, masked, unknown_in};
use super::values::{computed_from, waits_for};
use super::view::new_first;
use crate::words::{BY_REQUEST, TAINTED, TRIGGERED};
use crate::{Action, DeferredItem, DriftItem, EventItem, FieldChange, Mode, Part, Plan, PlanStep, Unchanged};

/// Version of the document, which is that of the shape it follows.
const SHAPE: &str = "1.2";
/// Version of the values in it.
const VALUES: &str = "1.0";

/// The plan as JSON.
pub fn render_json(plan: &Plan) -> Json {
    let shown = Shown::of(plan);
    let first = new_first(plan);
    // What is only taken note of stays as it is; what moved stands among the events.
    let is_noted = |step: &&PlanStep| step.action == Action::Read && plan.mode != Mode::RefreshOnly;
    let quiet = |step: &PlanStep| PlanStep { action: Action::NoOp, changes: Vec::new(), ..step.clone() };
    let noted: Vec<PlanStep> = plan.steps.iter().filter(is_noted).map(quiet).collect();
    let done = plan.steps.iter().filter(|step| step.part != Some(Part::Old) && !is_noted(step));
    let steps: Vec<&PlanStep> = done.chain(&noted).collect();
    let mut changes: Vec<Json> = steps.iter().map(|step| resource_change(step, &first, &shown)).collect();
    changes.extend(plan.unchanged.iter().map(|one| unchanged(one, &shown)));
    json!({
        "format_version": SHAPE,
        "mlp_version": plan.mlp_version,
        "plan_format_version": plan.format_version,
        "plan_mode": plan.mode,
        "project": plan.project,
        "environment": plan.environment,
        "lineage": plan.lineage,
        "serial": plan.serial,
        "state_digest": plan.state_digest,
        "spec_digest": plan.spec_digest,
        "variables": variables(plan),
        "planned_values": { "root_module": { "resources": planned_values(plan, &steps, &shown) } },
        "resource_changes": changes,
        "resource_drift": plan.drift.iter().map(|item| drift(item, &shown)).collect::<Vec<_>>(),
        "events": plan.events.iter().map(event).collect::<Vec<_>>(),
        "output_changes": output_changes(plan),
        "deferred_changes": plan.deferred.iter().map(deferred).collect::<Vec<_>>(),
        "kept": plan.kept,
        "prior_state": { "format_version": VALUES, "values": { "root_module": { "resources": prior(plan, &shown) } } },
        "configuration": configuration(plan, &steps),
        "unchanged": plan.unchanged.len(),
        "summary": plan.counts,
        "options": plan.context.options,
        "place": plan.context.place,
        "warnings": plan.context.notices.iter().map(|notice| &notice.detail).collect::<Vec<_>>(),
        "applyable": !plan.is_empty(),
        "complete": plan.deferred.is_empty(),
        "errored": false,
    })
}

/// What says which resource is meant.
fn address(id: &ResourceId, kind: &str) -> Map<String, Json> {
    let mut map = Map::new();
    map.insert("address".into(), json!(id));
    map.insert("mode".into(), json!("managed"));
    map.insert("type".into(), json!(kind));
    map.insert("kind".into(), json!(id.address.kind.as_ref()));
    map.insert("name".into(), json!(id.address.name.as_str()));
    match &id.address.key {
        Some(Key::Index(index)) => map.insert("index".into(), json!(index)),
        Some(Key::Text(text)) => map.insert("index".into(), json!(text.as_ref())),
        None => None,
    };
    if let Some(module) = id.address.enclosing().last() {
        map.insert("module_address".into(), json!(module.to_string()));
    }
    map
}

/// Terraform's words for what is done.
fn actions(step: &PlanStep, first: &BTreeSet<&ResourceId>) -> Json {
    match step.action {
        Action::NoOp | Action::Move | Action::Defer => json!(["no-op"]),
        Action::Import if step.calls.is_empty() => json!(["no-op"]),
        Action::Resize | Action::Update | Action::NewVersion | Action::Import => json!(["update"]),
        Action::Create => json!(["create"]),
        Action::Delete => json!(["delete"]),
        Action::Read => json!(["read"]),
        Action::Forget => json!(["forget"]),
        Action::Replace if first.contains(&step.resource) => json!(["create", "delete"]),
        Action::Replace => json!(["delete", "create"]),
    }
}

/// Terraform's words for why, where it has one.
fn action_reason(step: &PlanStep) -> Option<&'static str> {
    let reason = step.reason.as_deref().unwrap_or_default();
    match step.action {
        Action::Delete => Some("delete_because_no_resource_config"),
        Action::Replace if reason == BY_REQUEST => Some("replace_by_request"),
        Action::Replace if reason.starts_with(TAINTED) => Some("replace_because_tainted"),
        Action::Replace if reason.starts_with(TRIGGERED) => Some("replace_by_triggers"),
        Action::Replace => Some("replace_because_cannot_update"),
        _ => None,
    }
}

fn resource_change(step: &PlanStep, first: &BTreeSet<&ResourceId>, shown: &Shown<'_>) -> Json {
    let before = step.before.as_ref().map(KnownValue::lift);
    let replaced = step.changes.iter().filter(|change| change.action == Action::Replace);
    let mut change = json!({
        "actions": actions(step, first),
        "before": before.as_ref().map_or(Json::Null, |value| shown.plain(&step.kind, value)),
        "after": step.config.as_ref().map_or(Json::Null, |value| shown.plain(&step.kind, value)),
        "after_unknown": step.config.as_ref().and_then(unknown_in).unwrap_or_else(|| json!({})),
        "before_sensitive": shown.sensitive(&step.kind, before.as_ref()),
        "after_sensitive": shown.sensitive(&step.kind, step.config.as_ref()),
        "replace_paths": replaced.map(|change| steps_of(&change.path)).collect::<Vec<_>>(),
    });
    if step.action == Action::Import {
        change["importing"] = json!({ "id": step.identity });
    }
    let mut map = address(&step.resource, &step.kind);
    if let Some(from) = &step.moved_from {
        map.insert("previous_address".into(), json!(from));
    }
    if let Some(reason) = action_reason(step) {
        map.insert("action_reason".into(), json!(reason));
    }
    map.insert("provider_name".into(), json!(step.provider));
    map.insert("identity".into(), json!(step.identity));
    map.insert("action".into(), json!(step.action));
    map.insert("reason".into(), json!(step.reason));
    map.insert("place".into(), json!(step.place));
    map.insert("stateful".into(), json!(step.stateful));
    map.insert("removal".into(), json!(step.removal));
    map.insert("step".into(), json!({ "number": step.number, "after": step.after }));
    map.insert("change".into(), change);
    map.insert("fields".into(), step.changes.iter().map(field).collect());
    Json::Object(map)
}

fn unchanged(one: &Unchanged, shown: &Shown<'_>) -> Json {
    let value = one.config.lift();
    let (plain, sensitive) = (shown.plain(&one.kind, &value), shown.sensitive(&one.kind, Some(&value)));
    let mut map = address(&one.resource, &one.kind);
    map.insert("provider_name".into(), json!(one.provider));
    map.insert("identity".into(), json!(one.identity));
    map.insert("action".into(), json!(Action::NoOp));
    map.insert("reason".into(), Json::Null);
    map.insert("place".into(), json!(one.place));
    map.insert("stateful".into(), json!(shown.stateful(&one.kind)));
    map.insert(
        "change".into(),
        json!({
            "actions": ["no-op"], "before": plain, "after": plain, "after_unknown": {},
            "before_sensitive": sensitive, "after_sensitive": sensitive, "replace_paths": [],
        }),
    );
    map.insert("fields".into(), json!([]));
    Json::Object(map)
}

/// A path as Terraform writes it: the steps in a list.
fn steps_of(path: &mlp_value::Path) -> Json {
    let steps = path.steps().iter().map(|step| match step {
        mlp_value::Step::Field(name) => json!(name.as_ref()),
        mlp_value::Step::Index(index) => json!(index),
    });
    steps.collect()
}

fn field(change: &FieldChange) -> Json {
    let plain = |value: &PlanValue| masked(value).to_plain_json_with(&mut |_: &Unknown| Json::Null);
    json!({
        "path": change.path, "action": change.action, "cause": change.cause, "reason": change.why(),
        "origin": change.origin, "sensitive": change.sensitive,
        "before": change.before.as_ref().map(|value| plain(&value.lift())),
        "after": change.after.as_ref().map(plain),
        "after_unknown": change.after.as_ref().is_some_and(Value::has_holes),
        "known_after": change.after.as_ref().map(waits_for).unwrap_or_default(),
        "computed_from": change.after.as_ref().map(computed_from).unwrap_or_default(),
    })
}

fn drift(item: &DriftItem, shown: &Shown<'_>) -> Json {
    let mut map = address(&item.resource, &item.kind);
    let (before, after) = (item.before.lift(), item.after.as_ref().map(KnownValue::lift));
    map.insert(
        "change".into(),
        json!({
            "actions": if item.gone { ["delete"] } else { ["update"] },
            "before": shown.plain(&item.kind, &before),
            "after": after.as_ref().map_or(Json::Null, |value| shown.plain(&item.kind, value)),
            "after_unknown": {},
            "before_sensitive": shown.sensitive(&item.kind, Some(&before)),
            "after_sensitive": shown.sensitive(&item.kind, after.as_ref()),
        }),
    );
    map.insert("fields".into(), item.changes.iter().map(field).collect());
    Json::Object(map)
}

fn event(item: &EventItem) -> Json {
    let mut map = address(&item.resource, &item.kind);
    map.insert("fields".into(), item.changes.iter().map(field).collect());
    Json::Object(map)
}

/// In the shape of Terraform's, by name.
fn output_changes(plan: &Plan) -> Json {
    let change = |output: &FieldChange| {
        let plain = |value: &PlanValue| masked(value).to_plain_json_with(&mut |_: &Unknown| Json::Null);
        let action = match output.action {
            Action::Create => "create",
            Action::Delete => "delete",
            Action::NoOp => "no-op",
            _ => "update",
        };
        let is_there = output.action != Action::Delete;
        let known = output.after.as_ref().filter(|_| !output.sensitive);
        let change = json!({
            "actions": [action],
            "before": output.before.as_ref().map(|value| plain(&value.lift())),
            "after": known.map(plain),
            "after_unknown": known.and_then(unknown_in).unwrap_or(Json::Bool(false)),
            "before_sensitive": output.sensitive && output.action != Action::Create,
            "after_sensitive": output.sensitive && is_there,
        });
        (output.path.to_string(), change)
    };
    Json::Object(plan.outputs.iter().map(change).collect())
}

fn deferred(item: &DeferredItem) -> Json {
    let mut change = address(&item.resource, &item.kind);
    change.insert("change".into(), json!({ "actions": ["no-op"], "before": null, "after": null }));
    json!({
        "reason": if item.through.is_empty() { "absent_prereq" } else { "deferred_prereq" },
        "resource_change": change,
        "why": item.why, "filled_by": item.filled_by, "through": item.through,
    })
}

fn variables(plan: &Plan) -> Json {
    let given = plan.context.variables.iter().map(|(name, given)| {
        let value = match given.sensitive {
            false => json!({ "value": given.value.to_plain_json() }),
            true => json!({ "value": null, "sensitive": true }),
        };
        (name.clone(), value)
    });
    Json::Object(given.collect())
}

/// A resource with all its values.
fn valued(id: &ResourceId, kind: &str, provider: &str, value: &PlanValue, shown: &Shown<'_>) -> Json {
    let mut map = address(id, kind);
    map.insert("provider_name".into(), json!(provider));
    map.insert("schema_version".into(), json!(shown.schema_version(kind)));
    map.insert("values".into(), shown.plain(kind, value));
    map.insert("sensitive_values".into(), shown.sensitive(kind, Some(value)));
    Json::Object(map)
}

fn planned_values(plan: &Plan, steps: &[&PlanStep], shown: &Shown<'_>) -> Vec<Json> {
    let of_steps = steps.iter().filter_map(|step| {
        Some(valued(&step.resource, &step.kind, &step.provider, step.config.as_ref()?, shown))
    });
    of_steps.chain(stays(plan, shown)).collect()
}

fn prior(plan: &Plan, shown: &Shown<'_>) -> Vec<Json> {
    let steps = plan.steps.iter().filter(|step| step.part != Some(Part::New));
    let of_steps = steps.filter_map(|step| {
        let before = step.before.as_ref()?.lift();
        let id = step.moved_from.as_ref().unwrap_or(&step.resource);
        Some(valued(id, &step.kind, &step.provider, &before, shown))
    });
    of_steps.chain(stays(plan, shown)).collect()
}

fn stays<'s>(plan: &'s Plan, shown: &'s Shown<'_>) -> impl Iterator<Item = Json> + 's {
    plan.unchanged
        .iter()
        .map(|one| valued(&one.resource, &one.kind, &one.provider, &one.config.lift(), shown))
}

fn configuration(plan: &Plan, steps: &[&PlanStep]) -> Json {
    let declared = steps.iter().filter(|step| step.config.is_some());
    let of_steps = declared.map(|step| {
        let needs = step.record.as_ref().map(|record| record.depends_on.as_slice()).unwrap_or_default();
        configured(&step.resource, &step.kind, needs, step.place.as_deref(), &step.provider)
    });
    let stays = plan.unchanged.iter().map(|one| {
        configured(&one.resource, &one.kind, &one.depends_on, one.place.as_deref(), &one.provider)
    });
    let (name, alias) = plan.context.provider.split_once('.').unwrap_or((&plan.context.provider, ""));
    json!({
        "provider_config": {
            plan.context.provider.as_str(): {
                "name": name, "full_name": plan.context.provider, "alias": alias,
                "version_constraint": plan.context.provider_version,
            }
        },
        "root_module": { "resources": of_steps.chain(stays).collect::<Vec<_>>() },
    })
}

fn configured(
    id: &ResourceId,
    kind: &str,
    needs: &[ResourceId],
    place: Option<&str>,
    provider: &str,
) -> Json {
    let mut map = address(id, kind);
    map.insert("provider_config_key".into(), json!(provider));
    map.insert("depends_on".into(), json!(needs));
    map.insert("place".into(), json!(place));
    Json::Object(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_list_of_steps() {
        assert_eq!(steps_of(&"a.b[2].c".parse().unwrap()), json!(["a", "b", 2, "c"]));
    }
}
