//! Expressions that are kept for later: that a condition can come to true or false, that functions exist and take what they are
//! given, and that a name of a declaration does not stand where a value is needed.

use mlp_diag::{Diagnostic, Span, one_of};
use mlp_eval::{BinaryOp, Expr, Node, PlanValue, UnaryOp, functions, reference_of};
use mlp_platform::kinds;
use mlp_platform::schema::Scope;
use mlp_value::{KnownValue, Value};

use super::Whole;
use crate::calls::{Gives, signature};
use crate::codes;
use crate::expression::CALL;
use crate::fit::fit;

/// Checks them all.
pub(super) fn check(whole: &Whole<'_, '_>) {
    for (_, quoted) in whole.quoted() {
        let before = whole.found.borrow().len();
        walk(whole, &quoted.expr, quoted.scope, true);
        if whole.found.borrow().len() == before {
            top(whole, &quoted.expr, quoted.scope);
        }
    }
}

/// Whether it may be one word of a command.
fn is_word(expr: &Expr) -> bool {
    !matches!(expr.node, Node::List { .. } | Node::Object { .. })
}

/// What the whole of an expression must be.
fn top(whole: &Whole<'_, '_>, expr: &Expr, scope: Scope) {
    let wrong = |what: &str| Some(what.to_owned());
    let problem = match scope {
        _ if scope.is_condition() => not_truth(expr),
        Scope::Command => match &expr.node {
            Node::List { items } if items.iter().all(is_word) => None,
            Node::List { .. } => wrong("the arguments of a program are text"),
            Node::Object { .. } => wrong("a command is text, or a list of words"),
            _ => None,
        },
        Scope::Binding => match &expr.node {
            Node::Traverse { .. } => wrong("this names a value, and an artifact is expected"),
            Node::List { .. } | Node::Template { .. } => wrong("the name of an artifact is expected"),
            _ => None,
        },
        _ => None,
    };
    if let Some(why) = problem {
        let what = if scope.is_condition() { "this is no condition" } else { "this cannot stand here" };
        whole.report(Diagnostic::error(codes::CONDITION, what).at_opt(expr.span, why).help(
            match &expr.node {
                Node::Literal { value: Value::Text(text) }
                    if scope.is_condition() && !text.trim().is_empty() =>
                {
                    format!("take the quotes away: `{text}`")
                }
                _ if scope.is_condition() => {
                    "write a comparison, or something else that is true or false".to_owned()
                }
                _ => "give it what is expected".to_owned(),
            },
        ));
    }
}

/// Why an expression can never come to true or false; `None` where it can.
fn not_truth(expr: &Expr) -> Option<String> {
    match &expr.node {
        Node::Literal { value: Value::Bool(_) | Value::Null }
        | Node::Traverse { .. }
        | Node::Index { .. } => None,
        Node::Literal { value } => match reference_of(value) {
            Some(reference) if tells_truth(value) => {
                debug_assert!(!reference.path.is_empty());
                None
            }
            Some(reference) => Some(format!("`{reference}` is a declaration")),
            None => Some(format!("a {}", value.kind())),
        },
        Node::Template { .. } => Some("a string".to_owned()),
        Node::List { .. } => Some("a list".to_owned()),
        Node::Splat { .. } | Node::For { .. } => Some("a collection".to_owned()),
        Node::Object { .. } => match call(expr) {
            Some((name, _)) => match signature(name)?.gives {
                Gives::Truth => None,
                _ => Some(format!("`{name}` gives no truth value")),
            },
            None => Some("an object".to_owned()),
        },
        Node::Unary { operator: UnaryOp::Negate, .. } => Some("a number".to_owned()),
        Node::Unary { operand, .. } => not_truth(operand),
        Node::Binary { operator: BinaryOp::And | BinaryOp::Or, left, right } => {
            not_truth(left).or_else(|| not_truth(right))
        }
        Node::Binary { operator, .. } => match operator {
            BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Modulo => {
                Some("a number".to_owned())
            }
            _ => None,
        },
        Node::Conditional { then, otherwise, .. } => not_truth(then).or_else(|| not_truth(otherwise)),
        Node::Call { .. } => None,
    }
}

/// `model.x.gate.y.passed`: a fact that is true or false.
fn tells_truth(value: &KnownValue) -> bool {
    let Some(reference) = reference_of(value) else { return false };
    let members = kinds::kind(&reference.address.kind).map_or(&[][..], |kind| kind.members);
    let [word, _, fact] = reference.path.as_slice() else {
        // `check.x.passed`: a fact of the declaration itself.
        let [fact] = reference.path.as_slice() else { return false };
        return members.iter().any(|member| member.word == fact && member.is == "fact");
    };
    // Whether it tells this very fact is a question of its members.
    !fact.is_empty() && members.iter().any(|member| member.word == word && !member.facts.is_empty())
}

/// A call that stays one: its name and arguments.
fn call(expr: &Expr) -> Option<(&str, &[Expr])> {
    let Node::Object { items } = &expr.node else { return None };
    let text = |expr: &Expr, wanted: &str| matches!(&expr.node, Node::Literal { value } if value.as_text() == Some(wanted));
    let (_, name) = items.iter().find(|(key, _)| text(key, CALL))?;
    let (_, arguments) = items.iter().find(|(key, _)| text(key, "args"))?;
    match (&name.node, &arguments.node) {
        (Node::Literal { value }, Node::List { items }) => Some((value.as_text()?, items)),
        _ => None,
    }
}

/// Functions and operands in an expression; `free` where the name of a declaration may stand.
fn walk(whole: &Whole<'_, '_>, expr: &Expr, scope: Scope, free: bool) {
    if let Some((name, arguments)) = call(expr) {
        arguments_of(whole, expr, name, arguments, scope);
        return;
    }
    match &expr.node {
        // A member that is not there was told as such.
        Node::Literal { value }
            if reference_of(value).is_some_and(|it| super::members::problem(whole, &it).is_some()) => {}
        Node::Literal { value } if !free && reference_of(value).is_some() && !tells_truth(value) => {
            let name = reference_of(value).map(|found| found.to_string()).unwrap_or_default();
            whole.report(
                Diagnostic::error(
                    codes::WRONG_KIND,
                    format!("`{name}` is a declaration, and a value is expected"),
                )
                .at_opt(expr.span, "")
                .help(format!("name one of its attributes, or something of {}", scope.roots().join(", "))),
            );
        }
        Node::Call { function, arguments, .. } => {
            let known = known(whole, function, expr.span);
            arguments.iter().for_each(|argument| walk(whole, argument, scope, !known));
        }
        Node::Conditional { condition, then, otherwise } => {
            walk(whole, condition, scope, false);
            walk(whole, then, scope, free);
            walk(whole, otherwise, scope, free);
        }
        _ => {
            let mut children: Vec<&Expr> = Vec::new();
            expr.children(&mut |child| children.push(child));
            children.into_iter().for_each(|child| walk(whole, child, scope, false));
        }
    }
}

/// Whether there is such a function; says so where there is none.
fn known(whole: &Whole<'_, '_>, function: &str, span: Option<Span>) -> bool {
    let names = || functions().iter().map(|one| one.name);
    if names().any(|name| name == function) {
        return true;
    }

    whole.report(
        Diagnostic::error(codes::UNKNOWN_FUNCTION, format!("there is no function `{function}`"))
            .at_opt(span, "")
            .help(one_of(function, names().collect::<Vec<_>>().iter().copied())),
    );
    false
}

/// What a call that stays one is given, as far as it is known.
fn arguments_of(whole: &Whole<'_, '_>, expr: &Expr, name: &str, arguments: &[Expr], scope: Scope) {
    let Some(signature) = signature(name) else { return };
    if let Err(why) = signature.count(arguments.len()) {
        whole.report(
            Diagnostic::error(codes::WRONG_TYPE, why).at_opt(expr.span, "").help("give it what it takes"),
        );
    }
    for (index, argument) in arguments.iter().enumerate() {
        let (Node::Literal { value }, Some(ty)) = (&argument.node, signature.takes(index)) else {
            walk(whole, argument, scope, false);
            continue;
        };
        let value: PlanValue = value.lift();
        if let Err(misfit) = fit(&value, ty) {
            whole.report(
                Diagnostic::error(
                    misfit.code,
                    format!("argument {} of `{name}` has the wrong type", index + 1),
                )
                .at_opt(argument.span.or(expr.span), misfit.why)
                .help(misfit.help),
            );
        }
    }
}
