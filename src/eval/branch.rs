//! Conditionals: the branch that is taken, converted to what both branches can become.

use mlp_diag::{Diagnostic, Diagnostics, Span};
use mlp_value::{Type, Value};

use crate::convert::convert_typed;
use crate::interpret::{Eval, Interpreter, outcome, too_large};
use crate::navigate::wrong;
use crate::typed::{Typed, has_any, unify};
use crate::{Expr, Marks, Node, Outcome, Unknown, codes};

impl Interpreter<'_> {
    pub(crate) fn conditional(
        &mut self,
        condition: &Expr,
        then: &Expr,
        otherwise: &Expr,
        span: Option<Span>,
    ) -> Eval {
        let (truth, marks) = self.condition(condition)?;
        match truth {
            Ok(truth) => {
                let (taken, other) = if truth { (then, otherwise) } else { (otherwise, then) };
                let found = self.eval(taken)?;
                let marks = marks | found.marks();
                let other = self.type_beside(other);
                if other.is_some() {
                    self.budget.look(&found.value).map_err(|why| too_large(why, span))?;
                }
                let typed = alike(found.into(), other, [then, otherwise], span)?;
                Ok(outcome(typed, marks))
            }
            Err(hole) => self.undecided(hole, then, otherwise, marks, span),
        }
    }

    /// The type of the branch that is not taken, where it shows in the expression itself. What names something is not looked at:
    /// it may not exist, or cost what nobody asked for.
    fn type_beside(&mut self, expr: &Expr) -> Option<Type> {
        match &expr.node {
            Node::Template { parts } if parts.len() > 1 => Some(Type::String),
            _ if self.is_closed(expr) => self.eval(expr).ok().map(|outcome| outcome.type_of()),
            _ => None,
        }
    }

    /// Whether an expression names nothing but what expressions around it bind.
    fn is_closed(&self, expr: &Expr) -> bool {
        let mut closed = true;
        expr.traversals(&mut |traversal, _| {
            closed &= self.local(&traversal.root).is_some() || traversal.root.starts_with('$');
        });
        closed && !calls_the_world(expr)
    }

    /// Both branches, as far as they can be known: the one that will not be taken may be wrong.
    fn undecided(
        &mut self,
        hole: Unknown,
        then: &Expr,
        otherwise: &Expr,
        marks: Marks,
        span: Option<Span>,
    ) -> Eval {
        let (first, second) = (self.eval(then), self.eval(otherwise));
        let ty = match (&first, &second) {
            (Ok(first), Ok(second)) => {
                let types = [first.type_of(), second.type_of()];
                match &types {
                    [Type::Any, _] if first.value.is_null() => types[1].clone(),
                    [_, Type::Any] if second.value.is_null() => types[0].clone(),
                    _ => match unify(&types) {
                        Some(ty) => ty,
                        None if types.iter().any(has_any) => Type::Any,
                        None => return Err(inconsistent(&types[0], &types[1], [then, otherwise], span)),
                    },
                }
            }
            _ => Type::Any,
        };
        if let (Ok(first), Ok(second)) = (&first, &second)
            && first.value == second.value
            && !first.value.has_holes()
        {
            let marks = marks | first.marks() | second.marks();
            return Ok(Outcome::marked(first.value.clone(), marks).of_type(&first.type_of()));
        }
        let mut closing = self.closing();
        closing.saw(&Value::Hole(hole.clone()), marks);
        let branches = [&first, &second];
        let not_null = branches.iter().all(|branch| match branch {
            Ok(Outcome { value: Value::Hole(hole), .. }) => hole.not_null,
            Ok(outcome) => !outcome.value.is_null(),
            Err(_) => false,
        });
        let prefix =
            common_prefix(branches.map(|branch| branch.as_ref().ok().and_then(|branch| start(branch))));
        let then = closing.finish(first, then);
        let otherwise = closing.finish(second, otherwise);
        let node = Node::Conditional {
            condition: hole.into_later().residual,
            then: Box::new(then),
            otherwise: Box::new(otherwise),
        };
        let marks = closing.marks;
        let mut unknown = closing.waits.hole(ty.clone(), node, span);
        unknown.not_null = not_null;
        unknown.prefix = prefix.filter(|prefix| !prefix.is_empty() && ty == Type::String);
        Ok(Outcome::marked(Value::Hole(unknown), marks))
    }
}

/// What a text certainly starts with.
fn start(outcome: &Outcome) -> Option<&str> {
    match &outcome.value {
        Value::Text(text) => Some(text),
        Value::Hole(hole) => hole.prefix.as_deref(),
        _ => None,
    }
}

fn common_prefix([first, second]: [Option<&str>; 2]) -> Option<String> {
    let pairs = first?.chars().zip(second?.chars());
    Some(pairs.take_while(|(first, second)| first == second).map(|(first, _)| first).collect())
}

/// Functions that look beyond their arguments.
fn calls_the_world(expr: &Expr) -> bool {
    let here = match &expr.node {
        Node::Call { function, .. } => function.starts_with("file") || function.starts_with("template"),
        _ => false,
    };
    let mut below = false;
    expr.children(&mut |child| below |= calls_the_world(child));
    here || below
}

/// The branch taken as the type both branches have in common.
fn alike(taken: Typed, other: Option<Type>, branches: [&Expr; 2], span: Option<Span>) -> Eval<Typed> {
    let Some(other) = other.filter(|other| *other != Type::Any) else { return Ok(taken) };
    let mine = taken.type_of();
    if mine == other {
        return Ok(taken);
    }
    if taken.value.is_null() && mine == Type::Any {
        return Ok(Typed::new(taken.value, &other));
    }
    if mine == Type::Any {
        return Ok(taken);
    }
    let Some(ty) = unify(&[mine.clone(), other.clone()]) else {
        return Err(inconsistent(&mine, &other, branches, span));
    };
    convert_typed(&taken, &ty).map_err(|why| wrong(why, span))
}

fn inconsistent(first: &Type, second: &Type, branches: [&Expr; 2], span: Option<Span>) -> Diagnostics {
    let headline = format!("one branch gives a {}, the other a {}", brief(first), brief(second));
    let mut problem =
        Diagnostic::error(codes::WRONG_TYPE, headline).at_opt(branches[0].span.or(span), "one branch");
    if let Some(span) = branches[1].span {
        problem = problem.see(span, "the other branch");
    }
    vec![
        problem.help(
            "give both branches one type, for example `[]` or `{}` beside a list or an object, or `null`",
        ),
    ]
}

/// A type in a word, so that a long one does not hide the point.
fn brief(ty: &Type) -> String {
    match ty {
        Type::Object(_) => "object".to_owned(),
        Type::Tuple(_) => "list of items of several types".to_owned(),
        other => other.to_string(),
    }
}
