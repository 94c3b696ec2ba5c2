//! From a value to something inside it.

use std::sync::Arc;

use mlp_diag::{Diagnostic, Diagnostics, Span, one_of};
use mlp_value::{KnownValue, Type, Value};

use crate::convert::{describe, to_number, to_text};
use crate::unknown::{Waits, residual_of};
use crate::{Expr, Node, PlanValue, Traversal, TraversalStep, Unknown, codes};

/// The value one constant step below. `way` says what was stepped from, for messages.
pub(crate) fn step(
    target: &PlanValue,
    step: &TraversalStep,
    way: &str,
    span: Option<Span>,
) -> Result<PlanValue, Diagnostics> {
    let key = match step {
        TraversalStep::Attr(name) | TraversalStep::Key(name) => Value::Text(name.clone()),
        TraversalStep::Index(index) => Value::Number((*index).into()),
    };
    index(target, &key, way, span)
}

/// `target[key]`
pub(crate) fn index(
    target: &PlanValue,
    key: &PlanValue,
    way: &str,
    span: Option<Span>,
) -> Result<PlanValue, Diagnostics> {
    let missing = |headline: String, help: String| {
        vec![Diagnostic::error(codes::NO_SUCH_ELEMENT, headline).at_opt(span, "not there").help(help)]
    };
    match (target, key) {
        (_, Value::Null) => Err(null("the key of an index is null", span)),
        (Value::Null, _) => Err(null(&format!("{way} is null, it has no {}", word(key)), span)),
        (Value::Hole(hole), _) => below_hole(hole, target, key, way, span),
        (_, Value::Hole(_)) => Ok(pending(target, key, Type::Any, span)),
        (Value::List(items), _) => {
            let wanted = to_number(key).map_err(|_| {
                missing(
                    format!("{way} is a list, it has no attribute {}", word(key)),
                    "a list is indexed by a number; use `[*]` or `for` for something of every item"
                        .to_owned(),
                )
            })?;
            let found = wanted.to_i64().and_then(|at| usize::try_from(at).ok()).and_then(|at| items.get(at));
            found.cloned().ok_or_else(|| {
                let help = match items.len() {
                    0 => "the list is empty".to_owned(),
                    count => format!("the list has {count} item(s), with the numbers 0 to {}", count - 1),
                };
                missing(format!("{way} has no item {wanted}"), help)
            })
        }
        (Value::Object(items), _) => {
            let name = to_text(key).map_err(|why| wrong(format!("the key of an index: {why}"), span))?;
            items.get(&name).cloned().ok_or_else(|| {
                missing(
                    format!("{way} has no attribute `{name}`"),
                    one_of(&name, items.keys().map(|key| &**key)),
                )
            })
        }
        _ => Err(wrong(format!("{way} is {}, it has no {}", describe(target), word(key)), span)),
    }
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

fn pending(target: &PlanValue, key: &PlanValue, ty: Type, span: Option<Span>) -> PlanValue {
    let node = Node::Index { target: Box::new(residual_of(target)), key: Box::new(residual_of(key)) };
    Value::Hole(Waits::of([target, key]).hole(ty, node, span))
}

fn below_hole(
    hole: &Unknown,
    target: &PlanValue,
    key: &PlanValue,
    way: &str,
    span: Option<Span>,
) -> Result<PlanValue, Diagnostics> {
    let ty = match (&hole.ty, key) {
        (Type::List(item) | Type::Map(item) | Type::Set(item), _) => (**item).clone(),
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
        return Ok(pending(target, key, ty, span));
    };
    let mut below = Waits::of([target]).hole(ty, Node::Traverse { traversal }, hole.residual.span);
    below.not_null = false;
    Ok(Value::Hole(below))
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
