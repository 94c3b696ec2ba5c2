//! Whether an expression gives a set or a list: values do not tell, since a set is kept as a sorted list.

use mlp_syntax::{Expr, ExprKind};
use mlp_value::Type;

use crate::evaluator::Evaluator;
use crate::source::Source;
use crate::typexpr;

/// Functions that give sets.
const SETS: &[&str] = &["fileset", "setintersection", "setproduct", "setsubtract", "setunion", "toset"];
/// Functions that give what they are given.
const SAME: &[&str] = &["ephemeralasnull", "nonsensitive", "sensitive"];
/// Functions that give lists.
const LISTS: &[&str] = &[
    "chunklist",
    "compact",
    "concat",
    "distinct",
    "flatten",
    "formatlist",
    "keys",
    "matchkeys",
    "range",
    "regexall",
    "reverse",
    "slice",
    "sort",
    "split",
    "tolist",
    "values",
];

/// How far names are followed.
const DEEPEST: usize = 32;

/// Whether it is a set (`true`) or a list (`false`); `None` where only its value can tell, or it is neither.
pub(crate) fn is_set(evaluator: &Evaluator<'_>, room: usize, expr: &Expr) -> Option<bool> {
    follow(evaluator, room, expr, 0)
}

fn follow(evaluator: &Evaluator<'_>, room: usize, expr: &Expr, depth: usize) -> Option<bool> {
    if depth > DEEPEST {
        return None;
    }
    let again = |expr: &Expr| follow(evaluator, room, expr, depth + 1);
    match &expr.kind {
        ExprKind::List(_) | ExprKind::Splat(..) => Some(false),
        ExprKind::For(parts) if parts.key.is_none() => Some(false),
        ExprKind::Parens(inner) => again(inner),
        ExprKind::Conditional(_, then, otherwise) => {
            let (then, otherwise) = (again(then), again(otherwise));
            // A set and a list together are a list, as they are in Terraform.
            if then == otherwise { then } else { then.and(otherwise).map(|_| false) }
        }
        ExprKind::Call { function, arguments, .. } => match (function.name.as_str(), arguments.first()) {
            (name, _) if SETS.contains(&name) => Some(true),
            (name, _) if LISTS.contains(&name) => Some(false),
            (name, Some(first)) if SAME.contains(&name) => again(first),
            _ => None,
        },
        _ => match of_type(evaluator, room, expr) {
            Some(Type::Set(_)) => Some(true),
            Some(Type::List(_) | Type::Tuple(_)) => Some(false),
            Some(_) => None,
            None => again(local(evaluator, room, expr)?),
        },
    }
}

/// What a local value is computed from.
fn local<'t>(evaluator: &Evaluator<'t>, room: usize, expr: &Expr) -> Option<&'t Expr> {
    let ExprKind::Attr(target, name) = &expr.kind else { return None };
    if target.kind != ExprKind::Name("local".to_owned()) {
        return None;
    }
    evaluator.rooms.get(room)?.locals.get(&name.name).map(|(_, expr)| *expr)
}

/// The declared type of what is read of a variable.
fn of_type(evaluator: &Evaluator<'_>, room: usize, expr: &Expr) -> Option<Type> {
    match &expr.kind {
        ExprKind::Attr(target, name) if target.kind == ExprKind::Name("var".to_owned()) => {
            let source = evaluator.variable_type(room, &name.name)?;
            typexpr::type_of(source).ok()
        }
        ExprKind::Attr(target, name) => match of_type(evaluator, room, target)? {
            Type::Object(mut attributes) => attributes.remove(&name.name).map(|(ty, _)| ty),
            Type::Map(item) => Some(*item),
            _ => None,
        },
        ExprKind::Index(target, _) => match of_type(evaluator, room, target)? {
            Type::Map(item) | Type::List(item) => Some(*item),
            _ => None,
        },
        _ => None,
    }
}

impl<'t> Evaluator<'t> {
    /// The type expression of a variable.
    fn variable_type(&self, room: usize, name: &str) -> Option<&'t Expr> {
        let of = |source: &Source<'t>| match source {
            Source::Expr(expr, _) => Some(*expr),
            _ => None,
        };
        if room == 0 {
            return self.variable_types.get(name).copied();
        }
        of(&self.rooms.get(room)?.variables.get(name)?.parts.get("type")?.source)
    }
}
