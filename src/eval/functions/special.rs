//! Functions that look at how their arguments come about: `try`, `can`, and those of marks.

use std::sync::Arc;

use mlp_diag::{Diagnostic, Diagnostics, Span};
use mlp_value::{Type, Value};

use super::call::pending;
use super::{Form, FunctionInfo};
use crate::interpret::{Eval, Interpreter, outcome};
use crate::typed::Typed;
use crate::{Expr, Marks, Node, Outcome, codes};

/// Computes such a function.
pub(super) fn special(
    interpreter: &mut Interpreter<'_>,
    function: &FunctionInfo,
    form: Form,
    arguments: &[Expr],
    span: Option<Span>,
) -> Eval {
    match form {
        Form::Try => attempt(interpreter, function, arguments, span),
        Form::Can => match interpreter.all(arguments) {
            Ok((values, marks)) if values.iter().any(may_fail) => {
                Ok(pending(function, values.iter().collect(), false, marks, span))
            }
            Ok((_, marks)) => Ok(Outcome::marked(Value::Bool(true), marks)),
            Err(more) if counts(interpreter, &more) => Err(more),
            Err(_) => Ok(Outcome::plain(Value::Bool(false))),
        },
        _ => {
            let (mut values, marks) = interpreter.all(arguments)?;
            let typed = values.pop().unwrap_or_else(|| Value::Null.into());
            Ok(marked(typed, marks, form))
        }
    }
}

fn marked(typed: Typed, marks: Marks, form: Form) -> Outcome {
    match form {
        Form::Sensitive => outcome(typed, Marks { sensitive: true, ..marks }),
        Form::Nonsensitive => outcome(typed, Marks { sensitive: false, ..marks }),
        Form::EphemeralAsNull if marks.ephemeral => {
            let ty = typed.type_of();
            outcome(Typed::new(Value::Null, &ty), Marks { ephemeral: false, ..marks })
        }
        Form::EphemeralAsNull => outcome(typed, marks),
        _ => Outcome::marked(Value::Bool(marks.sensitive), Marks { sensitive: false, ..marks }),
    }
}

/// Whether what is not known of a value may turn out to be a mistake.
fn may_fail(typed: &Typed) -> bool {
    typed.value.has_holes()
}

/// Whether it is no value that is at fault: the evaluation is at its end, or a name means nothing whatever the values are.
fn counts(interpreter: &Interpreter<'_>, problems: &Diagnostics) -> bool {
    problems.iter().any(|problem| problem.code == codes::TOO_LARGE || interpreter.scope.is_mistake(problem))
}

/// The first argument that can be computed. One that is not known yet may still fail, so the others stay behind it.
fn attempt(
    interpreter: &mut Interpreter<'_>,
    function: &FunctionInfo,
    arguments: &[Expr],
    span: Option<Span>,
) -> Eval {
    let mut problems = Diagnostics::new();
    for (at, argument) in arguments.iter().enumerate() {
        match interpreter.eval(argument) {
            Ok(found) if !may_fail(&found.clone().into()) => return Ok(found),
            Ok(found) => {
                let ty = found.type_of();
                let mut closing = interpreter.closing();
                let mut kept = vec![closing.finish(Ok(found), argument)];
                kept.extend(arguments[at + 1..].iter().map(|other| closing.close(other)));
                let node =
                    Node::Call { function: Arc::from(function.name), arguments: kept, expand_last: false };
                let marks = closing.marks;
                let ty = if at + 1 == arguments.len() { ty } else { Type::Any };
                let mut hole = closing.waits.hole(ty, node, span);
                hole.not_null = false;
                return Ok(Outcome::marked(Value::Hole(hole), marks));
            }
            Err(more) if counts(interpreter, &more) => return Err(more),
            Err(more) => problems.extend(more),
        }
    }
    let mut problem =
        Diagnostic::error(codes::FUNCTION_FAILED, "`try`: none of the arguments can be computed")
            .at_opt(span, "")
            .help("give a last argument that always works, such as `null`");
    for (at, other) in problems.iter().enumerate().take(5) {
        problem = problem.note(format!("{}: {}", at + 1, other.headline));
    }
    Err(vec![problem])
}
