//! The interpreter: an expression and a scope to a value, as far as it is known.

use std::collections::BTreeMap;
use std::sync::Arc;

use mlp_diag::{Diagnostic, Diagnostics, Span};
use mlp_value::{Type, Value};

use crate::behind::{resolved, step_of};
use crate::budget::{Budget, check_size};
use crate::convert::{describe_marked, to_bool, to_text};
use crate::functions::call;
use crate::navigate::{index, null, step, wrong};
use crate::operators::Operand;
use crate::text::normalized;
use crate::typed::{Note, Typed, object, tuple};
use crate::unknown::{Waits, residual_of};
use crate::{BinaryOp, Expr, Marks, Node, Outcome, PlanValue, Scope, Traversal, Unknown, codes, operators};

/// How deep expressions may be nested.
const MAX_DEPTH: u32 = 200;
/// The name of the item inside a splat.
pub(crate) const SPLAT: &str = "$splat";

pub(crate) type Eval<T = Outcome> = Result<T, Diagnostics>;

/// Computes an expression in a scope. What is not known yet stays in the value as holes with residuals.
///
/// # Errors
/// Everything that is wrong with it.
pub fn evaluate(expr: &Expr, scope: &dyn Scope) -> Result<Outcome, Diagnostics> {
    Interpreter { scope, budget: Budget::new(), locals: Vec::new(), depth: 0 }.eval(expr)
}

/// One evaluation under way.
pub(crate) struct Interpreter<'s> {
    pub(crate) scope: &'s dyn Scope,
    pub(crate) budget: Budget,
    locals: Vec<(Arc<str>, Outcome)>,
    depth: u32,
}

/// More is produced than the budget allows.
pub(crate) fn too_large(why: impl Into<String>, span: Option<Span>) -> Diagnostics {
    vec![
        Diagnostic::error(codes::TOO_LARGE, why)
            .at_opt(span, "")
            .help("compute less at once: no specification needs so much"),
    ]
}

/// An outcome of a value with its type.
pub(crate) fn outcome(typed: Typed, marks: Marks) -> Outcome {
    Outcome { ty: typed.ty, ..Outcome::marked(typed.value, marks) }
}

impl From<Outcome> for Typed {
    fn from(outcome: Outcome) -> Self {
        Self { value: outcome.value, ty: outcome.ty }
    }
}

impl<'s> Interpreter<'s> {
    pub(crate) fn eval(&mut self, expr: &Expr) -> Eval {
        self.budget.step().map_err(|why| too_large(why, expr.span))?;
        if self.depth >= MAX_DEPTH {
            let headline = format!("the expression is nested more than {MAX_DEPTH} levels deep");
            return Err(vec![
                Diagnostic::error(codes::TOO_DEEP, headline)
                    .at_opt(expr.span, "")
                    .help("move a part of it to `locals`"),
            ]);
        }
        self.depth += 1;
        let outcome = self.node(expr);
        self.depth -= 1;
        outcome
    }

    fn node(&mut self, expr: &Expr) -> Eval {
        let span = expr.span;
        match &expr.node {
            Node::Literal { value: Value::Text(text) } => Ok(Outcome::plain(Value::Text(normalized(text)))),
            Node::Literal { value } => {
                self.budget.look(value).map_err(|why| too_large(why, span))?;
                Ok(Outcome::plain(value.lift()))
            }
            Node::Traverse { traversal } => self.traverse(traversal, span),
            Node::Template { parts } => self.template(parts, span),
            Node::List { items } => {
                let (items, marks) = self.all(items)?;
                self.produced(tuple(items), marks, span)
            }
            Node::Object { items } => self.object(items, span),
            Node::Unary { operator, operand } => {
                let found = self.eval(operand)?;
                let of = Operand { value: &found.value, marks: found.marks(), span: operand.span };
                Ok(Outcome::marked(operators::unary(*operator, of, span)?, found.marks()))
            }
            Node::Binary { .. } => self.binary(expr),
            Node::Conditional { condition, then, otherwise } => {
                self.conditional(condition, then, otherwise, span)
            }
            Node::Call { function, arguments, expand_last } => {
                call(self, function, arguments, *expand_last, span)
            }
            Node::Index { target, key } => {
                let (found, at) = (self.eval(target)?, self.eval(key)?);
                let marks = found.marks() | at.marks();
                if let Some(behind) = self.behind(&found.value, &[step_of(&at.value)], span)? {
                    let (typed, more) = resolved(behind);
                    return Ok(outcome(typed, marks | more));
                }
                let way = describe_marked(&found.value, found.marks());
                let typed = index(&found.into(), &at.value, &way, key.span.or(span));
                Ok(outcome(typed.map_err(|problems| hidden(problems, marks))?, marks))
            }
            Node::Splat { target, each } => self.splat(target, each, span),
            Node::For { parts } => self.for_expr(parts, span),
        }
    }

    /// A container just built, if it is not too large.
    pub(crate) fn produced(&self, typed: Typed, marks: Marks, span: Option<Span>) -> Eval {
        check_size(&typed.value).map_err(|why| too_large(why, span))?;
        Ok(outcome(typed, marks))
    }

    /// All of them, with all their errors.
    pub(crate) fn all(&mut self, exprs: &[Expr]) -> Eval<(Vec<Typed>, Marks)> {
        let outcomes = self.each(exprs)?;
        let marks = outcomes.iter().fold(Marks::default(), |marks, outcome| marks | outcome.marks());
        Ok((outcomes.into_iter().map(Typed::from).collect(), marks))
    }

    /// The outcome of each, with all their errors.
    pub(crate) fn each(&mut self, exprs: &[Expr]) -> Eval<Vec<Outcome>> {
        let (mut outcomes, mut problems) = (Vec::with_capacity(exprs.len()), Diagnostics::new());
        for expr in exprs {
            match self.eval(expr) {
                Ok(outcome) => outcomes.push(outcome),
                Err(more) => problems.extend(more),
            }
        }
        if problems.is_empty() { Ok(outcomes) } else { Err(problems) }
    }

    /// The value of a name that the expression itself binds.
    pub(crate) fn local(&self, name: &str) -> Option<&Outcome> {
        self.locals.iter().rev().find(|(local, _)| **local == *name).map(|(_, outcome)| outcome)
    }

    /// Does something with names bound.
    pub(crate) fn with<T>(
        &mut self,
        names: impl IntoIterator<Item = (Arc<str>, Outcome)>,
        work: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let before = self.locals.len();
        self.locals.extend(names);
        let result = work(self);
        self.locals.truncate(before);
        result
    }

    pub(crate) fn traverse(&mut self, traversal: &Traversal, span: Option<Span>) -> Eval {
        let (found, consumed) = match self.local(&traversal.root) {
            Some(outcome) => (outcome.clone(), 0),
            None => {
                let found = self.scope.resolve(traversal, span).map_err(|problem| vec![problem])?;
                let consumed = found.consumed;
                let (typed, marks) = resolved(found);
                (outcome(typed, marks), consumed)
            }
        };
        let (mut marks, mut at) = (found.marks(), consumed);
        let mut typed = Typed::from(found);
        while at < traversal.steps.len() {
            if let Some(behind) = self.behind(&typed.value, &traversal.steps[at..], span)? {
                at += behind.consumed;
                let (found, more) = resolved(behind);
                (typed, marks) = (found, marks | more);
                continue;
            }
            let way = Traversal { root: traversal.root.clone(), steps: traversal.steps[..at].to_vec() };
            let name = if &*way.root == SPLAT { "the item".to_owned() } else { format!("`{way}`") };
            typed = step(&typed, &traversal.steps[at], &name, span)
                .map_err(|problems| hidden(problems, marks))?;
            at += 1;
        }
        Ok(outcome(typed, marks))
    }

    fn object(&mut self, items: &[(Expr, Expr)], span: Option<Span>) -> Eval {
        let (mut built, mut pairs, mut problems) = (BTreeMap::new(), Vec::new(), Diagnostics::new());
        let (mut marks, mut undecided) = (Marks::default(), false);
        for (key, value) in items {
            match (self.eval(key).and_then(|key_found| self.key(key_found, key.span)), self.eval(value)) {
                (Ok(key), Ok(value)) => {
                    marks |= key.marks() | value.marks();
                    undecided |= key.value.as_text().is_none();
                    pairs.push((key.value, Typed::from(value)));
                }
                (key, value) => {
                    problems.extend(key.err().unwrap_or_default());
                    problems.extend(value.err().unwrap_or_default());
                }
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        if undecided {
            let waits = Waits::of(pairs.iter().flat_map(|(key, value)| [key, &value.value]));
            let items =
                pairs.iter().map(|(key, value)| (residual_of(key), residual_of(&value.value))).collect();
            let hole = waits.hole(Type::Map(Box::new(Type::Any)), Node::Object { items }, span);
            return Ok(Outcome::marked(Value::Hole(hole), marks));
        }
        for (key, value) in pairs {
            if let Value::Text(name) = key {
                built.insert(name, value);
            }
        }
        self.produced(object(built), marks, span)
    }

    /// A key as text, or as a hole.
    pub(crate) fn key(&self, key: Outcome, span: Option<Span>) -> Eval {
        let marks = key.marks();
        let value = match key.value {
            Value::Hole(hole) => Value::Hole(hole),
            Value::Null => return Err(null("the key of an object is null", span)),
            known => Value::Text(to_text(&known).map_err(|_| {
                let found = describe_marked(&known, marks);
                wrong(format!("the key of an object: a string is needed, this is {found}"), span)
            })?),
        };
        Ok(Outcome::marked(value, marks))
    }

    /// Operators of one chain, from the left; a long chain costs no depth.
    fn binary(&mut self, expr: &Expr) -> Eval {
        let mut chain: Vec<(BinaryOp, &Expr, Option<Span>)> = Vec::new();
        let mut first = expr;
        while let Node::Binary { operator, left, right } = &first.node {
            chain.push((*operator, right, first.span));
            first = left;
        }
        let mut left = self.eval(first)?;
        let mut left_span = first.span;
        for (operator, right, span) in chain.into_iter().rev() {
            let decided = operator.decided_by();
            if decided.is_some() && to_bool(&left.value).ok() == decided {
                left = Outcome::marked(Value::Bool(operator == BinaryOp::Or), left.marks());
                continue;
            }
            let found = self.eval(right)?;
            let marks = left.marks() | found.marks();
            self.budget.look(&left.value).map_err(|why| too_large(why, span))?;
            let first = Operand { value: &left.value, marks: left.marks(), span: left_span };
            let second = Operand { value: &found.value, marks: found.marks(), span: right.span };
            left = Outcome::marked(operators::binary(operator, first, second, span)?, marks);
            left_span = span;
        }
        Ok(left)
    }

    /// A condition's truth; a hole while it is not known.
    pub(crate) fn condition(&mut self, expr: &Expr) -> Eval<(Result<bool, Unknown>, Marks)> {
        let outcome = self.eval(expr)?;
        let marks = outcome.marks();
        let truth = match outcome.value {
            Value::Hole(hole) if matches!(hole.ty, Type::Any | Type::Bool | Type::String) => Err(hole),
            Value::Null => return Err(null("the condition is null", expr.span)),
            value => Ok(to_bool(&value).map_err(|_| {
                let found = describe_marked(&value, marks);
                wrong(format!("the condition: true or false is needed, this is {found}"), expr.span)
            })?),
        };
        Ok((truth, marks))
    }

    fn splat(&mut self, target: &Expr, each: &Expr, span: Option<Span>) -> Eval {
        let found = self.eval(target)?;
        let mut marks = found.marks();
        let of_list = matches!(found.ty.as_deref(), Some(Type::List(_) | Type::Set(_)));
        let one = |ty: &Type| {
            matches!(ty, Type::String | Type::Number | Type::Bool | Type::Object(_) | Type::Map(_))
        };
        let items: Vec<Typed> = match &found.value {
            // What may turn out to be null is spread to nothing then.
            Value::Hole(hole) if one(&hole.ty) && hole.not_null => vec![found.clone().into()],
            Value::Hole(hole) => {
                let ty = self.splat_type(&hole.ty, each, marks)?;
                let mut closing = self.closing();
                closing.saw(&found.value, marks);
                let each = closing.under(&[SPLAT], each);
                let node = Node::Splat { target: Box::new(residual_of(&found.value)), each: Box::new(each) };
                let marks = closing.marks;
                let mut hole = closing.waits.hole(Type::List(Box::new(ty)), node, span);
                hole.not_null = true;
                return Ok(Outcome::marked(Value::Hole(hole), marks));
            }
            Value::Null if is_collection(&found.ty) => {
                return Err(null("a splat goes over a list that is null", target.span));
            }
            Value::Null => Vec::new(),
            Value::List(_) => Typed::from(found).parts(),
            _ => vec![found.into()],
        };
        self.budget.items(items.len()).map_err(|why| too_large(why, span))?;
        let mut results: Vec<Typed> = Vec::with_capacity(items.len());
        for item in items {
            let item = (Arc::from(SPLAT), outcome(item, marks));
            let found = self.with([item], |inner| inner.eval(each))?;
            marks |= found.marks();
            results.push(found.into());
        }
        // What is made of a list is a list.
        let first = results.first().filter(|_| of_list).map(Typed::type_of);
        let ty = first.filter(|first| results.iter().all(|item| item.type_of() == *first));
        let typed = tuple(results);
        let typed =
            ty.map_or_else(|| typed.clone(), |ty| Typed::new(typed.value.clone(), &Type::List(Box::new(ty))));
        self.produced(typed, marks, span)
    }

    /// The type of what is made of each item of a list that is not known yet; what is wrong for every item is told now.
    fn splat_type(&mut self, list: &Type, each: &Expr, marks: Marks) -> Eval<Type> {
        let (Type::List(item) | Type::Set(item)) = list else { return Ok(Type::Any) };
        let traversal = Traversal { root: Arc::from(SPLAT), steps: Vec::new() };
        let hole = Waits::default().hole((**item).clone(), Node::Traverse { traversal }, None);
        let item = (Arc::from(SPLAT), Outcome::marked(Value::Hole(hole), marks));
        Ok(self.with([item], |inner| inner.eval(each))?.type_of())
    }
}

/// What is wrong without what a sensitive value holds: keys and names of attributes are a part of it.
fn hidden(problems: Diagnostics, marks: Marks) -> Diagnostics {
    if !marks.sensitive {
        return problems;
    }
    let hide = |problem: Diagnostic| {
        let span = problem.labels.iter().find(|label| label.primary).map(|label| label.span);
        let headline = "a value that is sensitive has no such attribute or item";
        Diagnostic::error(codes::NO_SUCH_ELEMENT, headline).at_opt(span, "not there")
    };
    problems.into_iter().map(hide).collect()
}

fn is_collection(note: &Note) -> bool {
    matches!(note.as_deref(), Some(Type::List(_) | Type::Set(_) | Type::Tuple(_)))
}

/// A value and its key in what is iterated.
pub(crate) type Entry = (PlanValue, Typed);
