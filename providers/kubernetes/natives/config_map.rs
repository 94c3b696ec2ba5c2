//! `kubernetes_config_map`.

use super::{Form, Member, Native, nothing};

pub(super) const NATIVE: Native = Native {
    word: "config_map",
    doc: "Plain configuration, read by pods and people.",
    api: "v1",
    kind: "ConfigMap",
    plural: "configmaps",
    form: Form::Fields,
    stateful: false,
    members: &[
        Member::new("data", "Texts by name.").texts(),
        Member::new("binaryData", "Bytes by name, in base64."),
        Member::new("immutable", "Whether it can only be made anew.")
            .fixed("an immutable ConfigMap stays immutable"),
    ],
    health: None,
    tells: nothing,
};
