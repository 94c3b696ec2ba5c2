//! A call: its arguments converted to what the function takes, what is not known of them, and what its refusal says.

use std::sync::Arc;

use mlp_diag::{Diagnostic, Diagnostics, Span, one_of};
use mlp_value::{Type, Value};

use super::arguments::{Arguments, Fault};
use super::define::{Body, FunctionInfo, Holes, Parameter, Want};
use super::left_out::LEFT_OUT;
use super::special::special;
use super::verbs;
use super::{function, functions};
use crate::convert::{CONVERT, convert_typed, describe_marked};
use crate::interpret::{Eval, Interpreter, outcome, too_large};
use crate::navigate::{null, wrong};
use crate::text::normalized;
use crate::typed::{Typed, is_set};
use crate::unknown::{Waits, residual_typed};
use crate::{Expr, Marks, Node, Outcome, PlanValue, codes};

/// An argument, and where it was written.
struct Argument {
    typed: Typed,
    marks: Marks,
    span: Option<Span>,
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
    let Some(function) = function(name.strip_prefix("core::").unwrap_or(name)) else {
        return Err(vec![unknown_function(name, span)]);
    };
    match function.body {
        Body::Form(form) => {
            counted(function, arguments.len(), span)?;
            special(interpreter, function, form, arguments, span)
        }
        Body::Kept => {
            Err(vec![kept(function, "it is answered by what serves the attribute it stands in", span)])
        }
        Body::Values(body) => {
            let found = interpreter.each(arguments)?;
            let arguments = found.into_iter().zip(arguments).map(|(outcome, expr)| Argument {
                marks: outcome.marks(),
                typed: outcome.into(),
                span: expr.span.or(span),
            });
            let mut arguments: Vec<Argument> = arguments.collect();
            let marks = arguments.iter().fold(Marks::default(), |marks, argument| marks | argument.marks);
            if expand_last && !expand(&mut arguments, span)? {
                return Ok(later(function, &arguments, true, marks, span));
            }
            counted(function, arguments.len(), span)?;
            if !function.picks {
                let looked =
                    arguments.iter().try_for_each(|argument| interpreter.budget.look(&argument.typed.value));
                looked.map_err(|why| too_large(why, span))?;
            }
            converted(function, &mut arguments)?;
            let pending = |value: &PlanValue| match function.holes {
                Holes::Anywhere => value.has_holes(),
                Holes::Argument => matches!(value, Value::Hole(_)),
                Holes::Never => false,
            };
            if arguments.iter().any(|argument| pending(&argument.typed.value)) {
                return Ok(later(function, &arguments, false, marks, span));
            }
            let values: Vec<Typed> = arguments.iter().map(|argument| argument.typed.clone()).collect();
            let given = Arguments { values: &values, budget: &interpreter.budget, scope: interpreter.scope };
            match body(&given).map_err(|fault| vec![refused(function, &fault, &arguments, marks, span)])? {
                Some(mut typed) => {
                    if let Value::Text(text) = &typed.value {
                        typed.value = Value::Text(normalized(text));
                    }
                    interpreter.produced(typed, marks, span)
                }
                None => Ok(later(function, &arguments, false, marks, span)),
            }
        }
    }
}

fn unknown_function(name: &str, span: Option<Span>) -> Diagnostic {
    let problem = Diagnostic::error(codes::UNKNOWN_FUNCTION, format!("there is no function `{name}`"));
    if let Some(left) = LEFT_OUT.iter().find(|left| left.name == name) {
        return problem.at_opt(span, "Terraform's, left out here").note(left.why).help(left.instead);
    }
    problem.at_opt(span, "").help(one_of(name, functions().iter().map(|function| function.name)))
}

/// A function that something else answers, where it cannot be asked.
fn kept(function: &FunctionInfo, why: &str, span: Option<Span>) -> Diagnostic {
    let headline = format!("`{}` cannot be computed here: {why}", function.name);
    Diagnostic::error(codes::FUNCTION_FAILED, headline).at_opt(span, "").help(format!(
        "{} — {}",
        function.signature(),
        function.doc
    ))
}

/// Puts the items of the last argument in its place; `false` while they are not known.
fn expand(arguments: &mut Vec<Argument>, span: Option<Span>) -> Eval<bool> {
    let Some(last) = arguments.pop() else { return Ok(true) };
    match &last.typed.value {
        Value::List(_) => {
            let parts = last.typed.parts().into_iter();
            arguments.extend(parts.map(|typed| Argument { typed, marks: last.marks, span: last.span }));
            Ok(true)
        }
        Value::Hole(hole) if matches!(hole.ty, Type::Any | Type::List(_) | Type::Set(_) | Type::Tuple(_)) => {
            arguments.push(last);
            Ok(false)
        }
        Value::Null => Err(null("null is spread with `...`", last.span.or(span))),
        other => {
            let found = describe_marked(other, last.marks);
            Err(wrong(format!("`...` needs a list, this is {found}"), last.span.or(span)))
        }
    }
}

/// Converts arguments to what the function takes, with all that is wrong with them.
fn converted(function: &FunctionInfo, arguments: &mut [Argument]) -> Eval<()> {
    let mut problems = Diagnostics::new();
    for (at, argument) in arguments.iter_mut().enumerate() {
        let Some(parameter) = function.parameter(at) else { continue };
        match fitting(argument, parameter) {
            Ok(Some(typed)) => argument.typed = typed,
            Ok(None) => {}
            Err(why) => {
                let fault = Fault { why, argument: Some(at), exhausted: false };
                problems.push(about(function, &fault, at, argument));
            }
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// The argument converted; `None` where it fits as it is.
fn fitting(argument: &Argument, parameter: Parameter) -> Result<Option<Typed>, String> {
    let shown = || describe_marked(&argument.typed.value, argument.marks);
    if argument.typed.value.is_null() {
        let ty = argument.typed.type_of();
        return match parameter.nullable && (ty == Type::Any || parameter.want.takes(&ty)) {
            true => Ok(None),
            false => Err("it is null".to_owned()),
        };
    }
    if parameter.want == Want::Any {
        return Ok(None);
    }
    let ty = parameter.want.ty();
    let refuse = || Err(format!("a {} is needed, this is {}", parameter.want.word(), shown()));
    if let Value::Hole(hole) = &argument.typed.value {
        return if parameter.want.takes(&hole.ty) { Ok(None) } else { refuse() };
    }
    if ty == Type::Any {
        // Only of which kind it is plays a role.
        let kind = match (&argument.typed.value, parameter.want) {
            (Value::List(_), Want::Sequence) => !is_set(&argument.typed.ty),
            (Value::List(_), Want::Items) | (Value::Object(_), Want::Fields) => true,
            _ => false,
        };
        return if kind { Ok(None) } else { refuse() };
    }
    let is_list = matches!(argument.typed.value, Value::List(_));
    match convert_typed(&argument.typed, &ty) {
        Err(_) if matches!(ty, Type::List(_) | Type::Set(_)) && !is_list => refuse(),
        Ok(typed) => Ok(Some(typed)),
        Err(_) if argument.marks.sensitive => refuse(),
        Err(why) => Err(why),
    }
}

/// What is wrong with one argument, at its place.
fn about(function: &FunctionInfo, fault: &Fault, at: usize, argument: &Argument) -> Diagnostic {
    let name = function.parameter(at).map_or("", |parameter| parameter.name);
    let headline = format!("`{}`: argument {} (`{name}`): {}", function.name, at + 1, fault.why);
    Diagnostic::error(codes::FUNCTION_FAILED, headline).at_opt(argument.span, "this argument").help(format!(
        "{} — {}",
        function.signature(),
        function.doc
    ))
}

fn refused(
    function: &FunctionInfo,
    fault: &Fault,
    arguments: &[Argument],
    marks: Marks,
    span: Option<Span>,
) -> Diagnostic {
    if fault.exhausted {
        return too_large(format!("`{}`: {}", function.name, fault.why), span).swap_remove(0);
    }
    // What a function says of its arguments may quote them.
    let why = if marks.sensitive { "it refuses a value that is sensitive" } else { &fault.why };
    let fault = Fault { why: why.to_owned(), argument: fault.argument, exhausted: false };
    if let Some((at, argument)) = fault.argument.and_then(|at| Some((at, arguments.get(at)?))) {
        return about(function, &fault, at, argument);
    }
    Diagnostic::error(codes::FUNCTION_FAILED, format!("`{}`: {}", function.name, fault.why))
        .at_opt(span, "")
        .help(format!("{} — {}", function.signature(), function.doc))
}

fn counted(function: &FunctionInfo, given: usize, span: Option<Span>) -> Eval<()> {
    let (least, most) = function.counts();
    if given >= least && most.is_none_or(|most| given <= most) {
        return Ok(());
    }
    let wanted = match most {
        Some(most) if most == least => format!("{least}"),
        Some(most) => format!("{least} to {most}"),
        None => format!("at least {least}"),
    };
    let headline = format!("`{}` takes {wanted} argument(s), {given} are given", function.name);
    Err(vec![Diagnostic::error(codes::ARGUMENT_COUNT, headline).at_opt(span, "").help(format!(
        "{} — {}",
        function.signature(),
        function.doc
    ))])
}

/// The call as a hole.
fn later(
    function: &FunctionInfo,
    arguments: &[Argument],
    expand_last: bool,
    marks: Marks,
    span: Option<Span>,
) -> Outcome {
    let values = arguments.iter().map(|argument| &argument.typed);
    pending(function, values.collect(), expand_last, marks, span)
}

/// A call that waits for some of its arguments, as a hole.
pub(super) fn pending(
    function: &FunctionInfo,
    values: Vec<&Typed>,
    expand_last: bool,
    marks: Marks,
    span: Option<Span>,
) -> Outcome {
    let arguments = values.iter().map(|typed| residual_typed(&typed.value, &typed.ty)).collect();
    let node = Node::Call { function: Arc::from(function.name), arguments, expand_last };
    let mut hole = Waits::of(values.iter().map(|typed| &typed.value)).hole(function.returns.ty(), node, span);
    // A function that says what it gives gives a value; conversions make their holes themselves.
    hole.not_null = function.returns != Want::Any;
    if function.name == "format" && !marks.sensitive {
        hole.prefix = values.first().and_then(|format| verbs::certain_start(&format.value));
    }
    Outcome::marked(Value::Hole(hole), marks)
}

/// Converts what a residual waited for.
fn finish_conversion(
    interpreter: &mut Interpreter<'_>,
    name: &Arc<str>,
    arguments: &[Expr],
    span: Option<Span>,
) -> Eval {
    let (values, marks) = interpreter.all(arguments)?;
    let [value, wanted] = values.as_slice() else {
        return Err(wrong(format!("`{name}` takes a value and a type"), span));
    };
    let ty: Type = wanted
        .value
        .as_text()
        .and_then(|text| serde_json::from_str(text).ok())
        .ok_or_else(|| wrong(format!("`{name}` takes a value and a type"), span))?;
    if let Value::Hole(_) = &value.value {
        let converted = crate::convert(&value.value, &ty).map_err(|why| wrong(why, span))?;
        return Ok(Outcome::marked(converted, marks));
    }
    let typed = convert_typed(value, &ty).map_err(|why| wrong(why, span))?;
    Ok(outcome(typed, marks))
}
