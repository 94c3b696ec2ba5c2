//! The shape of what we set: which fields of an object are ours, so that an object is read back as exactly these.
//!
//! The shape is written beside the object, in an annotation. Managed fields alone would not do: what another manager changes
//! leaves our set of fields there, and drift would look as if the field were gone. Lists that the API server keeps by key
//! (containers by name, ports by number) are told apart from those it keeps whole as the cluster's own types say, and for the kinds
//! with a table here by one of that.

use serde_json::{Map, Value as Json, json};

use crate::schema::{Listing, Schema};

/// Which parts of a value are ours.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// All of it.
    Whole,
    /// These fields of an object.
    Fields(Vec<(String, Shape)>),
    /// These items of a list, by the values of their keys.
    Items(Vec<Key>, Vec<(Vec<Json>, Shape)>),
    /// These parts of the items of a list that is kept as one: what the server fills in inside of them is not ours.
    Each(Vec<Shape>),
    /// These items of a list that is a set.
    Members(Vec<Json>),
}

/// A field by which items of a list are told apart, and what it is when it is left out.
type Key = (String, Json);

/// Lists that are kept by key, by the field they stand in, and the field above where one name has two meanings.
/// Source: `x-kubernetes-list-map-keys` in the API server's OpenAPI.
const KEYED: &[(&str, &str, &[&str])] = &[
    ("", "containers", &["name"]),
    ("", "initContainers", &["name"]),
    ("", "ephemeralContainers", &["name"]),
    ("", "volumes", &["name"]),
    ("", "env", &["name"]),
    ("", "imagePullSecrets", &["name"]),
    ("", "hostAliases", &["ip"]),
    ("", "volumeMounts", &["mountPath"]),
    ("", "volumeDevices", &["devicePath"]),
    ("", "topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"]),
    ("container", "ports", &["containerPort", "protocol"]),
    ("spec", "ports", &["port", "protocol"]),
];

/// What a key is when it is left out.
const DEFAULTS: &[(&str, &str)] = &[("protocol", "TCP")];

/// By which fields a list is kept that stands there in a kind with a table.
fn keys(above: &str, name: &str) -> Option<Vec<Key>> {
    let default = |key: &str| DEFAULTS.iter().find(|(name, _)| *name == key).map(|(_, value)| json!(value));
    let found =
        KEYED.iter().find(|(of, field, _)| *field == name && (of.is_empty() || *of == above))?.2.iter();
    Some(found.map(|key| ((*key).to_owned(), default(key).unwrap_or(Json::Null))).collect())
}

fn key_of(item: &Json, keys: &[Key]) -> Vec<Json> {
    keys.iter().map(|(key, default)| item.get(key).unwrap_or(default).clone()).collect()
}

impl Shape {
    /// The shape of a value of a kind with a table; `above` and `name` say where it stands.
    pub(crate) fn of(value: &Json, above: &str, name: &str) -> Self {
        match value {
            Json::Object(items) if !items.is_empty() => Self::Fields(
                items.iter().map(|(field, item)| (field.clone(), Self::of(item, name, field))).collect(),
            ),
            Json::Array(items) => match keys(above, name) {
                Some(keys) => {
                    let inner = if name.ends_with("ontainers") { "container" } else { "item" };
                    let one = |item: &Json| (key_of(item, &keys), Self::of(item, name, inner));
                    let items = items.iter().map(one).collect();
                    Self::Items(keys, items)
                }
                None => Self::Whole,
            },
            _ => Self::Whole,
        }
    }

    /// The shape of a value of which the cluster told the type.
    pub(crate) fn typed(value: &Json, schema: Option<&Schema>) -> Self {
        match value {
            Json::Object(items) if !items.is_empty() && !schema.is_some_and(Schema::is_atomic_map) => {
                let below = |name: &str| schema.and_then(|schema| schema.field(name));
                let one =
                    |(name, item): (&String, &Json)| (name.clone(), Self::typed(item, below(name).as_ref()));
                Self::Fields(items.iter().map(one).collect())
            }
            Json::Array(items) => {
                let (listing, inner) = match schema {
                    Some(schema) => (schema.listing(), schema.item()),
                    None => (Listing::Atomic, None),
                };
                let inner = |item: &Json| Self::typed(item, inner.as_ref());
                match listing {
                    Listing::Keyed(keys) => {
                        let items = items.iter().map(|item| (key_of(item, &keys), inner(item))).collect();
                        Self::Items(keys, items)
                    }
                    Listing::Set => Self::Members(items.clone()),
                    Listing::Atomic => Self::Each(items.iter().map(inner).collect()),
                }
            }
            _ => Self::Whole,
        }
    }

    /// What of a value is ours, in our order; `None` where nothing of it is there.
    pub(crate) fn cut(&self, value: &Json) -> Option<Json> {
        match (self, value) {
            (_, Json::Null) => None,
            (Self::Fields(fields), Json::Object(items)) => {
                let cut =
                    |(name, shape): &(String, Shape)| Some((name.clone(), shape.cut(items.get(name)?)?));
                Some(Json::Object(fields.iter().filter_map(cut).collect()))
            }
            (Self::Items(keys, wanted), Json::Array(items)) => {
                let cut = |(key, shape): &(Vec<Json>, Shape)| {
                    items.iter().find(|item| key_of(item, keys) == *key).and_then(|item| shape.cut(item))
                };
                Some(wanted.iter().filter_map(cut).collect())
            }
            (Self::Each(shapes), Json::Array(items)) if shapes.len() == items.len() => {
                let cut = |(shape, item): (&Shape, &Json)| shape.cut(item).unwrap_or(Json::Null);
                Some(shapes.iter().zip(items).map(cut).collect())
            }
            (Self::Members(wanted), Json::Array(items)) => {
                Some(wanted.iter().filter(|one| items.contains(one)).cloned().collect())
            }
            _ => Some(value.clone()),
        }
    }

    /// As it is written down: a number for a whole, an object for fields, a list for items: by keys, by place (`0`), as a set (`1`).
    pub(crate) fn to_json(&self) -> Json {
        match self {
            Self::Whole => json!(1),
            Self::Fields(fields) => {
                Json::Object(fields.iter().map(|(name, shape)| (name.clone(), shape.to_json())).collect())
            }
            Self::Items(keys, items) => {
                let items: Vec<Json> =
                    items.iter().map(|(key, shape)| json!([key, shape.to_json()])).collect();
                json!([keys, items])
            }
            Self::Each(shapes) => json!([0, shapes.iter().map(Self::to_json).collect::<Vec<_>>()]),
            Self::Members(items) => json!([1, items]),
        }
    }

    /// As it was written down.
    pub(crate) fn from_json(json: &Json) -> Option<Self> {
        let all = |items: &Json| items.as_array()?.iter().map(Self::from_json).collect::<Option<Vec<_>>>();
        match json {
            Json::Number(_) => Some(Self::Whole),
            Json::Object(fields) => {
                let one = |(name, shape): (&String, &Json)| Some((name.clone(), Self::from_json(shape)?));
                fields.iter().map(one).collect::<Option<Vec<_>>>().map(Self::Fields)
            }
            Json::Array(parts) => match parts.as_slice() {
                [Json::Number(how), items] if how.as_u64() == Some(0) => all(items).map(Self::Each),
                [Json::Number(_), items] => Some(Self::Members(items.as_array()?.clone())),
                [Json::Array(keys), items] => {
                    let keys = keys.iter().map(key_from).collect::<Option<Vec<Key>>>()?;
                    let one = |item: &Json| {
                        Some((item.get(0)?.as_array()?.clone(), Self::from_json(item.get(1)?)?))
                    };
                    let items = items.as_array()?.iter().map(one).collect::<Option<Vec<_>>>()?;
                    Some(Self::Items(keys, items))
                }
                _ => None,
            },
            _ => None,
        }
    }
}

/// A key as it was written down; earlier versions wrote its name alone.
fn key_from(json: &Json) -> Option<Key> {
    match json {
        Json::String(name) => {
            let default = DEFAULTS.iter().find(|(known, _)| known == name).map(|(_, value)| json!(value));
            Some((name.clone(), default.unwrap_or(Json::Null)))
        }
        _ => Some((json.get(0)?.as_str()?.to_owned(), json.get(1)?.clone())),
    }
}

/// Where two values differ: the path, and both sides.
pub(crate) fn differences(path: &str, left: &Json, right: &Json, found: &mut Vec<(String, Json, Json)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (left, right) {
        _ if left == right => {}
        (Json::Object(a), Json::Object(b)) => {
            let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            let side =
                |items: &Map<String, Json>, name: &String| items.get(name).cloned().unwrap_or(Json::Null);
            for name in names {
                differences(&below(name), &side(a, name), &side(b, name), found);
            }
        }
        (Json::Array(a), Json::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&format!("{path}[{index}]"), a, b, found);
            }
        }
        _ => found.push((path.to_owned(), left.clone(), right.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_as_what_was_set() {
        let set = json!({
            "template": {"spec": {"containers": [
                {"name": "main", "image": "a@sha256:1", "env": [{"name": "A", "value": "1"}],
                 "ports": [{"containerPort": 80}], "args": ["x", "y"], "volumeMounts": []},
            ], "nodeSelector": {}}},
            "tolerations": [{"key": "gpu"}],
        });
        let shape = Shape::of(&set, "", "");
        let live = json!({
            "replicas": 3,
            "template": {"metadata": {"creationTimestamp": null}, "spec": {
                "containers": [
                    {"name": "sidecar", "image": "b"},
                    {"name": "main", "image": "a@sha256:1", "imagePullPolicy": "Always",
                     "env": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}],
                     "ports": [{"containerPort": 80, "protocol": "TCP"}], "args": ["x", "z"], "volumeMounts": []},
                ],
                "dnsPolicy": "ClusterFirst", "nodeSelector": {},
            }},
            "tolerations": [{"key": "gpu"}, {"key": "other"}],
        });
        let cut = shape.cut(&live).unwrap();
        let mut found = Vec::new();
        differences("", &set, &cut, &mut found);
        let paths: Vec<&str> = found.iter().map(|found| found.0.as_str()).collect();
        assert_eq!(paths, ["template.spec.containers[0].args[1]", "tolerations"]);
        assert_eq!(Shape::from_json(&shape.to_json()), Some(shape));
    }

    #[test]
    fn lists_are_read_as_the_types_say_they_are_kept() {
        let text = json!({"type": "string"});
        let port = json!({"type": "object", "properties": {"port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"}}});
        let schema = Schema::written(json!({"type": "object", "properties": {
            "ports": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "protocol"], "items": port},
            "finalizers": {"type": "array", "x-kubernetes-list-type": "set", "items": text},
            "rules": {"type": "array", "items": {"type": "object"}},
            "selector": {"type": "object", "x-kubernetes-map-type": "atomic"},
        }}));
        let set = json!({
            "ports": [{"port": 80}], "finalizers": ["a"], "rules": [{"x": 1}], "selector": {"a": "b"},
        });
        let shape = Shape::typed(&set, Some(&schema));
        assert_eq!(Shape::from_json(&shape.to_json()), Some(shape.clone()));
        let live = json!({
            "ports": [{"port": 80, "protocol": "UDP"}, {"port": 80, "protocol": "TCP", "nodePort": 3}],
            "finalizers": ["b", "a"], "rules": [{"x": 1, "filled": true}], "selector": {"a": "b"},
        });
        let mut found = Vec::new();
        differences("", &set, &shape.cut(&live).unwrap(), &mut found);
        assert_eq!(found, []);
        let other = json!({
            "ports": [], "finalizers": [], "rules": [{"x": 1}, {"y": 2}], "selector": {"a": "b", "c": "d"},
        });
        differences("", &set, &shape.cut(&other).unwrap(), &mut found);
        let paths: Vec<&str> = found.iter().map(|found| found.0.as_str()).collect();
        assert_eq!(paths, ["finalizers", "ports", "rules", "selector.c"]);
    }

    #[test]
    fn what_somebody_took_away_is_not_there() {
        let shape = Shape::of(&json!({"data": {"a": "1", "b": "2"}}), "", "");
        assert_eq!(shape.cut(&json!({"data": {"a": "1", "c": "3"}})), Some(json!({"data": {"a": "1"}})));
        assert_eq!(shape.cut(&json!({})), Some(json!({})));
        assert_eq!(Shape::from_json(&json!("x")), None);
    }
}
