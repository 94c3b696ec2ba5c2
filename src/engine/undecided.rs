//! Blocks of which is not known yet how many instances there are.

use std::borrow::Cow;

use mlp_plan::{DeferredItem, Plan};
use mlp_platform::Platform;
use mlp_state::State;
use mlp_value::ResourceId;

/// What is remembered, less the instances of such blocks: nothing becomes of them by this plan.
pub fn undecided<'s>(platform: &Platform, state: &'s State) -> Cow<'s, State> {
    let is_open = |id: &ResourceId| platform.deferred.iter().any(|one| one.covers(&id.address));
    if !state.resources.keys().any(is_open) {
        return Cow::Borrowed(state);
    }
    let mut decided = state.clone();
    decided.resources.retain(|id, _| !is_open(id));
    Cow::Owned(decided)
}

/// Such blocks, as a plan shows them.
pub fn waiting_blocks(platform: &Platform, plan: &Plan) -> Vec<DeferredItem> {
    let fillers = |one: &mlp_platform::Deferred| {
        let of_it =
            plan.deferred.iter().filter(|item| one.after.contains(&item.resource.address.to_string()));
        of_it.flat_map(|item| item.filled_by.iter().cloned()).collect::<Vec<_>>()
    };
    let item = |one: &mlp_platform::Deferred| DeferredItem {
        resource: ResourceId::new(one.address.clone(), ""),
        kind: one.address.kind.to_string(),
        why: format!(
            "its `{}` is known only after {}; the next plan says which there are",
            one.attribute,
            one.after.join(", ")
        ),
        filled_by: fillers(one),
        through: Vec::new(),
    };
    platform.deferred.iter().map(item).collect()
}

#[cfg(test)]
mod tests {
    use mlp_platform::Deferred;
    use mlp_value::Address;

    #[test]
    fn instances_and_what_lies_in_them_are_covered() {
        let address: Address = "module.shop".parse().unwrap();
        let header = mlp_diag::Span::new(mlp_diag::FileId(0), 0, 0);
        let block = Deferred { address, attribute: "for_each".into(), header, after: Vec::new() };
        for (address, covered) in [
            ("module.shop[\"eu\"].dataset.orders", true),
            ("module.shop.dataset.orders", true),
            ("module.other.dataset.orders", false),
            ("dataset.orders", false),
        ] {
            assert_eq!(block.covers(&address.parse().unwrap()), covered, "{address}");
        }
    }
}
