//! `kubernetes_deployment`.

use serde_json::Value as Json;

use super::{Form, Health, Member, Native, condition, nothing};

pub(super) const NATIVE: Native = Native {
    word: "deployment",
    doc: "Pods that are all the same and are kept running.",
    api: "apps/v1",
    kind: "Deployment",
    plural: "deployments",
    form: Form::Fields,
    stateful: false,
    members: &[
        Member::new("spec.selector", "The labels of its pods.")
            .required()
            .fixed("the selector of a Deployment cannot be changed"),
        Member::new("spec.template", "What every pod is like.").required(),
        Member::new("spec.replicas", "How many there are; left out where an autoscaler says it."),
        Member::new("spec.strategy", "How new pods take the place of old ones."),
        Member::new("spec.minReadySeconds", "How long a pod must be ready to count."),
        Member::new("spec.progressDeadlineSeconds", "How long a change may take."),
        Member::new("spec.revisionHistoryLimit", "How many old versions are kept."),
        Member::new("spec.paused", "Whether changes wait."),
    ],
    health: Some(health),
    tells: nothing,
};

/// As `kubectl rollout status` sees it.
fn health(object: &Json) -> Health {
    let number = |path: &str| object.pointer(path).and_then(Json::as_i64).unwrap_or(0);
    if let Some((_, "ProgressDeadlineExceeded", message)) = condition(object, "Progressing") {
        return Health::Failed(message.to_owned());
    }
    if let Some(("True", reason, message)) = condition(object, "ReplicaFailure") {
        return Health::Going(format!("{reason}: {message}"));
    }
    if number("/status/observedGeneration") < number("/metadata/generation") {
        return Health::Going("its controller has not looked at it yet".into());
    }
    let wanted = number("/spec/replicas");
    let (new, all) = (number("/status/updatedReplicas"), number("/status/replicas"));
    let ready = number("/status/availableReplicas");
    match () {
        () if new < wanted => Health::Going(format!("{new} of {wanted} new pods are there")),
        () if all > new && number("/status/unavailableReplicas") > 0 => {
            Health::Going(format!("{} of {all} pods are not ready", number("/status/unavailableReplicas")))
        }
        () if all > new => Health::Going(format!("{} old pods are ending", all - new)),
        () if ready < new => Health::Going(format!("{ready} of {new} pods are ready")),
        () => Health::Ready,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_ready_when_all_its_new_pods_are() {
        let object = |generation: i64, status: Json| json!({"metadata": {"generation": generation}, "spec": {"replicas": 2}, "status": status});
        let going = |text: &str| Health::Going(text.into());
        for (generation, status, wanted) in [
            (
                2,
                json!({"observedGeneration": 1, "replicas": 2}),
                going("its controller has not looked at it yet"),
            ),
            (
                1,
                json!({"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1}),
                going("1 of 2 new pods are there"),
            ),
            (
                1,
                json!({"observedGeneration": 1, "replicas": 3, "updatedReplicas": 2, "unavailableReplicas": 1}),
                going("1 of 3 pods are not ready"),
            ),
            (
                1,
                json!({"observedGeneration": 1, "replicas": 3, "updatedReplicas": 2}),
                going("1 old pods are ending"),
            ),
            (
                1,
                json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 1}),
                going("1 of 2 pods are ready"),
            ),
            (
                1,
                json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}),
                Health::Ready,
            ),
            (
                1,
                json!({"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "it took too long"}]}),
                Health::Failed("it took too long".into()),
            ),
            (
                1,
                json!({"conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}]}),
                going("FailedCreate: exceeded quota"),
            ),
        ] {
            assert_eq!(health(&object(generation, status.clone())), wanted, "{status}");
        }
    }
}
