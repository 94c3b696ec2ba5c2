//! What was meant where a name is misspelt: reading goes on as if it were written right, so that a slip is told once.

use mlp_diag::{FileId, Span, did_you_mean};
use mlp_platform::kinds::{self, KINDS};
use mlp_platform::schema::{Attribute, Kind};
use mlp_syntax::{Expr, ExprKind};

use crate::source::Expected;

/// The file that nothing stands in: what is wrong there follows from something else.
pub(crate) const NOWHERE: FileId = FileId(u32::MAX);

/// Stands for a value that is there and cannot be used.
pub(crate) static UNUSABLE: Expr =
    Expr { kind: ExprKind::Broken, span: Span { file: NOWHERE, start: 0, end: 0 } };

/// Words for blocks from elsewhere, and what they are here.
const FOREIGN: &[(&str, &str)] = &[
    ("terraform", "project"),
    ("job", "pipeline"),
    ("workflow", "pipeline"),
    ("task", "pipeline"),
    ("dag", "pipeline"),
    ("service", "endpoint"),
    ("deployment", "endpoint"),
    ("serving", "endpoint"),
    ("table", "dataset"),
    ("bucket", "storage"),
    ("cluster", "compute"),
    ("pool", "compute"),
    ("feature_view", "features"),
    ("feature_group", "features"),
    ("env", "environment"),
    ("target", "environment"),
    ("var", "variable"),
    ("local", "locals"),
    ("notebook", "workspace"),
    ("role", "access"),
    ("permission", "access"),
];

/// Words for attributes from elsewhere (Terraform, SageMaker, Vertex AI, Azure ML, Kubeflow, Airflow, MLflow), and what they are
/// here: the first that the block has.
const FOREIGN_ATTRIBUTES: &[(&str, &[&str])] = &[
    ("after", &["depends_on"]),
    ("arguments", &["params"]),
    ("artifact_path", &["outputs"]),
    ("backend", &["state"]),
    ("base_image", &["runtime", "image"]),
    ("bucket", &["storage", "uri"]),
    ("command", &["run"]),
    ("container", &["runtime", "image"]),
    ("container_image", &["runtime", "image"]),
    ("dependencies", &["depends_on"]),
    ("depends_on", &["after"]),
    ("deployed_model", &["variant"]),
    ("email", &["notify", "members"]),
    ("entry_point", &["run"]),
    ("entrypoint", &["run"]),
    ("environment_variables", &["env"]),
    ("gpu", &["accelerator"]),
    ("gpus", &["accelerator"]),
    ("hyperparameters", &["params"]),
    ("image_uri", &["runtime", "image"]),
    ("initial_instance_count", &["scaling", "nodes"]),
    ("initial_variant_weight", &["traffic"]),
    ("instance_count", &["nodes", "scaling"]),
    ("instance_type", &["accelerator", "compute"]),
    ("machine_type", &["accelerator", "compute"]),
    ("max_runtime", &["timeout"]),
    ("min_replicas", &["scaling"]),
    ("model_data", &["model"]),
    ("model_uri", &["model"]),
    ("needs", &["depends_on"]),
    ("node_count", &["nodes"]),
    ("parameters", &["params"]),
    ("password", &["secret", "from"]),
    ("prevent_destroy", &["protect"]),
    ("primary_key", &["key", "schema"]),
    ("processor", &["cpu", "compute"]),
    ("production_variants", &["variant"]),
    ("replicas", &["scaling", "nodes"]),
    ("requirements", &["lock", "runtime"]),
    ("resources", &["compute", "accelerator"]),
    ("retries", &["retry"]),
    ("schedule", &["trigger", "cron", "every"]),
    ("schedule_expression", &["trigger", "cron"]),
    ("script", &["run"]),
    ("service_account", &["access", "auth"]),
    ("sku", &["accelerator", "compute"]),
    ("source_dir", &["code"]),
    ("stage", &["alias", "aliases"]),
    ("tags", &["labels"]),
    ("traffic_percent", &["traffic"]),
    ("type", &["kind", "name"]),
    ("url", &["uri"]),
    ("value", &["from", "default"]),
    ("vm_size", &["accelerator", "compute"]),
    ("weight", &["traffic"]),
];

/// What an attribute of another tool is called here, where the block has it.
pub(crate) fn foreign_attribute(written: &str, names: &[&'static str]) -> Option<&'static str> {
    let (_, here) = FOREIGN_ATTRIBUTES.iter().find(|(name, _)| *name == written.to_ascii_lowercase())?;
    here.iter().find(|name| names.contains(name)).copied()
}

/// Attributes and blocks of Terraform's that a block has none of here, and what serves instead.
const INSTEAD: &[(&str, &str, &str)] = &[
    ("check", "data", "declare `data` by itself, and name it in `assert`"),
    ("import", "count", "give it `for_each`: a map of keys and identifiers"),
    ("import", "provider", "what is taken over is made with the environment's provider"),
    ("output", "depends_on", "an output waits for what its value names"),
    ("output", "ephemeral", "what is ephemeral is in no output; `ephemeralasnull(…)` gives null instead"),
    (
        "provider",
        "alias",
        "the second label is its name: `provider \"aws\" \"west\"`, used as `provider.aws.west`",
    ),
    (
        "provider",
        "version",
        "a provider is a part of this program, whose version `mlp_version` of the project demands",
    ),
];

/// What serves instead of something that a kind of block has elsewhere.
pub(crate) fn instead(kind: &str, written: &str) -> Option<&'static str> {
    let found = INSTEAD.iter().find(|(of, word, _)| (*of, *word) == (kind, written));
    found.map(|(_, _, help)| *help)
}

/// The kind that a block's name is a slip of.
pub(crate) fn meant_kind(written: &str) -> Option<&'static Kind> {
    did_you_mean(written, KINDS.iter().map(|kind| kind.name)).and_then(kinds::kind)
}

/// What a word of another tool is called here.
pub(crate) fn foreign(written: &str) -> Option<&'static str> {
    let word = written.to_ascii_lowercase();
    FOREIGN.iter().find(|(name, _)| *name == word).map(|(_, here)| *here)
}

/// The attribute that a name is a slip of.
pub(crate) fn meant_attribute(written: &str, expected: &Expected) -> Option<&'static Attribute> {
    did_you_mean(written, expected.names().iter().copied()).and_then(|name| expected.find(name))
}

/// A label as a name: what cannot stand in one is `_`.
pub(crate) fn as_name(label: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
    let name: String = label.chars().map(plain).collect();
    if name.starts_with(|c: char| c.is_alphabetic() || c == '_') { name } else { format!("_{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_from_elsewhere_stand_once_and_lead_to_what_some_block_has() {
        assert!(
            FOREIGN_ATTRIBUTES.windows(2).all(|pair| pair[0].0 < pair[1].0),
            "in the order of the alphabet"
        );
        let mut known: Vec<&str> = Vec::new();
        for kind in KINDS {
            known.extend(kind.attribute_names());
        }
        known.extend(["after", "alias", "cron", "every", "image", "protect", "retry", "timeout", "traffic"]);
        for (written, here) in FOREIGN_ATTRIBUTES {
            assert!(here.iter().any(|name| known.contains(name)), "{written}");
        }
        assert_eq!(foreign_attribute("Tags", &["labels", "owner"]), Some("labels"));
        assert_eq!(foreign_attribute("tags", &["owner"]), None);
    }
}
