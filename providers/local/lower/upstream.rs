//! What a dataset is made from that is a dataset itself: what decides its content, known before it is made.

use serde_json::Value as Json;

use crate::mlp_value::KnownValue;

/// What a version of a dataset does not depend on: nothing of it changes a row that is kept.
const DESCRIBING: &[&str] = &[
    "address",
    "description",
    "owner",
    "labels",
    "classification",
    "quality",
    "storage",
    "source_digest",
    "source_mark",
    "credentials",
    "upstream",
];

/// What its sources hold, in the project and outside it.
pub(crate) fn held(digest: Option<&str>, mark: Option<&str>) -> Option<String> {
    match (digest, mark) {
        (Some(digest), Some(mark)) => Some(format!("{digest} {mark}")),
        (one, other) => one.or(other).map(str::to_owned),
    }
}

/// One digest of everything that decides the content of a dataset: how it is declared, and what its sources hold.
pub(crate) fn recipe(config: &KnownValue, source_digest: Option<&str>, upstream: &Json) -> String {
    let mut fields = config.to_plain_json();
    if let Some(fields) = fields.as_object_mut() {
        fields.retain(|name, value| !DESCRIBING.contains(&name.as_str()) && !value.is_null());
        if let Some(protection) = fields.get_mut("protection").and_then(Json::as_object_mut) {
            // How long it is kept and why changes no row; nor does encryption.
            protection.retain(|name, _| name == "mask" || name == "redact");
        }
    }
    let text = serde_json::json!([fields, source_digest, upstream]).to_string();
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// The same for a dataset that is written and not read from something: its version of this moment.
pub(crate) fn written(version: Option<&str>) -> String {
    version.unwrap_or("none").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_decides_the_rows_changes_the_recipe() {
        let config = |format: &str, owner: &str, legal: &str| {
            KnownValue::from_json(&serde_json::json!({
                "format": format, "owner": owner, "protection": { "mask": ["a"], "legal_basis": legal },
            }))
            .unwrap()
        };
        let one = recipe(&config("csv", "me", "x"), Some("d"), &Json::Null);
        assert_eq!(one, recipe(&config("csv", "you", "y"), Some("d"), &Json::Null));
        assert_ne!(one, recipe(&config("jsonl", "me", "x"), Some("d"), &Json::Null));
        assert_ne!(one, recipe(&config("csv", "me", "x"), Some("e"), &Json::Null));
    }
}
