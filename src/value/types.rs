//! Types of the language, as Terraform's users know them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The type of a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Type {
    /// Anything.
    Any,
    /// Text.
    String,
    /// Exact decimal.
    Number,
    /// Truth value.
    Bool,
    /// Items of one type, in order.
    List(Box<Type>),
    /// Items of one type, sorted, without duplicates.
    Set(Box<Type>),
    /// Values of one type by key.
    Map(Box<Type>),
    /// Items each of its own type.
    Tuple(Vec<Type>),
    /// Named attributes; the flag says whether it may be left out.
    Object(BTreeMap<String, (Type, bool)>),
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::String => f.write_str("string"),
            Self::Number => f.write_str("number"),
            Self::Bool => f.write_str("bool"),
            Self::List(item) => write!(f, "list({item})"),
            Self::Set(item) => write!(f, "set({item})"),
            Self::Map(item) => write!(f, "map({item})"),
            Self::Tuple(items) => {
                let items: Vec<String> = items.iter().map(ToString::to_string).collect();
                write!(f, "tuple([{}])", items.join(", "))
            }
            Self::Object(items) => {
                let items: Vec<String> = items
                    .iter()
                    .map(|(name, (item, optional))| {
                        if *optional {
                            format!("{name} = optional({item})")
                        } else {
                            format!("{name} = {item}")
                        }
                    })
                    .collect();
                write!(f, "object({{ {} }})", items.join(", "))
            }
        }
    }
}
