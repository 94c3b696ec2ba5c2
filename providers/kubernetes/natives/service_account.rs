//! `kubernetes_service_account`.

use super::{Form, Member, Native, nothing};

pub(super) const NATIVE: Native = Native {
    word: "service_account",
    doc: "As whom pods speak to the cluster.",
    api: "v1",
    kind: "ServiceAccount",
    plural: "serviceaccounts",
    form: Form::Fields,
    stateful: false,
    members: &[
        Member::new("automountServiceAccountToken", "Whether its pods are given its token."),
        Member::new("imagePullSecrets", "Secrets with which its pods' images are pulled."),
    ],
    health: None,
    tells: nothing,
};
