//! The interpreter: an expression and a scope to a value, as far as it is known.

use std::sync::Arc;

use mlp_diag::{Diagnostic, Diagnostics, Span};
use mlp_value::{Object, Type, Value};

use crate::budget::{Budget, check_size};
use crate::convert::{common, convert, describe, to_bool, to_text, type_of};
use crate::functions::call;
use crate::navigate::{index, null, step, wrong};
use crate::unknown::{Waits, residual_of};
use crate::{
    BinaryOp, Expr, ForExpr, Node, Outcome, PlanValue, Resolved, Scope, Traversal, TraversalStep, Unknown,
    codes, operators, reference_of,
};

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

/// The key of an index as a step of a traversal; what is neither text nor a number names nothing.
fn step_of(key: &PlanValue) -> TraversalStep {
    match key {
        Value::Text(name) => TraversalStep::Attr(name.clone()),
        Value::Number(number) => {
            TraversalStep::Index(number.to_i64().and_then(|at| u64::try_from(at).ok()).unwrap_or(u64::MAX))
        }
        _ => TraversalStep::Attr(Arc::from("")),
    }
}

/// More is produced than the budget allows.
pub(crate) fn too_large(why: String, span: Option<Span>) -> Diagnostics {
    vec![Diagnostic::error(codes::TOO_LARGE, why).at_opt(span, "")]
}

impl Interpreter<'_> {
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
            Node::Literal { value } => Ok(Outcome::plain(value.lift())),
            Node::Traverse { traversal } => self.traverse(traversal, span),
            Node::Template { parts } => self.template(parts, span),
            Node::List { items } => {
                let (items, sensitive) = self.all(items)?;
                self.produced(Value::list(items), sensitive, span)
            }
            Node::Object { items } => self.object(items, span),
            Node::Unary { operator, operand } => {
                let operand = self.eval(operand)?;
                let value = operators::unary(*operator, &operand.value, span)?;
                Ok(Outcome { value, sensitive: operand.sensitive })
            }
            Node::Binary { .. } => self.binary(expr),
            Node::Conditional { condition, then, otherwise } => {
                self.conditional(condition, then, otherwise, span)
            }
            Node::Call { function, arguments, expand_last } => {
                call(self, function, arguments, *expand_last, span)
            }
            Node::Index { target, key } => {
                let (target, key) = (self.eval(target)?, self.eval(key)?);
                if let Some(found) = self.behind(&target.value, &[step_of(&key.value)], span)? {
                    let sensitive = target.sensitive || key.sensitive || found.sensitive;
                    return Ok(Outcome { value: found.value, sensitive });
                }
                let value = index(&target.value, &key.value, &describe(&target.value), span)?;
                Ok(Outcome { value, sensitive: target.sensitive || key.sensitive })
            }
            Node::Splat { target, each } => self.splat(target, each, span),
            Node::For { parts } => self.for_expr(parts, span),
        }
    }

    /// A container just built, if it is not too large.
    pub(crate) fn produced(&self, value: PlanValue, sensitive: bool, span: Option<Span>) -> Eval {
        check_size(&value).map_err(|why| too_large(why, span))?;
        Ok(Outcome { value, sensitive })
    }

    /// All of them, with all their errors.
    pub(crate) fn all(&mut self, exprs: &[Expr]) -> Eval<(Vec<PlanValue>, bool)> {
        let (mut values, mut sensitive, mut problems) = (Vec::new(), false, Diagnostics::new());
        for expr in exprs {
            match self.eval(expr) {
                Ok(outcome) => {
                    sensitive |= outcome.sensitive;
                    values.push(outcome.value);
                }
                Err(more) => problems.extend(more),
            }
        }
        if problems.is_empty() { Ok((values, sensitive)) } else { Err(problems) }
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
        let (mut value, mut at, mut sensitive) = match self.local(&traversal.root) {
            Some(outcome) => (outcome.value.clone(), 0, outcome.sensitive),
            None => {
                let found = self.scope.resolve(traversal, span).map_err(|problem| vec![problem])?;
                (found.value, found.consumed, found.sensitive)
            }
        };
        while at < traversal.steps.len() {
            if let Some(found) = self.behind(&value, &traversal.steps[at..], span)? {
                (value, at, sensitive) = (found.value, at + found.consumed, sensitive || found.sensitive);
                continue;
            }
            let way = Traversal { root: traversal.root.clone(), steps: traversal.steps[..at].to_vec() };
            let name = if &*way.root == SPLAT { "the item".to_owned() } else { format!("`{way}`") };
            value = step(&value, &traversal.steps[at], &name, span)?;
            at += 1;
        }
        Ok(Outcome { value, sensitive })
    }

    /// What lies behind a value that is a reference to a declaration: the scope knows it, the value does not.
    fn behind(
        &self,
        value: &PlanValue,
        steps: &[TraversalStep],
        span: Option<Span>,
    ) -> Result<Option<Resolved>, Diagnostics> {
        let Some(reference) = reference_of(value) else { return Ok(None) };
        let found = self.scope.behind(&reference, steps, span).map_err(|problem| vec![problem])?;
        Ok(found.filter(|found| found.consumed > 0))
    }

    fn object(&mut self, items: &[(Expr, Expr)], span: Option<Span>) -> Eval {
        let (keys, values): (Vec<&Expr>, Vec<&Expr>) = items.iter().map(|(key, value)| (key, value)).unzip();
        let (mut object, mut pairs, mut problems) = (Object::new(), Vec::new(), Diagnostics::new());
        let (mut sensitive, mut undecided) = (false, false);
        for (key, value) in keys.into_iter().zip(values) {
            match (self.eval(key).and_then(|key_found| self.key(key_found, key.span)), self.eval(value)) {
                (Ok(key), Ok(value)) => {
                    sensitive |= key.sensitive || value.sensitive;
                    match &key.value {
                        Value::Text(name) => {
                            object.insert(name.clone(), value.value.clone());
                        }
                        _ => undecided = true,
                    }
                    pairs.push((key.value, value.value));
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
            let waits = Waits::of(pairs.iter().flat_map(|(key, value)| [key, value]));
            let items = pairs.iter().map(|(key, value)| (residual_of(key), residual_of(value))).collect();
            let hole = waits.hole(Type::Map(Box::new(Type::Any)), Node::Object { items }, span);
            return Ok(Outcome { value: Value::Hole(hole), sensitive });
        }
        self.produced(Value::Object(Arc::new(object)), sensitive, span)
    }

    /// A key as text, or as a hole.
    fn key(&self, key: Outcome, span: Option<Span>) -> Eval {
        let value = match key.value {
            Value::Hole(hole) => Value::Hole(hole),
            Value::Null => return Err(null("the key of an object is null", span)),
            known => Value::Text(
                to_text(&known).map_err(|why| wrong(format!("the key of an object: {why}"), span))?,
            ),
        };
        Ok(Outcome { value, sensitive: key.sensitive })
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
        for (operator, right, span) in chain.into_iter().rev() {
            let decided = operator.decided_by();
            if decided.is_some() && to_bool(&left.value).ok() == decided {
                left.value = Value::Bool(operator == BinaryOp::Or);
                continue;
            }
            let right = self.eval(right)?;
            let value = operators::binary(operator, &left.value, &right.value, span)?;
            left = Outcome { value, sensitive: left.sensitive || right.sensitive };
        }
        Ok(left)
    }

    /// A condition's truth; a hole while it is not known.
    pub(crate) fn condition(&mut self, expr: &Expr) -> Eval<(Result<bool, Unknown>, bool)> {
        let outcome = self.eval(expr)?;
        let truth = match outcome.value {
            Value::Hole(hole) if matches!(hole.ty, Type::Any | Type::Bool | Type::String) => Err(hole),
            Value::Null => return Err(null("the condition is null", expr.span)),
            value => Ok(to_bool(&value).map_err(|why| wrong(format!("the condition: {why}"), expr.span))?),
        };
        Ok((truth, outcome.sensitive))
    }

    fn conditional(&mut self, condition: &Expr, then: &Expr, otherwise: &Expr, span: Option<Span>) -> Eval {
        let (truth, sensitive) = self.condition(condition)?;
        match truth {
            Ok(truth) => {
                let (taken, other) = if truth { (then, otherwise) } else { (otherwise, then) };
                let mut outcome = self.eval(taken)?;
                let wanted = static_type(other).and_then(|other| common(&type_of(&outcome.value), &other));
                if let Some(ty) = wanted.filter(|ty| *ty == Type::String) {
                    outcome.value = convert(&outcome.value, &ty).map_err(|why| wrong(why, taken.span))?;
                }
                outcome.sensitive |= sensitive;
                Ok(outcome)
            }
            Err(hole) => self.undecided(hole, then, otherwise, sensitive, span),
        }
    }

    /// Both branches, as far as they can be known: the one that will not be taken may be wrong.
    fn undecided(
        &mut self,
        hole: Unknown,
        then: &Expr,
        otherwise: &Expr,
        sensitive: bool,
        span: Option<Span>,
    ) -> Eval {
        let (first, second) = (self.eval(then), self.eval(otherwise));
        if let (Ok(first), Ok(second)) = (&first, &second)
            && first.value == second.value
            && !first.value.has_holes()
        {
            return Ok(Outcome {
                value: first.value.clone(),
                sensitive: sensitive || first.sensitive || second.sensitive,
            });
        }
        let ty = match (&first, &second) {
            (Ok(first), Ok(second)) => {
                common(&type_of(&first.value), &type_of(&second.value)).unwrap_or(Type::Any)
            }
            _ => Type::Any,
        };
        let mut closing = self.closing();
        closing.saw(&Value::Hole(hole.clone()), sensitive);
        let not_null = [&first, &second].iter().all(|branch| match branch {
            Ok(Outcome { value: Value::Hole(hole), .. }) => hole.not_null,
            Ok(outcome) => !outcome.value.is_null(),
            Err(_) => false,
        });
        let then = closing.finish(first, then);
        let otherwise = closing.finish(second, otherwise);
        let node = Node::Conditional {
            condition: hole.residual,
            then: Box::new(then),
            otherwise: Box::new(otherwise),
        };
        let sensitive = closing.sensitive;
        let mut unknown = closing.waits.hole(ty, node, span);
        unknown.not_null = not_null;
        Ok(Outcome { value: Value::Hole(unknown), sensitive })
    }

    fn splat(&mut self, target: &Expr, each: &Expr, span: Option<Span>) -> Eval {
        let target = self.eval(target)?;
        let items: Vec<PlanValue> = match &target.value {
            Value::Hole(_) => {
                let mut closing = self.closing();
                closing.saw(&target.value, target.sensitive);
                let each = closing.under(&[SPLAT], each);
                let node = Node::Splat { target: Box::new(residual_of(&target.value)), each: Box::new(each) };
                let sensitive = closing.sensitive;
                let hole = closing.waits.hole(Type::List(Box::new(Type::Any)), node, span);
                return Ok(Outcome { value: Value::Hole(hole), sensitive });
            }
            Value::Null => Vec::new(),
            Value::List(items) => items.to_vec(),
            one => vec![one.clone()],
        };
        self.budget.items(items.len()).map_err(|why| too_large(why, span))?;
        let mut sensitive = target.sensitive;
        let mut results = Vec::with_capacity(items.len());
        for item in items {
            let item = (Arc::from(SPLAT), Outcome { value: item, sensitive: target.sensitive });
            let outcome = self.with([item], |inner| inner.eval(each))?;
            sensitive |= outcome.sensitive;
            results.push(outcome.value);
        }
        self.produced(Value::list(results), sensitive, span)
    }

    /// Keys and values of what is iterated; `None` while it is not known.
    pub(crate) fn entries(
        &self,
        collection: &PlanValue,
        span: Option<Span>,
    ) -> Eval<Option<Vec<(PlanValue, PlanValue)>>> {
        let entries: Vec<_> = match collection {
            Value::Hole(hole) if matches!(hole.ty, Type::String | Type::Number | Type::Bool) => {
                return Err(wrong(
                    format!("`for` needs a list or an object, this will be a {}", hole.ty),
                    span,
                ));
            }
            Value::Hole(_) => return Ok(None),
            Value::Null => return Err(null("`for` goes over null", span)),
            Value::List(items) => (0u64..)
                .zip(items.iter())
                .map(|(at, item)| (Value::Number(at.into()), item.clone()))
                .collect(),
            Value::Object(items) => {
                items.iter().map(|(key, item)| (Value::Text(key.clone()), item.clone())).collect()
            }
            other => {
                return Err(wrong(
                    format!("`for` needs a list or an object, this is {}", describe(other)),
                    span,
                ));
            }
        };
        self.budget.items(entries.len()).map_err(|why| too_large(why, span))?;
        Ok(Some(entries))
    }

    fn for_expr(&mut self, parts: &ForExpr, span: Option<Span>) -> Eval {
        let collection = self.eval(&parts.collection)?;
        let Some(entries) = self.entries(&collection.value, parts.collection.span)? else {
            return Ok(self.for_later(parts, &collection, span));
        };
        let mut gathered = Gathered { sensitive: collection.sensitive, ..Gathered::default() };
        for (key, value) in entries {
            let bind = |value| Outcome { value, sensitive: collection.sensitive };
            let names = parts.key_name.iter().map(|name| (name.clone(), bind(key.clone())));
            let names: Vec<_> = names.chain([(parts.value_name.clone(), bind(value))]).collect();
            if !self.with(names, |inner| inner.for_item(parts, &mut gathered))? {
                return Ok(self.for_later(parts, &collection, span));
            }
        }
        let Gathered { list, object, groups, sensitive } = gathered;
        let groups = groups.into_iter().map(|(key, items)| (key, Value::list(items)));
        let value = match (&parts.key, parts.group) {
            (None, _) => Value::list(list),
            (Some(_), false) => Value::Object(Arc::new(object)),
            (Some(_), true) => Value::Object(Arc::new(groups.collect())),
        };
        self.produced(value, sensitive, span)
    }

    /// Adds one item; `false` when whether or where it belongs is not known yet.
    fn for_item(&mut self, parts: &ForExpr, gathered: &mut Gathered) -> Eval<bool> {
        if let Some(condition) = &parts.condition {
            let (truth, sensitive) = self.condition(condition)?;
            gathered.sensitive |= sensitive;
            match truth {
                Ok(true) => {}
                Ok(false) => return Ok(true),
                Err(_) => return Ok(false),
            }
        }
        let name = match &parts.key {
            None => None,
            Some(expr) => {
                let key = self.eval(expr)?;
                let key = self.key(key, expr.span)?;
                gathered.sensitive |= key.sensitive;
                match key.value {
                    Value::Text(name) => Some((name, expr.span)),
                    _ => return Ok(false),
                }
            }
        };
        let outcome = self.eval(&parts.value)?;
        gathered.sensitive |= outcome.sensitive;
        match name {
            None => gathered.list.push(outcome.value),
            Some((name, _)) if parts.group => gathered.groups.entry(name).or_default().push(outcome.value),
            Some((name, span)) => {
                if gathered.object.insert(name.clone(), outcome.value).is_some() {
                    let problem = Diagnostic::error(
                        codes::DUPLICATE_KEY,
                        format!("the key `{name}` is produced twice"),
                    );
                    return Err(vec![
                        problem
                            .at_opt(span, "")
                            .help("write `...` after the value to gather values of one key in a list"),
                    ]);
                }
            }
        }
        Ok(true)
    }

    /// The whole `for` as a hole.
    fn for_later(&mut self, parts: &ForExpr, collection: &Outcome, span: Option<Span>) -> Outcome {
        let mut closing = self.closing();
        closing.saw(&collection.value, collection.sensitive);
        let parts = closing.for_parts(parts, residual_of(&collection.value));
        let ty = match parts.key {
            None => Type::List(Box::new(Type::Any)),
            Some(_) => Type::Map(Box::new(Type::Any)),
        };
        let sensitive = closing.sensitive;
        let hole = closing.waits.hole(ty, Node::For { parts: Box::new(parts) }, span);
        Outcome { value: Value::Hole(hole), sensitive }
    }
}

/// What a `for` has produced so far.
#[derive(Default)]
struct Gathered {
    list: Vec<PlanValue>,
    object: Object<Unknown>,
    groups: std::collections::BTreeMap<Arc<str>, Vec<PlanValue>>,
    sensitive: bool,
}

/// The type an expression has whatever its names mean, as far as it shows.
fn static_type(expr: &Expr) -> Option<Type> {
    match &expr.node {
        Node::Literal { value } if !value.is_null() => Some(type_of(&value.lift())),
        Node::Template { parts } if parts.len() > 1 => Some(Type::String),
        _ => None,
    }
}
