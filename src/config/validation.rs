//! `validation` of variables: conditions over their values, and what is said when one fails.

use std::collections::BTreeMap;

use mlp_diag::{Diagnostic, Span};
use mlp_eval::{Expr as Ir, Node, Outcome, PlanValue, Traversal, TraversalStep, convert, evaluate};
use mlp_platform::schema::{Attribute, Ty};
use mlp_syntax::Expr;
use mlp_value::{Type, Value};

use crate::check::missing;
use crate::codes;
use crate::evaluator::Evaluator;
use crate::expression::lower;
use crate::index::Declared;
use crate::scope::NameScope;
use crate::source::{Entry, Parts, Source};

/// Names whose values are told when a condition fails.
const TOLD: &[&str] = &["var", "local", "target", "path"];

/// Checks the value of a variable against each of its `validation` blocks; every one that fails is reported.
pub(crate) fn validate<'t>(evaluator: &Evaluator<'t>, room: usize, variable: &Declared<'t>) {
    let rules = match variable.parts.get("validation").map(|entry| &entry.source) {
        Some(Source::List(rules, _)) => rules,
        None => return,
        Some(other) => {
            evaluator.report(
                Diagnostic::error(codes::REPEAT, "the validations of a variable are written, and not made")
                    .at(other.span(), "")
                    .help("write one `validation` block for each condition; `alltrue([for …])` is one over many items"),
            );
            return;
        }
    };
    let valid = matches!(evaluator.variable(room, &variable.address.name, None), Ok(Some(_)));
    for rule in rules {
        let Source::Parts(parts, _, span) = rule else { continue };
        for attribute in variable.kind.attribute("validation").map(inner).unwrap_or_default() {
            if attribute.required && !parts.contains_key(attribute.name) {
                evaluator.report(missing(attribute, &format!("validation.{}", attribute.name), *span));
            }
        }
        let Some(Entry { source: Source::Expr(condition, _), .. }) = parts.get("condition") else { continue };
        if about_itself(evaluator, variable, condition) && valid {
            let rule = Rule { evaluator, room, variable, condition };
            rule.check(parts);
        }
    }
}

/// The attributes of a repeated block.
fn inner(attribute: &'static Attribute) -> &'static [Attribute] {
    match attribute.ty {
        Ty::Repeated(attributes) => attributes,
        _ => &[],
    }
}

/// Whether a condition names its own variable; anything else is a slip, and is refused.
fn about_itself(evaluator: &Evaluator<'_>, variable: &Declared<'_>, condition: &Expr) -> bool {
    let name = &*variable.address.name;
    let mut found = false;
    lower(condition).traversals(&mut |traversal, _| {
        found |= &*traversal.root == "var"
            && matches!(traversal.steps.first(), Some(TraversalStep::Attr(first)) if &**first == name);
    });
    if !found {
        evaluator.report(
            Diagnostic::error(codes::VARIABLE, format!("this condition does not look at `var.{name}`"))
                .at(condition.span, format!("it is to test the value of `{name}`"))
                .help(format!(
                    "name `var.{name}` in it; what is about other things is a `precondition` or a `check`"
                )),
        );
    }
    found
}

struct Rule<'r, 't> {
    evaluator: &'r Evaluator<'t>,
    room: usize,
    variable: &'r Declared<'t>,
    condition: &'r Expr,
}

impl<'t> Rule<'_, 't> {
    fn check(&self, parts: &Parts<'t>) {
        let name = &self.variable.address.name;
        let scope = NameScope::room(self.evaluator, self.room);
        let Some(outcome) = self.evaluator.expression(self.condition, &scope) else { return };
        let unclear = |why: String| {
            Diagnostic::error(codes::VARIABLE, format!("the validation of variable `{name}` decides nothing"))
                .at(self.condition.span, why)
                .help("write a condition that is `true` or `false`")
        };
        match convert(&outcome.value, &Type::Bool) {
            Ok(Value::Bool(true)) => {}
            Ok(Value::Hole(hole)) => self.evaluator.report(
                Diagnostic::error(
                    codes::NOT_KNOWN,
                    format!("whether the value of variable `{name}` is valid is known only after the apply"),
                )
                .at(self.condition.span, format!("known only after {}", hole.after.join(", ")))
                .see(self.variable.header, "the variable")
                .help("give it a value that is known when the plan is made, or make this a `postcondition` of what uses it"),
            ),
            Ok(Value::Null) => self.evaluator.report(unclear("this is null".to_owned())),
            Ok(_) => self.evaluator.report(self.failed(parts)),
            Err(why) => self.evaluator.report(unclear(why)),
        }
    }

    fn failed(&self, parts: &Parts<'t>) -> Diagnostic {
        let name = &self.variable.address.name;
        let headline = format!("variable `{name}`: {}", self.message(parts));
        let mut problem = Diagnostic::error(codes::VARIABLE, headline)
            .at(self.condition.span, "this does not hold")
            .help("give it a value for which the condition holds");
        for said in self.values() {
            problem = problem.note(said);
        }
        problem
    }

    /// What the block says of a value that fails.
    fn message(&self, parts: &Parts<'t>) -> String {
        let scope = NameScope::room(self.evaluator, self.room);
        let given = match parts.get("error_message").map(|entry| &entry.source) {
            Some(Source::Expr(expr, _)) => self.evaluator.expression(expr, &scope),
            _ => None,
        };
        match given {
            Some(Outcome { sensitive: true, .. }) => "its message holds a sensitive value".to_owned(),
            Some(Outcome { value, .. }) => match convert(&value, &Type::String) {
                Ok(Value::Text(text)) => text.to_string(),
                _ => "its validation failed".to_owned(),
            },
            None => "its validation failed".to_owned(),
        }
    }

    /// The values that made the condition fail.
    fn values(&self) -> Vec<String> {
        told(self.evaluator, self.room, &lower(self.condition))
    }
}

/// The values of what an expression names, in words; those that are secret are not shown.
fn told(evaluator: &Evaluator<'_>, room: usize, ir: &Ir) -> Vec<String> {
    let mut named: BTreeMap<String, (Traversal, Option<Span>)> = BTreeMap::new();
    ir.traversals(&mut |traversal, span| {
        if TOLD.contains(&&*traversal.root) {
            named.insert(traversal.to_string(), (traversal.clone(), span));
        }
    });
    let scope = NameScope::room(evaluator, room);
    let mut said = Vec::new();
    for (name, (traversal, span)) in named {
        let Ok(found) = evaluate(&Ir::new(Node::Traverse { traversal }, span), &scope) else { continue };
        said.push(match found.sensitive {
            true => format!("`{name}` is (sensitive)"),
            false => format!("`{name}` is {}", shown(&found.value)),
        });
    }
    said
}

/// A value as it is written, shortened.
fn shown(value: &PlanValue) -> String {
    const LONGEST: usize = 200;
    let text = value.to_plain_json_with(&mut |_| "(known after apply)".into()).to_string();
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
