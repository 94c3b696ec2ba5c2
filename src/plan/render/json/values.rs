//! Values of a plan as plain JSON: what must not be shown is a word, and what is not known yet stands apart.

use std::collections::BTreeMap;

use mlp_eval::{PlanValue, Unknown};
use mlp_provider::ResourceKind;
use mlp_value::{Value, fingerprint_of};
use serde_json::{Map, Value as Json, json};

use crate::Plan;

/// What stands for a value that must not be shown.
const HIDDEN: &str = "(sensitive)";

/// What may be shown, by the field tables that the plan carries.
pub(super) struct Shown<'p> {
    kinds: &'p BTreeMap<String, ResourceKind>,
}

impl<'p> Shown<'p> {
    pub fn of(plan: &'p Plan) -> Self {
        Self { kinds: &plan.context.kinds }
    }

    pub fn stateful(&self, kind: &str) -> bool {
        self.kinds.get(kind).is_some_and(|kind| kind.stateful)
    }

    pub fn schema_version(&self, kind: &str) -> u32 {
        self.kinds.get(kind).map_or(1, |kind| kind.schema_version)
    }

    fn is_secret(&self, kind: &str, name: &str) -> bool {
        self.kinds.get(kind).and_then(|kind| kind.field(name)).is_some_and(|field| field.secret)
    }

    /// Plain JSON less the fields that are never shown; what is not known is null.
    pub fn plain(&self, kind: &str, value: &PlanValue) -> Json {
        let plain = |value: &PlanValue| masked(value).to_plain_json_with(&mut |_: &Unknown| Json::Null);
        let Some(items) = value.as_object() else { return plain(value) };
        let shown = items.iter().filter(|(name, _)| !self.is_secret(kind, name));
        Json::Object(shown.map(|(name, item)| (name.to_string(), plain(item))).collect())
    }

    /// `true` where something must not be shown, in the shape of the value.
    pub fn sensitive(&self, kind: &str, value: Option<&PlanValue>) -> Json {
        let Some(items) = value.and_then(Value::as_object) else { return json!({}) };
        let mut map = Map::new();
        for (name, item) in items.iter() {
            let found = match self.is_secret(kind, name) {
                true => Some(Json::Bool(true)),
                false => sensitive_of(item),
            };
            map.extend(found.map(|found| (name.to_string(), found)));
        }
        Json::Object(map)
    }
}

/// `true` where a mark stands instead of a value; `None` where there is none.
pub(super) fn sensitive_of(value: &PlanValue) -> Option<Json> {
    if fingerprint_of(value).is_some() {
        return Some(Json::Bool(true));
    }
    match value {
        Value::List(items) => {
            let found: Vec<Option<Json>> = items.iter().map(sensitive_of).collect();
            let any = found.iter().any(Option::is_some);
            any.then(|| found.into_iter().map(|one| one.unwrap_or(Json::Bool(false))).collect())
        }
        Value::Object(items) => {
            let found: Map<String, Json> = items
                .iter()
                .filter_map(|(name, item)| Some((name.to_string(), sensitive_of(item)?)))
                .collect();
            (!found.is_empty()).then_some(Json::Object(found))
        }
        _ => None,
    }
}

/// The value with a word instead of what must not be shown.
pub(super) fn masked(value: &PlanValue) -> PlanValue {
    if fingerprint_of(value).is_some() {
        return Value::text(HIDDEN);
    }
    match value {
        Value::List(items) => Value::list(items.iter().map(masked)),
        Value::Object(items) => Value::object(items.iter().map(|(name, item)| (name.as_ref(), masked(item)))),
        other => other.clone(),
    }
}

/// `true` where the value is not known yet, in its shape; `None` where all of it is known.
pub(super) fn unknown_in(value: &PlanValue) -> Option<Json> {
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
