//! The shape of what we set: which fields of an object are ours, so that an object is read back as exactly these.
//!
//! The shape is written beside the object, in an annotation. Managed fields alone would not do: what another manager changes
//! leaves our set of fields there, and drift would look as if the field were gone. Lists that the API server keeps by key
//! (containers by name, ports by number) are told apart from those it keeps whole by a table, as it does for the kinds made here.

use serde_json::{Map, Value as Json, json};

/// Which parts of a value are ours.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// All of it.
    Whole,
    /// These fields of an object.
    Fields(Vec<(String, Shape)>),
    /// These items of a list, by the values of their keys.
    Items(&'static [&'static str], Vec<(Vec<Json>, Shape)>),
}

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

fn keys(above: &str, name: &str) -> Option<&'static [&'static str]> {
    KEYED.iter().find(|(of, field, _)| *field == name && (of.is_empty() || *of == above)).map(|found| found.2)
}

fn key_of(item: &Json, keys: &[&str]) -> Vec<Json> {
    let default = |key: &str| DEFAULTS.iter().find(|(name, _)| *name == key).map(|(_, value)| json!(value));
    let value = |key: &&str| item.get(*key).cloned().or_else(|| default(key)).unwrap_or(Json::Null);
    keys.iter().map(value).collect()
}

impl Shape {
    /// The shape of a value; `path` names where it stands.
    pub(crate) fn of(value: &Json, above: &str, name: &str) -> Self {
        match value {
            Json::Object(items) if !items.is_empty() => Self::Fields(
                items.iter().map(|(field, item)| (field.clone(), Self::of(item, name, field))).collect(),
            ),
            Json::Array(items) => match keys(above, name) {
                Some(keys) => {
                    let inner = if name.ends_with("ontainers") { "container" } else { "item" };
                    let one = |item: &Json| (key_of(item, keys), Self::of(item, name, inner));
                    Self::Items(keys, items.iter().map(one).collect())
                }
                None => Self::Whole,
            },
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
            _ => Some(value.clone()),
        }
    }

    /// As it is written down.
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
        }
    }

    /// As it was written down.
    pub(crate) fn from_json(json: &Json) -> Option<Self> {
        match json {
            Json::Number(_) => Some(Self::Whole),
            Json::Object(fields) => {
                let one = |(name, shape): (&String, &Json)| Some((name.clone(), Self::from_json(shape)?));
                fields.iter().map(one).collect::<Option<Vec<_>>>().map(Self::Fields)
            }
            Json::Array(_) => {
                let keys = json.get(0)?;
                let known = KEYED.iter().map(|found| found.2).find(|known| json!(known) == *keys)?;
                let one =
                    |item: &Json| Some((item.get(0)?.as_array()?.clone(), Self::from_json(item.get(1)?)?));
                let items = json.get(1)?.as_array()?.iter().map(one).collect::<Option<Vec<_>>>()?;
                Some(Self::Items(known, items))
            }
            _ => None,
        }
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
    fn what_somebody_took_away_is_not_there() {
        let shape = Shape::of(&json!({"data": {"a": "1", "b": "2"}}), "", "");
        assert_eq!(shape.cut(&json!({"data": {"a": "1", "c": "3"}})), Some(json!({"data": {"a": "1"}})));
        assert_eq!(shape.cut(&json!({})), Some(json!({})));
        assert_eq!(Shape::from_json(&json!("x")), None);
    }
}
