//! What a cluster serves: groups, versions, kinds and the types of their fields, as it says itself.
//!
//! Asked of the API server when a specification declares an object of a kind that has no table here, once a session.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use mlp_provider::ErrorClass;
use serde_json::Value as Json;

use crate::cluster::Cluster;
use crate::fault::Fallible;
use crate::manifest;
use crate::natives::{Form, Native};
use crate::schema::Schema;

/// A kind by its group: `LocalQueue.kueue.x-k8s.io`, `ConfigMap` for one of the oldest group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind {
    /// `kueue.x-k8s.io`, empty for the oldest one.
    pub group: String,
    /// `LocalQueue`.
    pub kind: String,
}

impl Kind {
    pub(crate) fn new(group: &str, kind: &str) -> Self {
        Self { group: group.to_owned(), kind: kind.to_owned() }
    }

    /// As the first word of an identity says it.
    pub(crate) fn of_word(word: &str) -> Self {
        let (kind, group) = word.split_once('.').unwrap_or((word, ""));
        Self::new(group, kind)
    }

    /// The first word of its identities.
    pub(crate) fn word(&self) -> String {
        match self.group.as_str() {
            "" => self.kind.clone(),
            group => format!("{}.{group}", self.kind),
        }
    }
}

/// What is known of a group.
#[derive(Debug, Default)]
struct Group {
    /// The versions with their kinds, the one the cluster prefers first.
    versions: Vec<(String, Vec<&'static Native>)>,
}

/// What was learned so far.
#[derive(Default)]
pub(crate) struct Discovery {
    groups: Mutex<BTreeMap<String, Arc<Group>>>,
    documents: Mutex<BTreeMap<&'static str, Option<Arc<Json>>>>,
}

/// Whether a cluster serves a kind.
#[derive(Debug, Clone)]
pub(crate) enum Served {
    /// In that version.
    Yes(&'static Native),
    /// In others than the one that was asked for.
    Otherwise(Vec<String>),
    /// It has the group, and these kinds in it.
    NoKind(Vec<String>),
    /// It does not have the group.
    NoGroup,
}

impl Discovery {
    /// How the cluster serves a kind: in the version that is asked for, else in the one that it prefers.
    pub(crate) async fn served(
        &self,
        cluster: &Cluster,
        kind: &Kind,
        version: Option<&str>,
    ) -> Fallible<Served> {
        let Some(group) = self.group(cluster, &kind.group).await? else { return Ok(Served::NoGroup) };
        let found: Vec<&'static Native> = group
            .versions
            .iter()
            .filter_map(|(_, kinds)| kinds.iter().copied().find(|native| native.kind == kind.kind))
            .collect();
        let wanted =
            found.iter().find(|native| version.is_none_or(|wanted| version_of(native.api) == wanted));
        Ok(match wanted {
            Some(native) => Served::Yes(native),
            None if found.is_empty() => {
                // It may have been defined meanwhile.
                self.groups.lock().unwrap_or_else(PoisonError::into_inner).remove(&kind.group);
                let all = group.versions.iter().flat_map(|(_, kinds)| kinds);
                Served::NoKind(all.map(|native| native.kind.to_owned()).collect())
            }
            None => Served::Otherwise(found.iter().map(|native| native.api.to_owned()).collect()),
        })
    }

    async fn group(&self, cluster: &Cluster, name: &str) -> Fallible<Option<Arc<Group>>> {
        if let Some(known) = self.groups.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Ok(Some(known.clone()));
        }
        let Some(apis) = cluster.versions(name).await? else { return Ok(None) };
        let mut group = Group::default();
        for api in apis {
            let kinds = cluster.kinds(&api).await?;
            group.versions.push((api, kinds));
        }
        let group = Arc::new(group);
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.insert(name.to_owned(), group.clone());
        Ok(Some(group))
    }

    /// Every kind that can be listed, in the version that the cluster prefers.
    pub(crate) async fn all(&self, cluster: &Cluster) -> Fallible<Vec<&'static Native>> {
        let answer = cluster.call("list the groups", Cluster::get_request("/apis")?).await?;
        let names = answer["groups"].as_array().into_iter().flatten();
        let mut found: BTreeMap<String, &'static Native> = BTreeMap::new();
        for name in std::iter::once("").chain(names.filter_map(|group| group["name"].as_str())) {
            let Some(group) = self.group(cluster, name).await? else { continue };
            for native in group.versions.iter().flat_map(|(_, kinds)| kinds) {
                found.entry(native.word.to_owned()).or_insert(native);
            }
        }
        Ok(found.into_values().collect())
    }

    /// The types of a kind's fields; none where the cluster does not tell them.
    pub(crate) async fn types(&self, cluster: &Cluster, native: &'static Native) -> Fallible<Option<Schema>> {
        let known = self.documents.lock().unwrap_or_else(PoisonError::into_inner).get(native.api).cloned();
        let document = match known {
            Some(known) => known,
            None => {
                let asked = cluster.types(native.api).await?.map(Arc::new);
                let mut documents = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
                documents.insert(native.api, asked.clone());
                asked
            }
        };
        Ok(document.and_then(|document| Schema::of(document, native)))
    }
}

impl Cluster {
    /// The versions of a group, the one it prefers first; none where it does not have the group.
    async fn versions(&self, group: &str) -> Fallible<Option<Vec<String>>> {
        if group.is_empty() {
            return Ok(Some(vec!["v1".to_owned()]));
        }
        let what = format!("ask for the group {group}");
        let Some(answer) = self.find_at(&format!("/apis/{group}"), &what).await? else { return Ok(None) };
        let preferred = answer.pointer("/preferredVersion/groupVersion").and_then(Json::as_str);
        let all = answer["versions"].as_array().into_iter().flatten();
        let others = all.filter_map(|one| one["groupVersion"].as_str()).filter(|one| Some(*one) != preferred);
        Ok(Some(preferred.into_iter().chain(others).map(str::to_owned).collect()))
    }

    /// The kinds of a version of a group.
    async fn kinds(&self, api: &str) -> Fallible<Vec<&'static Native>> {
        let root = if api.contains('/') { "apis" } else { "api" };
        let what = format!("ask for the kinds of {api}");
        // A version that went meanwhile has none.
        let answer = self.find_at(&format!("/{root}/{api}"), &what).await?.unwrap_or_default();
        let all = answer["resources"].as_array().into_iter().flatten();
        let whole = all.filter(|one| !one["name"].as_str().unwrap_or_default().contains('/'));
        Ok(whole.filter(|one| can(one, "get") && can(one, "patch")).map(|one| learned(api, one)).collect())
    }

    /// The document with the types of a version of a group.
    async fn types(&self, api: &str) -> Fallible<Option<Json>> {
        let root = if api.contains('/') { "apis" } else { "api" };
        match self.find_at(&format!("/openapi/v3/{root}/{api}"), &format!("read the types of {api}")).await {
            // Who may not read them is told by the cluster itself what is wrong, without the line.
            Err(error) if error.class == ErrorClass::Denied => Ok(None),
            answer => answer,
        }
    }
}

fn can(resource: &Json, verb: &str) -> bool {
    resource["verbs"].as_array().is_some_and(|verbs| verbs.iter().any(|one| one == verb))
}

/// `v1beta1` of `kueue.x-k8s.io/v1beta1`.
pub(crate) fn version_of(api: &str) -> &str {
    api.rsplit('/').next().unwrap_or(api)
}

/// `kueue.x-k8s.io` of `kueue.x-k8s.io/v1beta1` and of itself, nothing of `v1`.
pub(crate) fn group_of(api: &str) -> &str {
    match api.split_once('/') {
        Some((group, _)) => group,
        None if is_version(api) => "",
        None => api,
    }
}

/// The version that is asked for; none where only the group is named.
pub(crate) fn asked_version(api: &str) -> Option<&str> {
    api.split_once('/').map(|(_, version)| version).or_else(|| is_version(api).then_some(api))
}

/// `v1`, `v1beta2`. Source: "Kubernetes API versioning".
fn is_version(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('v') else { return false };
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let stage = rest.strip_prefix("alpha").or_else(|| rest.strip_prefix("beta"));
    let number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    text.chars().nth(1).is_some_and(|c| c.is_ascii_digit()) && stage.map_or(rest.is_empty(), number)
}

fn learned(api: &str, resource: &Json) -> &'static Native {
    let text = |name: &str| resource[name].as_str().unwrap_or_default();
    kept(api, text("kind"), text("name"), resource["namespaced"] == true)
}

/// A kind as every other part of this room takes it: kinds are few and are kept for as long as the program runs, so that those
/// that were learned are named as the ones with a table are.
pub(crate) fn kept(api: &str, kind: &str, plural: &str, namespaced: bool) -> &'static Native {
    type Kept = BTreeMap<(String, String, String, bool), &'static Native>;
    static KEPT: OnceLock<Mutex<Kept>> = OnceLock::new();
    let mut kept = KEPT.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let key = (api.to_owned(), kind.to_owned(), plural.to_owned(), namespaced);
    kept.entry(key).or_insert_with(|| {
        let text = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
        Box::leak(Box::new(manifest::native(
            text(Kind::new(group_of(api), kind).word()),
            (text(api.to_owned()), text(kind.to_owned()), text(plural.to_owned())),
            Form::Whole { namespaced },
        )))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_learned_once_and_named_as_kubectl_names_it() {
        let queue = kept("kueue.x-k8s.io/v1beta1", "LocalQueue", "localqueues", true);
        assert_eq!(queue.word, "LocalQueue.kueue.x-k8s.io");
        assert_eq!(queue.url("ml"), "/apis/kueue.x-k8s.io/v1beta1/namespaces/ml/localqueues");
        assert!(std::ptr::eq(queue, kept("kueue.x-k8s.io/v1beta1", "LocalQueue", "localqueues", true)));
        assert_eq!(Kind::of_word(queue.word), Kind::new("kueue.x-k8s.io", "LocalQueue"));
        let space = kept("v1", "Namespace", "namespaces", false);
        assert_eq!((space.word, space.url("ml").as_str()), ("Namespace", "/api/v1/namespaces"));
        for (api, group, version) in [
            ("v1", "", Some("v1")),
            ("batch/v1", "batch", Some("v1")),
            ("kueue.x-k8s.io/v1beta2", "kueue.x-k8s.io", Some("v1beta2")),
            ("kueue.x-k8s.io", "kueue.x-k8s.io", None),
            ("batch", "batch", None),
            ("v1.acme.io", "v1.acme.io", None),
        ] {
            assert_eq!((group_of(api), asked_version(api)), (group, version), "{api}");
        }
    }
}
