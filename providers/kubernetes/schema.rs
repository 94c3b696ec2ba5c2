//! The types of a kind's fields as the cluster itself tells them (OpenAPI v3), and what of a manifest is not of them.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::mlp_diag::one_of;
use crate::mlp_eval::{PlanValue, reference_of};
use crate::mlp_value::{Path, Value, fingerprint_of};
use crate::natives::Native;

/// Where what others refer to lies in a document.
const SCHEMAS: &str = "/components/schemas";
/// Definitions inside definitions: what says more is no type that is written by hand.
const DEEPEST: usize = 64;

/// A type: a place in a document.
#[derive(Debug, Clone)]
pub(crate) struct Schema {
    document: Arc<Json>,
    /// The words of the way there.
    at: String,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wrong {
    /// Where it stands.
    pub path: Path,
    /// What is wrong.
    pub what: String,
    /// The way out.
    pub help: String,
}

/// How a list is kept when several write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listing {
    /// As one.
    Atomic,
    /// Each item by itself, told apart by these fields, with what each is when it is left out.
    Keyed(Vec<(String, Json)>),
    /// Each item by itself.
    Set,
}

impl Schema {
    /// The type of a kind in the document of its version.
    pub(crate) fn of(document: Arc<Json>, native: &Native) -> Option<Self> {
        let version = crate::discovery::version_of(native.api);
        let is_it = |schema: &Json| {
            schema["x-kubernetes-group-version-kind"].as_array().is_some_and(|all| {
                all.len() == 1
                    && all[0]["group"] == native.group()
                    && all[0]["version"] == version
                    && all[0]["kind"] == native.kind
            })
        };
        let schemas = document.pointer(SCHEMAS)?.as_object()?;
        let name = schemas.iter().find(|(_, schema)| is_it(schema))?.0;
        let at = format!("{SCHEMAS}/{}", escaped(name));
        Some(Self { document, at })
    }

    /// The type that a definition in a specification gives.
    pub(crate) fn written(schema: Json) -> Self {
        Self { document: Arc::new(schema), at: String::new() }
    }

    fn json(&self) -> &Json {
        self.document.pointer(&self.at).unwrap_or(&Json::Null)
    }

    fn below(&self, words: &str) -> Option<Self> {
        let at = format!("{}{words}", self.at);
        self.document.pointer(&at)?;
        Some(Self { document: self.document.clone(), at }.resolved())
    }

    /// The type that this one only refers to.
    fn resolved(self) -> Self {
        let mut at = self;
        for _ in 0..DEEPEST {
            let json = at.json();
            let only = json["allOf"].as_array().filter(|all| all.len() == 1 && json["properties"].is_null());
            let target = json["$ref"].as_str().or_else(|| only?[0]["$ref"].as_str());
            let Some(target) = target.and_then(|target| target.strip_prefix('#')) else { break };
            at = Self { document: at.document.clone(), at: target.to_owned() };
        }
        at
    }

    fn open(&self) -> bool {
        self.json()["x-kubernetes-preserve-unknown-fields"] == true
    }

    /// The type of a field.
    pub(crate) fn field(&self, name: &str) -> Option<Self> {
        let named = self.below(&format!("/properties/{}", escaped(name)));
        named.or_else(|| self.below("/additionalProperties").filter(|schema| schema.json().is_object()))
    }

    /// The type of an item.
    pub(crate) fn item(&self) -> Option<Self> {
        self.below("/items")
    }

    /// Whether an object is kept as one.
    pub(crate) fn is_atomic_map(&self) -> bool {
        self.json()["x-kubernetes-map-type"] == "atomic"
    }

    /// How a list is kept.
    pub(crate) fn listing(&self) -> Listing {
        let json = self.json();
        match json["x-kubernetes-list-type"].as_str() {
            Some("map") => {
                let item = self.item();
                let default = |key: &str| {
                    let field = item.as_ref().and_then(|item| item.field(key));
                    field.map_or(Json::Null, |field| field.json()["default"].clone())
                };
                let keys = json["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
                let keys = keys.filter_map(Json::as_str);
                Listing::Keyed(keys.map(|key| (key.to_owned(), default(key))).collect())
            }
            Some("set") => Listing::Set,
            _ => Listing::Atomic,
        }
    }

    /// What of a value is not of this type. What is not known yet, refers to something or must not be read is of every type.
    pub(crate) fn check(&self, value: &PlanValue, path: &Path, found: &mut Vec<Wrong>) {
        if reference_of(value).is_some() || fingerprint_of(value).is_some() {
            return;
        }
        let json = self.json();
        match value {
            Value::Null | Value::Hole(_) => {}
            Value::Object(items) if self.takes("object") => {
                for (name, item) in items.iter() {
                    self.check_field(name, item, path, found);
                }
            }
            Value::List(items) if self.takes("array") => {
                if let Some(schema) = self.item() {
                    for (index, item) in items.iter().enumerate() {
                        schema.check(item, &path.index(index), found);
                    }
                }
            }
            Value::Bool(_) if self.takes("boolean") => {}
            Value::Number(number) if self.takes("number") || self.takes("integer") => {
                if !self.takes("number") && number.to_string().parse::<i64>().is_err() {
                    found.push(self.other(path, &format!("`{number}` is no whole number")));
                }
            }
            Value::Text(text) if self.takes("string") => {
                let choices = json["enum"].as_array().filter(|all| !all.iter().any(|one| *one == **text));
                if let Some(all) = choices {
                    let all: Vec<&str> = all.iter().filter_map(Json::as_str).collect();
                    found.push(Wrong {
                        path: path.clone(),
                        what: format!("`{path}` cannot be `{text}`"),
                        help: one_of(text, all),
                    });
                }
            }
            other => found.push(self.other(path, &format!("it is a {}", other.kind()))),
        }
    }

    fn check_field(&self, name: &str, item: &PlanValue, path: &Path, found: &mut Vec<Wrong>) {
        if item.is_null() {
            return;
        }
        match self.field(name) {
            Some(schema) => schema.check(item, &path.field(name), found),
            None if self.lets_in(name) => {}
            None => {
                let names = self.json()["properties"].as_object().into_iter().flat_map(|all| all.keys());
                let names: Vec<&str> = names.map(String::as_str).collect();
                found.push(Wrong {
                    path: path.field(name),
                    what: format!("`{path}` has no field `{name}`"),
                    help: one_of(name, names),
                });
            }
        }
    }

    /// Whether a field without a type may be there.
    fn lets_in(&self, name: &str) -> bool {
        let json = self.json();
        let embedded = json["x-kubernetes-embedded-resource"] == true
            && ["apiVersion", "kind", "metadata"].contains(&name);
        let untyped = json["properties"].is_null() && json["additionalProperties"] != false;
        embedded || self.open() || json["additionalProperties"] == true || untyped
    }

    /// Whether values of that sort are of this type.
    fn takes(&self, sort: &str) -> bool {
        let json = self.json();
        if let Some(one) = json["type"].as_str() {
            return one == sort;
        }
        if json["x-kubernetes-int-or-string"] == true || json["format"] == "int-or-string" {
            return matches!(sort, "integer" | "string");
        }
        let choices = ["oneOf", "anyOf"].iter().find_map(|name| json[*name].as_array());
        let typed = choices.filter(|all| all.iter().all(|one| one["type"].is_string()));
        typed.is_none_or(|all| all.iter().any(|one| one["type"] == sort))
    }

    fn other(&self, path: &Path, why: &str) -> Wrong {
        let sorts = ["string", "integer", "number", "boolean", "array", "object"];
        let wanted: Vec<&str> = sorts.into_iter().filter(|sort| self.takes(sort)).map(said).collect();
        Wrong {
            path: path.clone(),
            what: format!("`{path}` has the wrong type: {why}"),
            help: format!("the cluster wants {} there", wanted.join(" or ")),
        }
    }
}

/// A sort of values in the language's own words.
fn said(sort: &str) -> &str {
    match sort {
        "string" => "a text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "`true` or `false`",
        "array" => "a list",
        _ => "an object",
    }
}

/// A word of a way, as JSON pointers write it.
fn escaped(word: &str) -> String {
    word.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::mlp_value::KnownValue;

    fn queue() -> Schema {
        let document = json!({"components": {"schemas": {
            "io.acme.Queue": {
                "x-kubernetes-group-version-kind": [{"group": "acme.io", "version": "v1", "kind": "Queue"}],
                "type": "object",
                "properties": {
                    "spec": {"allOf": [{"$ref": "#/components/schemas/io.acme.Spec"}]},
                    "extra": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                },
            },
            "io.acme.Spec": {"type": "object", "properties": {
                "size": {"type": "integer"},
                "share": {"type": "number"},
                "port": {"x-kubernetes-int-or-string": true},
                "cpu": {"oneOf": [{"type": "string"}, {"type": "number"}]},
                "policy": {"type": "string", "enum": ["Hold", "Drain"]},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "pods": {
                    "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name", "kind"],
                    "items": {"type": "object", "properties": {
                        "name": {"type": "string"}, "kind": {"type": "string", "default": "pod"},
                    }},
                },
            }},
        }}});
        let native = crate::discovery::kept("acme.io/v1", "Queue", "queues", true);
        Schema::of(Arc::new(document), native).unwrap()
    }

    fn wrong(value: Json) -> Vec<String> {
        let mut found = Vec::new();
        let value = KnownValue::from_json(&value).unwrap().lift();
        queue().check(&value, &Path::of(&["manifest"]), &mut found);
        found.into_iter().map(|one| format!("{}: {} ({})", one.path, one.what, one.help)).collect()
    }

    #[test]
    fn what_is_of_the_types_passes() {
        let good = json!({
            "spec": {
                "size": 3, "share": 0.5, "port": 80, "cpu": "500m", "policy": "Hold", "labels": {"a": "b"},
                "pods": [{"name": "x", "kind": null}],
            },
            "extra": {"whatever": [1, "x"]},
        });
        assert_eq!(wrong(good), Vec::<String>::new());
        assert_eq!(wrong(json!({"spec": {"port": "http", "cpu": 1}})), Vec::<String>::new());
    }

    #[test]
    fn each_mistake_is_told_at_its_place() {
        for (value, at, said) in [
            (json!({"spec": {"sise": 1}}), "manifest.spec.sise:", "did you mean `size`?"),
            (json!({"spec": {"size": "3"}}), "manifest.spec.size:", "wants a whole number"),
            (json!({"spec": {"size": 1.5}}), "manifest.spec.size:", "no whole number"),
            (json!({"spec": {"port": true}}), "manifest.spec.port:", "a text or a whole number"),
            (json!({"spec": {"policy": "Holt"}}), "manifest.spec.policy:", "did you mean `Hold`?"),
            (json!({"spec": {"labels": {"a": 1}}}), "manifest.spec.labels.a:", "wants a text"),
            (json!({"spec": {"pods": {}}}), "manifest.spec.pods:", "wants a list"),
            (json!({"spec": {"pods": [{"nam": "x"}]}}), "manifest.spec.pods[0].nam:", "`name`"),
            (json!({"spek": {}}), "manifest.spek:", "did you mean `spec`?"),
        ] {
            let found = wrong(value.clone());
            assert_eq!(found.len(), 1, "{value}: {found:?}");
            assert!(found[0].starts_with(at) && found[0].contains(said), "{value}: {found:?}");
        }
    }

    #[test]
    fn a_list_says_how_it_is_kept() {
        let pods = queue().field("spec").unwrap().field("pods").unwrap();
        let keys = vec![("name".to_owned(), Json::Null), ("kind".to_owned(), json!("pod"))];
        assert_eq!(pods.listing(), Listing::Keyed(keys));
        assert!(!pods.is_atomic_map());
    }
}
