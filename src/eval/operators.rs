//! Operators on values.

use mlp_diag::{Diagnostic, Diagnostics, Span};
use mlp_value::{Number, Type, Value};

use crate::convert::{describe_marked, to_bool, to_number};
use crate::equality::equal;
use crate::unknown::{Waits, residual_of};
use crate::{BinaryOp, Marks, Node, PlanValue, UnaryOp, codes};

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
    left: Operand<'_>,
    right: Operand<'_>,
    span: Option<Span>,
) -> Result<PlanValue, Diagnostics> {
    let unknown = || {
        let node = Node::Binary {
            operator,
            left: Box::new(residual_of(left.value)),
            right: Box::new(residual_of(right.value)),
        };
        Value::Hole(Waits::of([left.value, right.value]).hole(operator.result(), node, span))
    };
    match operator {
        BinaryOp::Equal => Ok(equal(left.value, right.value).map_or_else(unknown, Value::Bool)),
        BinaryOp::NotEqual => {
            Ok(equal(left.value, right.value).map_or_else(unknown, |same| Value::Bool(!same)))
        }
        BinaryOp::And | BinaryOp::Or => {
            let (left, right) = both(operator, left, right, &Type::Bool, &to_bool)?;
            let decisive = operator.decided_by();
            Ok(match (left, right) {
                (left, right) if left == decisive || right == decisive => {
                    Value::Bool(operator == BinaryOp::Or)
                }
                (Some(_), Some(_)) => Value::Bool(operator == BinaryOp::And),
                _ => unknown(),
            })
        }
        _ => match both(operator, left, right, &Type::Number, &to_number)? {
            (Some(left), Some(number)) => numbers(operator, &left, &number, right.span.or(span)),
            _ => Ok(unknown()),
        },
    }
}

/// A value that an operator takes, and where it was written.
#[derive(Clone, Copy)]
pub(crate) struct Operand<'o> {
    pub(crate) value: &'o PlanValue,
    pub(crate) marks: Marks,
    pub(crate) span: Option<Span>,
}

/// Both operands converted, with what is wrong with either; `None` for one that is not known yet.
fn both<T>(
    operator: BinaryOp,
    left: Operand<'_>,
    right: Operand<'_>,
    ty: &Type,
    convert: &dyn Fn(&PlanValue) -> Result<T, String>,
) -> Result<(Option<T>, Option<T>), Diagnostics> {
    let sign = operator.sign();
    match (operand(left, sign, "left ", ty, convert), operand(right, sign, "right ", ty, convert)) {
        (Ok(left), Ok(right)) => Ok((left, right)),
        // An operator of the wrong kind is one mistake, not one for each side.
        (Err(left), Err(right)) => {
            let other = right.first().and_then(Diagnostic::place);
            let both = |problem: Diagnostic| match other {
                Some(span) => problem.see(span, "and so must this"),
                None => problem,
            };
            Err(left.into_iter().map(both).collect())
        }
        (Err(one), _) | (_, Err(one)) => Err(one),
    }
}

/// The operand converted; `None` if it is not known yet.
fn operand<T>(
    operand: Operand<'_>,
    sign: &str,
    side: &str,
    ty: &Type,
    convert: &dyn Fn(&PlanValue) -> Result<T, String>,
) -> Result<Option<T>, Diagnostics> {
    let refuse = |found: String| {
        let headline = format!("the {side}operand of `{sign}` must be a {ty}, it is {found}");
        let problem = Diagnostic::error(codes::OPERAND, headline);
        let help = match (sign, operand.value) {
            ("+", Value::Text(_)) => Some("texts are joined in a template: `\"${a}${b}\"`"),
            ("+", Value::List(_)) => Some("lists are joined by `concat(a, b)`"),
            ("+", Value::Object(_)) => Some("objects are joined by `merge(a, b)`"),
            (_, Value::Null) => Some("choose another value with `x == null ? y : x` or `coalesce(x, y)`"),
            _ => None,
        };
        let problem = problem.at_opt(operand.span, "this one");
        vec![match help {
            Some(help) => problem.help(help),
            None => problem,
        }]
    };
    match operand.value {
        Value::Hole(hole) if hole.ty == *ty || matches!(hole.ty, Type::Any | Type::String) => Ok(None),
        Value::Hole(hole) => Err(refuse(format!("a {}, known later", hole.ty))),
        Value::Null => Err(refuse("null".to_owned())),
        known => convert(known).map(Some).map_err(|_| refuse(describe_marked(known, operand.marks))),
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
            Diagnostic::error(codes::DIVISION_BY_ZERO, "a number is divided by zero")
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
    of: Operand<'_>,
    span: Option<Span>,
) -> Result<PlanValue, Diagnostics> {
    let (sign, ty) = match operator {
        UnaryOp::Negate => ("-", Type::Number),
        UnaryOp::Not => ("!", Type::Bool),
    };
    let known = match operator {
        UnaryOp::Negate => {
            operand(of, sign, "", &ty, &to_number)?.map(|number| Value::Number(number.negated()))
        }
        UnaryOp::Not => operand(of, sign, "", &ty, &to_bool)?.map(|truth| Value::Bool(!truth)),
    };
    Ok(known.unwrap_or_else(|| {
        let node = Node::Unary { operator, operand: Box::new(residual_of(of.value)) };
        Value::Hole(Waits::of([of.value]).hole(ty, node, span))
    }))
}
