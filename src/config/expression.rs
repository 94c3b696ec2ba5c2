//! Expressions of the tree as IR of the evaluator.

use std::sync::Arc;

use mlp_eval::{BinaryOp, Expr, ForExpr, FunctionInfo, Node, Part, Traversal, TraversalStep, UnaryOp};
use mlp_syntax as syntax;
use mlp_syntax::ExprKind;
use mlp_value::KnownValue;

/// The key that marks such a call in a value.
pub(crate) const CALL: &str = "$call";

/// The name that stands for what could not be read.
pub(crate) const BROKEN: &str = "$broken";

fn known(value: KnownValue) -> Node {
    Node::Literal { value }
}

fn boxed(expr: &syntax::Expr) -> Box<Expr> {
    Box::new(lower(expr))
}

fn all(exprs: &[syntax::Expr]) -> Vec<Expr> {
    exprs.iter().map(lower).collect()
}

fn name(ident: &syntax::Ident) -> Arc<str> {
    Arc::from(ident.name.as_str())
}

/// The IR of an expression.
pub fn lower(expr: &syntax::Expr) -> Expr {
    let node = match &expr.kind {
        ExprKind::Null => known(KnownValue::Null),
        ExprKind::Bool(value) => known(KnownValue::Bool(*value)),
        // The parser has checked the literal; one that overflows is an empty call that the interpreter refuses by name.
        ExprKind::Number(text) => match text.parse() {
            Ok(number) => known(KnownValue::Number(number)),
            Err(_) => call_node("tonumber", vec![Expr::literal(KnownValue::text(text))], false),
        },
        ExprKind::Text(text) => known(KnownValue::text(text)),
        ExprKind::Template(parts) => Node::Template { parts: parts.iter().map(part).collect() },
        ExprKind::List(items) => Node::List { items: all(items) },
        ExprKind::Object(items) => {
            Node::Object { items: items.iter().map(|(key, value)| (lower(key), lower(value))).collect() }
        }
        ExprKind::Name(_) | ExprKind::Attr(..) | ExprKind::Index(..) => access(expr),
        ExprKind::Broken => {
            Node::Traverse { traversal: Traversal { root: Arc::from(BROKEN), steps: Vec::new() } }
        }
        ExprKind::Splat(target, each) => Node::Splat { target: boxed(target), each: boxed(each) },
        ExprKind::Call { function, arguments, .. } if function.name == "optional" && arguments.len() == 1 => {
            optional(&arguments[0])
        }
        ExprKind::Call { function, arguments, expand_last } => {
            if mlp_eval::function(&function.name).is_some_and(FunctionInfo::is_kept) {
                deferred_call(&function.name, all(arguments))
            } else {
                call_node(&function.name, all(arguments), *expand_last)
            }
        }
        ExprKind::Unary(operator, operand) => {
            Node::Unary { operator: unary(*operator), operand: boxed(operand) }
        }
        ExprKind::Binary(operator, left, right) => {
            Node::Binary { operator: binary(*operator), left: boxed(left), right: boxed(right) }
        }
        ExprKind::Conditional(condition, then, otherwise) => {
            Node::Conditional { condition: boxed(condition), then: boxed(then), otherwise: boxed(otherwise) }
        }
        ExprKind::Parens(inner) => return lower(inner),
        ExprKind::For(parts) => Node::For {
            parts: Box::new(ForExpr {
                key_name: parts.key_name.as_ref().map(name),
                value_name: name(&parts.value_name),
                collection: lower(&parts.collection),
                key: parts.key.as_ref().map(lower),
                value: lower(&parts.value),
                condition: parts.condition.as_ref().map(lower),
                group: parts.group,
            }),
        },
    };
    Expr::new(node, Some(expr.span))
}

fn call_node(function: &str, arguments: Vec<Expr>, expand_last: bool) -> Node {
    Node::Call { function: Arc::from(function), arguments, expand_last }
}

fn deferred_call(function: &str, arguments: Vec<Expr>) -> Node {
    let text = |text: &str| Expr::literal(KnownValue::text(text));
    Node::Object {
        items: vec![
            (text(CALL), text(function)),
            (text("args"), Expr::new(Node::List { items: arguments }, None)),
        ],
    }
}

/// `optional("model")`: an input in full that may be absent.
fn optional(kind: &syntax::Expr) -> Node {
    let text = |text: &str| Expr::literal(KnownValue::text(text));
    let truth = Expr::literal(KnownValue::Bool(true));
    Node::Object { items: vec![(text("type"), lower(kind)), (text("optional"), truth)] }
}

/// `a.b["c"][0]` becomes one traversal as long as its steps are constant.
fn access(expr: &syntax::Expr) -> Node {
    match &expr.kind {
        ExprKind::Name(root) => {
            Node::Traverse { traversal: Traversal { root: Arc::from(root.as_str()), steps: Vec::new() } }
        }
        ExprKind::Attr(target, attr) => step(target, TraversalStep::Attr(name(attr)), || {
            Expr::new(known(KnownValue::text(&attr.name)), Some(attr.span))
        }),
        ExprKind::Index(target, key) => match &key.kind {
            ExprKind::Text(text) => step(target, TraversalStep::Key(Arc::from(text.as_str())), || lower(key)),
            ExprKind::Number(number) if number.parse::<u64>().is_ok() => {
                step(target, TraversalStep::Index(number.parse().unwrap_or_default()), || lower(key))
            }
            _ => Node::Index { target: boxed(target), key: boxed(key) },
        },
        _ => lower(expr).node,
    }
}

fn step(target: &syntax::Expr, step: TraversalStep, key: impl Fn() -> Expr) -> Node {
    let mut target = lower(target);
    match &mut target.node {
        Node::Traverse { traversal } => {
            traversal.steps.push(step);
            target.node
        }
        _ => Node::Index { target: Box::new(target), key: Box::new(key()) },
    }
}

fn part(part: &syntax::TemplatePart) -> Part {
    let parts = |parts: &[syntax::TemplatePart]| parts.iter().map(self::part).collect();
    match part {
        syntax::TemplatePart::Text(text) => Part::Text { text: Arc::from(text.as_str()) },
        syntax::TemplatePart::Expr(expr) => Part::Expr { expr: lower(expr) },
        syntax::TemplatePart::If(condition, then, otherwise) => {
            Part::If { condition: lower(condition), then: parts(then), otherwise: parts(otherwise) }
        }
        syntax::TemplatePart::For(key, value, collection, body) => Part::For {
            key_name: key.as_ref().map(name),
            value_name: name(value),
            collection: lower(collection),
            body: parts(body),
        },
    }
}

fn unary(operator: syntax::UnaryOp) -> UnaryOp {
    match operator {
        syntax::UnaryOp::Negate => UnaryOp::Negate,
        syntax::UnaryOp::Not => UnaryOp::Not,
    }
}

fn binary(operator: syntax::BinaryOp) -> BinaryOp {
    use syntax::BinaryOp as S;
    match operator {
        S::Add => BinaryOp::Add,
        S::Subtract => BinaryOp::Subtract,
        S::Multiply => BinaryOp::Multiply,
        S::Divide => BinaryOp::Divide,
        S::Modulo => BinaryOp::Modulo,
        S::Equal => BinaryOp::Equal,
        S::NotEqual => BinaryOp::NotEqual,
        S::Less => BinaryOp::Less,
        S::LessOrEqual => BinaryOp::LessOrEqual,
        S::Greater => BinaryOp::Greater,
        S::GreaterOrEqual => BinaryOp::GreaterOrEqual,
        S::And => BinaryOp::And,
        S::Or => BinaryOp::Or,
    }
}
