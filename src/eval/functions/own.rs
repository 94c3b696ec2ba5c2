//! Functions of this language about models, data and what is deployed. Their answer is known to what serves the attribute they
//! stand in, so a call of one stays a call, as a value.

use super::Parameter;
use super::define::Want::{Any, Bool, Number, Text};
use super::define::{FunctionInfo, new, p};

/// What `offers` and `price` lack.
const NO_PRICES: &str = "expressions do not read the catalogue of prices yet; `mlp catalog` shows it";

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
    kept("offers", "What providers offer for an accelerator phrase.", &[p("accelerator", Any)], Any).waits(NO_PRICES),
    kept("optional", "An input or output that may be absent.", &[p("kind", Text)], Any),
    kept("price", "What something costs in an hour.", &[p("of", Any)], Number).waits(NO_PRICES),
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
