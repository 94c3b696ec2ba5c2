//! Parameters: as variables of containers, so that a run can give others.

use crate::mlp_value::{KnownValue, Value};

/// Where a run looks which containers take which parameter of the pipeline.
pub(crate) const PARAMS: &str = "mlp.dev/params";

/// The variable of an input, output or parameter.
pub(crate) fn variable(what: &str, name: &str) -> String {
    format!("MLP_{what}_{}", name.replace('-', "_"))
}

/// A value as its variable holds it: a text as it is, everything else as JSON.
pub(crate) fn text_of(value: &KnownValue) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        Value::Null => String::new(),
        other => other.to_plain_json().to_string(),
    }
}

/// A text in which the cluster finds nothing to fill in.
pub(crate) fn literal(text: &str) -> String {
    text.replace('$', "$$")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_texts() {
        let json = |text: &str| KnownValue::from_json(&serde_json::from_str(text).unwrap()).unwrap();
        for (value, text) in
            [("\"a b\"", "a b"), ("0.1", "0.1"), ("true", "true"), ("[1,2]", "[1,2]"), ("null", "")]
        {
            assert_eq!(text_of(&json(value)), text);
        }
        assert_eq!(variable("PARAM", "learning-rate"), "MLP_PARAM_learning_rate");
        assert_eq!(literal("$(date) $$"), "$$(date) $$$$");
    }
}
