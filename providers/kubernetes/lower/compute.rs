//! `compute`: what a container asks of its node.

use std::collections::BTreeMap;

use mlp_provider::{LowerInput, Lowered};

use super::builder::Builder;
use crate::codes;
use crate::mlp_eval::{PlanValue, reference_of};
use crate::mlp_value::{Value, units};

const SERVED: &[&str] = &["cpu", "memory", "disk", "nodes"];

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let mut builder = Builder::new(input, SERVED);
    resources(&mut builder, &input.declaration.body, "");
    builder.finish(Vec::new())
}

/// A number of bytes as the API server writes it: the largest unit that divides it.
pub(super) fn quantity(bytes: u64) -> String {
    let binary = [("Ti", 1_u64 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];
    let decimal = [("T", 1_000_000_000_000), ("G", 1_000_000_000), ("M", 1_000_000), ("k", 1000)];
    let fits = |(_, size): &&(&str, u64)| bytes > 0 && bytes.is_multiple_of(*size);
    match binary.iter().chain(&decimal).find(fits) {
        Some((unit, size)) => format!("{}{unit}", bytes / size),
        None => bytes.to_string(),
    }
}

/// Cores as the API server writes them; nothing finer than a thousandth.
fn cores(value: &PlanValue) -> Option<String> {
    let number = value.as_number()?.to_f64();
    let milli = number * 1000.0;
    let whole = milli.round();
    if !(1.0..=1e9).contains(&whole) || (milli - whole).abs() > 1e-6 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and below a billion")]
    let milli = whole as i64;
    Some(if milli % 1000 == 0 { (milli / 1000).to_string() } else { format!("{milli}m") })
}

/// What is asked for, as the `resources` of a container; nothing where nothing is.
fn resources(builder: &mut Builder<'_>, body: &PlanValue, prefix: &str) -> Option<PlanValue> {
    let mut requests = BTreeMap::new();
    let mut limits = BTreeMap::new();
    if let Some(value) = body.field("cpu").filter(|value| value.as_number().is_some()) {
        match cores(value) {
            Some(cores) => drop(requests.insert("cpu", Value::text(cores))),
            None => builder.error(
                codes::VALUE,
                &format!("{prefix}cpu"),
                "so many cores cannot be asked for",
                "the smallest part of a core is a thousandth: `cpu = 0.5`",
            ),
        }
    }
    for (word, resource) in [("memory", "memory"), ("disk", "ephemeral-storage")] {
        let bytes = body.field(word).and_then(Value::as_text).and_then(|text| units::bytes(text).ok());
        if let Some(bytes) = bytes {
            let value = Value::text(quantity(bytes));
            requests.insert(resource, value.clone());
            // Beyond it the container is ended: a node that has none left would choose another one.
            limits.insert(resource, value);
        }
    }
    let one = |nodes: &PlanValue| nodes.as_number().is_some_and(|count| count.to_i64() == Some(1));
    if body.field("nodes").is_some_and(|nodes| !nodes.is_null() && !one(nodes)) {
        let help = "write `nodes = 1`, or leave it out";
        builder.not_served(&format!("{prefix}nodes"), "work on several nodes", help);
    }
    let parts = [("requests", requests), ("limits", limits)];
    let parts: Vec<(&str, PlanValue)> = parts
        .into_iter()
        .filter(|(_, part)| !part.is_empty())
        .map(|(name, part)| (name, Value::object(part)))
        .collect();
    (!parts.is_empty()).then(|| Value::object(parts))
}

/// The `resources` of a container whose compute is declared, or written in place.
pub(super) fn resolve(builder: &mut Builder<'_>, value: &PlanValue, path: &str) -> Option<PlanValue> {
    match reference_of(value) {
        Some(_) => {
            let declared = builder.referred(value, "compute", path)?;
            // What is wrong with it is said once, where it is declared.
            let mut own = Builder::new(&LowerInput { declaration: declared, ..builder.input }, SERVED);
            resources(&mut own, &declared.body, "")
        }
        None => resources(builder, value, &format!("{path}.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_written_as_the_cluster_writes_them() {
        for (bytes, text) in [
            (10 * (1 << 30), "10Gi"),
            (1536 << 20, "1536Mi"),
            (1_000_000_000, "1G"),
            (1500, "1500"),
            (1 << 40, "1Ti"),
            (1024, "1Ki"),
        ] {
            assert_eq!(quantity(bytes), text);
        }
        for (number, text) in
            [("2", Some("2")), ("0.5", Some("500m")), ("1.25", Some("1250m")), ("0.0001", None), ("0", None)]
        {
            let value = Value::Number(number.parse().unwrap());
            assert_eq!(cores(&value).as_deref(), text, "{number}");
        }
    }
}
