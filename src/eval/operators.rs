//! Operators on values.

use mlp_diag::{Diagnostic, Diagnostics, Span};
use mlp_value::{Number, Type, Value};

use crate::convert::{describe, to_bool, to_number};
use crate::equality::equal;
use crate::unknown::{Waits, residual_of};
use crate::{BinaryOp, Node, PlanValue, UnaryOp, codes};

/// Numbers that take more than this to write out are refused.
pub(crate) const MAX_WEIGHT: u64 = 20_000;

impl BinaryOp {
    fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::And => "&&",
            Self::Or => "||",
        }
    }

    fn result(self) -> Type {
        match self {
            Self::Add | Self::Subtract | Self::Multiply | Self::Divide | Self::Modulo => Type::Number,
            _ => Type::Bool,
        }
    }

    /// The left operand that decides without the right one.
    pub(crate) fn decided_by(self) -> Option<bool> {
        match self {
            Self::And => Some(false),
            Self::Or => Some(true),
            _ => None,
        }
    }
}

/// `left operator right`
pub(crate) fn binary(
    operator: BinaryOp,
    left: &PlanValue,
    right: &PlanValue,
    span: Option<Span>,
) -> Result<PlanValue, Diagnostics> {
    let unknown = || {
        let node =
            Node::Binary { operator, left: Box::new(residual_of(left)), right: Box::new(residual_of(right)) };
        Value::Hole(Waits::of([left, right]).hole(operator.result(), node, span))
    };
    match operator {
        BinaryOp::Equal => Ok(equal(left, right).map_or_else(unknown, Value::Bool)),
        BinaryOp::NotEqual => Ok(equal(left, right).map_or_else(unknown, |same| Value::Bool(!same))),
        BinaryOp::And | BinaryOp::Or => {
            let left = operand(left, operator.sign(), "left", &Type::Bool, &to_bool, span)?;
            let right = operand(right, operator.sign(), "right", &Type::Bool, &to_bool, span)?;
            let decisive = operator.decided_by();
            Ok(match (left, right) {
                (left, right) if left == decisive || right == decisive => {
                    Value::Bool(operator == BinaryOp::Or)
                }
                (Some(_), Some(_)) => Value::Bool(operator == BinaryOp::And),
                _ => unknown(),
            })
        }
        _ => {
            let first = operand(left, operator.sign(), "left", &Type::Number, &to_number, span)?;
            let second = operand(right, operator.sign(), "right", &Type::Number, &to_number, span)?;
            match (first, second) {
                (Some(first), Some(second)) => numbers(operator, &first, &second, span),
                _ => Ok(unknown()),
            }
        }
    }
}

/// An operand converted to what the operator needs; `None` while it is not known.
fn operand<T>(
    value: &PlanValue,
    sign: &str,
    side: &str,
    ty: &Type,
    convert: &dyn Fn(&PlanValue) -> Result<T, String>,
    span: Option<Span>,
) -> Result<Option<T>, Diagnostics> {
    let refuse = |found: String| {
        vec![
            Diagnostic::error(
                codes::OPERAND,
                format!("the {side} operand of `{sign}` must be a {ty}, it is {found}"),
            )
            .at_opt(span, ""),
        ]
    };
    match value {
        Value::Hole(hole) => match (&hole.ty, ty) {
            (found, wanted) if found == wanted => Ok(None),
            (Type::Any | Type::String, _) => Ok(None),
            (found, _) => Err(refuse(format!("a {found}, known later"))),
        },
        Value::Null => Err(refuse("null".to_owned())),
        known => convert(known).map(Some).map_err(|_| refuse(describe(known))),
    }
}

fn numbers(
    operator: BinaryOp,
    left: &Number,
    right: &Number,
    span: Option<Span>,
) -> Result<PlanValue, Diagnostics> {
    let zero = || {
        vec![
            Diagnostic::error(codes::DIVISION_BY_ZERO, format!("{left} is divided by zero"))
                .at_opt(span, "the divisor is 0")
                .help("guard it: `x == 0 ? … : y / x`"),
        ]
    };
    let number = match operator {
        BinaryOp::Add => left.plus(right),
        BinaryOp::Subtract => left.minus(right),
        BinaryOp::Multiply => left.times(right),
        BinaryOp::Divide => left.divided_by(right).ok_or_else(zero)?,
        BinaryOp::Modulo => left.modulo(right).ok_or_else(zero)?,
        BinaryOp::Less => return Ok(Value::Bool(left < right)),
        BinaryOp::LessOrEqual => return Ok(Value::Bool(left <= right)),
        BinaryOp::Greater => return Ok(Value::Bool(left > right)),
        _ => return Ok(Value::Bool(left >= right)),
    };
    if number.weight() > MAX_WEIGHT {
        let headline = format!("the number has more than {MAX_WEIGHT} digits");
        return Err(vec![Diagnostic::error(codes::TOO_LARGE, headline).at_opt(span, "")]);
    }
    Ok(Value::Number(number))
}

/// `-value`, `!value`
pub(crate) fn unary(
    operator: UnaryOp,
    value: &PlanValue,
    span: Option<Span>,
) -> Result<PlanValue, Diagnostics> {
    let (sign, ty) = match operator {
        UnaryOp::Negate => ("-", Type::Number),
        UnaryOp::Not => ("!", Type::Bool),
    };
    let known = match operator {
        UnaryOp::Negate => {
            operand(value, sign, "one", &ty, &to_number, span)?.map(|number| Value::Number(number.negated()))
        }
        UnaryOp::Not => operand(value, sign, "one", &ty, &to_bool, span)?.map(|truth| Value::Bool(!truth)),
    };
    Ok(known.unwrap_or_else(|| {
        let node = Node::Unary { operator, operand: Box::new(residual_of(value)) };
        Value::Hole(Waits::of([value]).hole(ty, node, span))
    }))
}
