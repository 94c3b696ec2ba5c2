//! `kubernetes_network_policy`.

use super::{Form, Member, Native, nothing};

pub(super) const NATIVE: Native = Native {
    word: "network_policy",
    doc: "Which pods may speak with which.",
    api: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    plural: "networkpolicies",
    form: Form::Fields,
    stateful: false,
    members: &[
        Member::new("spec.podSelector", "The pods it is about.").required(),
        Member::new("spec.policyTypes", "Directions: `Ingress`, `Egress`."),
        Member::new("spec.ingress", "What may come in."),
        Member::new("spec.egress", "What may go out."),
    ],
    health: None,
    tells: nothing,
};
