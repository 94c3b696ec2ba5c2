//! A gate moves a version between aliases of its model, and compares metrics that a step keeps with every version.

use mlp_diag::{Diagnostic, Span, one_of};
use mlp_eval::reference_of;
use mlp_platform::Declaration;
use mlp_platform::schema::Scope;
use mlp_value::{Path, Value};

use super::members::outputs;
use super::names::alias_of;
use super::scopes::{each, words};
use super::{Whole, names_of};
use crate::codes;

/// Checks every gate of every model.
pub(super) fn check(whole: &Whole<'_, '_>) {
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
        compared(whole, model);
    }
}

/// The metrics that are kept with versions of a model, and where they are declared.
#[derive(Default)]
struct Kept {
    names: Vec<String>,
    at: Vec<Span>,
    /// A step keeps metrics that it does not declare, or nothing registers versions here.
    open: bool,
}

fn kept(whole: &Whole<'_, '_>, model: &Declaration) -> Kept {
    let mut found = Kept { open: true, ..Kept::default() };
    let mut closed = false;
    // One that is wrong in itself may be the one that keeps them.
    let sound = |one: &&Declaration| !whole.spoilt.contains(&one.address);
    let all = whole.all.values().filter(|one| one.kind == "pipeline");
    if all.clone().count() != all.filter(sound).count() {
        return found;
    }
    for pipeline in whole.of_kind("pipeline") {
        for step in names_of(pipeline.body.field("step")) {
            let Some(body) = pipeline.body.get(&Path::of(&["step", step])) else { continue };
            let registers = body.field("register").and_then(reference_of);
            if registers.is_none_or(|registers| registers.address != model.address) {
                continue;
            }
            match declared(whole, body.field("evidence")) {
                Some((names, at)) => {
                    closed = true;
                    found.names.extend(names);
                    found.at.extend(at);
                }
                None => return found,
            }
        }
    }
    found.open = !closed;
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

fn compared(whole: &Whole<'_, '_>, model: &Declaration) {
    let known = kept(whole, model);
    for (_, quoted) in
        whole.quoted().filter(|(_, one)| one.scope == Scope::Gate && one.owner == model.address)
    {
        if known.open {
            let what = format!("the metrics that a gate of `{}` compares", model.address);
            whole.unchecked(
                quoted.expr.span,
                what,
                "declare the `names` of the metrics that are its evidence",
            );
            continue;
        }
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
