//! Values as JSON. Whole numbers are JSON numbers; other decimals are written exactly, under a key no attribute can have,
//! so that nothing is rounded on its way to disk.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::{KnownValue, Number, Value};

const DECIMAL: &str = "$decimal";
const HOLE: &str = "$unknown";

impl<H> Value<H> {
    fn json_with(&self, number: &dyn Fn(&Number) -> Json, hole: &mut dyn FnMut(&H) -> Json) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Number(value) => number(value),
            Self::Text(text) => Json::String(text.to_string()),
            Self::List(items) => items.iter().map(|item| item.json_with(number, hole)).collect(),
            Self::Object(items) => Json::Object(
                items.iter().map(|(key, item)| (key.to_string(), item.json_with(number, hole))).collect(),
            ),
            Self::Hole(open) => hole(open),
        }
    }

    /// Plain JSON for people and other programs: decimals become floats, holes what `hole` gives.
    pub fn to_plain_json_with(&self, hole: &mut dyn FnMut(&H) -> Json) -> Json {
        self.json_with(
            &|number: &Number| match number.to_i64() {
                Some(whole) => Json::from(whole),
                None => Json::from(number.to_f64()),
            },
            hole,
        )
    }

    fn exact_json(&self, hole: &mut dyn FnMut(&H) -> Json) -> Json {
        self.json_with(
            &|number: &Number| match number.to_i64() {
                Some(whole) => Json::from(whole),
                None => serde_json::json!({ DECIMAL: number.to_string() }),
            },
            hole,
        )
    }
}

impl KnownValue {
    /// Plain JSON for other programs: decimals become floats.
    pub fn to_plain_json(&self) -> Json {
        self.to_plain_json_with(&mut |never| match *never {})
    }

    /// Reads JSON, exact or plain.
    ///
    /// # Errors
    /// A number that is none.
    pub fn from_json(json: &Json) -> Result<Self, String> {
        read(json, &|_| Err("a value that is not known cannot stand here".to_owned()))
    }
}

fn read<H>(json: &Json, hole: &dyn Fn(&Json) -> Result<H, String>) -> Result<Value<H>, String> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => Value::Number(number.to_string().parse()?),
        Json::String(text) => Value::text(text),
        Json::Array(items) => {
            Value::List(Arc::new(items.iter().map(|item| read(item, hole)).collect::<Result<_, _>>()?))
        }
        Json::Object(items) if items.len() == 1 && items.contains_key(HOLE) => {
            Value::Hole(hole(&items[HOLE])?)
        }
        Json::Object(items) => match items.get(DECIMAL) {
            Some(Json::String(text)) if items.len() == 1 => Value::Number(text.parse()?),
            _ => Value::Object(Arc::new(
                items
                    .iter()
                    .map(|(key, item)| Ok::<_, String>((Arc::from(key.as_str()), read(item, hole)?)))
                    .collect::<Result<_, _>>()?,
            )),
        },
    })
}

impl<H: Serialize> Serialize for Value<H> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut failure = None;
        let json = self.exact_json(&mut |open| match serde_json::to_value(open) {
            Ok(open) => serde_json::json!({ HOLE: open }),
            Err(error) => {
                failure = Some(error);
                Json::Null
            }
        });
        match failure {
            None => json.serialize(serializer),
            Some(error) => Err(serde::ser::Error::custom(error)),
        }
    }
}

impl<'de, H: DeserializeOwned> Deserialize<'de> for Value<H> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hole = |open: &Json| H::deserialize(open).map_err(|error| error.to_string());
        read(&Json::deserialize(deserializer)?, &hole).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_survive_the_disk() {
        let value = KnownValue::object([
            ("a", KnownValue::Number("0.1234567890123456789012345".parse().unwrap())),
            ("b", KnownValue::list([KnownValue::int(3), KnownValue::Null])),
        ]);
        let text = serde_json::to_string(&value).unwrap();
        assert_eq!(serde_json::from_str::<KnownValue>(&text).unwrap(), value);
    }
}
