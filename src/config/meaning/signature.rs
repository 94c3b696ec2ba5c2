//! What an endpoint looks up for a request must be something its models take.

use std::collections::BTreeMap;

use mlp_diag::Diagnostic;
use mlp_eval::PlanValue;
use mlp_platform::Declaration;
use mlp_value::{Address, Path, Value};

use super::schema_file::{columns, signature};
use super::{Whole, names_of};
use crate::codes;

/// Checks every endpoint with features.
pub(super) fn check(whole: &Whole<'_, '_>) {
    for endpoint in whole.of_kind("endpoint") {
        let features = endpoint.body.field("features").and_then(Value::as_list).unwrap_or_default();
        if features.is_empty() {
            continue;
        }
        for model in models(whole, endpoint).into_values() {
            one(whole, endpoint, model, features);
        }
    }
}

/// The models that an endpoint serves.
fn models<'a>(whole: &Whole<'a, '_>, endpoint: &Declaration) -> BTreeMap<Address, &'a Declaration> {
    let variants = names_of(endpoint.body.field("variant"));
    let of_variants = variants.iter().map(|name| Path::of(&["variant", name, "model"]));
    let all = of_variants.chain([Path::of(&["model"])]);
    all.filter_map(|path| whole.behind(endpoint.body.get(&path)?))
        .map(|(model, _)| (model.address.clone(), model))
        .collect()
}

fn one(whole: &Whole<'_, '_>, endpoint: &Declaration, model: &Declaration, features: &[PlanValue]) {
    let Some(takes) = signature(whole, model) else {
        let place = whole.place(&endpoint.address, &Path::of(&["features"]));
        let what = format!("whether `{}` takes the features of `{}`", model.address, endpoint.address);
        return whole.unchecked(place, what, "give the model a `signature`");
    };
    for (index, view) in features.iter().enumerate() {
        let Some((view, _)) = whole.behind(view) else { continue };
        let place = whole.place(&endpoint.address, &Path::of(&["features"]).index(index));
        let Some(gives) = columns(whole, view) else {
            whole.unchecked(
                place,
                format!("whether `{}` takes what `{}` gives", model.address, view.address),
                "declare the `schema` of the features",
            );
            continue;
        };
        let lacking: Vec<String> =
            gives.names.iter().filter(|name| !takes.has(name)).map(|name| format!("`{name}`")).collect();
        if lacking.is_empty() {
            continue;
        }
        let mut problem = Diagnostic::error(
            codes::SIGNATURE,
            format!("the signature of `{}` lacks {}", model.address, lacking.join(", ")),
        )
        .at_opt(place, format!("`{}` gives them to every request", view.address));
        if let Some(span) = takes.at {
            problem = problem.see(span, "what the model takes");
        }
        whole.report(problem.help("add them to the signature's `inputs`, or take these features out"));
    }
}
