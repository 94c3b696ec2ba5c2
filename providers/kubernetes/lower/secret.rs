//! `secret`: a key of a Secret of the namespace, mounted and never read.

use mlp_provider::{LowerInput, Lowered};

use super::builder::Builder;
use crate::codes;
use crate::mlp_eval::PlanValue;
use crate::mlp_value::Value;

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let mut builder = Builder::new(input, &["from"]);
    let from = builder.text("from").unwrap_or_default().to_owned();
    if key(&from).is_none() {
        let headline = format!("`{from}` is no key of a Secret of the cluster");
        builder.error(
            codes::VALUE,
            "from",
            headline,
            "write `k8s:<secret>/<key>`; the Secret is in the namespace",
        );
    }
    builder.finish(Vec::new())
}

/// Secret and key of `k8s:<secret>/<key>`.
fn key(from: &str) -> Option<(&str, &str)> {
    let (secret, key) = from.strip_prefix("k8s:")?.split_once('/')?;
    (!secret.is_empty() && !key.is_empty() && !key.contains('/')).then_some((secret, key))
}

/// The variables of a container that are secrets.
pub(super) fn variables(builder: &mut Builder<'_>, value: Option<&PlanValue>, path: &str) -> Vec<PlanValue> {
    let mut found = Vec::new();
    for (variable, reference) in value.and_then(Value::as_object).into_iter().flatten() {
        let Some(secret) = builder.referred(reference, "secret", &format!("{path}.{variable}")) else {
            continue;
        };
        // One that cannot be mounted was refused where it is declared.
        let from = secret.body.field("from").and_then(Value::as_text).and_then(key);
        found.extend(from.map(|(secret, key)| {
            let reference = Value::object([("name", Value::text(secret)), ("key", Value::text(key))]);
            Value::object([
                ("name", Value::text(variable)),
                ("valueFrom", Value::object([("secretKeyRef", reference)])),
            ])
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_secret_is_named_by_itself_and_its_key() {
        for (from, wanted) in [
            ("k8s:hub/token", Some(("hub", "token"))),
            ("k8s:hub", None),
            ("k8s:a/b/c", None),
            ("env:TOKEN", None),
        ] {
            assert_eq!(super::key(from), wanted, "{from}");
        }
    }
}
