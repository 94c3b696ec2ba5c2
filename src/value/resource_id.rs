//! Which native resource is meant: a declaration's address and the role the resource plays for it.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use crate::Address;

/// `endpoint.churn/router`; a role that is empty prints as the address alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceId {
    /// The portable declaration.
    pub address: Address,
    /// The stable role; empty when a declaration lowers to one resource.
    pub role: Arc<str>,
}

/// The role of most resources.
static ALONE: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from(""));

impl ResourceId {
    /// The resource of that role.
    pub fn new(address: Address, role: &str) -> Self {
        let role = if role.is_empty() { ALONE.clone() } else { Arc::from(role) };
        Self { address, role }
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if self.role.is_empty() { Ok(()) } else { write!(f, "/{}", self.role) }
    }
}

impl FromStr for ResourceId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A key may hold a slash; a role may not hold a quote or bracket, so the last slash after the key is meant.
        let after_key = text.rfind(']').map_or(0, |at| at + 1);
        match text[after_key..].rfind('/') {
            Some(at) => Ok(Self::new(text[..after_key + at].parse()?, &text[after_key + at + 1..])),
            None => Ok(Self::new(text.parse()?, "")),
        }
    }
}

impl Serialize for ResourceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ResourceId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_as_it_prints() {
        for text in ["endpoint.a", "endpoint.a/router", "dataset.x[\"a/b\"]", "dataset.x[\"a/b\"]/object"] {
            assert_eq!(text.parse::<ResourceId>().unwrap().to_string(), text);
        }
    }
}
