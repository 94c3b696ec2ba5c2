//! Functions of this language about models, data and what is deployed. Their answer is known to what serves the attribute they
//! stand in, so a call of one stays a call, as a value.

use super::Parameter;
use super::define::Want::{Any, Bool, Number, Text};
use super::define::{FunctionInfo, new, nullable, p};

pub(super) const FUNCTIONS: &[FunctionInfo] = &[
    kept("active", "Whether an alert fires, or a monitor has found something, now.", &[p("of", Any)], Bool),
    kept(
        "at",
        "The version of a dataset or feature view as it was at a time.",
        &[p("of", Any), p("time", Text)],
        Any,
    ),
    kept(
        "deployed",
        "What an environment runs now of a model or an endpoint.",
        &[p("of", Any), p("environment", Any)],
        Any,
    )
    .optional(1),
    kept("healthy", "Whether an endpoint serves and keeps its objectives.", &[p("of", Any)], Bool),
    kept("offers", "What a provider offers for an accelerator.", &[p("accelerator", Any)], Any),
    kept("optional", "An input or output that may be absent.", &[p("kind", Text)], Any),
    kept("price", "What something costs in an hour, where that is known.", &[p("of", Any)], Number),
    kept(
        "trained_on",
        "The version of a dataset that trained a version of a model.",
        &[p("model", Any), p("dataset", Any)],
        Any,
    ),
    kept(
        "version",
        "A version of a model or dataset, by its number or digest.",
        &[p("of", Any), nullable("which", Any)],
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
