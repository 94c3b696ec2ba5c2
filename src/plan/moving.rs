//! What is known of outputs while a plan changes what tells them.

use std::collections::{BTreeMap, BTreeSet};

use mlp_eval::{Expr, Later, Node, PlanValue, Unknown};
use mlp_provider::ResourceKind;
use mlp_value::{Address, Step, Type, Value};

use crate::{Action, PlanStep};

/// Declarations of which something changes: of their outputs only these are known before it is done.
#[derive(Debug, Default)]
pub struct Moving(BTreeMap<Address, BTreeSet<String>>);

impl Moving {
    /// Notes a step that changes something: a change in place leaves the outputs that its kind says it leaves.
    pub fn note(&mut self, step: &PlanStep, kind: Option<&ResourceKind>) {
        let lasting = match kind.filter(|_| step.action == Action::Update) {
            None => BTreeSet::new(),
            Some(kind) => {
                let changed = step.changes.iter().filter(|one| one.action != Action::NoOp);
                let changed: Vec<&Step> = changed.filter_map(|one| one.path.steps().first()).collect();
                let changes = |field: &str| {
                    changed.iter().any(|step| matches!(step, Step::Field(name) if &**name == field))
                };
                kind.lasting(&changes).map(str::to_owned).collect()
            }
        };
        self.0
            .entry(step.resource.address.clone())
            .and_modify(|known| known.retain(|name| lasting.contains(name)))
            .or_insert(lasting);
    }

    /// Notes that nothing is known of the outputs of a declaration.
    pub fn hide(&mut self, address: &Address) {
        self.0.insert(address.clone(), BTreeSet::new());
    }

    /// What is known of the outputs of a declaration: all of them where it does not change, holes for those that do not last.
    pub fn left(&self, address: &Address, outputs: PlanValue) -> Option<PlanValue> {
        match self.0.get(address) {
            None => Some(outputs),
            Some(lasting) if lasting.is_empty() => None,
            Some(lasting) => Some(only(&outputs, lasting, address)),
        }
    }
}

/// The outputs that last, with holes for the others.
fn only(outputs: &PlanValue, lasting: &BTreeSet<String>, address: &Address) -> PlanValue {
    let later = |name: &str| {
        Value::Hole(Unknown::from(Later {
            ty: Type::Any,
            not_null: false,
            prefix: None,
            residual: Box::new(Expr::new(Node::Literal { value: Value::text(name) }, None)),
            after: vec![address.to_string()],
        }))
    };
    let each = outputs.as_object().into_iter().flatten().map(|(name, value)| {
        (name.clone(), if lasting.contains(&**name) { value.clone() } else { later(name) })
    });
    Value::object(each)
}
