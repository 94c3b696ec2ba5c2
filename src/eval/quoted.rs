//! References and quoted expressions as plain values, so that they can lie in a declaration, a plan and a state like any other.

use mlp_value::{Address, KnownValue, Value};

use crate::Expr;

const REFERENCE: &str = "$ref";
const PATH: &str = "path";
const QUOTED: &str = "$expr";
const IR: &str = "ir";
const SCOPE: &str = "scope";

/// A reference to a declaration, or to something it owns by name (`alias.champion`, `step.fit.model`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// The declaration.
    pub address: Address,
    /// The words after it; empty for the declaration itself.
    pub path: Vec<String>,
}

impl Reference {
    /// As a value.
    pub fn to_value<H>(&self) -> Value<H> {
        Value::object([
            (REFERENCE, Value::text(self.address.to_string())),
            (PATH, Value::list(self.path.iter().map(Value::text))),
        ])
    }

    /// The two words after the declaration, when there are just two: `("alias", "champion")`.
    pub fn member(&self) -> Option<(&str, &str)> {
        match self.path.as_slice() {
            [kind, name] => Some((kind, name)),
            _ => None,
        }
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.address)?;
        for word in &self.path {
            match word.parse::<u64>() {
                Ok(index) => write!(f, "[{index}]")?,
                Err(_) => write!(f, ".{word}")?,
            }
        }
        Ok(())
    }
}

/// The reference a value stands for, if it is one.
pub fn reference_of<H>(value: &Value<H>) -> Option<Reference> {
    let items = value.as_object()?;
    let address = items.get(REFERENCE)?.as_text()?.parse().ok()?;
    let path = items.get(PATH)?.as_list()?;
    Some(Reference {
        address,
        path: path.iter().filter_map(|word| word.as_text().map(str::to_owned)).collect(),
    })
}

/// An expression kept for later, with the text a person wrote and the name of the scope it is quoted in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoted {
    /// As written.
    pub text: String,
    /// The scope: `row`, `gate`, `step`, `check` …
    pub scope: String,
    /// What to compute.
    pub expr: Expr,
}

impl Quoted {
    /// As a value.
    ///
    /// # Errors
    /// An IR that cannot be written as JSON; none is known.
    pub fn to_value(&self) -> Result<KnownValue, String> {
        let json = serde_json::to_value(&self.expr).map_err(|error| error.to_string())?;
        Ok(KnownValue::object([
            (QUOTED, KnownValue::text(&self.text)),
            (SCOPE, KnownValue::text(&self.scope)),
            (IR, KnownValue::text(json.to_string())),
        ]))
    }

    /// The quoted expression a value stands for, if it is one.
    pub fn of<H>(value: &Value<H>) -> Option<Self> {
        let items = value.as_object()?;
        let text = items.get(QUOTED)?.as_text()?.to_owned();
        let scope = items.get(SCOPE)?.as_text()?.to_owned();
        let expr = serde_json::from_str(items.get(IR)?.as_text()?).ok()?;
        Some(Self { text, scope, expr })
    }
}
