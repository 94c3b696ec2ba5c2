//! `precondition` and `postcondition`: what must hold before something is changed, and after it was. What is known when the plan is
//! made is looked at then; a precondition that names what is only made by the apply is looked at just before its step. One
//! that does not hold is told with the values that made it fail.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mlp_apply::Gate;
use mlp_diag::{Blame, Diagnostic, Diagnostics};
use mlp_eval::PlanValue;
use mlp_plan::{OutputScope, Plan, PlanStep};
use mlp_platform::{Because, Declaration, Platform};
use mlp_state::State;
use mlp_value::{Address, Path, Value};

use super::outputs::Told;

/// The longest value that is shown whole.
const LONGEST: usize = 200;

/// One condition.
#[derive(Debug, Clone)]
pub struct Condition {
    address: Address,
    path: Path,
    condition: PlanValue,
    message: String,
    because: Vec<Because>,
}

const BEFORE: &str = "this precondition does not hold";
const AFTER: &str = "this postcondition does not hold";

/// Those that stand in the `lifecycle` of a declaration.
fn in_lifecycle(declaration: &Declaration, word: &str) -> Vec<Condition> {
    listed(declaration, &Path::of(&["lifecycle", word]))
}

/// Those of an output.
fn of_output(declaration: &Declaration) -> Vec<Condition> {
    if declaration.kind == "output" { listed(declaration, &Path::of(&["precondition"])) } else { Vec::new() }
}

fn listed(declaration: &Declaration, at: &Path) -> Vec<Condition> {
    let items = declaration.body.get(at).and_then(Value::as_list).unwrap_or_default();
    let one = |(index, item): (usize, &PlanValue)| {
        let path = at.index(index).field("condition");
        let said = at.index(index).field("error_message");
        let message = match item.field("error_message").and_then(Value::as_text) {
            Some(_) if declaration.sensitive.contains(&said) => "its condition does not hold (sensitive)",
            Some(message) => message,
            None => "its condition does not hold",
        };
        Condition {
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

fn broken(one: &Condition, when: &str) -> Diagnostic {
    let mut problem = Diagnostic::error("MLP0924", format!("{}: {}", one.address, one.message))
        .on(&one.address, &one.path)
        .blame(Blame::Policy)
        .note(when.to_owned());
    for because in &one.because {
        problem = problem.note(shown(because));
    }
    problem.help("make the condition hold, or change it")
}

/// The preconditions that do not hold, as far as that is known.
pub fn preconditions(platform: &Platform) -> Diagnostics {
    let of =
        |declaration| in_lifecycle(declaration, "precondition").into_iter().chain(of_output(declaration));
    let all = platform.declarations.values().flat_map(of);
    let broken_ones = all.filter(|one| !one.condition.has_holes() && one.condition != Value::Bool(true));
    broken_ones.map(|one| broken(&one, BEFORE)).collect()
}

/// What is looked at while a plan is applied, and after it.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    /// Before a step: the preconditions that are not known yet.
    pub before: Arc<Before>,
    after: Vec<Condition>,
    outputs: Vec<Condition>,
}

/// Preconditions that are not known yet, by whose they are.
#[derive(Debug, Default)]
pub struct Before(BTreeMap<Address, Vec<Condition>>);

/// The conditions that are looked at later: of what a plan changes, and of the outputs that it makes known.
///
/// # Errors
/// Those that the resolution could not decide, and that what is remembered decides: they do not hold.
pub(super) fn conditions(
    platform: &Platform,
    plan: &Plan,
    told: &Told<'_>,
) -> Result<Conditions, Diagnostics> {
    let changed: BTreeSet<&Address> =
        plan.steps.iter().filter(|step| step.record.is_some()).map(|step| &step.resource.address).collect();
    let mut problems = Diagnostics::new();
    let outputs = |address: &Address| told.now(address);
    let scope = OutputScope::new(&outputs);
    let mut still_open = |all: Vec<Condition>| {
        let mut open = Vec::new();
        for one in all.into_iter().filter(|one| one.condition.has_holes()) {
            match scope.fill(&one.condition) {
                Ok(value) if value.has_holes() => open.push(one),
                _ => problems.extend(violation(&one, &scope, BEFORE)),
            }
        }
        open
    };
    let (mut before, mut found) = (BTreeMap::new(), Conditions::default());
    for declaration in platform.declarations.values() {
        found.outputs.extend(still_open(of_output(declaration)));
        let unknown = still_open(in_lifecycle(declaration, "precondition"));
        if changed.contains(&declaration.address) {
            if !unknown.is_empty() {
                before.insert(declaration.address.clone(), unknown);
            }
            found.after.extend(in_lifecycle(declaration, "postcondition"));
        }
    }
    found.before = Arc::new(Before(before));
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

impl Gate for Before {
    fn refuses(
        &self,
        step: &PlanStep,
        outputs: &dyn Fn(&Address) -> Option<PlanValue>,
    ) -> Option<Diagnostic> {
        let all = self.0.get(&step.resource.address)?;
        let scope = OutputScope::new(outputs);
        all.iter().find_map(|one| violation(one, &scope, BEFORE).into_iter().next())
    }
}

impl Conditions {
    /// Those that do not hold in what is remembered after the apply.
    pub fn violated(&self, state: &State) -> Diagnostics {
        let outputs = |address: &Address| state.outputs(address).map(|outputs| outputs.lift());
        let scope = OutputScope::new(&outputs);
        let after = self.after.iter().flat_map(|one| violation(one, &scope, AFTER));
        after.chain(self.outputs.iter().flat_map(|one| violation(one, &scope, BEFORE))).collect()
    }
}

/// What there is to say when a condition does not hold.
fn violation(one: &Condition, scope: &OutputScope<'_>, when: &str) -> Diagnostics {
    match scope.fill(&one.condition) {
        Ok(Value::Bool(true)) => Diagnostics::new(),
        Ok(_) => {
            let mut one = one.clone();
            for because in &mut one.because {
                // What cannot be computed even now is shown as not known.
                because.value = scope.fill(&because.value).unwrap_or_else(|_| because.value.clone());
            }
            vec![broken(&one, when)]
        }
        Err(errors) => errors.into_iter().map(|error| error.on(&one.address, &one.path)).collect(),
    }
}
