//! `kubernetes_persistent_volume_claim`.

use serde_json::{Value as Json, json};

use super::{Form, Health, Member, Native};

/// Where the volume of a `storage` lies in every pod that uses it.
pub(crate) const MOUNTS: &str = "/mlp/storage";

const FIXED: &str = "a claim keeps what it was made with; only its size can grow";

pub(super) const NATIVE: Native = Native {
    word: "persistent_volume_claim",
    doc: "A volume.",
    api: "v1",
    kind: "PersistentVolumeClaim",
    plural: "persistentvolumeclaims",
    form: Form::Fields,
    stateful: true,
    members: &[
        Member::new("spec.accessModes", "How many nodes may use it at once.").required().fixed(FIXED),
        Member::new("spec.resources", "Its size: `{ requests = { storage = \"10Gi\" } }`.").required(),
        Member::new("spec.storageClassName", "The class that makes it; without it, the cluster's own.")
            .fixed(FIXED),
        Member::new("spec.volumeMode", "`Filesystem` or `Block`.").fixed(FIXED),
        Member::new("spec.volumeName", "The volume it takes, where one is there already.").fixed(FIXED),
        Member::new("spec.selector", "The labels of volumes it may take.").fixed(FIXED),
    ],
    health: Some(health),
    tells,
};

/// One of a class that waits for its first pod is ready to be used; which that is the session knows.
fn health(object: &Json) -> Health {
    match object.pointer("/status/phase").and_then(Json::as_str) {
        Some("Bound") => Health::Ready,
        Some("Lost") => Health::Failed("the volume it was bound to is gone".into()),
        _ => Health::Going("no volume is bound to it yet".into()),
    }
}

fn tells(object: &Json) -> Vec<(&'static str, Json)> {
    let name = object.pointer("/metadata/name").and_then(Json::as_str).unwrap_or_default();
    vec![("path", json!(format!("{MOUNTS}/{name}")))]
}
