//! Functions of this language about models, data, hardware and what is deployed. The answer of most is known to what serves the
//! attribute they stand in, so a call of one stays a call, as a value; the catalogue of hardware is the scope's.

use mlp_value::Type;

use super::arguments::{Arguments, Fault};
use super::define::Want::{Any, Bool, Fields, List, Number, Text};
use super::define::{FunctionInfo, new, p};
use super::{Given, Parameter};
use crate::PlanValue;
use crate::typed::Typed;

pub(super) const FUNCTIONS: &[FunctionInfo] = &[
    kept(
        "active",
        "Whether a monitor, an endpoint, a pipeline or an alert is at work.",
        &[p("of", Any), p("environment", Any)],
        Bool,
    )
    .optional(1),
    kept(
        "at",
        "A dataset, feature view or model as it was at a time.",
        &[p("of", Any), p("time", Text)],
        Any,
    ),
    kept(
        "deployed",
        "Whether an endpoint, a pipeline, a model, a feature view or an app runs, here or in an environment.",
        &[p("of", Any), p("environment", Any)],
        Bool,
    )
    .optional(1),
    kept(
        "healthy",
        "Whether a monitor, a signal, an endpoint or an alert has had nothing to say for so long, here or in an environment.",
        &[p("of", Any), p("window", Text), p("environment", Any)],
        Bool,
    )
    .optional(2),
    new(
        "offers",
        "The machines that carry an accelerator phrase or a `compute`, the preferred chip and the cheapest first, each with \
         `provider`, `instance`, `chip`, `count`, `price`, `price_each` and more.",
        &[p("of", Any), p("where", Fields)],
        List,
        |call| from_catalog(call, call.scope.offers(call.value(0), call.value(1))),
    )
    .optional(1)
    .own()
    .examples(&[("length(offers({ name = \"H200\", count = 8 }, { provider = \"aws\" })) > 0", "true")]),
    kept("optional", "An input or output that may be absent.", &[p("kind", Text)], Any),
    new(
        "price",
        "What an hour of an accelerator phrase or of all nodes of a `compute` costs at the least, in US dollars unless `where` \
         says another `currency`; null when nobody knows.",
        &[p("of", Any), p("where", Fields)],
        Number,
        |call| from_catalog(call, call.scope.price(call.value(0), call.value(1))),
    )
    .optional(1)
    .own()
    .examples(&[("price({ name = \"H200\", count = 8 }) > 10", "true")]),
    kept(
        "trained_on",
        "The version of a dataset or feature view that trained a version of a model.",
        &[p("model", Any), p("data", Any)],
        Any,
    )
    .optional(1),
    kept(
        "version",
        "A version of a dataset, feature view or model, by its number or digest; without one the newest.",
        &[p("of", Any), p("which", Any)],
        Any,
    )
    .optional(1),
];

const fn kept(
    name: &'static str,
    doc: &'static str,
    parameters: &'static [Parameter],
    returns: super::define::Want,
) -> FunctionInfo {
    new(name, doc, parameters, returns, |_| Ok(None)).kept()
}

/// What the catalogue said; `None` while it is being read.
fn from_catalog(call: &Arguments<'_>, said: Result<Option<PlanValue>, (usize, String)>) -> Given {
    match said {
        Ok(Some(value)) => {
            call.budget.items(value.as_list().map_or(1, <[PlanValue]>::len))?;
            let ty = if value.is_null() { Type::Number } else { Type::Any };
            Ok(Some(Typed::new(value, &ty)))
        }
        Ok(None) => Ok(None),
        Err((argument, why)) => Err(Fault { why, argument: Some(argument), exhausted: false }),
    }
}
