//! The names of columns that a dataset's schema, a model's signature or a feature view declares, in place or in a file.

use mlp_diag::Span;
use mlp_eval::PlanValue;
use mlp_platform::Declaration;
use mlp_value::facts::{Fact, Need};
use mlp_value::{Path, Value};
use serde_json::Value as Json;

use super::{Whole, names_of};

/// Declared columns, and where they are declared.
pub(super) struct Columns {
    pub(super) names: Vec<String>,
    pub(super) at: Option<Span>,
}

impl Columns {
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }
}

/// The columns of a dataset or a feature view; `None` where it declares none, or its file cannot be read, which a plan refuses.
pub(super) fn columns(whole: &Whole<'_, '_>, of: &Declaration) -> Option<Columns> {
    let at = Path::of(&["schema"]);
    let place = whole.place(&of.address, &at);
    let schema = of.body.get(&at)?;
    let names = match schema {
        Value::Text(path) => in_file(&read(whole, path)?)?,
        other => names_of(Some(other)).into_iter().map(str::to_owned).collect(),
    };
    Some(Columns { names, at: place })
}

/// What a model's signature says that it takes.
pub(super) fn signature(whole: &Whole<'_, '_>, model: &Declaration) -> Option<Columns> {
    let at = Path::of(&["signature"]);
    let path = model.body.get(&at)?.as_text()?;
    let found = read(whole, path)?;
    let inputs = match found.get("inputs")? {
        // MLflow keeps the list as text.
        Json::String(text) => serde_json::from_str(text).ok()?,
        other => other.clone(),
    };
    Some(Columns { names: named(inputs.as_array()?), at: whole.place(&model.address, &at) })
}

fn read(whole: &Whole<'_, '_>, path: &str) -> Option<Json> {
    let evaluator = whole.evaluator;
    match evaluator.facts.ask(Need::Text(path.to_owned()), &mut evaluator.needs.borrow_mut())? {
        Fact::Text(text) => serde_json::from_str(text).ok(),
        _ => None,
    }
}

/// Avro, JSON Schema, or the columns as they would stand in place.
fn in_file(found: &Json) -> Option<Vec<String>> {
    let fields = found.as_object()?;
    if fields.get("type").and_then(Json::as_str) == Some("record") {
        return Some(named(fields.get("fields")?.as_array()?));
    }
    match fields.get("properties").and_then(Json::as_object) {
        Some(properties) => Some(properties.keys().cloned().collect()),
        None => Some(fields.keys().cloned().collect()),
    }
}

fn named(items: &[Json]) -> Vec<String> {
    items.iter().filter_map(|item| item.get("name")?.as_str().map(str::to_owned)).collect()
}

/// The texts of a list, or the one text that stands there, each with its path.
pub(super) fn texts<'v>(body: &'v PlanValue, at: &Path) -> Vec<(Path, &'v str)> {
    match body.get(at) {
        Some(Value::Text(text)) => vec![(at.clone(), text)],
        Some(Value::List(items)) => {
            let each = items.iter().enumerate();
            each.filter_map(|(index, item)| Some((at.index(index), item.as_text()?))).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_schema_names_its_columns() {
        for text in [
            r#"{"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}, {"name": "b", "type": "int"}]}"#,
            r#"{"type": "object", "properties": {"a": {}, "b": {}}}"#,
            r#"{"a": "string", "b": {"type": "number"}}"#,
        ] {
            let found = in_file(&serde_json::from_str(text).unwrap()).unwrap();
            assert_eq!(found, ["a", "b"]);
        }
        assert_eq!(in_file(&Json::Null), None);
    }
}
