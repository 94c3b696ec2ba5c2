//! A gate moves a version between aliases of its model, and compares metrics that a step keeps with every version.

use std::collections::BTreeMap;

use mlp_diag::{Diagnostic, Span, one_of};
use mlp_eval::reference_of;
use mlp_platform::Declaration;
use mlp_platform::schema::Scope;
use mlp_value::{Address, Path, Value};

use super::members::outputs;
use super::names::alias_of;
use super::scopes::{each, words};
use super::{Whole, names_of};
use crate::codes;

/// Checks every gate of every model.
pub(super) fn check(whole: &Whole<'_, '_>) {
    let kept = kept(whole);
    let spoilt = whole.spoilt.iter().any(|address| &*address.kind == "pipeline");
    for model in whole.of_kind("model") {
        let gates = names_of(model.body.field("gate"));
        if gates.is_empty() {
            continue;
        }
        for gate in &gates {
            for word in ["from", "to"] {
                let at = Path::of(&["gate", gate, word]);
                if let Some(alias) = model.body.get(&at).and_then(Value::as_text) {
                    alias_of(whole, model, alias, whole.place(&model.address, &at));
                }
            }
        }
        // A pipeline that is wrong in itself may be the one that registers versions.
        match kept.get(&model.address).filter(|known| !known.open && !spoilt) {
            Some(known) => compared(whole, model, known),
            None => unknown(whole, model),
        }
    }
}

/// Gates whose metrics nothing declares.
fn unknown(whole: &Whole<'_, '_>, model: &Declaration) {
    for quoted in whole.quoted_of(model).iter().filter(|one| one.scope == Scope::Gate) {
        let what = format!("the metrics that a gate of `{}` compares", model.address);
        whole.unchecked(quoted.expr.span, what, "declare the `names` of the metrics that are its evidence");
    }
}

/// The metrics that are kept with versions of a model, and where they are declared.
#[derive(Default)]
struct Kept {
    names: Vec<String>,
    at: Vec<Span>,
    /// A step keeps metrics that it does not declare.
    open: bool,
}

/// The metrics that are kept with versions of each model that a step registers.
fn kept(whole: &Whole<'_, '_>) -> BTreeMap<Address, Kept> {
    let mut found: BTreeMap<Address, Kept> = BTreeMap::new();
    for pipeline in whole.of_kind("pipeline") {
        for step in names_of(pipeline.body.field("step")) {
            let Some(body) = pipeline.body.get(&Path::of(&["step", step])) else { continue };
            let Some(registers) = body.field("register").and_then(reference_of) else { continue };
            let one = found.entry(registers.address).or_default();
            match declared(whole, body.field("evidence")) {
                Some((names, at)) => {
                    one.names.extend(names);
                    one.at.extend(at);
                }
                None => one.open = true,
            }
        }
    }
    found
}

/// The names of the metrics that a step's output declares.
fn declared(
    whole: &Whole<'_, '_>,
    evidence: Option<&mlp_eval::PlanValue>,
) -> Option<(Vec<String>, Option<Span>)> {
    let (pipeline, reference) = whole.behind(evidence?)?;
    let [word, step, output, ..] = reference.path.as_slice() else { return None };
    if word != "step" {
        return None;
    }
    let (owner, at, all) = outputs(whole, pipeline, step)?;
    let names = all.field(output)?.field("names")?.as_list()?;
    let names = names.iter().filter_map(Value::as_text).map(str::to_owned).collect();
    Some((names, whole.place(&owner.address, &at.field(output).field("names"))))
}

fn compared(whole: &Whole<'_, '_>, model: &Declaration, known: &Kept) {
    for quoted in whole.quoted_of(model).iter().filter(|one| one.scope == Scope::Gate) {
        each(&quoted.expr, Scope::Gate.roots(), &mut |traversal, span| {
            let words = words(traversal);
            let Some(name) = words.first() else { return };
            if known.names.iter().any(|known| known == name) {
                return;
            }
            let mut problem = Diagnostic::error(
                codes::METRIC,
                format!("no version of `{}` has the metric `{name}`", model.address),
            )
            .at_opt(span, "compared here")
            .help(one_of(name, known.names.iter().map(String::as_str)));
            for at in &known.at {
                problem = problem.see(*at, "the metrics that are kept with a version");
            }
            whole.report(problem);
        });
    }
}
