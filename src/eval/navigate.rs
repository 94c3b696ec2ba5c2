//! From a value to something inside it.

use std::sync::Arc;

use mlp_diag::{Diagnostic, Diagnostics, Span, one_of};
use mlp_value::{KnownValue, Type, Value};

use crate::convert::{describe, to_number, to_text};
use crate::typed::{Typed, is_set, item_type, note_of_field, note_of_item};
use crate::unknown::{Waits, residual_of, residual_typed};
use crate::{Expr, Node, PlanValue, Traversal, TraversalStep, Unknown, codes};

/// The value one constant step below. `way` says what was stepped from, for messages.
pub(crate) fn step(
    target: &Typed,
    step: &TraversalStep,
    way: &str,
    span: Option<Span>,
) -> Result<Typed, Diagnostics> {
    let key = match step {
        TraversalStep::Attr(name) | TraversalStep::Key(name) => Value::Text(name.clone()),
        TraversalStep::Index(index) => Value::Number((*index).into()),
    };
    index(target, &key, way, span)
}

/// `target[key]`
pub(crate) fn index(
    target: &Typed,
    key: &PlanValue,
    way: &str,
    span: Option<Span>,
) -> Result<Typed, Diagnostics> {
    let missing = |headline: String, help: String| {
        vec![Diagnostic::error(codes::NO_SUCH_ELEMENT, headline).at_opt(span, "not there").help(help)]
    };
    match (&target.value, key) {
        (_, Value::Null) => Err(null("the key of an index is null", span)),
        (Value::Null, _) => Err(null(&format!("{way} is null, it has no {}", word(key)), span)),
        (Value::Hole(hole), _) => below_hole(hole, &target.value, key, way, span).map(Typed::from),
        (Value::List(_), _) if is_set(&target.ty) => Err(of_set(way, span)),
        (Value::List(_) | Value::Object(_), Value::Hole(_)) => {
            let parts = target.parts().iter().map(Typed::type_of).collect();
            let ty = item_type(parts).unwrap_or(Type::Any);
            Ok(pending(target, key, ty, span).into())
        }
        (Value::List(items), _) => {
            let wanted = to_number(key).map_err(|_| {
                missing(
                    format!("{way} is a list, it has no attribute {}", word(key)),
                    "a list is indexed by a number; use `[*]` or `for` for something of every item"
                        .to_owned(),
                )
            })?;
            let at = wanted.to_i64().and_then(|at| usize::try_from(at).ok());
            let found = at.and_then(|at| Some((at, items.get(at)?)));
            let (at, found) = found.ok_or_else(|| {
                let help = match items.len() {
                    0 => "the list is empty".to_owned(),
                    count => format!("the list has {count} item(s), with the numbers 0 to {}", count - 1),
                };
                missing(format!("{way} has no item {wanted}"), help)
            })?;
            Ok(Typed { value: found.clone(), ty: note_of_item(&target.ty, at, found) })
        }
        (Value::Object(items), _) => {
            let name = to_text(key).map_err(|why| wrong(format!("the key of an index: {why}"), span))?;
            let found = items.get(&name).ok_or_else(|| {
                missing(
                    format!("{way} has no attribute `{name}`"),
                    one_of(&name, items.keys().map(|key| &**key)),
                )
            })?;
            Ok(Typed { value: found.clone(), ty: note_of_field(&target.ty, &name, found) })
        }
        _ => {
            let mut problems =
                wrong(format!("{way} is {}, it has no {}", kind(&target.value), word(key)), span);
            for problem in &mut problems {
                problem.help = Some(format!("use {way} itself, or make it an object that has {}", word(key)));
            }
            Err(problems)
        }
    }
}

fn of_set(way: &str, span: Option<Span>) -> Diagnostics {
    vec![
        Diagnostic::error(codes::WRONG_TYPE, format!("{way} is a set, its items have no numbers"))
            .at_opt(span, "")
            .help("make a list of it: `tolist(x)[0]`, or take its only item with `one(x)`"),
    ]
}

/// What a simple value is, without what it holds.
fn kind(value: &PlanValue) -> String {
    format!("a {}", value.kind())
}

fn word(key: &PlanValue) -> String {
    match key {
        Value::Text(name) => format!("`{name}`"),
        Value::Number(number) => format!("item {number}"),
        other => describe(other),
    }
}

/// Null where a value is needed.
pub(crate) fn null(headline: &str, span: Option<Span>) -> Diagnostics {
    vec![
        Diagnostic::error(codes::NULL_VALUE, headline)
            .at_opt(span, "null")
            .help("give it a value, or choose another with `x == null ? y : x` or `coalesce(x, y)`"),
    ]
}

/// A value of another type is needed.
pub(crate) fn wrong(headline: String, span: Option<Span>) -> Diagnostics {
    vec![Diagnostic::error(codes::WRONG_TYPE, headline).at_opt(span, "")]
}

fn pending(target: &Typed, key: &PlanValue, ty: Type, span: Option<Span>) -> PlanValue {
    let from = residual_typed(&target.value, &target.ty);
    let node = Node::Index { target: Box::new(from), key: Box::new(residual_of(key)) };
    let mut hole = Waits::of([&target.value, key]).hole(ty, node, span);
    hole.not_null = false;
    Value::Hole(hole)
}

fn below_hole(
    hole: &Unknown,
    target: &PlanValue,
    key: &PlanValue,
    way: &str,
    span: Option<Span>,
) -> Result<PlanValue, Diagnostics> {
    let ty = match (&hole.ty, key) {
        (Type::Set(_), _) => return Err(of_set(way, span)),
        (Type::List(_), Value::Text(_) | Value::Number(_)) if !is_place(key) => {
            return Err(wrong(format!("{way} is a list, it has no {}", word(key)), span));
        }
        (Type::List(item) | Type::Map(item), _) => (**item).clone(),
        (Type::Tuple(items), Value::Number(number)) => {
            let at = number.to_i64().and_then(|at| usize::try_from(at).ok());
            at.and_then(|at| items.get(at)).cloned().unwrap_or(Type::Any)
        }
        (Type::Object(items), Value::Text(name)) => match items.get(&**name) {
            Some((ty, _)) => ty.clone(),
            None => {
                let near = one_of(name, items.keys().map(String::as_str));
                let headline = format!("{way} has no attribute `{name}`");
                let problem = Diagnostic::error(codes::NO_SUCH_ELEMENT, headline).at_opt(span, "not there");
                return Err(vec![problem.help(near)]);
            }
        },
        (Type::String | Type::Number | Type::Bool, _) => {
            return Err(wrong(format!("{way} is a {}, it has no {}", hole.ty, word(key)), span));
        }
        _ => Type::Any,
    };
    let longer = match (&hole.residual.node, key) {
        (Node::Traverse { traversal }, Value::Text(name)) => {
            Some(extended(traversal, TraversalStep::Attr(name.clone())))
        }
        (Node::Traverse { traversal }, Value::Number(number)) => {
            let at = number.to_i64().and_then(|at| u64::try_from(at).ok());
            at.map(|at| extended(traversal, TraversalStep::Index(at)))
        }
        _ => None,
    };
    let Some(traversal) = longer else {
        return Ok(pending(&target.clone().into(), key, ty, span));
    };
    let mut below = Waits::of([target]).hole(ty, Node::Traverse { traversal }, hole.residual.span);
    below.not_null = false;
    Ok(Value::Hole(below))
}

/// Whether a key can be the number of an item.
fn is_place(key: &PlanValue) -> bool {
    to_number(key).is_ok_and(|number| number.to_i64().is_some_and(|at| at >= 0))
}

fn extended(traversal: &Traversal, step: TraversalStep) -> Traversal {
    let mut longer = traversal.clone();
    longer.steps.push(step);
    longer
}

/// Constant steps as index nodes around an expression.
pub(crate) fn stepped(mut expr: Expr, steps: &[TraversalStep], span: Option<Span>) -> Expr {
    for step in steps {
        let key = match step {
            TraversalStep::Attr(name) | TraversalStep::Key(name) => KnownValue::Text(Arc::clone(name)),
            TraversalStep::Index(index) => KnownValue::Number((*index).into()),
        };
        expr = Expr::new(Node::Index { target: Box::new(expr), key: Box::new(Expr::literal(key)) }, span);
    }
    expr
}
