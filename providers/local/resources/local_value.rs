//! `local_value`: a value that is remembered and nothing else, for tests, benchmarks and glue, as `terraform_data` is.

use mlp_provider::{Field, ResourceKind};

use super::{Native, Outputs, Remembered};
use crate::mlp_value::KnownValue;

pub(super) struct LocalValue;

impl Native for LocalValue {
    fn name(&self) -> &'static str {
        "local_value"
    }

    fn kind(&self) -> ResourceKind {
        let fields = vec![
            Field::required("address", "The address of its declaration."),
            Field::optional("input", "Anything; `output` is the same once it is applied."),
            Field::optional("triggers_replace", "Anything.")
                .replaces("a change of `triggers_replace` makes it anew, with another `id`"),
        ];
        ResourceKind::new(self.name(), "A value that is remembered, and nothing else.", fields)
            .in_state()
            .lasts("id", &[])
    }

    fn folder(&self) -> &'static str {
        "values"
    }
}

impl Remembered for LocalValue {
    fn outputs(&self, config: &KnownValue, before: Option<&KnownValue>, key: &str) -> Outputs {
        let output = config.field("input").cloned().unwrap_or(KnownValue::Null);
        let id = before.and_then(|before| before.field("id")).cloned();
        let id = id.unwrap_or_else(|| KnownValue::text(identifier(config, key)));
        Outputs::from([("id", id), ("output", output)])
    }
}

/// What nothing else is called: of the change that makes it and its address.
fn identifier(config: &KnownValue, key: &str) -> String {
    let address = config.field("address").and_then(KnownValue::as_text).unwrap_or_default();
    let digest = blake3::hash(format!("{key} {address}").as_bytes());
    digest.to_hex().get(..32).unwrap_or_default().to_owned()
}
