//! `precondition` and `postcondition`: what must hold before anything is planned, and after something was changed. One that does not
//! hold is told with the values that made it fail.

use std::collections::BTreeSet;

use mlp_diag::{Blame, Diagnostic, Diagnostics};
use mlp_eval::PlanValue;
use mlp_plan::{OutputScope, Plan};
use mlp_platform::{Because, Declaration, Platform};
use mlp_state::State;
use mlp_value::{Address, Path, Value};

/// The longest value that is shown whole.
const LONGEST: usize = 200;

/// One condition, to be looked at after the apply.
#[derive(Debug, Clone)]
pub struct Postcondition {
    address: Address,
    path: Path,
    condition: PlanValue,
    message: String,
    because: Vec<Because>,
}

fn listed(declaration: &Declaration, word: &str) -> Vec<Postcondition> {
    let at = Path::of(&["lifecycle", word]);
    let items = declaration.body.get(&at).and_then(Value::as_list).unwrap_or_default();
    let one = |(index, item): (usize, &PlanValue)| {
        let path = at.index(index).field("condition");
        let said = at.index(index).field("error_message");
        let message = match item.field("error_message").and_then(Value::as_text) {
            Some(_) if declaration.sensitive.contains(&said) => "its condition does not hold (sensitive)",
            Some(message) => message,
            None => "its condition does not hold",
        };
        Postcondition {
            address: declaration.address.clone(),
            condition: item.field("condition").cloned().unwrap_or(Value::Null),
            message: message.to_owned(),
            because: declaration.because.get(&path).cloned().unwrap_or_default(),
            path,
        }
    };
    items.iter().enumerate().map(one).collect()
}

/// A name and its value, for people.
fn shown(because: &Because) -> String {
    let Because { name, value, sensitive } = because;
    if *sensitive {
        return format!("{name} is (sensitive)");
    }
    let mut text = value.to_plain_json_with(&mut |_| "(not known)".into()).to_string();
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
    format!("{name} is {text}")
}

fn broken(one: &Postcondition, when: &str) -> Diagnostic {
    let mut problem = Diagnostic::error("MLP0924", format!("{}: {}", one.address, one.message))
        .on(&one.address, &one.path)
        .blame(Blame::Policy)
        .note(when.to_owned());
    for because in &one.because {
        problem = problem.note(shown(because));
    }
    problem.help("make the condition hold, or change it")
}

/// The preconditions that do not hold.
pub fn preconditions(platform: &Platform) -> Diagnostics {
    let all = platform.declarations.values().flat_map(|declaration| listed(declaration, "precondition"));
    let broken_ones = all.filter(|one| one.condition != Value::Bool(true));
    broken_ones.map(|one| broken(&one, "this precondition does not hold")).collect()
}

/// The postconditions of what a plan changes.
pub fn postconditions(platform: &Platform, plan: &Plan) -> Vec<Postcondition> {
    let changed: BTreeSet<&Address> =
        plan.steps.iter().filter(|step| step.record.is_some()).map(|step| &step.resource.address).collect();
    let declarations = platform.declarations.values().filter(|one| changed.contains(&one.address));
    declarations.flat_map(|declaration| listed(declaration, "postcondition")).collect()
}

/// Those that do not hold in what is remembered after the apply.
pub fn violated(all: &[Postcondition], state: &State) -> Diagnostics {
    let outputs = |address: &Address| state.outputs(address).map(|outputs| outputs.lift());
    let scope = OutputScope::new(&outputs);
    let mut problems = Diagnostics::new();
    for one in all {
        match scope.fill(&one.condition) {
            Ok(Value::Bool(true)) => {}
            Ok(_) => {
                let mut one = one.clone();
                for because in &mut one.because {
                    // What cannot be computed even now is shown as not known.
                    because.value = scope.fill(&because.value).unwrap_or_else(|_| because.value.clone());
                }
                problems.push(broken(&one, "this postcondition does not hold"));
            }
            Err(errors) => problems.extend(errors.into_iter().map(|error| error.on(&one.address, &one.path))),
        }
    }
    problems
}
