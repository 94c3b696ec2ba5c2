//! From what was found to what would be declared to have it: the way back from the native fields.

use std::collections::BTreeMap;

use mlp_provider::Declared;

use crate::mlp_eval::Reference;
use crate::mlp_value::{Address, KnownValue, Number, Value};

/// The native kinds that a portable one becomes.
pub(crate) fn natives(kind: &str) -> &'static [&'static str] {
    match kind {
        "dataset" => &["local_dataset"],
        "endpoint" => &["local_endpoint"],
        "model" => &["local_model"],
        "storage" => &["local_directory"],
        _ => &[],
    }
}

/// Fields that say what an object is, and are nobody's to declare.
const NOT_DECLARED: &[&str] = &["address", "credentials", "intact"];

/// What would be declared.
pub(crate) fn declare(native: &str, config: &KnownValue) -> Option<Declared> {
    let mut taker = Taker::of(config);
    for name in ["description", "labels", "owner"] {
        taker.same(name);
    }
    match native {
        "local_directory" => ["kind", "pattern"].iter().for_each(|name| taker.same(name)),
        "local_dataset" => dataset(&mut taker),
        "local_model" => model(&mut taker),
        "local_endpoint" => endpoint(&mut taker),
        _ => return None,
    }
    Some(taker.declared())
}

/// Takes native fields one by one; what nobody took is named.
struct Taker {
    native: BTreeMap<String, KnownValue>,
    body: Vec<(String, KnownValue)>,
    left: Vec<String>,
}

impl Taker {
    fn of(config: &KnownValue) -> Self {
        let fields = config.as_object().into_iter().flatten();
        let fields = fields.filter(|(name, value)| !NOT_DECLARED.contains(&&***name) && !value.is_null());
        let native = fields.map(|(name, value)| (name.to_string(), value.clone())).collect();
        Self { native, body: Vec::new(), left: Vec::new() }
    }

    /// A field that is declared as it is.
    fn same(&mut self, name: &str) {
        if let Some(value) = self.native.remove(name) {
            self.body.push((name.to_owned(), value));
        }
    }

    /// The same, but for what is so when nothing is said.
    fn unless(&mut self, name: &str, default: &KnownValue) {
        match self.native.get(name) {
            Some(value) if value == default => drop(self.native.remove(name)),
            _ => self.same(name),
        }
    }

    /// The name of another declaration.
    fn reference(&mut self, name: &str, kind: &str) {
        let found = self.native.remove(name);
        if let Some(object) = found.as_ref().and_then(Value::as_text) {
            self.put(name, refer(kind, object, &[]));
        }
    }

    fn put(&mut self, name: &str, value: KnownValue) {
        self.body.push((name.to_owned(), value));
    }

    fn declared(mut self) -> Declared {
        self.left.extend(self.native.into_keys());
        Declared { body: self.body, left: self.left }
    }
}

fn refer(kind: &str, name: &str, path: &[&str]) -> KnownValue {
    let path = path.iter().map(|&word| word.to_owned()).collect();
    Reference { address: Address::new(kind, name), path }.to_value()
}

fn dataset(taker: &mut Taker) {
    taker.unless("version", &KnownValue::text("content"));
    for name in ["format", "schema", "classification", "quality", "sample", "protection"] {
        taker.same(name);
    }
    taker.reference("storage", "storage");
    let sources = taker.native.remove("sources");
    let mut from = Vec::new();
    for source in sources.as_ref().and_then(Value::as_list).unwrap_or_default() {
        let text = |name: &str| source.field(name).and_then(Value::as_text);
        match (text("path"), text("address").and_then(|text| text.parse::<Address>().ok())) {
            // A file that a command makes is a `source` of its own.
            (Some(_), _) if text("generate").is_some() => taker.left.push("sources".to_owned()),
            (Some(path), _) => from.push(KnownValue::text(path)),
            (None, Some(address)) => from.push(Reference { address, path: Vec::new() }.to_value()),
            (None, None) => taker.left.push("sources".to_owned()),
        }
    }
    if !from.is_empty() {
        taker.put("from", KnownValue::list(from));
    }
    // Digests and marks follow from what it is read from.
    for name in ["source_digest", "source_mark", "upstream"] {
        taker.native.remove(name);
    }
}

fn model(taker: &mut Taker) {
    taker.unless("kind", &KnownValue::text("full"));
    for name in ["aliases", "serve", "keep", "card", "license", "gate"] {
        taker.same(name);
    }
    taker.reference("registry", "registry");
}

fn endpoint(taker: &mut Taker) {
    taker.unless("follow", &KnownValue::text("auto"));
    taker.unless("host", &KnownValue::text("127.0.0.1"));
    taker.unless("port", &KnownValue::int(0));
    match taker.native.remove("protocol").as_ref().and_then(Value::as_text) {
        None | Some("plain") => {}
        Some(other) => taker.put("protocol", KnownValue::text(other)),
    }
    let variants = taker.native.remove("variant");
    let Some(variants) = variants.as_ref().and_then(Value::as_object) else { return };
    let mut blocks = Vec::new();
    let mut scaling: Vec<(&str, KnownValue)> = Vec::new();
    for (name, variant) in variants.iter() {
        blocks.push((name.to_string(), KnownValue::object(of_variant(variant))));
        for (native, word) in [("replicas", "min"), ("max_replicas", "max"), ("target", "target")] {
            let found =
                variant.field(native).filter(|value| **value != KnownValue::int(1) || native != "replicas");
            if let Some(value) = found.filter(|_| !scaling.iter().any(|(known, _)| *known == word)) {
                scaling.push((word, value.clone()));
            }
        }
    }
    taker.put("variant", KnownValue::object(blocks));
    if !scaling.is_empty() {
        taker.put("scaling", KnownValue::object(scaling));
    }
}

fn of_variant(variant: &KnownValue) -> Vec<(&'static str, KnownValue)> {
    let text = |name: &str| variant.field(name).and_then(Value::as_text);
    let mut body = Vec::new();
    if let Some(address) = text("address").and_then(|text| text.parse::<Address>().ok()) {
        let path = match (text("alias"), text("version")) {
            (Some(alias), _) => vec!["alias".to_owned(), alias.to_owned()],
            (None, Some(version)) => vec!["version".to_owned(), version.to_owned()],
            (None, None) => Vec::new(),
        };
        body.push(("model", Reference { address, path }.to_value()));
    }
    let hundred = Number::from(100_i64);
    if let Some(percent) =
        variant.field("weight").and_then(Value::as_number).and_then(|it| it.divided_by(&hundred))
    {
        body.push(("traffic", Value::Number(percent)));
    }
    body.extend(variant.field("shadow").map(|value| ("shadow", value.clone())));
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_is_declared_again_and_what_cannot_be_is_named() {
        let variant = KnownValue::object([
            ("address", KnownValue::text("model.churn")),
            ("alias", KnownValue::text("champion")),
            ("weight", KnownValue::int(10_000)),
            ("replicas", KnownValue::int(2)),
        ]);
        let config = KnownValue::object([
            ("address", KnownValue::text("endpoint.churn")),
            ("follow", KnownValue::text("auto")),
            ("port", KnownValue::int(8090)),
            ("runtime", KnownValue::text("python")),
            ("variant", KnownValue::object([("stable", variant)])),
        ]);
        let found = declare("local_endpoint", &config).unwrap();
        let body = KnownValue::object(found.body).to_plain_json();
        assert_eq!(body["port"], 8090);
        assert_eq!(body["variant"]["stable"]["traffic"], 100);
        assert_eq!(body["variant"]["stable"]["model"]["$ref"], "model.churn");
        assert_eq!(body["scaling"]["min"], 2);
        assert!(body.get("follow").is_none());
        assert_eq!(found.left, ["runtime"]);
        assert!(declare("local_pipeline", &config).is_none());
    }
}
