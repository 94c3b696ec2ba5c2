//! Which declarations an environment has: `environments` of each, `only` (with what it refers to) and `except`.

use std::collections::{BTreeMap, BTreeSet};

use mlp_eval::{PlanValue, reference_of};
use mlp_platform::Declaration;
use mlp_value::Address;

/// Kinds that belong to the specification itself: `only` never leaves them out.
const ALWAYS: &[&str] = &["project", "provider", "variable", "environment", "team", "output"];

fn listed(value: Option<&PlanValue>) -> Option<BTreeSet<Address>> {
    let items = value?.as_list()?;
    Some(items.iter().filter_map(|item| reference_of(item).map(|reference| reference.address)).collect())
}

/// Whether an address, or a module that it lies in, is among those listed.
fn covers(listed: &BTreeSet<Address>, address: &Address) -> bool {
    let mut all = address.enclosing();
    all.push(address.clone());
    all.iter().any(|one| listed.contains(one) || listed.contains(&one.without_key()))
}

/// Removes what the environment does not have.
pub(crate) fn select(environment: &str, body: &PlanValue, declarations: &mut BTreeMap<Address, Declaration>) {
    let here = Address::new("environment", environment);
    let before: BTreeSet<Address> = declarations.keys().cloned().collect();
    declarations.retain(|_, declaration| {
        listed(declaration.body.field("environments")).is_none_or(|only| only.contains(&here))
    });
    if let Some(except) = listed(body.field("except")) {
        declarations.retain(|address, _| !covers(&except, address));
    }
    // What lies in a module goes with it.
    let there: BTreeSet<Address> = declarations.keys().cloned().collect();
    declarations.retain(|address, _| {
        address.enclosing().iter().all(|call| there.contains(call) || !before.contains(call))
    });
    let Some(only) = listed(body.field("only")) else { return };
    let mut keep: BTreeSet<Address> = BTreeSet::new();
    let mut open: Vec<Address> =
        declarations.keys().filter(|address| covers(&only, address)).cloned().collect();
    while let Some(address) = open.pop() {
        if let Some(declaration) = declarations.get(&address)
            && keep.insert(address)
        {
            open.extend(declaration.edges.iter().map(|edge| edge.to.clone()));
        }
    }
    declarations.retain(|address, _| keep.contains(address) || ALWAYS.contains(&&*address.kind));
}
