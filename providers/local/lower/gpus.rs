//! `accelerator` of an endpoint: the GPUs of each variant, given out when the plan is made.
//!
//! A GPU belongs to one variant of one endpoint of the environment; its replicas, and the versions that follow each other in
//! it, share it. Who comes later in the order of addresses and names and finds none left is refused.

use std::collections::{BTreeMap, BTreeSet};

use super::builder::Builder;
use super::compute::{Accelerator, TOO_MUCH, machine};
use crate::mlp_eval::PlanValue;
use crate::mlp_platform::Declaration;
use crate::mlp_value::Value;

/// The numbers of the GPUs of each variant of this endpoint.
pub(super) fn lower(builder: &mut Builder<'_>) -> BTreeMap<String, PlanValue> {
    let Some(value) = builder.attribute("accelerator") else { return BTreeMap::new() };
    let Some(machine) = machine(builder) else { return BTreeMap::new() };
    // What is wrong with it, or more than there is at all, is said as of a step.
    let before = builder.diagnostics.len();
    Accelerator::of(value).check(builder, value, "accelerator", &machine);
    if builder.diagnostics.len() > before {
        return BTreeMap::new();
    }
    let mut owners: BTreeMap<u32, String> = BTreeMap::new();
    let mut found = BTreeMap::new();
    let own = &builder.declaration().address;
    for endpoint in builder.input.platform.declarations.values().filter(|one| one.kind == "endpoint") {
        let Some(asked) = endpoint.body.field("accelerator").map(Accelerator::of) else { continue };
        for name in variants(endpoint) {
            let slots = machine.gpus_called(&asked.names);
            let free: Vec<u32> = slots.iter().copied().filter(|slot| !owners.contains_key(slot)).collect();
            let enough = free.len() >= asked.count;
            if enough {
                let who = format!("variant `{name}` of {}", endpoint.address);
                owners.extend(free.iter().take(asked.count).map(|slot| (*slot, who.clone())));
            }
            if endpoint.address == *own {
                if !enough {
                    return taken(builder, &name, &asked, &slots, &owners);
                }
                let numbers = free.iter().take(asked.count).map(|slot| Value::int(i64::from(*slot)));
                found.insert(name, Value::list(numbers));
            }
        }
    }
    found
}

fn taken(
    builder: &mut Builder<'_>,
    name: &str,
    asked: &Accelerator<'_>,
    slots: &[u32],
    owners: &BTreeMap<u32, String>,
) -> BTreeMap<String, PlanValue> {
    let holders: BTreeSet<&String> = slots.iter().filter_map(|slot| owners.get(slot)).collect();
    let holders: Vec<&str> = holders.into_iter().map(String::as_str).collect();
    let text = format!(
        "variant `{name}` asks for {} × {}, and the {} that this machine has {} given to {}",
        asked.count,
        asked.names.join(" or "),
        slots.len(),
        if slots.len() == 1 { "is" } else { "are" },
        holders.join(" and "),
    );
    let help = "a GPU belongs to one variant: take a variant out of this environment, or ask for fewer";
    builder.error(TOO_MUCH, "accelerator", text, help);
    BTreeMap::new()
}

/// The variants of an endpoint by name, as it is lowered.
fn variants(endpoint: &Declaration) -> Vec<String> {
    let names = |value: Option<&PlanValue>| -> Vec<String> {
        let items = value.and_then(Value::as_object).into_iter().flat_map(|items| items.keys());
        items.map(ToString::to_string).collect()
    };
    let graph = names(endpoint.body.field("graph").and_then(|graph| graph.field("node")));
    let written = names(endpoint.body.field("variant"));
    match (graph.is_empty(), written.is_empty()) {
        (false, _) => graph,
        (true, false) => written,
        (true, true) => vec!["main".to_owned()],
    }
}
