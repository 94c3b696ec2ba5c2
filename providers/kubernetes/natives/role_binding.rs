//! `kubernetes_role_binding`.

use super::{Form, Member, Native, nothing};

pub(super) const NATIVE: Native = Native {
    word: "role_binding",
    doc: "Who has a role.",
    api: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    plural: "rolebindings",
    form: Form::Fields,
    stateful: false,
    members: &[
        Member::new("roleRef", "The role.").required().fixed("the role of a binding cannot be changed"),
        Member::new("subjects", "Who has it."),
    ],
    health: None,
    tells: nothing,
};
