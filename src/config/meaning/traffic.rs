//! The traffic of an endpoint's variants adds up to all of it.

use mlp_diag::{Diagnostic, Span};
use mlp_platform::Declaration;
use mlp_value::{Number, Path, Value};

use super::{Whole, names_of};
use crate::codes;

/// Checks every endpoint with variants.
pub(super) fn check(whole: &Whole<'_, '_>) {
    for endpoint in whole.of_kind("endpoint") {
        let variants = names_of(endpoint.body.field("variant"));
        if !variants.is_empty() {
            one(whole, endpoint, &variants);
        }
    }
}

fn one(whole: &Whole<'_, '_>, endpoint: &Declaration, variants: &[&str]) {
    let mut sum = 0.0;
    // Variants that take what the others leave, and places of all shares.
    let mut rest: Vec<Span> = Vec::new();
    let mut shares: Vec<(Option<Span>, String)> = Vec::new();
    for name in variants {
        let at = Path::of(&["variant", name]);
        let traffic = at.field("traffic");
        let place = whole.place(&endpoint.address, &traffic);
        match endpoint.body.get(&traffic) {
            Some(Value::Number(number)) => {
                let percent = Number::to_f64(number);
                sum += percent;
                shares.push((place, format!("{number} %")));
            }
            Some(Value::Text(_)) => rest.extend(place),
            // Not known yet: nothing can be said.
            Some(_) => return,
            None if endpoint.body.get(&at.field("shadow")).is_some() => {}
            None => rest.extend(whole.name_place(&endpoint.address, &at)),
        }
    }
    let (headline, way_out) = match rest.len() {
        0 if (sum - 100.0).abs() < 1e-9 => return,
        0 => (
            format!("the traffic of `{}` sums to {sum} %, not to 100 %", endpoint.address),
            "change a share, or give one variant `traffic = \"remainder\"`",
        ),
        1 if sum <= 100.0 => return,
        1 => (
            format!("the traffic of `{}` sums to {sum} % before the remainder", endpoint.address),
            "give the variants at most 100 % together",
        ),
        _ => (
            format!("several variants of `{}` take what the others leave", endpoint.address),
            "give all variants but one a number, and that one `traffic = \"remainder\"`",
        ),
    };
    let mut problem = Diagnostic::error(codes::TRAFFIC, headline).help(way_out);
    if rest.len() > 1 {
        for (index, span) in rest.iter().enumerate() {
            problem =
                if index == 0 { problem.at(*span, "this one") } else { problem.see(*span, "and this one") };
        }
    } else {
        for (index, (place, share)) in shares.iter().enumerate() {
            problem = match place {
                Some(span) if index == 0 => problem.at(*span, share),
                Some(span) => problem.see(*span, share),
                None => problem,
            };
        }
        if shares.is_empty() {
            problem = problem.at(endpoint.header, "all of its variants are shadows");
        }
    }
    whole.report(problem);
}
