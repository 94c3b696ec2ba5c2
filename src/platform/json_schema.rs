//! The JSON Schema of the language, generated from the kinds.
//!
//! It describes the JSON form of a specification: labels are nested objects, expressions are text with `${…}`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::kinds::{COMMON, KINDS};
use crate::schema::{Attribute, Kind, Ty};

/// The word for blocks made from a collection.
const DYNAMIC: &str = "dynamic";

/// The JSON Schema of a whole specification.
pub fn json_schema() -> Value {
    let mut definitions = Definitions::default();
    definitions.named.insert(
        "expression".to_owned(),
        json!({
            "description": "An expression, evaluated or kept for later.",
            "type": "string",
            "pattern": "\\$\\{",
        }),
    );
    // First, so that the parts of common attributes are named after none of the kinds.
    let common = definitions.properties("common", COMMON);
    let mut properties = Map::new();
    for kind in KINDS {
        let body = definitions.body(kind, &common);
        definitions.named.insert(kind.name.to_owned(), body);
        properties.insert(kind.name.to_owned(), by_labels(kind, &refer_to(kind.name)));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mlp specification",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "$defs": definitions.named,
    })
}

/// The body in one object for each label; an unlabelled kind may stand several times.
fn by_labels(kind: &Kind, body: &Value) -> Value {
    if kind.labels.is_empty() {
        return one_or_many(body);
    }
    let nest = |inner: Value, _: &&str| json!({ "type": "object", "additionalProperties": inner });
    kind.labels.iter().fold(body.clone(), nest)
}

fn one_or_many(one: &Value) -> Value {
    json!({ "anyOf": [one, { "type": "array", "items": one }] })
}

fn refer_to(name: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn expression() -> Value {
    refer_to("expression")
}

/// What is defined once and referred to.
#[derive(Default)]
struct Definitions {
    named: Map<String, Value>,
    /// The names of objects by their text: equal objects share one definition.
    names: BTreeMap<String, String>,
}

impl Definitions {
    fn body(&mut self, kind: &Kind, common: &Map<String, Value>) -> Value {
        let mut properties = self.properties(kind.name, kind.attributes);
        if kind.common {
            properties.extend(common.clone());
        }
        let shared: &[Attribute] = if kind.common { COMMON } else { &[] };
        if let Some(dynamic) = self.dynamic(kind.attributes.iter().chain(shared)) {
            properties.insert(DYNAMIC.to_owned(), dynamic);
        }
        if kind.name == "environment" {
            add_partial_blocks(&mut properties);
        }
        let mut schema = object(properties, kind.attributes, kind.open);
        schema["description"] = json!(kind.doc);
        schema
    }

    fn properties(&mut self, path: &str, attributes: &[Attribute]) -> Map<String, Value> {
        let property = |attribute: &Attribute| {
            let path = format!("{path}.{}", attribute.name);
            (attribute.name.to_owned(), self.property(&path, attribute))
        };
        attributes.iter().map(property).collect()
    }

    fn property(&mut self, path: &str, attribute: &Attribute) -> Value {
        let mut forms = vec![self.of_type(path, &attribute.ty)];
        if forms[0] != expression() {
            forms.push(expression());
        }
        if !attribute.required {
            forms.push(json!({ "type": "null" }));
        }
        let mut schema = json!({ "description": attribute.doc, "anyOf": forms });
        // A default is an expression; those that are literals are JSON too.
        if let Ok(default) = serde_json::from_str::<Value>(attribute.default) {
            schema["default"] = default;
        }
        schema
    }

    /// A reference to the object's definition, which is made when there is no equal one.
    fn object(&mut self, path: &str, attributes: &[Attribute], open: bool) -> Value {
        let mut properties = self.properties(path, attributes);
        if let Some(dynamic) = self.dynamic(attributes.iter()) {
            properties.insert(DYNAMIC.to_owned(), dynamic);
        }
        let schema = object(properties, attributes, open);
        let name = self.names.entry(schema.to_string()).or_insert_with(|| path.to_owned());
        let reference = refer_to(name);
        self.named.entry(name.clone()).or_insert(schema);
        reference
    }

    /// `dynamic "<block>"` for those attributes that are written as blocks.
    fn dynamic<'k>(&mut self, attributes: impl Iterator<Item = &'k Attribute>) -> Option<Value> {
        let mut properties = Map::new();
        for attribute in attributes {
            let Some((inner, open)) = block_of(&attribute.ty) else { continue };
            let content = self.object(attribute.name, inner, open);
            let name =
                format!("{}.{DYNAMIC}", content["$ref"].as_str().unwrap_or_default().rsplit('/').next()?);
            self.named.entry(name.clone()).or_insert_with(|| one_or_many(&made(&content)));
            properties.insert(attribute.name.to_owned(), refer_to(&name));
        }
        (!properties.is_empty()).then(|| {
            json!({
                "description": "Blocks made from a collection, by their names.",
                "type": "object",
                "properties": properties,
                "additionalProperties": false,
            })
        })
    }

    fn of_type(&mut self, path: &str, ty: &Ty) -> Value {
        match *ty {
            Ty::Any | Ty::Quoted(_) => json!({}),
            Ty::Text | Ty::Path | Ty::TypeExpr | Ty::Address => json!({ "type": "string" }),
            Ty::Form(form) => json!({ "type": "string", "examples": [form.example] }),
            Ty::Enum(words) => json!({ "enum": words }),
            Ty::KindName => json!({ "enum": KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>() }),
            Ty::Number => json!({ "type": "number" }),
            Ty::Integer(from, to) => integer(from, to),
            Ty::Bool => json!({ "type": "boolean" }),
            Ty::Duration => example("10ms"),
            Ty::Bytes => example("64GiB"),
            Ty::SizeBound => example(">=80GiB"),
            Ty::Money => example("150 USD"),
            Ty::Rate => example("60/min"),
            Ty::Ref(_) => expression(),
            Ty::List(item) => json!({ "type": "array", "items": self.element(path, item) }),
            Ty::Map(value) => json!({ "type": "object", "additionalProperties": self.element(path, value) }),
            Ty::Object(attributes) => self.object(path, attributes, false),
            Ty::Open(attributes) => self.object(path, attributes, true),
            Ty::Repeated(attributes) => one_or_many(&self.object(path, attributes, false)),
            Ty::Labelled(attributes) => {
                let one = self.object(path, attributes, false);
                json!({ "type": "object", "additionalProperties": one })
            }
            Ty::MaybeLabelled(attributes) => {
                let one = self.object(path, attributes, false);
                json!({ "anyOf": [one, { "type": "object", "additionalProperties": one }] })
            }
            Ty::OneOf(types) => self.one_of(path, types),
        }
    }

    fn one_of(&mut self, path: &str, types: &[Ty]) -> Value {
        // One definition per alternative: two objects must not claim one name.
        let numbered = |(number, ty): (usize, &Ty)| match number {
            0 => self.of_type(path, ty),
            _ => self.of_type(&format!("{path}.{number}"), ty),
        };
        json!({ "anyOf": types.iter().enumerate().map(numbered).collect::<Vec<_>>() })
    }

    /// An item or a value, which may be an expression too.
    fn element(&mut self, path: &str, ty: &Ty) -> Value {
        let schema = self.of_type(path, ty);
        if schema == expression() || schema == json!({}) {
            return schema;
        }
        json!({ "anyOf": [schema, expression()] })
    }
}

/// The attributes of the block that an attribute may be written as, and whether it takes others beside them.
fn block_of(ty: &Ty) -> Option<(&'static [Attribute], bool)> {
    match *ty {
        Ty::Open(attributes) => Some((attributes, true)),
        Ty::Object(attributes)
        | Ty::Repeated(attributes)
        | Ty::Labelled(attributes)
        | Ty::MaybeLabelled(attributes) => Some((attributes, false)),
        Ty::OneOf(types) => types.iter().find_map(block_of),
        _ => None,
    }
}

/// One `dynamic` block.
fn made(content: &Value) -> Value {
    let collection = json!({ "anyOf": [{ "type": ["array", "object"] }, expression()] });
    let labels = json!({ "anyOf": [{ "type": "array", "items": { "type": "string" } }, expression()] });
    json!({
        "type": "object",
        "properties": {
            "for_each": collection,
            "iterator": { "type": "string" },
            "labels": labels,
            "content": content,
        },
        "required": ["for_each", "content"],
        "additionalProperties": false,
    })
}

/// An environment holds blocks of other kinds, which need not be complete and are not looked into.
fn add_partial_blocks(properties: &mut Map<String, Value>) {
    for kind in KINDS.iter().filter(|kind| kind.partial) {
        properties.entry(kind.name).or_insert_with(
            || json!({ "description": "Blocks that differ in this environment.", "type": "object" }),
        );
    }
}

fn object(properties: Map<String, Value>, attributes: &[Attribute], open: bool) -> Value {
    let all = attributes.iter().filter(|attribute| attribute.required);
    // What is a block may be made from a collection instead of being written.
    let (blocks, plain): (Vec<&Attribute>, Vec<&Attribute>) =
        all.partition(|attribute| block_of(&attribute.ty).is_some());
    let mut schema = json!({ "type": "object", "properties": properties, "additionalProperties": open });
    if !plain.is_empty() {
        schema["required"] = plain.iter().map(|attribute| attribute.name).collect();
    }
    if !blocks.is_empty() {
        let either = blocks.iter().map(|attribute| {
            let made =
                json!({ "required": [DYNAMIC], "properties": { DYNAMIC: { "required": [attribute.name] } } });
            json!({ "anyOf": [{ "required": [attribute.name] }, made] })
        });
        schema["allOf"] = either.collect();
    }
    schema
}

fn integer(from: i64, to: i64) -> Value {
    let mut schema = json!({ "type": "integer" });
    if from != i64::MIN {
        schema["minimum"] = json!(from);
    }
    if to != i64::MAX {
        schema["maximum"] = json!(to);
    }
    schema
}

fn example(text: &str) -> Value {
    json!({ "type": "string", "examples": [text] })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::assert_current;

    #[test]
    fn schema_file_is_current() {
        let text = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
        assert_current("schemas/generated/mlp.schema.json", &text);
    }

    #[test]
    fn defaults_that_are_literals_are_shown() {
        let schema = json_schema();
        assert_eq!(schema["$defs"]["endpoint"]["properties"]["follow"]["default"], "auto");
        assert_eq!(schema["$defs"]["alert"]["required"], json!(["when", "notify"]));
    }

    #[test]
    fn every_definition_that_is_referred_to_exists() {
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(fields) => {
                    if let Some(Value::String(to)) = fields.get("$ref") {
                        found.push(to.clone());
                    }
                    fields.values().for_each(|value| references(value, found));
                }
                Value::Array(items) => items.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let schema = json_schema();
        let mut found = Vec::new();
        references(&schema, &mut found);
        for to in found {
            assert!(schema.pointer(to.trim_start_matches('#')).is_some(), "{to}");
        }
    }
}
