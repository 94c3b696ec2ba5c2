//! A schema in a file: Avro (`.avsc`), JSON Schema, or the columns as they would stand in place.

use serde_json::{Map, Value as Json, json};

use super::builder::Builder;
use crate::codes;
use crate::mlp_eval::PlanValue;
use crate::mlp_value::facts::{Fact, Need};
use crate::mlp_value::{KnownValue, Value};

const TYPES: &[&str] = &["string", "number", "integer", "bool", "timestamp", "date", "any"];
const WORDS: &[&str] = &["type", "nullable", "allowed", "min", "max", "key", "unique", "description"];

/// The columns that a schema file declares; says what is wrong with it.
pub(super) fn columns(builder: &mut Builder<'_>, path: &str) -> Option<PlanValue> {
    let text = match builder.ask(Need::Text(path.to_owned()))? {
        Fact::Text(text) => text,
        Fact::Missing => {
            let help = "put it there, or write the columns in place: `schema = { id = \"string\" }`";
            builder.error(codes::VALUE, "schema", format!("there is no schema file `{path}`"), help);
            return None;
        }
        _ => {
            builder.error(codes::VALUE, "schema", format!("the schema file `{path}` cannot be read"), "");
            return None;
        }
    };
    match parse(text).and_then(|found| KnownValue::from_json(&found).map_err(|why| why.to_string())) {
        Ok(found) => Some(found.lift()),
        Err(why) => {
            let help =
                "it is an Avro record, a JSON Schema of an object, or `{ \"column\": { \"type\": ... } }`";
            builder.error(codes::VALUE, "schema", format!("`{path}` is no schema: {why}"), help);
            None
        }
    }
}

/// Whether the value is the name of a file.
pub(super) fn path_of(schema: &PlanValue) -> Option<&str> {
    if let Value::Text(path) = schema { Some(path) } else { None }
}

fn parse(text: &str) -> Result<Json, String> {
    let found: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Json::Object(fields) = &found else { return Err("it is no object".to_owned()) };
    if fields.get("type") == Some(&json!("record")) {
        return avro(fields);
    }
    if let Some(Json::Object(properties)) = fields.get("properties") {
        return json_schema(fields, properties);
    }
    plain(fields)
}

/// The columns as they would stand in place.
fn plain(fields: &Map<String, Json>) -> Result<Json, String> {
    for (name, column) in fields {
        let kind = match column {
            Json::Object(words) => {
                if let Some(unknown) = words.keys().find(|word| !WORDS.contains(&word.as_str())) {
                    return Err(format!("column `{name}` has `{unknown}`, which means nothing"));
                }
                words.get("type").unwrap_or(&Json::Null)
            }
            other => other,
        };
        if !kind.as_str().is_some_and(|kind| TYPES.contains(&kind)) {
            return Err(format!(
                "the type of column `{name}` is {kind}, and not one of {}",
                TYPES.join(", ")
            ));
        }
    }
    Ok(Json::Object(fields.clone()))
}

fn avro(record: &Map<String, Json>) -> Result<Json, String> {
    let fields = record.get("fields").and_then(Json::as_array).ok_or("the record has no `fields`")?;
    let mut columns = Map::new();
    for field in fields {
        let name = field.get("name").and_then(Json::as_str).ok_or("a field has no `name`")?;
        let mut column = avro_type(name, field.get("type").unwrap_or(&Json::Null))?;
        if let Some(doc) = field.get("doc") {
            column.insert("description".to_owned(), doc.clone());
        }
        columns.insert(name.to_owned(), Json::Object(column));
    }
    Ok(Json::Object(columns))
}

fn avro_type(name: &str, kind: &Json) -> Result<Map<String, Json>, String> {
    let column = |kind: &str| Map::from_iter([("type".to_owned(), json!(kind))]);
    match kind {
        Json::Array(kinds) => {
            let others: Vec<&Json> = kinds.iter().filter(|kind| **kind != json!("null")).collect();
            let mut found = match others.as_slice() {
                [one] => avro_type(name, one)?,
                _ => column("any"),
            };
            found.insert("nullable".to_owned(), json!(others.len() < kinds.len()));
            Ok(found)
        }
        Json::Object(fields) => {
            let logical = fields.get("logicalType").and_then(Json::as_str);
            match (logical, fields.get("symbols")) {
                (Some("date"), _) => Ok(column("date")),
                (Some("decimal"), _) => Ok(column("number")),
                (Some(logical), _)
                    if logical.starts_with("timestamp-") || logical.starts_with("local-timestamp-") =>
                {
                    Ok(column("timestamp"))
                }
                (_, Some(symbols)) => {
                    let mut found = column("string");
                    found.insert("allowed".to_owned(), symbols.clone());
                    Ok(found)
                }
                _ => avro_type(name, fields.get("type").unwrap_or(&Json::Null)),
            }
        }
        _ => match kind.as_str() {
            Some("int" | "long") => Ok(column("integer")),
            Some("float" | "double") => Ok(column("number")),
            Some("boolean") => Ok(column("bool")),
            Some("string") => Ok(column("string")),
            Some("bytes" | "fixed" | "array" | "map" | "record" | "null") => Ok(column("any")),
            _ => Err(format!("the type of field `{name}` is {kind}, which is no Avro type")),
        },
    }
}

fn json_schema(schema: &Map<String, Json>, properties: &Map<String, Json>) -> Result<Json, String> {
    let required = schema.get("required").and_then(Json::as_array);
    let mut columns = Map::new();
    for (name, property) in properties {
        let kinds: Vec<&str> = match property.get("type") {
            Some(Json::Array(kinds)) => kinds.iter().filter_map(Json::as_str).collect(),
            Some(kind) => kind.as_str().into_iter().collect(),
            None => Vec::new(),
        };
        let others: Vec<&str> = kinds.iter().copied().filter(|kind| *kind != "null").collect();
        let format = property.get("format").and_then(Json::as_str);
        let kind = match (others.as_slice(), format) {
            (["string"], Some("date")) => "date",
            (["string"], Some("date-time")) => "timestamp",
            (["string"], _) => "string",
            (["integer"], _) => "integer",
            (["number"] | ["integer", "number"] | ["number", "integer"], _) => "number",
            (["boolean"], _) => "bool",
            _ => "any",
        };
        let may_be_absent = !required.is_some_and(|required| required.contains(&json!(name)));
        let nullable = may_be_absent || kinds.contains(&"null");
        let mut column =
            Map::from_iter([("type".to_owned(), json!(kind)), ("nullable".to_owned(), json!(nullable))]);
        for (own, theirs) in
            [("allowed", "enum"), ("min", "minimum"), ("max", "maximum"), ("description", "description")]
        {
            if let Some(value) = property.get(theirs) {
                column.insert(own.to_owned(), value.clone());
            }
        }
        columns.insert(name.clone(), Json::Object(column));
    }
    Ok(Json::Object(columns))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Json {
        parse(text).unwrap()
    }

    #[test]
    fn an_avro_record_is_columns() {
        let found = parsed(
            r#"{"type":"record","name":"T","fields":[
                {"name":"id","type":"long","doc":"which one"},
                {"name":"at","type":["null",{"type":"long","logicalType":"timestamp-millis"}],"default":null},
                {"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}},
                {"name":"plan","type":{"type":"enum","name":"P","symbols":["a","b"]}},
                {"name":"tags","type":{"type":"array","items":"string"}},
                {"name":"ok","type":"boolean"}]}"#,
        );
        assert_eq!(found["id"], json!({ "type": "integer", "description": "which one" }));
        assert_eq!(found["at"], json!({ "type": "timestamp", "nullable": true }));
        assert_eq!(found["amount"]["type"], "number");
        assert_eq!(found["plan"], json!({ "type": "string", "allowed": ["a", "b"] }));
        assert_eq!((&found["tags"]["type"], &found["ok"]["type"]), (&json!("any"), &json!("bool")));
        assert!(
            parse(r#"{"type":"record","fields":[{"name":"x","type":"lnog"}]}"#).unwrap_err().contains("lnog")
        );
    }

    #[test]
    fn a_json_schema_is_columns() {
        let found = parsed(
            r#"{"type":"object","required":["id"],"properties":{
                "id":{"type":"integer","minimum":1},
                "day":{"type":["string","null"],"format":"date"},
                "plan":{"type":"string","enum":["a"]}}}"#,
        );
        assert_eq!(found["id"], json!({ "type": "integer", "nullable": false, "min": 1 }));
        assert_eq!(found["day"], json!({ "type": "date", "nullable": true }));
        assert_eq!(found["plan"]["allowed"], json!(["a"]));
    }

    #[test]
    fn columns_stand_in_a_file_as_in_place() {
        let found = parsed(r#"{"id":"integer","plan":{"type":"string","key":true}}"#);
        assert_eq!(found["id"], "integer");
        for bad in [r#"{"id":"int"}"#, r#"{"id":{"type":"string","nulable":true}}"#, "[]", "{"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
