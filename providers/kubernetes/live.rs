//! Against a real API server with its controllers, where pods only pretend: `MLP_RIG_PRETEND_KUBECONFIG` names it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use mlp_provider::{
    Call, CallKind, Desired, ErrorClass, Event, Owner, Provider, Ready, Reporter, RunRequest, Seen, Session,
    Target,
};
use mlp_provider_testkit::{Sample, ask};
use serde_json::{Value as Json, json};

use crate::cluster::Cluster;
use crate::mlp_value::{KnownValue, ResourceId};
use crate::{codes, connect, manifest, names, natives, session};

struct Quiet;

impl Reporter for Quiet {
    fn event(&self, _event: Event) {}
}

/// Whoever has had enough already.
struct Impatient;

impl Reporter for Impatient {
    fn event(&self, _event: Event) {}

    fn cancelled(&self) -> bool {
        true
    }
}

/// The kubeconfig of the cluster; without one the test is skipped, loudly, or fails where servers are required.
fn kubeconfig() -> Option<String> {
    let found = std::env::var("MLP_RIG_PRETEND_KUBECONFIG").ok().filter(|path| !path.is_empty());
    if found.is_none() {
        assert!(
            std::env::var_os("MLP_REQUIRE_SERVERS").is_none(),
            "MLP_RIG_PRETEND_KUBECONFIG is not set, and servers are required"
        );
        eprintln!(
            "SKIPPED MLP_RIG_PRETEND_KUBECONFIG is not set: start a cluster with tests/rig/rig up --pretend"
        );
    }
    found
}

fn target(kubeconfig: &str, namespace: &str) -> Target {
    let provider = json!({"kubeconfig": kubeconfig, "namespace": namespace});
    Target {
        project: "churn".into(),
        environment: "onprem".into(),
        lineage: "lineage-1".into(),
        directory: "/".into(),
        home: "/p/.mlp/onprem".into(),
        provider: KnownValue::from_json(&provider).unwrap(),
        program: String::new(),
        secrets: Default::default(),
        take_over: false,
    }
}

/// A namespace of its own, which ends with the test.
pub(crate) struct World {
    pub cluster: Cluster,
    pub target: Target,
}

impl World {
    pub(crate) async fn new() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let kubeconfig = kubeconfig()?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("mlp-test-{}-{number}", std::process::id());
        let target = target(&kubeconfig, &name);
        let cluster = connect::connect(&target).await.unwrap();
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        cluster.create("/api/v1/namespaces", &namespace, "make a namespace").await.unwrap();
        Some(Self { cluster, target })
    }

    fn session(&self) -> Arc<dyn Session> {
        self.session_as(|_| {})
    }

    fn session_as(&self, change: impl Fn(&mut Target)) -> Arc<dyn Session> {
        let mut target = self.target.clone();
        change(&mut target);
        let cluster = self.cluster.again();
        Arc::new(session::Kubernetes::new(cluster, &target))
    }

    fn namespace(&self) -> &str {
        &self.cluster.namespace
    }

    fn identity(&self, kind: &str, name: &str) -> String {
        names::identity(natives::native(kind).unwrap(), self.namespace(), name)
    }

    pub(crate) fn call(&self, kind: CallKind, resource: &str, name: &str, fields: Json) -> Call {
        let mut config = fields;
        config["namespace"] = json!(self.namespace());
        config["address"] = json!(format!("{resource}.{name}"));
        Call {
            operation: format!("{resource}.apply"),
            kind,
            resource: resource.into(),
            identity: self.identity(resource, name),
            body: KnownValue::from_json(&config).unwrap().lift(),
        }
    }

    async fn raw(&self, method: &str, url: &str, body: &Json, manager: &str) -> Json {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("{url}?fieldManager={manager}"))
            .header("content-type", "application/merge-patch+json")
            .body(serde_json::to_vec(body).unwrap())
            .unwrap();
        self.cluster.call("change it behind our back", request).await.unwrap()
    }

    fn url(&self, kind: &str, name: &str) -> String {
        format!("{}/{name}", natives::native(kind).unwrap().url(self.namespace()))
    }

    pub(crate) async fn end(self) {
        let url = "/api/v1/namespaces";
        let name = self.namespace().to_owned();
        let there = self.cluster.get_at(url, &name, "read the namespace").await.unwrap().unwrap();
        let uid = there["metadata"]["uid"].as_str().unwrap();
        self.cluster.delete(url, &name, uid, "end the namespace").await.unwrap();
    }
}

fn pod() -> Json {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{
        "name": "main", "image": "registry.invalid/x@sha256:0", "env": [{"name": "A", "value": "1"}],
        "ports": [{"containerPort": 80}],
    }]}})
}

/// A sample of every kind: its fields, and what is changed in place afterwards.
fn samples() -> Vec<(&'static str, Json, Json)> {
    let job = json!({"spec": {"backoffLimit": 0, "template": {"spec": {
        "restartPolicy": "Never", "containers": [{"name": "fit", "image": "registry.invalid/x"}],
    }}}});
    let mut other = pod();
    other["spec"]["containers"][0]["env"][0]["value"] = json!("2");
    vec![
        ("service_account", json!({"automountServiceAccountToken": false}), json!({"labels": {"a": "b"}})),
        ("config_map", json!({"data": {"a": "1", "b": "2"}}), json!({"data": {"a": "3"}})),
        (
            "role",
            json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}),
            json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]}),
        ),
        (
            "role_binding",
            json!({"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "x"}}),
            json!({"subjects": [{"kind": "ServiceAccount", "name": "x"}]}),
        ),
        (
            "persistent_volume_claim",
            json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}),
            json!({"annotations": {"a": "b"}}),
        ),
        ("resource_quota", json!({"hard": {"pods": "50"}}), json!({"hard": {"pods": "60"}})),
        (
            "network_policy",
            json!({"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"]}),
            json!({"policyTypes": ["Ingress", "Egress"]}),
        ),
        ("job", job["spec"].clone(), json!({"ttlSecondsAfterFinished": 3600})),
        (
            "deployment",
            json!({"selector": {"matchLabels": {"app": "web"}}, "template": pod()}),
            json!({"template": other}),
        ),
        (
            "service",
            json!({"selector": {"app": "web"}, "ports": [{"port": 80, "name": "http"}]}),
            json!({"ports": [{"port": 81, "name": "http"}]}),
        ),
        (
            "horizontal_pod_autoscaler",
            json!({
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"},
                "minReplicas": 2, "maxReplicas": 4,
            }),
            json!({"maxReplicas": 5}),
        ),
        (
            "cron_job",
            json!({"schedule": "0 0 31 2 *", "suspend": true, "jobTemplate": job}),
            json!({"suspend": false}),
        ),
    ]
}

fn sample(world: &World, (word, config, change): (&str, Json, Json)) -> Sample {
    let kind = format!("kubernetes_{word}");
    let id: ResourceId = format!("resource.{word}").parse().unwrap();
    let mut config = config;
    config["namespace"] = json!(world.namespace());
    config["address"] = json!(id.to_string());
    let change = KnownValue::from_json(&change).unwrap();
    let config = KnownValue::from_json(&config).unwrap().lift();
    let desired = Desired::new(id, &kind, world.identity(&kind, "x"), config);
    let change = change.as_object().unwrap().iter().map(|(name, value)| (name.to_string(), value.clone()));
    Sample { desired, change: change.collect(), secrets: Vec::new() }
}

/// An object that is given as a whole, of a kind of the cluster's own.
fn whole(world: &World) -> Sample {
    let manifest = |value: &str| {
        json!({
            "apiVersion": "v1", "kind": "LimitRange",
            "spec": {"limits": [{"type": "Container", "default": {"cpu": value}}]},
        })
    };
    let id: ResourceId = "kubernetes_manifest.limits".parse().unwrap();
    let config = json!({
        "address": id.to_string(), "namespace": world.namespace(), "object_kind": "LimitRange",
        "object_name": "limits", "manifest": manifest("500m"),
    });
    let identity = format!("LimitRange/{}/limits", world.namespace());
    let config = KnownValue::from_json(&config).unwrap().lift();
    let desired = Desired::new(id, manifest::NAME, identity, config);
    let change = [("manifest".to_owned(), KnownValue::from_json(&manifest("250m")).unwrap())];
    Sample { desired, change: change.into_iter().collect(), secrets: Vec::new() }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_answers_every_question() {
    let Some(world) = World::new().await else { return };
    let samples: Vec<Sample> =
        samples().into_iter().map(|one| sample(&world, one)).chain([whole(&world)]).collect();
    let provider: Box<dyn Provider> = crate::provider(None);
    assert_eq!(ask(&*provider, &*world.session(), &samples).await, []);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_manager_changed_is_seen_and_not_overwritten_unasked() {
    let Some(world) = World::new().await else { return };
    let (session, kind) = (world.session(), "kubernetes_config_map");
    let call = |value: &str, change| world.call(change, kind, "x", json!({"data": {"a": value, "b": "2"}}));
    session.perform(&call("1", CallKind::Create), &Quiet).await.unwrap();
    // A field that we never set is not ours, one that we set is.
    world.raw("PATCH", &world.url(kind, "x"), &json!({"data": {"a": "other", "c": "3"}}), "ann").await;
    let read = || async {
        let seen = session.read(kind, &world.identity(kind, "x")).await.unwrap();
        let Seen::Present(seen) = seen else { panic!("it is gone") };
        assert_eq!(seen.owner, Owner::Mine);
        seen.config.to_plain_json()["data"].clone()
    };
    assert_eq!(read().await, json!({"a": "other", "b": "2"}));
    assert!(!session.owned().await.unwrap().unwrap()[0].untouched);
    let update = call("1", CallKind::Update);
    for error in
        [session.rehearse(&update).await.unwrap_err(), session.perform(&update, &Quiet).await.unwrap_err()]
    {
        assert_eq!((error.class, error.diagnostic.code.as_str()), (ErrorClass::Conflict, codes::TAKEN));
        assert!(
            error.diagnostic.notes[0].contains("\"ann\"") && error.diagnostic.notes[0].contains("data.a")
        );
    }
    let taking = world.session_as(|target| target.take_over = true);
    taking.perform(&update, &Quiet).await.unwrap();
    assert_eq!(read().await, json!({"a": "1", "b": "2"}));
    // What is taken out of the specification goes, what the other set stays.
    let fewer = world.call(CallKind::Update, kind, "x", json!({"data": {"a": "1"}}));
    taking.perform(&fewer, &Quiet).await.unwrap();
    let live =
        world.cluster.get(natives::native(kind).unwrap(), world.namespace(), "x").await.unwrap().unwrap();
    assert_eq!(live["data"], json!({"a": "1", "c": "3"}));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_is_never_touched() {
    let Some(world) = World::new().await else { return };
    let kind = "kubernetes_config_map";
    let call = |change| world.call(change, kind, "x", json!({"data": {"a": "1"}}));
    world
        .session_as(|target| target.lineage = "lineage-2".into())
        .perform(&call(CallKind::Create), &Quiet)
        .await
        .unwrap();
    let session = world.session();
    for change in [CallKind::Create, CallKind::Update, CallKind::Delete] {
        let error = session.perform(&call(change), &Quiet).await.unwrap_err();
        assert_eq!((error.class, error.diagnostic.code.as_str()), (ErrorClass::Conflict, codes::REFUSED));
    }
    let Seen::Present(seen) = session.read(kind, &world.identity(kind, "x")).await.unwrap() else { panic!() };
    assert_eq!(seen.owner, Owner::Foreign);
    // An object that went meanwhile is not made by an update.
    let gone = world.call(CallKind::Update, kind, "y", json!({"data": {"a": "1"}}));
    assert_eq!(session.perform(&gone, &Quiet).await.unwrap_err().class, ErrorClass::Conflict);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_says_what_the_cluster_would_refuse_or_write_otherwise() {
    let Some(world) = World::new().await else { return };
    let session = world.session();
    let deployment = |field: &str, value: Json| {
        let mut template = pod();
        template["spec"]["containers"][0][field] = value;
        let fields = json!({"selector": {"matchLabels": {"app": "web"}}, "template": template});
        world.call(CallKind::Create, "kubernetes_deployment", "x", fields)
    };
    for (call, code, said) in [
        (deployment("imagee", json!("x")), codes::REFUSED, "imagee"),
        (deployment("imagePullPolicy", json!("Sometimes")), codes::REFUSED, "imagePullPolicy"),
        (deployment("resources", json!({"requests": {"cpu": "0.5"}})), codes::VALUE, "\"500m\""),
    ] {
        let error = session.rehearse(&call).await.unwrap_err();
        let text = format!("{} {}", error.diagnostic.headline, error.diagnostic.notes.join(" "));
        assert_eq!((error.class, error.diagnostic.code.as_str()), (ErrorClass::Invalid, code), "{text}");
        assert!(text.contains(said), "{text}");
    }
    session.rehearse(&deployment("imagePullPolicy", json!("Always"))).await.unwrap();
    let identity = world.identity("kubernetes_deployment", "x");
    assert_eq!(session.read("kubernetes_deployment", &identity).await.unwrap(), Seen::Absent);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_says_who_holds_it() {
    let Some(world) = World::new().await else { return };
    let (session, kind) = (world.session(), "kubernetes_config_map");
    session
        .perform(&world.call(CallKind::Create, kind, "x", json!({"data": {"a": "1"}})), &Quiet)
        .await
        .unwrap();
    let url = world.url(kind, "x");
    world.raw("PATCH", &url, &json!({"metadata": {"finalizers": ["acme.io/backup"]}}), "ann").await;
    let delete = world.call(CallKind::Delete, kind, "x", json!({}));
    let error = session.perform(&delete, &Impatient).await.unwrap_err();
    assert_eq!(error.diagnostic.code, codes::HELD);
    assert!(error.diagnostic.headline.contains("acme.io/backup"), "{}", error.diagnostic.headline);
    // Nothing new is made in its place before it is gone.
    let again = world.call(CallKind::Create, kind, "x", json!({"data": {"a": "1"}}));
    assert_eq!(session.perform(&again, &Quiet).await.unwrap_err().class, ErrorClass::Transient);
    world.raw("PATCH", &url, &json!({"metadata": {"finalizers": null}}), "ann").await;
    session.perform(&delete, &Quiet).await.unwrap();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_become_ready_says_why() {
    let Some(world) = World::new().await else { return };
    let session = world.session();
    let wait = |kind: &'static str| {
        let session = session.clone();
        let identity = world.identity(kind, "x");
        async move {
            let Ready::Wait(text) = session.ready(kind, &identity).await.unwrap() else {
                panic!("it is ready")
            };
            text
        }
    };
    let quota =
        world.call(CallKind::Create, "kubernetes_resource_quota", "x", json!({"hard": {"pods": "0"}}));
    session.perform(&quota, &Quiet).await.unwrap();
    while session.ready(&quota.resource, &quota.identity).await.unwrap() != Ready::Yes {}
    let fields = json!({"selector": {"matchLabels": {"app": "web"}}, "template": pod(), "progressDeadlineSeconds": 600});
    let call = world.call(CallKind::Create, "kubernetes_deployment", "x", fields);
    session.perform(&call, &Quiet).await.unwrap();
    let said = wait("kubernetes_deployment").await;
    assert!(said.contains("exceeded quota"), "{said}");
    let fields = json!({
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "nobody-has-it",
    });
    let claim = world.call(CallKind::Create, "kubernetes_persistent_volume_claim", "x", fields);
    session.perform(&claim, &Quiet).await.unwrap();
    let said = wait("kubernetes_persistent_volume_claim").await;
    assert!(said.contains("nobody-has-it"), "{said}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_runs_to_its_end_and_is_told_of() {
    let Some(world) = World::new().await else { return };
    let session = world.session();
    let job = json!({
        "metadata": {
            "labels": {"mlp.dev/run-of": "x", "mlp.dev/project": "churn", "mlp.dev/environment": "onprem"},
            "annotations": {"mlp.dev/pipeline": "pipeline.x"},
        },
        "spec": {"backoffLimit": 0, "template": {"spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "fit", "image": "registry.invalid/x"}],
        }}},
    });
    let fields = json!({"schedule": "0 0 31 2 *", "suspend": true, "jobTemplate": job});
    let call = world.call(CallKind::Create, "kubernetes_cron_job", "x", fields);
    session.perform(&call, &Quiet).await.unwrap();
    let request = |steps: &[&str]| RunRequest {
        resource: call.resource.clone(),
        identity: call.identity.clone(),
        id: "pipeline.x".parse().unwrap(),
        params: Default::default(),
        who: "ann@host".into(),
        commit: Some("abc".into()),
        fresh: false,
        steps: steps.iter().map(|step| (*step).to_owned()).collect(),
    };
    let summary = session.run(&request(&[]), &Quiet).await.unwrap();
    assert_eq!(summary.status, "succeeded", "{summary:?}");
    assert_eq!(summary.steps["fit"].status, "succeeded");
    let runs = session.runs(Some("pipeline.x"), 10).await.unwrap().unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!((runs[0].run.as_str(), runs[0].who.as_str()), (summary.run.as_str(), "ann@host"));
    assert_eq!(session.runs(Some("pipeline.y"), 10).await.unwrap().unwrap(), []);
    assert_eq!(session.run(&request(&["fit"]), &Quiet).await.unwrap_err().diagnostic.code, codes::RUN);
    // The runs go with the pipeline.
    session
        .perform(&world.call(CallKind::Delete, "kubernetes_cron_job", "x", json!({})), &Quiet)
        .await
        .unwrap();
    assert_eq!(session.runs(None, 10).await.unwrap().unwrap(), []);
    world.end().await;
}

#[tokio::test]
async fn a_context_that_is_named_is_the_one_that_is_used() {
    let Some(kubeconfig) = kubeconfig() else { return };
    let with = |settings: Json| Target {
        provider: KnownValue::from_json(&settings).unwrap(),
        ..target(&kubeconfig, "default")
    };
    for (settings, code, said) in [
        (json!({"kubeconfig": kubeconfig}), codes::SETTINGS, "namespace"),
        (
            json!({"kubeconfig": kubeconfig, "namespace": "x", "context": "nobody"}),
            codes::SETTINGS,
            "no context `nobody`",
        ),
        (json!({"kubeconfig": "/nowhere/config", "namespace": "x"}), codes::SETTINGS, "cannot be used"),
    ] {
        let error = connect::connect(&with(settings)).await.err().unwrap();
        assert_eq!(error.diagnostic.code, code, "{}", error.diagnostic.headline);
        assert!(error.diagnostic.headline.contains(said), "{}", error.diagnostic.headline);
        assert!(error.diagnostic.help.is_some());
    }
}
