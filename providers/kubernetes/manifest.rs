//! `kubernetes_manifest`: an object of any kind, written as the cluster knows it.
//!
//! What makes it one kind among the others: its name, its place and its kind are fields of their own, so that a change of them
//! makes it anew; the version is not, so that an object stays the same when its version changes.

use mlp_provider::{Field, Presence, ResourceKind};
use serde_json::{Map, Value as Json, json};

use crate::discovery::{Kind, group_of};
use crate::mlp_platform::Platform;
use crate::mlp_value::{Address, KnownValue, Type, Value};
use crate::names;
use crate::natives::{ADDRESS, Form, Health, NAMESPACE, NATIVES, Native, condition};

/// What its resources are called.
pub(crate) const NAME: &str = "kubernetes_manifest";
/// The field with the object.
pub(crate) const MANIFEST: &str = "manifest";
/// The field with the condition that is waited for.
pub(crate) const WAIT_FOR: &str = "wait_for";
/// Kind and group, which follow from the manifest.
const OBJECT: &str = "object_kind";
/// The name, which follows from the manifest.
const OBJECT_NAME: &str = "object_name";
/// What follows from the manifest and is not part of the object.
pub(crate) const FOLLOWING: &[&str] = &[OBJECT, OBJECT_NAME];

/// What of an object's metadata a specification may say.
pub(crate) const METADATA: &[&str] =
    &["annotations", "finalizers", "labels", "name", "namespace", "ownerReferences"];

/// Its field table.
pub(crate) fn table() -> ResourceKind {
    let follows = |name: &str, doc: &str, why: &str| {
        Field::new(name, Presence::ServerDefault, mlp_provider::Change::Update, doc)
            .replaces(why)
            .ty(Type::String)
    };
    ResourceKind::new(
        NAME,
        "An object of any kind that the cluster serves.",
        vec![
            Field::required(ADDRESS, "The resource of the specification it was made for.").ty(Type::String),
            follows(NAMESPACE, "Where it lies.", "an object cannot go to another namespace"),
            follows(OBJECT, "What it is: its kind and group.", "an object cannot become one of another kind"),
            follows(OBJECT_NAME, "What it is called there.", "an object cannot be called otherwise"),
            Field::required(MANIFEST, "The object: `apiVersion`, `kind`, `metadata` and what its kind has."),
            Field::optional(WAIT_FOR, "The condition of its status that has to be true for it to be ready.")
                .ty(Type::String),
        ],
    )
}

/// A kind that was learned: in everything but its fields like the table of the same kind, where there is one.
pub(crate) fn native(
    word: &'static str,
    (api, kind, plural): (&'static str, &'static str, &'static str),
    form: Form,
) -> Native {
    let known = NATIVES.iter().find(|known| known.kind == kind && known.group() == group_of(api));
    Native {
        word,
        doc: "An object of any kind.",
        api,
        kind,
        plural,
        form,
        stateful: known.is_some_and(|known| known.stateful),
        members: &[],
        health: Some(known.and_then(|known| known.health).unwrap_or(health)),
        tells: known.map_or(|_| Vec::new(), |known| known.tells),
    }
}

/// What a declared manifest says of itself, as far as it is known when the plan is made.
pub(crate) struct Said<'v> {
    pub api: &'v str,
    pub kind: &'v str,
    pub namespace: Option<&'v str>,
    pub name: Option<&'v str>,
}

impl<'v> Said<'v> {
    /// What the value of the field says.
    pub(crate) fn of<H>(manifest: &'v Value<H>) -> Option<Self> {
        let text = |name: &str| manifest.field(name).and_then(Value::as_text);
        let metadata = |name: &str| manifest.field("metadata")?.field(name)?.as_text();
        Some(Self {
            api: text("apiVersion")?,
            kind: text("kind")?,
            namespace: metadata("namespace"),
            name: metadata("name"),
        })
    }

    /// What it is, without its version.
    pub(crate) fn kind(&self) -> Kind {
        Kind::new(group_of(self.api), self.kind)
    }
}

/// The identity of the object that a declaration stands for, and the fields that follow from what it says.
pub(crate) fn declared(platform: &Platform, address: &Address) -> (String, Vec<(&'static str, KnownValue)>) {
    let manifest = platform.declarations.get(address).and_then(|one| one.body.field(MANIFEST));
    let said = manifest.and_then(Said::of);
    let namespace = said.as_ref().and_then(|said| said.namespace).or(names::namespace(platform));
    let namespace = namespace.unwrap_or_default();
    let name = said.as_ref().and_then(|said| said.name).map(str::to_owned);
    let name = name.unwrap_or_else(|| names::object_name(platform, address));
    // Of one that does not say what it is, that is told where the declaration is checked.
    let word = said.map(|said| said.kind().word()).unwrap_or_default();
    let text = KnownValue::text;
    let fields = vec![names::place(namespace), (OBJECT, text(&word)), (OBJECT_NAME, text(&name))];
    (format!("{word}/{namespace}/{name}"), fields)
}

/// The object of a configuration.
pub(crate) fn object(native: &Native, namespace: &str, name: &str, config: &Json) -> Json {
    let mut object = pruned(&config[MANIFEST]);
    if !object.is_object() {
        object = Json::Object(Map::new());
    }
    object["apiVersion"] = json!(native.api);
    object["kind"] = json!(native.kind);
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    object["metadata"]["name"] = json!(name);
    if native.namespaced() {
        object["metadata"]["namespace"] = json!(namespace);
    }
    object
}

/// A value without what is null: that is left out.
pub(crate) fn pruned(value: &Json) -> Json {
    match value {
        Json::Object(items) => {
            let there = items.iter().filter(|(_, item)| !item.is_null());
            Json::Object(there.map(|(name, item)| (name.clone(), pruned(item))).collect())
        }
        Json::Array(items) => items.iter().map(pruned).collect(),
        other => other.clone(),
    }
}

/// What of an object could be written in a specification; `api` is how its version was written.
pub(crate) fn written(object: &Json, api: Option<&str>) -> Json {
    let Some(items) = object.as_object() else { return json!({}) };
    let kept = items.iter().filter(|(name, _)| *name != "status" && *name != "metadata");
    let mut written: Map<String, Json> = kept.map(|(name, item)| (name.clone(), item.clone())).collect();
    let metadata = object["metadata"].as_object().into_iter().flatten();
    let metadata = metadata.filter(|(name, _)| METADATA.contains(&name.as_str()));
    let metadata: Map<String, Json> = metadata.map(|(name, item)| (name.clone(), item.clone())).collect();
    written.insert("metadata".to_owned(), Json::Object(metadata));
    // The same object is served in every version of its kind: which one was asked for is no state of it.
    let same = |api: &&str| group_of(api) == group_of(object["apiVersion"].as_str().unwrap_or_default());
    if let Some(api) = api.filter(same) {
        written.insert("apiVersion".to_owned(), json!(api));
    }
    Json::Object(written)
}

/// The fields that follow from what an object is.
pub(crate) fn following(native: &Native, object: &Json) -> [(&'static str, Json); 2] {
    [(OBJECT, json!(native.word)), (OBJECT_NAME, object["metadata"]["name"].clone())]
}

/// Conditions that say of kinds everywhere that an object is ready, the first that is there counts.
const READY: &[&str] = &["Ready", "Available", "Established", "Active"];
/// Conditions that say that it never will be.
const FAILED: &[&str] = &["Stalled", "Failed"];
/// Kinds that have such a condition as soon as their controller has looked at them: until it has, they are not ready.
/// Source: the API reference of each.
const AWAITED: &[(&str, &str)] = &[
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("kueue.x-k8s.io", "ClusterQueue"),
    ("kueue.x-k8s.io", "LocalQueue"),
    ("serving.kserve.io", "InferenceGraph"),
    ("serving.kserve.io", "InferenceService"),
];

/// How far an object of a kind without a table is, by the conventions that kinds keep.
/// Source: the API conventions of Kubernetes ("Typical status properties").
fn health(object: &Json) -> Health {
    let number = |path: &str| object.pointer(path).and_then(Json::as_i64);
    let generation = number("/metadata/generation").unwrap_or(0);
    if number("/status/observedGeneration").is_some_and(|seen| seen < generation) {
        return Health::Going("its controller has not looked at it yet".into());
    }
    if object.pointer("/status/phase").is_some_and(|phase| phase == "Succeeded") {
        return Health::Ready;
    }
    let said = |name: &&'static str| {
        let (status, reason, message) = condition(object, name)?;
        Some((*name, status, reason, message))
    };
    if let Some((name, _, reason, message)) = FAILED.iter().filter_map(said).find(|found| found.1 == "True") {
        return Health::Failed(words(name, reason, message));
    }
    if let Some((name, status, reason, message)) = READY.iter().find_map(said) {
        return match status {
            "True" => replicas(object),
            _ => Health::Going(format!("not {}", words(name, reason, message))),
        };
    }
    let kind = object["kind"].as_str().unwrap_or_default();
    let group = group_of(object["apiVersion"].as_str().unwrap_or_default());
    match AWAITED.contains(&(group, kind)) {
        true => Health::Going("its controller has not looked at it yet".into()),
        false => replicas(object),
    }
}

fn words(name: &str, reason: &str, message: &str) -> String {
    let said: Vec<&str> = [name, reason, message].into_iter().filter(|word| !word.is_empty()).collect();
    said.join(": ")
}

/// Of what has so many pods, whether they are ready.
fn replicas(object: &Json) -> Health {
    let number = |path: &str| object.pointer(path).and_then(Json::as_i64);
    let daemons = number("/status/desiredNumberScheduled").zip(Some("/status/numberReady"));
    let replicas = number("/spec/replicas").zip(number("/status/replicas").map(|_| "/status/readyReplicas"));
    match daemons.or(replicas) {
        Some((wanted, path)) if number(path).unwrap_or(0) < wanted => {
            Health::Going(format!("{} of {wanted} pods are ready", number(path).unwrap_or(0)))
        }
        _ => Health::Ready,
    }
}

/// How far an object is that has to have a condition before it is ready.
pub(crate) fn waits_for(object: &Json, name: &str) -> Health {
    let failed = FAILED.iter().find_map(|bad| {
        let (status, reason, message) = condition(object, bad)?;
        (status == "True" && *bad != name).then(|| words(bad, reason, message))
    });
    match (condition(object, name), failed) {
        (Some(("True", ..)), _) => Health::Ready,
        (_, Some(why)) => Health::Failed(why),
        (Some((_, reason, message)), None) => Health::Going(format!("not {}", words(name, reason, message))),
        (None, None) => Health::Going(format!("nothing says yet whether it is {name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_as_it_was_written() {
        let native = crate::discovery::kept("acme.io/v1beta1", "Queue", "queues", false);
        let config =
            json!({"manifest": {"apiVersion": "acme.io/v1", "kind": "Queue", "spec": {"a": null, "b": [1]}}});
        let mut made = object(native, "ml", "x", &config);
        assert_eq!(
            made,
            json!({"apiVersion": "acme.io/v1beta1", "kind": "Queue", "metadata": {"name": "x"}, "spec": {"b": [1]}})
        );
        made["status"] = json!({"phase": "Bound"});
        made["metadata"]["uid"] = json!("1");
        let read = written(&made, Some("acme.io/v1"));
        assert_eq!(
            read,
            json!({"apiVersion": "acme.io/v1", "kind": "Queue", "metadata": {"name": "x"}, "spec": {"b": [1]}})
        );
        assert_eq!(written(&made, Some("other.io/v1"))["apiVersion"], "acme.io/v1beta1");
    }

    #[test]
    fn what_a_status_says_is_heard() {
        let is = |kind: &str, status: &str| json!([{"type": kind, "status": status, "reason": "R", "message": "m"}]);
        let going = |text: &str| Health::Going(text.into());
        for (object, wanted) in [
            (json!({}), Health::Ready),
            (json!({"status": {"conditions": is("Ready", "True")}}), Health::Ready),
            (json!({"status": {"conditions": is("Ready", "False")}}), going("not Ready: R: m")),
            (json!({"status": {"conditions": is("Failed", "True")}}), Health::Failed("Failed: R: m".into())),
            (json!({"status": {"conditions": is("Complete", "False")}}), Health::Ready),
            (
                json!({"metadata": {"generation": 2}, "status": {"observedGeneration": 1, "conditions": is("Ready", "True")}}),
                going("its controller has not looked at it yet"),
            ),
            (
                json!({"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService"}),
                going("its controller has not looked at it yet"),
            ),
            (
                json!({"spec": {"replicas": 2}, "status": {"replicas": 2, "readyReplicas": 1}}),
                going("1 of 2 pods are ready"),
            ),
            (json!({"status": {"phase": "Succeeded", "conditions": is("Ready", "False")}}), Health::Ready),
        ] {
            assert_eq!(health(&object), wanted, "{object}");
        }
        let bound = json!({"status": {"conditions": is("Bound", "True")}});
        assert_eq!(waits_for(&bound, "Bound"), Health::Ready);
        assert_eq!(waits_for(&bound, "Free"), going("nothing says yet whether it is Free"));
        assert_eq!(
            waits_for(&json!({"status": {"conditions": is("Failed", "True")}}), "Free"),
            Health::Failed("Failed: R: m".into())
        );
    }
}
