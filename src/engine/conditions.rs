//! `precondition` and `postcondition`: what must hold before anything is planned, and after something was changed.

use std::collections::BTreeSet;

use mlp_diag::{Blame, Diagnostic, Diagnostics};
use mlp_eval::PlanValue;
use mlp_plan::{OutputScope, Plan};
use mlp_platform::{Declaration, Platform};
use mlp_state::State;
use mlp_value::{Address, Path, Value};

/// One condition, to be looked at after the apply.
#[derive(Debug, Clone)]
pub struct Postcondition {
    address: Address,
    path: Path,
    condition: PlanValue,
    message: String,
}

fn listed(declaration: &Declaration, word: &str) -> Vec<(Path, PlanValue, String)> {
    let at = Path::of(&["lifecycle", word]);
    let items = declaration.body.get(&at).and_then(Value::as_list).unwrap_or_default();
    let one = |(index, item): (usize, &PlanValue)| {
        let message =
            item.field("error_message").and_then(Value::as_text).unwrap_or("its condition does not hold");
        let condition = item.field("condition").cloned().unwrap_or(Value::Null);
        (at.index(index).field("condition"), condition, message.to_owned())
    };
    items.iter().enumerate().map(one).collect()
}

fn broken(address: &Address, path: &Path, message: &str, when: &str) -> Diagnostic {
    Diagnostic::error("MLP0924", format!("{address}: {message}"))
        .on(address, path)
        .blame(Blame::Policy)
        .note(when.to_owned())
        .help("make the condition hold, or change it")
}

/// The preconditions that do not hold.
pub fn preconditions(platform: &Platform) -> Diagnostics {
    let mut problems = Diagnostics::new();
    for declaration in platform.declarations.values() {
        for (path, condition, message) in listed(declaration, "precondition") {
            if condition != Value::Bool(true) {
                problems.push(broken(
                    &declaration.address,
                    &path,
                    &message,
                    "this precondition does not hold",
                ));
            }
        }
    }
    problems
}

/// The postconditions of what a plan changes.
pub fn postconditions(platform: &Platform, plan: &Plan) -> Vec<Postcondition> {
    let changed: BTreeSet<&Address> =
        plan.steps.iter().filter(|step| step.record.is_some()).map(|step| &step.resource.address).collect();
    let declarations = platform.declarations.values().filter(|one| changed.contains(&one.address));
    let all = declarations.flat_map(|declaration| {
        let address = declaration.address.clone();
        listed(declaration, "postcondition").into_iter().map(move |(path, condition, message)| {
            Postcondition { address: address.clone(), path, condition, message }
        })
    });
    all.collect()
}

/// Those that do not hold in what is remembered after the apply.
pub fn violated(all: &[Postcondition], state: &State) -> Diagnostics {
    let outputs = |address: &Address| state.outputs(address).map(|outputs| outputs.lift());
    let scope = OutputScope::new(&outputs);
    let mut problems = Diagnostics::new();
    for one in all {
        match scope.fill(&one.condition) {
            Ok(Value::Bool(true)) => {}
            Ok(_) => problems.push(broken(
                &one.address,
                &one.path,
                &one.message,
                "this postcondition does not hold",
            )),
            Err(errors) => problems.extend(errors.into_iter().map(|error| error.on(&one.address, &one.path))),
        }
    }
    problems
}
