//! A call: its arguments, what is not known of them, and the functions that look at how arguments come about.

use std::sync::Arc;

use mlp_diag::{Diagnostic, Diagnostics, Span, one_of};
use mlp_value::{Number, Object, Type, Value};

use super::{Body, Form, FunctionInfo, Holes, functions};
use crate::budget::Budget;
use crate::convert::{CONVERT, convert, describe, to_number, to_text};
use crate::interpret::{Eval, Interpreter};
use crate::navigate::{null, wrong};
use crate::unknown::{Waits, residual_of};
use crate::{Expr, Node, Outcome, PlanValue, Scope, Unknown, codes};

/// The arguments of a call, and what a function may use.
pub(crate) struct Arguments<'a> {
    pub(crate) values: &'a [PlanValue],
    pub(crate) budget: &'a Budget,
    pub(crate) scope: &'a dyn Scope,
}

impl Arguments<'_> {
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn value(&self, at: usize) -> &PlanValue {
        self.values.get(at).unwrap_or(&Value::Null)
    }

    fn read<T>(&self, at: usize, read: impl FnOnce(&PlanValue) -> Result<T, String>) -> Result<T, String> {
        read(self.value(at)).map_err(|why| format!("argument {}: {why}", at + 1))
    }

    pub(crate) fn text(&self, at: usize) -> Result<Arc<str>, String> {
        self.read(at, to_text)
    }

    pub(crate) fn number(&self, at: usize) -> Result<Number, String> {
        self.read(at, to_number)
    }

    pub(crate) fn integer(&self, at: usize) -> Result<i64, String> {
        let number = self.number(at)?;
        number
            .to_i64()
            .ok_or_else(|| format!("argument {}: a whole number is needed, this is {number}", at + 1))
    }

    /// A whole number that is not negative.
    pub(crate) fn size(&self, at: usize) -> Result<usize, String> {
        let number = self.integer(at)?;
        usize::try_from(number)
            .map_err(|_| format!("argument {}: must not be negative, it is {number}", at + 1))
    }

    pub(crate) fn list(&self, at: usize) -> Result<&[PlanValue], String> {
        let value = self.value(at);
        value
            .as_list()
            .ok_or_else(|| format!("argument {}: a list is needed, this is {}", at + 1, describe(value)))
    }

    pub(crate) fn object(&self, at: usize) -> Result<&Object<Unknown>, String> {
        let value = self.value(at);
        value
            .as_object()
            .ok_or_else(|| format!("argument {}: an object is needed, this is {}", at + 1, describe(value)))
    }

    /// A list of texts.
    pub(crate) fn texts(&self, at: usize) -> Result<Vec<Arc<str>>, String> {
        let items = self.list(at)?.iter();
        items.map(|item| to_text(item).map_err(|why| format!("argument {}: {why}", at + 1))).collect()
    }
}

/// Calls a function.
pub(crate) fn call(
    interpreter: &mut Interpreter<'_>,
    name: &Arc<str>,
    arguments: &[Expr],
    expand_last: bool,
    span: Option<Span>,
) -> Eval {
    if &**name == CONVERT {
        return finish_conversion(interpreter, name, arguments, span);
    }
    let Ok(at) = functions().binary_search_by(|function| function.name.cmp(name)) else {
        let near = one_of(name, functions().iter().map(|function| function.name));
        return Err(vec![
            Diagnostic::error(codes::UNKNOWN_FUNCTION, format!("there is no function `{name}`"))
                .at_opt(span, "")
                .help(near),
        ]);
    };
    let function = &functions()[at];
    match function.body {
        Body::Form(form) => {
            counted(function, arguments.len(), span)?;
            special(interpreter, function, form, arguments, span)
        }
        Body::Values(body) => {
            let (mut values, sensitive) = interpreter.all(arguments)?;
            if expand_last {
                match values.pop() {
                    Some(Value::List(items)) => values.extend(items.iter().cloned()),
                    Some(hole @ Value::Hole(_)) => {
                        values.push(hole);
                        return Ok(later(function, &values, true, sensitive, span));
                    }
                    Some(Value::Null) | None => return Err(null("null is spread with `...`", span)),
                    Some(other) => {
                        return Err(wrong(format!("`...` needs a list, this is {}", describe(&other)), span));
                    }
                }
            }
            counted(function, values.len(), span)?;
            let pending = |value: &PlanValue| match function.holes {
                Holes::Anywhere => value.has_holes(),
                Holes::Argument => matches!(value, Value::Hole(_)),
                Holes::Never => false,
            };
            if values.iter().any(pending) {
                return Ok(later(function, &values, false, sensitive, span));
            }
            let given = Arguments { values: &values, budget: &interpreter.budget, scope: interpreter.scope };
            match body(&given).map_err(|why| failed(function, why, span))? {
                Some(value) => interpreter.produced(value, sensitive, span),
                None => Ok(later(function, &values, false, sensitive, span)),
            }
        }
    }
}

fn failed(function: &FunctionInfo, why: String, span: Option<Span>) -> Diagnostics {
    vec![
        Diagnostic::error(codes::FUNCTION_FAILED, format!("`{}`: {why}", function.name))
            .at_opt(span, "")
            .help(format!("{} — {}", function.signature, function.doc)),
    ]
}

fn counted(function: &FunctionInfo, given: usize, span: Option<Span>) -> Eval<()> {
    if (function.least..=function.most).contains(&given) {
        return Ok(());
    }
    let wanted = match (function.least, function.most) {
        (least, most) if least == most => format!("{least}"),
        (least, usize::MAX) => format!("at least {least}"),
        (least, most) => format!("{least} to {most}"),
    };
    let headline = format!("`{}` takes {wanted} argument(s), {given} are given", function.name);
    Err(vec![
        Diagnostic::error(codes::ARGUMENT_COUNT, headline)
            .at_opt(span, "")
            .help(format!("{} — {}", function.signature, function.doc)),
    ])
}

/// The call as a hole.
fn later(
    function: &FunctionInfo,
    values: &[PlanValue],
    expand_last: bool,
    sensitive: bool,
    span: Option<Span>,
) -> Outcome {
    let arguments = values.iter().map(residual_of).collect();
    let node = Node::Call { function: Arc::from(function.name), arguments, expand_last };
    Outcome { value: Value::Hole(Waits::of(values).hole(function.returns.clone(), node, span)), sensitive }
}

/// Converts what a residual waited for.
fn finish_conversion(
    interpreter: &mut Interpreter<'_>,
    name: &Arc<str>,
    arguments: &[Expr],
    span: Option<Span>,
) -> Eval {
    let (values, sensitive) = interpreter.all(arguments)?;
    let [value, wanted] = values.as_slice() else {
        return Err(wrong(format!("`{name}` takes a value and a type"), span));
    };
    let ty: Type = wanted
        .as_text()
        .and_then(|text| serde_json::from_str(text).ok())
        .ok_or_else(|| wrong(format!("`{name}` takes a value and a type"), span))?;
    let value = convert(value, &ty).map_err(|why| wrong(why, span))?;
    Ok(Outcome { value, sensitive })
}

fn special(
    interpreter: &mut Interpreter<'_>,
    function: &FunctionInfo,
    form: Form,
    arguments: &[Expr],
    span: Option<Span>,
) -> Eval {
    match form {
        Form::Try => attempt(interpreter, function, arguments, span),
        Form::Can => {
            let outcome = interpreter.all(arguments);
            match outcome {
                Ok((values, sensitive)) if values.iter().any(Value::has_holes) => {
                    Ok(later(function, &values, false, sensitive, span))
                }
                Ok((_, sensitive)) => Ok(Outcome { value: Value::Bool(true), sensitive }),
                Err(_) => Ok(Outcome::plain(Value::Bool(false))),
            }
        }
        Form::Sensitive | Form::Nonsensitive | Form::IsSensitive => {
            let (mut values, sensitive) = interpreter.all(arguments)?;
            let value = values.pop().unwrap_or(Value::Null);
            Ok(match form {
                Form::Sensitive => Outcome { value, sensitive: true },
                Form::Nonsensitive => Outcome { value, sensitive: false },
                _ => Outcome::plain(Value::Bool(sensitive)),
            })
        }
    }
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
            Ok(outcome) if !outcome.value.has_holes() => return Ok(outcome),
            Ok(outcome) => {
                let mut closing = interpreter.closing();
                let mut kept = vec![closing.finish(Ok(outcome), argument)];
                kept.extend(arguments[at + 1..].iter().map(|other| closing.close(other)));
                let node =
                    Node::Call { function: Arc::from(function.name), arguments: kept, expand_last: false };
                let sensitive = closing.sensitive;
                return Ok(Outcome {
                    value: Value::Hole(closing.waits.hole(Type::Any, node, span)),
                    sensitive,
                });
            }
            Err(more) if more.iter().any(|problem| problem.code == codes::TOO_LARGE) => return Err(more),
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
