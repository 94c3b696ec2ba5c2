//! Addresses: which declaration is meant.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The key of one instance of a declaration with `for_each` or `count`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Key {
    /// By `count`.
    Index(u64),
    /// By `for_each`.
    Text(Arc<str>),
}

/// `model.fraud`, `dataset.x["eu"]`, `module.a.model.fraud`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// The modules it lies in, outermost first, each printed with its key.
    pub module: Vec<Arc<str>>,
    /// The block's kind; for native resources the type (`local_value`).
    pub kind: Arc<str>,
    /// The block's label.
    pub name: Arc<str>,
    /// The instance.
    pub key: Option<Key>,
}

impl Address {
    /// An address in the root module, without a key.
    pub fn new(kind: &str, name: &str) -> Self {
        Self { module: Vec::new(), kind: Arc::from(kind), name: Arc::from(name), key: None }
    }

    /// The same declaration's instance of that key.
    #[must_use]
    pub fn with_key(&self, key: Key) -> Self {
        Self { key: Some(key), ..self.clone() }
    }

    /// The declaration this is an instance of.
    #[must_use]
    pub fn without_key(&self) -> Self {
        Self { key: None, ..self.clone() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for module in &self.module {
            write!(f, "module.{module}.")?;
        }
        write!(f, "{}", self.kind)?;
        if !self.name.is_empty() {
            write!(f, ".{}", self.name)?;
        }
        match &self.key {
            None => Ok(()),
            Some(Key::Index(index)) => write!(f, "[{index}]"),
            Some(Key::Text(text)) => write!(f, "[{text:?}]"),
        }
    }
}

impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not an address such as `model.churn` or `dataset.x[\"eu\"]`");
        let (body, key) = match text.find('[').filter(|_| text.ends_with(']')) {
            None => (text, None),
            Some(at) => {
                let inner = &text[at + 1..text.len() - 1];
                let key = match inner.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
                    Some(word) => Key::Text(Arc::from(word)),
                    None => Key::Index(inner.parse().map_err(|_| wrong())?),
                };
                (&text[..at], Some(key))
            }
        };
        let words: Vec<&str> = body.split('.').collect();
        let mut module = Vec::new();
        let mut rest = words.as_slice();
        while let ["module", name, more @ ..] = rest {
            module.push(Arc::from(*name));
            rest = more;
        }
        if words.iter().any(|word| word.is_empty()) {
            return Err(wrong());
        }
        match rest {
            [kind, name] => Ok(Self { module, kind: Arc::from(*kind), name: Arc::from(*name), key }),
            [kind, name, more] if *kind == "provider" => {
                Ok(Self { module, kind: Arc::from(*kind), name: Arc::from(format!("{name}.{more}")), key })
            }
            [kind] if *kind == "project" => {
                Ok(Self { module, kind: Arc::from(*kind), name: Arc::from(""), key })
            }
            _ => Err(wrong()),
        }
    }
}

impl Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_as_it_prints() {
        for text in [
            "model.a",
            "dataset.x[\"eu\"]",
            "dataset.x[3]",
            "module.m.model.a",
            "provider.local.here",
            "project",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert!("model".parse::<Address>().is_err());
        assert!("model..a".parse::<Address>().is_err());
    }
}
