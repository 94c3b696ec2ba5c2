//! What a change needs to be permitted: asked of the cluster before anything is changed, and written as the role that is enough.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};
use mlp_provider::{Call, CallKind, ErrorClass, ProviderError};
use serde_json::{Value as Json, json};

use crate::cluster::Cluster;
use crate::codes;
use crate::fault::Fallible;
use crate::mlp_diag::{Blame, Diagnostic, Diagnostics};
use crate::mlp_value::ResourceId;
use crate::natives::Native;
use crate::session::Kubernetes;

/// Questions that are under way at once.
const AT_ONCE: usize = 16;
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// One verb on one resource; `pods/log` names a part of one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Permit {
    group: &'static str,
    resource: &'static str,
    verb: &'static str,
}

impl Permit {
    const fn new(group: &'static str, resource: &'static str, verb: &'static str) -> Self {
        Self { group, resource, verb }
    }

    /// `deployments.apps`.
    fn named(&self) -> String {
        if self.group.is_empty() {
            self.resource.to_owned()
        } else {
            format!("{}.{}", self.resource, self.group)
        }
    }
}

/// What tells why an object does not become ready.
const PODS: [Permit; 3] =
    [Permit::new("", "events", "list"), Permit::new("", "pods", "list"), Permit::new("", "pods/log", "get")];

/// What a change of an object of a kind needs.
fn of_change(native: &Native, change: CallKind) -> BTreeSet<Permit> {
    let verbs: &[&'static str] = match change {
        CallKind::Create => &["get", "list", "create", "patch"],
        CallKind::Update | CallKind::NewVersion => &["get", "list", "patch"],
        CallKind::Delete => &["get", "list", "watch", "delete"],
    };
    let mut all: BTreeSet<Permit> = of(native, verbs).collect();
    if native.health.is_some() && change != CallKind::Delete {
        all.extend(of(native, &["watch"]));
        if native.namespaced() {
            all.extend(PODS);
        }
    }
    all
}

fn of(native: &Native, verbs: &[&'static str]) -> impl Iterator<Item = Permit> {
    verbs.iter().map(|verb| Permit::new(native.group(), native.plural, verb))
}

/// All that a specification needs which is made of these kinds: to change them, and to run and look at what they are.
fn of_kinds<'n>(kinds: impl IntoIterator<Item = &'n Native>) -> BTreeSet<Permit> {
    let mut all = BTreeSet::new();
    for native in kinds {
        for change in [CallKind::Create, CallKind::Delete] {
            all.extend(of_change(native, change));
        }
        if native.kind == "Deployment" {
            // By which of the two it is asked depends on the version of the cluster.
            all.extend(["create", "get"].map(|verb| Permit::new("", "pods/portforward", verb)));
        }
        if native.kind == "CronJob" {
            let verbs = ["get", "list", "watch", "create", "delete"];
            all.extend(verbs.map(|verb| Permit::new("batch", "jobs", verb)));
            all.extend(PODS);
        }
    }
    all
}

/// What a state in the cluster needs: its objects, and the lease of whoever applies.
fn of_state() -> impl Iterator<Item = Permit> {
    let verbs = ["create", "delete", "get", "list", "update"];
    let leases = ["create", "get", "update"];
    let objects = verbs.map(|verb| Permit::new("", "secrets", verb)).into_iter();
    objects.chain(leases.map(|verb| Permit::new("coordination.k8s.io", "leases", verb)))
}

impl Kubernetes {
    /// The calls that the credentials may not make, or whose end they may not see: a diagnostic for each resource, with its verbs.
    pub(crate) async fn refused(&self, calls: &[(&ResourceId, &Call)]) -> Fallible<Diagnostics> {
        let mut needed: BTreeMap<(String, Permit), &ResourceId> = BTreeMap::new();
        for (id, call) in calls {
            let Some(place) = self.of_call(call).await? else { continue };
            let namespace = if place.native.namespaced() { place.namespace } else { "" };
            for permit in of_change(place.native, call.kind) {
                needed.entry((namespace.to_owned(), permit)).or_insert(id);
            }
        }
        let mut asked = Vec::with_capacity(needed.len());
        for ((namespace, permit), id) in needed {
            asked.push(async move {
                let why = self.cluster.forbids(&namespace, &permit).await?;
                Ok::<_, ProviderError>(why.map(|why| (namespace, permit, id, why)))
            });
        }
        let mut answers = stream::iter(asked).buffered(AT_ONCE);
        let mut refused: BTreeMap<(String, String), (Vec<&str>, &ResourceId, String)> = BTreeMap::new();
        while let Some(answer) = answers.next().await {
            if let Some((namespace, permit, id, why)) = answer? {
                let said = refused.entry((namespace, permit.named())).or_insert((Vec::new(), id, why));
                said.0.push(permit.verb);
            }
        }
        Ok(refused.into_iter().map(said).collect())
    }
}

fn said(
    ((namespace, resource), (verbs, id, why)): ((String, String), (Vec<&str>, &ResourceId, String)),
) -> Diagnostic {
    let place = match namespace.as_str() {
        "" => "in the whole cluster".to_owned(),
        namespace => format!("in namespace {namespace}"),
    };
    let headline = format!("may not {} {resource} {place}", verbs.join(", "));
    let found = Diagnostic::error(codes::DENIED, headline).blame(Blame::Provider).on(&id.address, "");
    let found = if why.is_empty() { found } else { found.note(why) };
    found
        .note("nothing was changed")
        .help("have it permitted: `mlp emit rbac` writes the role that this specification needs")
}

impl Cluster {
    /// Why the credentials may not do something; none where they may.
    async fn forbids(&self, namespace: &str, permit: &Permit) -> Fallible<Option<String>> {
        let (resource, part) = permit.resource.split_once('/').unwrap_or((permit.resource, ""));
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": {
                "namespace": namespace, "group": permit.group, "resource": resource, "subresource": part,
                "verb": permit.verb,
            } },
        });
        let answer = self.create(REVIEWS, &review, "ask what is permitted").await;
        match answer {
            Ok(answer) if answer["status"]["allowed"] == true => Ok(None),
            Ok(answer) => Ok(Some(answer["status"]["reason"].as_str().unwrap_or_default().to_owned())),
            // Every user may ask unless a cluster takes that away; then the calls themselves tell.
            Err(error) if error.class == ErrorClass::Denied => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What a specification needs permits for beside its objects.
pub(crate) struct Also<'a> {
    /// The namespace of the state, where it lies in the cluster.
    pub(crate) state: Option<&'a str>,
    /// Whether programs are started in pods, which answer for a registry.
    pub(crate) asks: bool,
}

/// The roles that are enough for a specification made of these kinds in these namespaces, with who has them: for a platform team to
/// apply.
pub(crate) fn role(
    kinds: &[(&'static Native, &str)],
    also: &Also<'_>,
    namespace: &str,
    name: &str,
) -> Vec<Json> {
    let state = also.state;
    let mut places: BTreeMap<&str, Vec<&'static Native>> = BTreeMap::from([(namespace, Vec::new())]);
    for (native, place) in kinds.iter().filter(|(native, _)| native.namespaced()) {
        places.entry(place).or_default().push(native);
    }
    if let Some(state) = state {
        places.entry(state).or_default();
    }
    let mut all = vec![
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name, "namespace": namespace } }),
    ];
    let subject = json!({ "kind": "ServiceAccount", "name": name, "namespace": namespace });
    // First where everything is, then where else something is.
    let here = places.remove(namespace).unwrap_or_default();
    for (place, natives) in std::iter::once((namespace, here)).chain(places) {
        let mut permits = of_kinds(natives);
        if state == Some(place) {
            permits.extend(of_state());
        }
        if also.asks && place == namespace {
            let asks = [("pods/exec", "create"), ("pods/exec", "get"), ("pods", "list")];
            permits.extend(asks.map(|(resource, verb)| Permit::new("", resource, verb)));
        }
        if place == namespace {
            // What is listed to find what nobody declares any more.
            permits.extend(crate::natives::NATIVES.iter().flat_map(|native| of(native, &["list"])));
        }
        all.extend(granted(("Role", name), Some(place), &permits, &subject));
    }
    let mut wide = of_kinds(kinds.iter().map(|(native, _)| *native).filter(|native| !native.namespaced()));
    // Without it a volume that waits for its first pod is told by its events, some seconds later.
    if kinds.iter().any(|(native, _)| native.kind == "PersistentVolumeClaim") {
        wide.insert(Permit::new("storage.k8s.io", "storageclasses", "get"));
    }
    if !wide.is_empty() {
        all.extend(granted(("ClusterRole", &format!("{name}-{namespace}")), None, &wide, &subject));
    }
    all
}

/// A role, and that somebody has it.
fn granted(
    (kind, name): (&str, &str),
    place: Option<&str>,
    permits: &BTreeSet<Permit>,
    subject: &Json,
) -> [Json; 2] {
    let api = "rbac.authorization.k8s.io/v1";
    let mut metadata = json!({ "name": name });
    if let Some(place) = place {
        metadata["namespace"] = json!(place);
    }
    let role = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name });
    [
        json!({ "apiVersion": api, "kind": kind, "metadata": metadata, "rules": rules(permits) }),
        json!({
            "apiVersion": api, "kind": format!("{kind}Binding"), "metadata": metadata,
            "roleRef": role, "subjects": [subject],
        }),
    ]
}

fn rules(permits: &BTreeSet<Permit>) -> Vec<Json> {
    let mut by_resource: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for permit in permits {
        by_resource.entry((permit.group, permit.resource)).or_default().push(permit.verb);
    }
    let mut by_verbs: BTreeMap<(&str, Vec<&str>), Vec<&str>> = BTreeMap::new();
    for ((group, resource), verbs) in by_resource {
        by_verbs.entry((group, verbs)).or_default().push(resource);
    }
    by_verbs
        .into_iter()
        .map(|((group, verbs), resources)| json!({ "apiGroups": [group], "resources": resources, "verbs": verbs }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::natives::native;

    #[test]
    fn a_change_needs_what_it_does_and_what_tells_its_end() {
        let verbs = |kind: &str, change| -> Vec<String> {
            let all = of_change(native(kind).unwrap(), change);
            all.iter().map(|permit| format!("{} {}", permit.verb, permit.named())).collect()
        };
        let map = "kubernetes_config_map";
        assert_eq!(verbs(map, CallKind::Update), ["get configmaps", "list configmaps", "patch configmaps"]);
        let made = verbs("kubernetes_deployment", CallKind::Create);
        for wanted in ["create deployments.apps", "watch deployments.apps", "get pods/log", "list events"] {
            assert!(made.contains(&wanted.to_owned()), "{wanted}: {made:?}");
        }
        assert!(!made.contains(&"delete deployments.apps".to_owned()));
    }

    #[test]
    fn a_role_has_what_its_kinds_need_and_no_more() {
        let only = Also { state: None, asks: false };
        let kinds = [(native("kubernetes_config_map").unwrap(), "ml")];
        let all = role(&kinds, &only, "ml", "mlp");
        let text = json!(all[1]["rules"]).to_string();
        assert_eq!(all.len(), 3);
        assert!(
            text.contains(
                r#""resources":["configmaps"],"verbs":["create","delete","get","list","patch","watch"]"#
            ),
            "{text}"
        );
        assert!(!text.contains("pods"), "{text}");
        let volume = [(native("kubernetes_persistent_volume_claim").unwrap(), "ml")];
        assert_eq!(role(&volume, &only, "ml", "mlp").len(), 5);
        let queue = crate::discovery::kept("kueue.x-k8s.io/v1beta1", "ClusterQueue", "clusterqueues", false);
        let also = Also { state: Some("ml"), asks: true };
        let elsewhere = role(&[(queue, "ml"), (volume[0].0, "data")], &also, "ml", "mlp");
        let kinds: Vec<&str> = elsewhere.iter().filter_map(|one| one["kind"].as_str()).collect();
        let pair = ["Role", "RoleBinding"];
        assert_eq!(
            kinds,
            [&["ServiceAccount"][..], &pair, &pair, &["ClusterRole", "ClusterRoleBinding"]].concat()
        );
        assert!(elsewhere[5]["rules"].to_string().contains("clusterqueues"));
        let here = elsewhere[1]["rules"].to_string();
        assert!(here.contains("leases") && here.contains("pods/exec"), "{here}");
    }
}
