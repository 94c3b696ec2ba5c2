//! Sets: the results are sorted and without duplicates.

use mlp_value::{Type, Value};

use super::Given;
use super::arguments::{Arguments, blame};
use super::define::Want::{Any, Items, Set};
use super::define::{FunctionInfo, new, p};
use super::gather::{alike, column};
use crate::PlanValue;
use crate::convert::convert_typed;
use crate::equality::{order, to_set};
use crate::typed::Typed;

pub(super) const FUNCTIONS: &[FunctionInfo] = &[
    new("setintersection", "What all sets hold.", &[p("set", Set)], Set, |call| {
        fold(call, |kept, rest| kept.retain(|item| holds(rest, item)))
    })
    .variadic(p("sets", Set))
    .examples(&[("setintersection([\"a\", \"b\"], [\"b\", \"c\"])", "[\"b\"]")]),
    new("setproduct", "Every combination of an item of each.", &[], Any, product)
        .variadic(p("lists", Items))
        .structural()
        .examples(&[(
            "setproduct([\"a\", \"b\"], [1, 2])",
            "[[\"a\", 1], [\"a\", 2], [\"b\", 1], [\"b\", 2]]",
        )]),
    new(
        "setsubtract",
        "What the first set holds and the second does not.",
        &[p("set", Set), p("without", Set)],
        Set,
        |call| fold(call, |kept, rest| kept.retain(|item| !holds(rest, item))),
    )
    .examples(&[("setsubtract([\"a\", \"b\", \"c\"], [\"a\", \"c\"])", "[\"b\"]")]),
    new("setunion", "What any of the sets holds.", &[p("set", Set)], Set, |call| {
        fold(call, |kept, rest| kept.extend(rest.iter().cloned()))
    })
    .variadic(p("sets", Set))
    .examples(&[("setunion([\"a\", \"b\"], [\"b\", \"c\"])", "[\"a\", \"b\", \"c\"]")]),
];

/// Whether a sorted list holds the item.
fn holds(sorted: &[PlanValue], item: &PlanValue) -> bool {
    sorted.binary_search_by(|other| order(other, item)).is_ok()
}

fn fold(call: &Arguments<'_>, step: fn(&mut Vec<PlanValue>, &[PlanValue])) -> Given {
    let (sets, ty) = alike(call)?;
    let mut sets = sets.into_iter();
    let mut kept = sets.next().unwrap_or_default();
    sets.for_each(|rest| step(&mut kept, &rest));
    Ok(Some(Typed::new(Value::list(to_set(kept)), &ty)))
}

fn product(call: &Arguments<'_>) -> Given {
    if call.len() < 2 {
        return Err("at least two lists or sets are needed".into());
    }
    let mut rows: Vec<Vec<PlanValue>> = vec![Vec::new()];
    let mut columns = Vec::new();
    for at in 0..call.len() {
        let item = column(&call.type_of(at));
        let list = match convert_typed(&call.typed(at), &Type::List(Box::new(item.clone()))) {
            Ok(list) => list.value,
            Err(why) => return blame(at, why),
        };
        let Value::List(items) = list else { return blame(at, "a list or a set is needed") };
        columns.push(item);
        call.budget.items(rows.len().saturating_mul(items.len()).saturating_mul(at + 1))?;
        let longer = rows
            .iter()
            .flat_map(|row| items.iter().map(|item| row.iter().cloned().chain([item.clone()]).collect()));
        rows = longer.collect();
    }
    let rows: Vec<PlanValue> = rows.into_iter().map(Value::list).collect();
    let item = Box::new(Type::Tuple(columns));
    if (0..call.len()).any(|at| matches!(call.type_of(at), Type::Set(_))) {
        // Rows may turn out to be the same once they are known.
        let open = rows.iter().any(Value::has_holes);
        return Ok((!open).then(|| Typed::new(Value::list(to_set(rows)), &Type::Set(item))));
    }
    Ok(Some(Typed::new(Value::list(rows), &Type::List(item))))
}
