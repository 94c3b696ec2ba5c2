//! What an image says of itself: its configuration and its manifest, as bytes that follow from their content.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::base::{Base, Descriptor};
use crate::wheel::VENV;

/// The types of the two documents.
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A layer that was added, and what it is.
pub(crate) struct Added<'a> {
    pub(crate) diff_id: &'a str,
    pub(crate) what: &'a str,
}

/// The configuration: the base's, with more layers, labels, and programs found first in what was added.
pub(crate) fn config(
    base: &Base,
    added: &[Added<'_>],
    labels: &BTreeMap<String, String>,
    packages: bool,
    epoch: i64,
) -> Vec<u8> {
    let created = moment(epoch);
    let mut config = base.config.clone();
    config["created"] = json!(created);
    let own = |config: &mut Value, word: &str, empty: Value| {
        if config[word].is_null() {
            config[word] = empty;
        }
    };
    own(&mut config, "config", json!({}));
    own(&mut config, "history", json!([]));
    let history = added
        .iter()
        .map(|layer| json!({ "created": created, "created_by": "mlp image build", "comment": layer.what }));
    list(&mut config["history"]).extend(history);
    list(&mut config["rootfs"]["diff_ids"]).extend(added.iter().map(|layer| json!(layer.diff_id)));
    let inner = &mut config["config"];
    own(inner, "Labels", json!({}));
    for (name, value) in labels {
        inner["Labels"][name] = json!(value);
    }
    let folders = if packages {
        vec![format!("/{VENV}/bin"), "/mlp/bin".to_owned()]
    } else {
        vec!["/mlp/bin".to_owned()]
    };
    let path = format!("PATH={}:{}", folders.join(":"), base.search());
    own(inner, "Env", json!([]));
    let variables = list(&mut inner["Env"]);
    variables.retain(|variable| !variable.as_str().is_some_and(|text| text.starts_with("PATH=")));
    variables.insert(0, json!(path));
    serde_json::to_vec(&config).unwrap_or_default()
}

fn list(value: &mut Value) -> &mut Vec<Value> {
    if !value.is_array() {
        *value = json!([]);
    }
    match value {
        Value::Array(items) => items,
        _ => unreachable!("it was made a list"),
    }
}

/// Seconds since 1970 in the words of the image specification.
fn moment(epoch: i64) -> String {
    jiff::Timestamp::from_second(epoch).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

/// The manifest.
pub(crate) fn manifest(base: &Base, config: (&str, usize), layers: &[Descriptor]) -> Vec<u8> {
    let layers: Vec<Value> = layers
        .iter()
        .map(|layer| json!({ "mediaType": layer.media_type, "digest": layer.digest, "size": layer.size }))
        .collect();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": CONFIG, "digest": config.0, "size": config.1 },
        "layers": layers,
        "annotations": {
            "org.opencontainers.image.base.digest": base.digest,
            "org.opencontainers.image.base.name": base.name,
        },
    });
    serde_json::to_vec(&manifest).unwrap_or_default()
}
