//! Names that stay: a provider computes names from addresses, so what was made under another address is lowered under
//! that one, and what comes out is given back the address it has now.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use mlp_diag::{Diagnostic, Diagnostics};
use mlp_eval::{Expr, Node, PlanValue, Quoted, Reference, Traversal, Unknown, reference_of};
use mlp_platform::Platform;
use mlp_provider::Desired;
use mlp_state::State;
use mlp_value::{Address, Value};

/// Addresses, and those that stand for them on the other side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    made_as: BTreeMap<Address, Address>,
    back: BTreeMap<Address, Address>,
}

impl Names {
    /// The addresses that something remembered was made under.
    pub fn of(state: &State) -> Self {
        let mut names = Self::default();
        for record in state.resources.values() {
            if let Some(made_as) = &record.made_as {
                names.keep(&record.id.address, made_as);
            }
        }
        names
    }

    /// What is at `now` was made as `made_as`.
    pub fn keep(&mut self, now: &Address, made_as: &Address) {
        if now != made_as {
            self.made_as.insert(now.clone(), made_as.clone());
            self.back.insert(made_as.clone(), now.clone());
        }
    }

    /// The specification under the addresses things were made under.
    ///
    /// # Errors
    /// A name that something else still has.
    pub fn there<'p>(&self, platform: &'p Platform) -> Result<Cow<'p, Platform>, Diagnostics> {
        if self.made_as.is_empty() {
            return Ok(Cow::Borrowed(platform));
        }
        let mut problems = Diagnostics::new();
        let mut there = Platform {
            project: platform.project.clone(),
            environment: platform.environment.clone(),
            declarations: BTreeMap::new(),
            deferred: platform.deferred.clone(),
        };
        for (address, declaration) in &platform.declarations {
            let mut moved = declaration.clone();
            moved.address = renamed(address, &self.made_as);
            moved.body = values(&declaration.body, &self.made_as);
            moved.edges.iter_mut().for_each(|edge| edge.to = renamed(&edge.to, &self.made_as));
            if let Some(holder) = self.back.get(address).filter(|_| !self.made_as.contains_key(address)) {
                problems.push(taken(address, holder));
                continue;
            }
            there.declarations.insert(moved.address.clone(), moved);
        }
        if problems.is_empty() { Ok(Cow::Owned(there)) } else { Err(problems) }
    }

    /// A native resource under the address it has now.
    pub fn here(&self, desired: &mut Desired) {
        if self.back.is_empty() {
            return;
        }
        desired.id.address = renamed(&desired.id.address, &self.back);
        desired.depends_on = std::mem::take(&mut desired.depends_on)
            .into_iter()
            .map(|mut id| {
                id.address = renamed(&id.address, &self.back);
                id
            })
            .collect();
        if let Some(deferral) = &mut desired.deferred {
            deferral.filled_by.iter_mut().for_each(|id| id.address = renamed(&id.address, &self.back));
            for (then, now) in &self.back {
                deferral.why = deferral.why.replace(&format!("{then} "), &format!("{now} "));
            }
        }
        // What the target is told stays as it was told before; only what is still to be filled in names records.
        desired.config = holes(&desired.config, &self.back);
    }

    /// What is wrong, said of the address it has now.
    pub fn said_here(&self, diagnostics: &mut [Diagnostic]) {
        for subject in diagnostics.iter_mut().filter_map(|diagnostic| diagnostic.subject.as_mut()) {
            if let Some(now) = subject.address.parse().ok().and_then(|address| self.back.get(&address)) {
                subject.address = now.to_string();
            }
        }
    }
}

fn taken(address: &Address, holder: &Address) -> Diagnostic {
    Diagnostic::error(
        "MLP0907",
        format!("the name of {address} is still held by {holder}, which was made under it"),
    )
    .on(address, "")
    .note("what moves to another address keeps its data and its name in the target")
    .help(format!("give {address} another name, or destroy {holder} first"))
}

fn renamed(address: &Address, names: &BTreeMap<Address, Address>) -> Address {
    names.get(address).unwrap_or(address).clone()
}

fn values(value: &PlanValue, names: &BTreeMap<Address, Address>) -> PlanValue {
    if let Some(found) = reference_of(value) {
        return Reference { address: renamed(&found.address, names), path: found.path }.to_value();
    }
    if let Some(mut quoted) = Quoted::of(value) {
        expression(&mut quoted.expr, names);
        return quoted.to_value().map_or_else(|_| value.clone(), |renamed| renamed.lift());
    }
    match value {
        Value::List(items) => Value::list(items.iter().map(|item| values(item, names))),
        Value::Object(items) => {
            Value::object(items.iter().map(|(name, item)| (name.as_ref(), values(item, names))))
        }
        Value::Hole(hole) => Value::Hole(unknown(hole, names)),
        other => other.clone(),
    }
}

fn holes(value: &PlanValue, names: &BTreeMap<Address, Address>) -> PlanValue {
    match value {
        Value::List(items) if value.has_holes() => Value::list(items.iter().map(|item| holes(item, names))),
        Value::Object(items) if value.has_holes() => {
            Value::object(items.iter().map(|(name, item)| (name.as_ref(), holes(item, names))))
        }
        Value::Hole(hole) => Value::Hole(unknown(hole, names)),
        other => other.clone(),
    }
}

fn unknown(hole: &Unknown, names: &BTreeMap<Address, Address>) -> Unknown {
    let mut hole = hole.clone();
    expression(&mut hole.residual, names);
    for text in &mut hole.after {
        if let Some(now) = text.parse().ok().and_then(|address: Address| names.get(&address)) {
            *text = now.to_string();
        }
    }
    hole
}

fn expression(expr: &mut Expr, names: &BTreeMap<Address, Address>) {
    if let Node::Traverse { traversal } = &mut expr.node {
        for length in (1..=traversal.steps.len()).rev() {
            let start =
                Traversal { root: Arc::clone(&traversal.root), steps: traversal.steps[..length].to_vec() };
            let found = start.to_string().parse().ok().and_then(|address: Address| names.get(&address));
            if let Some(now) = found {
                let rest = traversal.steps[length..].to_vec();
                *traversal = Traversal::of(now);
                traversal.steps.extend(rest);
                break;
            }
        }
    }
    expr.children_mut(&mut |child| expression(child, names));
}

#[cfg(test)]
mod tests {
    use mlp_eval::Later;

    use super::*;

    #[test]
    fn references_and_residuals_follow_a_name() {
        let (now, then): (Address, Address) =
            ("module.m[\"k\"].endpoint.b".parse().unwrap(), "endpoint.a".parse().unwrap());
        let mut names = Names::default();
        names.keep(&now, &then);
        let mut traversal = Traversal::of(&now);
        traversal.steps.push(mlp_eval::TraversalStep::Attr("url".into()));
        let hole = Unknown::from(Later {
            ty: mlp_value::Type::Any,
            not_null: false,
            prefix: None,
            residual: Box::new(Expr::new(Node::Traverse { traversal: traversal.clone() }, None)),
            after: vec![now.to_string()],
        });
        let reference = Reference { address: now.clone(), path: vec!["variant".into()] };
        let value = PlanValue::list([reference.to_value(), Value::Hole(hole)]);
        let there = values(&value, &names.made_as);
        assert!(format!("{there:?}").contains("\"endpoint.a\""), "{there:?}");
        assert!(!format!("{there:?}").contains("module"), "{there:?}");
        assert_eq!(values(&there, &names.back), value);
    }
}
