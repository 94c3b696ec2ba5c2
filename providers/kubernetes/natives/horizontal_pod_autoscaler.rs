//! `kubernetes_horizontal_pod_autoscaler`.

use serde_json::Value as Json;

use super::{Form, Health, Member, Native, condition, nothing};

pub(super) const NATIVE: Native = Native {
    word: "horizontal_pod_autoscaler",
    doc: "How many replicas something has, by its load.",
    api: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    plural: "horizontalpodautoscalers",
    form: Form::Fields,
    stateful: false,
    members: &[
        Member::new("spec.scaleTargetRef", "What it scales.").required(),
        Member::new("spec.minReplicas", "The fewest replicas."),
        Member::new("spec.maxReplicas", "The most replicas.").required(),
        Member::new("spec.metrics", "What the number follows."),
        Member::new("spec.behavior", "How fast it goes up and down."),
    ],
    health: Some(health),
    tells: nothing,
};

/// Its controller looks at it every fifteen seconds, and until then says nothing, which nobody has to wait for.
fn health(object: &Json) -> Health {
    match condition(object, "AbleToScale") {
        None | Some(("True", ..)) => Health::Ready,
        Some((_, reason, message)) => Health::Going(format!("it cannot scale: {reason}: {message}")),
    }
}
