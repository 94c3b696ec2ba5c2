//! Lists as sets: the results are sorted and without duplicates.

use mlp_value::{Type, Value};

use super::{Arguments, FunctionInfo, Given, MANY, function, structural};
use crate::PlanValue;
use crate::equality::{order, to_set};

pub(super) const FUNCTIONS: &[FunctionInfo] = &[
    function(
        "setintersection",
        "setintersection(sets...)",
        "What all sets hold.",
        Type::Any,
        (1, MANY),
        |call| fold(call, |sets, rest| sets.into_iter().filter(|item| holds(rest, item)).collect()),
    ),
    structural(
        "setproduct",
        "setproduct(sets...)",
        "Every combination of an item of each.",
        Type::Any,
        (1, MANY),
        product,
    ),
    function(
        "setsubtract",
        "setsubtract(set, without)",
        "What the first set holds and the second does not.",
        Type::Any,
        (2, 2),
        |call| fold(call, |sets, rest| sets.into_iter().filter(|item| !holds(rest, item)).collect()),
    ),
    function("setunion", "setunion(sets...)", "What any of the sets holds.", Type::Any, (1, MANY), |call| {
        let mut all = Vec::new();
        for at in 0..call.len() {
            call.budget.items(call.list(at)?.len())?;
            all.extend(call.list(at)?.iter().cloned());
        }
        Ok(Some(Value::list(to_set(all))))
    }),
];

/// Whether a sorted list holds the item.
fn holds(sorted: &[PlanValue], item: &PlanValue) -> bool {
    sorted.binary_search_by(|other| order(other, item)).is_ok()
}

fn fold(call: &Arguments<'_>, step: fn(Vec<PlanValue>, &[PlanValue]) -> Vec<PlanValue>) -> Given {
    let mut kept = to_set(call.list(0)?.to_vec());
    for at in 1..call.len() {
        kept = step(kept, &to_set(call.list(at)?.to_vec()));
    }
    Ok(Some(Value::list(kept)))
}

fn product(call: &Arguments<'_>) -> Given {
    let mut rows: Vec<Vec<PlanValue>> = vec![Vec::new()];
    for at in 0..call.len() {
        let items = call.list(at)?;
        call.budget.items(rows.len().saturating_mul(items.len()).saturating_mul(at + 1))?;
        let longer = rows
            .iter()
            .flat_map(|row| items.iter().map(|item| row.iter().cloned().chain([item.clone()]).collect()));
        rows = longer.collect();
    }
    Ok(Some(Value::list(rows.into_iter().map(Value::list))))
}
