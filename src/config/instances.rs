//! `for_each` and `count`: one block, several instances.

use std::sync::Arc;

use mlp_diag::{Diagnostic, Diagnostics};
use mlp_eval::PlanValue;
use mlp_value::{Address, Key, Value};

use crate::codes;
use crate::index::Declared;
use crate::source::Entry;

/// Which instance is evaluated: what `each` and `count` mean.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Repeat {
    /// The only one.
    None,
    /// By key.
    Each(Arc<str>, PlanValue),
    /// By number.
    Count(u64),
}

/// The most instances of one block.
const MOST: u64 = 1_000_000;

/// The instances of a block, given what its `for_each` or `count` came to.
pub(crate) fn expand(
    declared: &Declared<'_>,
    attribute: &str,
    value: &PlanValue,
    diagnostics: &mut Diagnostics,
) -> Vec<(Address, Repeat)> {
    let by_text = |key: &Arc<str>, value: PlanValue| {
        (declared.address.with_key(Key::Text(key.clone())), Repeat::Each(key.clone(), value))
    };
    match (attribute, value) {
        ("for_each", Value::Object(items)) => {
            items.iter().map(|(key, item)| by_text(key, item.clone())).collect()
        }
        ("for_each", Value::List(items)) if items.iter().all(|item| item.as_text().is_some()) => items
            .iter()
            .filter_map(|item| match item {
                Value::Text(key) => Some(by_text(key, item.clone())),
                _ => None,
            })
            .collect(),
        ("count", Value::Number(number)) => match number.to_i64().map(u64::try_from) {
            Some(Ok(count)) if count <= MOST => (0..count)
                .map(|index| (declared.address.with_key(Key::Index(index)), Repeat::Count(index)))
                .collect(),
            _ => refuse(
                declared,
                attribute,
                &format!("{number} is not a whole number from 0 to {MOST}"),
                diagnostics,
            ),
        },
        (_, Value::Hole(_)) => {
            refuse(declared, attribute, "its value is known only after apply", diagnostics)
        }
        (_, other) => {
            let wanted =
                if attribute == "count" { "a whole number" } else { "a map, an object or a set of strings" };
            refuse(
                declared,
                attribute,
                &format!("{wanted} is expected, and this is a {}", other.kind()),
                diagnostics,
            )
        }
    }
}

/// What must not be shown cannot decide how many instances there are and what they are called.
pub(crate) fn sensitive(
    declared: &Declared<'_>,
    attribute: &str,
    diagnostics: &mut Diagnostics,
) -> Vec<(Address, Repeat)> {
    refuse(
        declared,
        attribute,
        "its value is sensitive, and would show in the addresses of the instances",
        diagnostics,
    )
}

fn refuse(
    declared: &Declared<'_>,
    attribute: &str,
    why: &str,
    diagnostics: &mut Diagnostics,
) -> Vec<(Address, Repeat)> {
    let span = declared.parts.get(attribute).map(|Entry { source, .. }| source.span());
    diagnostics.push(
        Diagnostic::error(codes::REPEAT, format!("`{attribute}` of {} cannot be used", declared.address))
            .at_opt(span, why)
            .help("use a map, an object or `toset([...])` of values known when the plan is made"),
    );
    Vec::new()
}
