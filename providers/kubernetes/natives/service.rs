//! `kubernetes_service`.

use serde_json::{Value as Json, json};

use super::{Form, Member, Native};

pub(super) const NATIVE: Native = Native {
    word: "service",
    doc: "One name and address for several pods.",
    api: "v1",
    kind: "Service",
    plural: "services",
    form: Form::Fields,
    stateful: false,
    members: &[
        Member::new("spec.selector", "The labels of its pods.").texts(),
        Member::new("spec.ports", "The ports it answers on, and those of its pods."),
        Member::new("spec.type", "`ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`."),
        Member::new("spec.clusterIP", "Its address, or `None` for one without.")
            .fixed("the address of a Service cannot be changed"),
        Member::new("spec.externalName", "The name outside it stands for."),
        Member::new("spec.publishNotReadyAddresses", "Whether pods count before they are ready."),
        Member::new("spec.sessionAffinity", "Whether a caller stays with one pod."),
    ],
    health: None,
    tells,
};

/// Where it answers inside the cluster.
fn tells(object: &Json) -> Vec<(&'static str, Json)> {
    let text = |path: &str| object.pointer(path).and_then(Json::as_str);
    let port = object.pointer("/spec/ports/0/port").and_then(Json::as_i64);
    match (text("/metadata/name"), text("/metadata/namespace"), port) {
        (Some(name), Some(namespace), Some(port)) => {
            let port = if port == 80 { String::new() } else { format!(":{port}") };
            vec![("url", json!(format!("http://{name}.{namespace}.svc{port}")))]
        }
        _ => Vec::new(),
    }
}
