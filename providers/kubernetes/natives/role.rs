//! `kubernetes_role`.

use super::{Form, Member, Native, nothing};

pub(super) const NATIVE: Native = Native {
    word: "role",
    doc: "What may be done in a namespace.",
    api: "rbac.authorization.k8s.io/v1",
    kind: "Role",
    plural: "roles",
    form: Form::Fields,
    stateful: false,
    members: &[Member::new("rules", "Verbs on resources.").required()],
    health: None,
    tells: nothing,
};
