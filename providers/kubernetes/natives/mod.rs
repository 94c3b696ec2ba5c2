//! The native kinds: one file a kind, and one line in [`NATIVES`].
//!
//! A kind is a table: where in the object each of its fields lies, what a change of it does, and how the object says that it
//! is ready. Everything else is the same for all of them.

mod config_map;
mod cron_job;
mod deployment;
mod horizontal_pod_autoscaler;
pub(crate) mod job;
mod network_policy;
pub(crate) use persistent_volume_claim::MOUNTS;
mod persistent_volume_claim;
mod resource_quota;
mod role;
mod role_binding;
mod service;
mod service_account;

use mlp_provider::{Field, Presence, ResourceKind};
use serde_json::{Map, Value as Json};

use crate::mlp_value::Type;

/// Every kind, in the order of their names.
pub(crate) const NATIVES: &[&Native] = &[
    &config_map::NATIVE,
    &cron_job::NATIVE,
    &deployment::NATIVE,
    &horizontal_pod_autoscaler::NATIVE,
    &job::NATIVE,
    &network_policy::NATIVE,
    &persistent_volume_claim::NATIVE,
    &resource_quota::NATIVE,
    &role::NATIVE,
    &role_binding::NATIVE,
    &service::NATIVE,
    &service_account::NATIVE,
];

/// A native kind.
#[derive(Debug)]
pub(crate) struct Native {
    /// `deployment`: what its identities start with; its resources are called `kubernetes_deployment`.
    pub word: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// `apps/v1`.
    pub api: &'static str,
    /// `Deployment`.
    pub kind: &'static str,
    /// `deployments`.
    pub plural: &'static str,
    /// How its objects are written in a specification.
    pub form: Form,
    /// Whether deleting it loses data.
    pub stateful: bool,
    /// Its fields.
    pub members: &'static [Member],
    /// How far it is; without it, an object is ready as soon as it is there.
    pub health: Option<fn(&Json) -> Health>,
    /// What it tells others.
    pub tells: fn(&Json) -> Vec<(&'static str, Json)>,
}

/// How the objects of a kind are written in a specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// By the fields of its table; it lies in a namespace.
    Fields,
    /// As a whole, as the cluster knows it.
    Whole {
        /// Whether it lies in a namespace.
        namespaced: bool,
    },
}

/// A field of a kind.
#[derive(Debug)]
pub(crate) struct Member {
    /// Its name: the last word of where it lies.
    pub at: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// Whether it must be given.
    pub required: bool,
    /// Why the object has to be made anew when it changes, where it has to.
    pub fixed: Option<&'static str>,
    /// Whether it holds texts by name, so that a number is written as one.
    pub texts: bool,
}

/// How far an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Health {
    /// It is ready.
    Ready,
    /// Not yet; what it is doing.
    Going(String),
    /// It will not become ready; why.
    Failed(String),
}

impl Member {
    /// A field that may be given and is changed in place.
    const fn new(at: &'static str, doc: &'static str) -> Self {
        Self { at, doc, required: false, fixed: None, texts: false }
    }

    const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    const fn fixed(self, why: &'static str) -> Self {
        Self { fixed: Some(why), ..self }
    }

    const fn texts(self) -> Self {
        Self { texts: true, ..self }
    }

    /// Its name in the field table.
    pub(crate) fn name(&self) -> &'static str {
        self.at.rsplit('.').next().unwrap_or(self.at)
    }

    /// The words of the way to it.
    pub(crate) fn path(&self) -> impl Iterator<Item = &'static str> {
        self.at.split('.')
    }
}

/// Fields of every kind.
pub(crate) const COMMON: &[Member] = &[
    Member::new("metadata.labels", "Labels, beside those that say whose it is.").texts(),
    Member::new("metadata.annotations", "Annotations, beside those that say whose it is.").texts(),
];

/// Where an object lies, which every kind has.
pub(crate) const NAMESPACE: &str = "namespace";
/// The resource it was made for.
pub(crate) const ADDRESS: &str = "address";

impl Native {
    /// What its resources are called.
    pub(crate) fn name(&self) -> String {
        match self.is_whole() {
            true => crate::manifest::NAME.to_owned(),
            false => format!("kubernetes_{}", self.word),
        }
    }

    /// Every field but those that say where and whose it is.
    pub(crate) fn all(&self) -> impl Iterator<Item = &'static Member> {
        COMMON.iter().chain(self.members)
    }

    /// Its field table.
    pub(crate) fn table(&self) -> ResourceKind {
        let moved = "an object cannot go to another namespace";
        let mut fields = vec![
            Field::required(ADDRESS, "The resource of the specification it was made for.").ty(Type::String),
            Field::new(NAMESPACE, Presence::ServerDefault, mlp_provider::Change::Update, "Where it lies.")
                .replaces(moved)
                .ty(Type::String),
        ];
        fields.extend(self.all().map(|member| {
            let field = match member.required {
                true => Field::required(member.name(), member.doc),
                false => Field::optional(member.name(), member.doc),
            };
            let field = match member.fixed {
                Some(why) => field.replaces(why),
                None => field,
            };
            if member.texts { field.ty(Type::Map(Box::new(Type::String))) } else { field }
        }));
        let kind = ResourceKind::new(&self.name(), self.doc, fields);
        if self.stateful { kind.stateful() } else { kind }
    }

    /// How far an object is.
    pub(crate) fn health(&self, object: &Json) -> Health {
        self.health.map_or(Health::Ready, |health| health(object))
    }

    /// The group of its API, empty for the oldest one.
    pub(crate) fn group(&self) -> &'static str {
        crate::discovery::group_of(self.api)
    }

    /// Whether its objects are written as a whole.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.form, Form::Whole { .. })
    }

    /// Whether its objects lie in namespaces.
    pub(crate) fn namespaced(&self) -> bool {
        !matches!(self.form, Form::Whole { namespaced: false })
    }

    /// The address of the collection of a namespace, or of the whole cluster where its objects lie in none.
    pub(crate) fn url(&self, namespace: &str) -> String {
        match self.namespaced() {
            true => format!("{}/namespaces/{namespace}/{}", self.root(), self.plural),
            false => self.everywhere(),
        }
    }

    /// The address of all its objects, in whatever namespace.
    pub(crate) fn everywhere(&self) -> String {
        format!("{}/{}", self.root(), self.plural)
    }

    fn root(&self) -> String {
        let root = if self.api.contains('/') { "apis" } else { "api" };
        format!("/{root}/{}", self.api)
    }
}

/// The kind of that name.
pub(crate) fn native(name: &str) -> Option<&'static Native> {
    let word = name.strip_prefix("kubernetes_")?;
    NATIVES.iter().copied().find(|native| native.word == word)
}

/// Tells nothing.
fn nothing(_: &Json) -> Vec<(&'static str, Json)> {
    Vec::new()
}

/// The condition of that type: its status, reason and message.
pub(crate) fn condition<'j>(object: &'j Json, kind: &str) -> Option<(&'j str, &'j str, &'j str)> {
    let all = object.pointer("/status/conditions")?.as_array()?;
    let found = all.iter().find(|one| one["type"] == kind)?;
    let text = |name: &str| found[name].as_str().unwrap_or_default();
    Some((text("status"), text("reason"), text("message")))
}

/// An object of the cluster from the fields of a resource; what says whose it is comes on top of it.
pub(crate) fn manifest(native: &Native, namespace: &str, name: &str, config: &Json) -> Json {
    if native.is_whole() {
        return crate::manifest::object(native, namespace, name, config);
    }
    let mut object = serde_json::json!({
        "apiVersion": native.api,
        "kind": native.kind,
        "metadata": { "name": name, "namespace": namespace },
    });
    for member in native.all() {
        if let Some(value) = config.get(member.name()).filter(|value| !value.is_null()) {
            put(&mut object, &mut member.path(), value.clone());
        }
    }
    object
}

fn put(object: &mut Json, path: &mut dyn Iterator<Item = &'static str>, value: Json) {
    match path.next() {
        None => *object = value,
        Some(word) => {
            if !object.is_object() {
                *object = Json::Object(Map::new());
            }
            if let Some(items) = object.as_object_mut() {
                put(items.entry(word).or_insert(Json::Null), path, value);
            }
        }
    }
}

/// What lies at a member of an object.
pub(crate) fn at<'j>(object: &'j Json, member: &Member) -> Option<&'j Json> {
    member.path().try_fold(object, |value, word| value.get(word)).filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn list_and_folder_agree() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("natives");
        let stem = |entry: std::io::Result<std::fs::DirEntry>| {
            entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned()
        };
        let files: BTreeSet<String> =
            std::fs::read_dir(folder).unwrap().map(stem).filter(|name| name != "mod").collect();
        let listed: Vec<String> = NATIVES.iter().map(|native| native.word.to_owned()).collect();
        assert_eq!(files.into_iter().collect::<Vec<_>>(), listed);
    }

    #[test]
    fn a_kind_is_documented_and_its_fields_have_one_place_each() {
        for native in NATIVES {
            let table = native.table();
            let names: BTreeSet<&str> = table.fields.iter().map(|field| field.name.as_str()).collect();
            assert_eq!(names.len(), table.fields.len(), "{}", native.kind);
            assert!(!table.doc.is_empty() && table.fields.iter().all(|field| field.doc.ends_with('.')));
        }
    }

    #[test]
    fn an_object_has_its_fields_where_the_cluster_wants_them() {
        let config = serde_json::json!({
            "address": "endpoint.x", "namespace": "ml", "replicas": 2, "selector": {"matchLabels": {"a": "b"}},
            "labels": {"team": "risk"}, "strategy": null,
        });
        let made = manifest(&deployment::NATIVE, "ml", "x", &config);
        let wanted = serde_json::json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "x", "namespace": "ml", "labels": {"team": "risk"}},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}},
        });
        assert_eq!(made, wanted);
        assert_eq!(deployment::NATIVE.url("ml"), "/apis/apps/v1/namespaces/ml/deployments");
        assert_eq!(config_map::NATIVE.url("ml"), "/api/v1/namespaces/ml/configmaps");
    }
}
