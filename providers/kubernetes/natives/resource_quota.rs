//! `kubernetes_resource_quota`.

use serde_json::Value as Json;

use super::{Form, Health, Member, Native, nothing};

pub(super) const NATIVE: Native = Native {
    word: "resource_quota",
    doc: "How much the pods of a namespace may ask for together.",
    api: "v1",
    kind: "ResourceQuota",
    plural: "resourcequotas",
    form: Form::Fields,
    stateful: false,
    members: &[
        Member::new("spec.hard", "The most of each resource.").required().texts(),
        Member::new("spec.scopes", "Which pods are counted.").fixed("the scopes of a quota stay as they are"),
        Member::new("spec.scopeSelector", "Which pods are counted, in full."),
    ],
    health: Some(health),
    tells: nothing,
};

/// It holds from when its controller has counted.
fn health(object: &Json) -> Health {
    let counted = object.pointer("/status/hard") == object.pointer("/spec/hard");
    if counted {
        Health::Ready
    } else {
        Health::Going("what there is so far has not been counted yet".into())
    }
}
