//! `resource`: native kinds are checked by their tables; a manifest says here what it has to say before any cluster is asked.

use mlp_provider::{LowerInput, Lowered};

use crate::codes;
use crate::manifest::{MANIFEST, METADATA, NAME};
use crate::mlp_diag::{Diagnostic, Diagnostics};
use crate::mlp_eval::PlanValue;
use crate::mlp_value::{Address, Value};

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    if *input.declaration.address.kind != *NAME {
        return Lowered::default();
    }
    let Some(manifest) = input.declaration.body.field(MANIFEST).filter(|value| !value.is_null()) else {
        return Lowered::default();
    };
    let mut check = Check { address: &input.declaration.address, found: Diagnostics::new() };
    check.object(manifest);
    Lowered { diagnostics: check.found, ..Lowered::default() }
}

struct Check<'a> {
    address: &'a Address,
    found: Diagnostics,
}

impl Check<'_> {
    fn wrong(&mut self, path: &str, headline: String, help: &str) {
        self.found.push(Diagnostic::error(codes::TYPE, headline).on(self.address, path).help(help));
    }

    fn object(&mut self, manifest: &PlanValue) {
        if manifest.as_object().is_none() {
            let help =
                "write the object: `{ apiVersion = \"…\", kind = \"…\", spec = { … } }`, an attribute a line";
            self.wrong(MANIFEST, "`manifest` is no object".to_owned(), help);
            return;
        }
        for (name, example) in [("apiVersion", "\"kueue.x-k8s.io/v1beta1\""), ("kind", "\"LocalQueue\"")] {
            self.known(manifest.field(name), name, &format!("add `{name} = {example}`"), true);
        }
        if manifest.field("status").is_some_and(|status| !status.is_null()) {
            let help = "leave it out: wait for it with `wait_for = \"Ready\"`, look at it with `mlp status`";
            self.wrong("manifest.status", "the status of an object is told by the cluster".to_owned(), help);
        }
        self.metadata(manifest.field("metadata"));
    }

    fn metadata(&mut self, metadata: Option<&PlanValue>) {
        let Some(metadata) = metadata else { return };
        for name in ["name", "namespace"] {
            let path = format!("metadata.{name}");
            self.known(metadata.field(name), &path, "write it out, or leave it out: it follows then", false);
        }
        for (name, value) in metadata.as_object().into_iter().flatten() {
            if !value.is_null() && !METADATA.contains(&&**name) {
                let headline = format!("`{name}` of an object's metadata is given by the cluster");
                let help = format!("leave it out; what can be said: {}", METADATA.join(", "));
                self.wrong(&format!("manifest.metadata.{name}"), headline, &help);
            }
        }
    }

    /// Says of a text that has to be known when the plan is made that it is not.
    fn known(&mut self, value: Option<&PlanValue>, name: &str, help: &str, required: bool) {
        let path = format!("manifest.{name}");
        match value {
            None | Some(Value::Null) if required => {
                self.wrong(MANIFEST, format!("`{name}` of a manifest is missing"), help);
            }
            None | Some(Value::Null) => {}
            Some(Value::Text(text)) if !text.is_empty() => {}
            Some(Value::Hole(_)) => {
                let headline = format!("`{name}` of a manifest is known only after an apply");
                self.wrong(&path, headline, "which object it is has to be known when the plan is made");
            }
            Some(_) => self.wrong(&path, format!("`{name}` of a manifest is no text"), help),
        }
    }
}
