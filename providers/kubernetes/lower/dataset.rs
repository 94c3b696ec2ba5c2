//! `dataset`: what is agreed of data that lies in a volume, in a ConfigMap that pods and people can read.

use std::collections::BTreeMap;

use mlp_provider::{LowerInput, Lowered};

use super::builder::{Builder, from};
use crate::codes;
use crate::mlp_eval::PlanValue;
use crate::mlp_platform::Declaration;
use crate::mlp_value::facts::{Fact, Need};
use crate::mlp_value::{Address, Value};
use crate::natives::native;

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let mut builder = Builder::new(input, &["storage", "format", "schema.**", "classification"]);
    let name = input.declaration.address.name.to_string();
    let mut data = BTreeMap::from([("kind", Value::text("dataset")), ("name", Value::text(&name))]);
    if let Some(format) = builder.text("format") {
        data.insert("format", Value::text(format));
    }
    if let Some(schema) = schema(&mut builder) {
        data.insert("schema", schema);
    }
    if let Some(items) = builder.attribute("classification").and_then(Value::as_list) {
        let words: Vec<&str> = items.iter().filter_map(Value::as_text).collect();
        data.insert("classification", Value::text(words.join(",")));
    }
    match builder.attribute("storage") {
        Some(value) => {
            if let Some(storage) = builder.referred(value, "storage", "storage") {
                let claim = claim(&builder, storage);
                data.insert("claim", Value::text(&claim));
                data.insert("path", Value::text(folder(&input.declaration.address)));
            }
        }
        None => builder.error(
            codes::VALUE,
            "",
            "it is not said in which `storage` the data lies",
            "add `storage = storage.x`, a volume of this environment",
        ),
    }
    let written: Vec<String> = data.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    let digest = blake3::hash(written.join("\n").as_bytes()).to_hex();
    data.insert("digest", Value::text(digest.as_str()));
    let Some(kind) = native("kubernetes_config_map") else { return builder.finish(Vec::new()) };
    let mut desired = builder.object("", kind, vec![("data", Value::object(data))]);
    for word in ["format", "schema", "classification"] {
        from(&mut desired, &["data", word], word);
    }
    for word in ["claim", "path"] {
        from(&mut desired, &["data", word], "storage");
    }
    builder.finish(vec![desired])
}

/// The claim of a storage.
pub(super) fn claim(builder: &Builder<'_>, storage: &Declaration) -> String {
    crate::names::object_name(builder.input.platform, &storage.address)
}

/// Where the data of a dataset lies in its volume.
pub(super) fn folder(dataset: &Address) -> String {
    let plain = dataset.module.is_empty() && dataset.key.is_none();
    let name = if plain { dataset.name.to_string() } else { crate::names::label(&dataset.to_string()) };
    format!("datasets/{name}")
}

fn schema(builder: &mut Builder<'_>) -> Option<PlanValue> {
    let schema = builder.attribute("schema")?;
    let Some(path) = schema.as_text() else {
        return schema.known().ok().map(|known| Value::text(known.to_plain_json().to_string()));
    };
    match builder.ask(Need::Text(path.to_owned())) {
        Some(Fact::Text(text)) => Some(Value::text(text)),
        Some(_) => {
            let headline = format!("the schema `{path}` cannot be read");
            builder.error(codes::UNRESOLVED, "schema", headline, "name a file of the project");
            None
        }
        None => None,
    }
}
