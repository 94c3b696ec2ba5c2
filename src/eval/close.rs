//! Residuals of what could not be evaluated: expressions with every name that means something now replaced by its value.

use std::sync::Arc;

use mlp_diag::Span;

use crate::interpret::{Eval, Interpreter, SPLAT};
use crate::navigate::stepped;
use crate::unknown::{Waits, residual_typed};
use crate::{Expr, ForExpr, Marks, Node, Part, PlanValue, Traversal};

/// Closes expressions over what is known, and gathers what the rest waits for.
pub(crate) struct Closing<'i, 's> {
    interpreter: &'i mut Interpreter<'s>,
    /// Names bound inside the residual itself, innermost last.
    bound: Vec<Arc<str>>,
    pub(crate) waits: Waits,
    pub(crate) marks: Marks,
}

/// A name bound inside a residual is renamed, so that it never captures a name of the scope.
fn renamed(name: &str) -> Arc<str> {
    if name.starts_with('$') { Arc::from(name) } else { Arc::from(format!("${name}")) }
}

impl<'s> Interpreter<'s> {
    pub(crate) fn closing(&mut self) -> Closing<'_, 's> {
        Closing { interpreter: self, bound: Vec::new(), waits: Waits::default(), marks: Marks::default() }
    }
}

impl Closing<'_, '_> {
    /// Notes a value that goes into the residual.
    pub(crate) fn saw(&mut self, value: &PlanValue, marks: Marks) {
        self.waits.add(value);
        self.marks |= marks;
    }

    /// The residual of an outcome, or what can be closed of the expression that has none yet: its error, if it is one,
    /// comes back once it is known whether it is needed.
    pub(crate) fn finish(&mut self, outcome: Eval, expr: &Expr) -> Expr {
        match outcome {
            Ok(outcome) => {
                self.saw(&outcome.value, outcome.marks());
                residual_typed(&outcome.value, &outcome.ty)
            }
            Err(_) => self.parts(expr),
        }
    }

    /// Closes an expression in which some names are bound.
    pub(crate) fn under(&mut self, names: &[&str], expr: &Expr) -> Expr {
        let before = self.bound.len();
        self.bound.extend(names.iter().map(|name| Arc::from(*name)));
        let closed = self.close(expr);
        self.bound.truncate(before);
        closed
    }

    /// Evaluates what holds no bound name, and closes the rest part by part.
    pub(crate) fn close(&mut self, expr: &Expr) -> Expr {
        let mut free = true;
        expr.traversals(&mut |traversal, _| free &= !self.bound.contains(&traversal.root));
        if !free {
            return self.parts(expr);
        }
        let outcome = self.interpreter.eval(expr);
        self.finish(outcome, expr)
    }

    fn boxed(&mut self, expr: &Expr) -> Box<Expr> {
        Box::new(self.close(expr))
    }

    fn parts(&mut self, expr: &Expr) -> Expr {
        let node = match &expr.node {
            Node::Literal { .. } => expr.node.clone(),
            Node::Traverse { traversal } => return self.traversal(traversal, expr.span),
            Node::Template { parts } => Node::Template { parts: self.template(parts) },
            Node::List { items } => Node::List { items: items.iter().map(|item| self.close(item)).collect() },
            Node::Object { items } => Node::Object {
                items: items.iter().map(|(key, item)| (self.close(key), self.close(item))).collect(),
            },
            Node::Unary { operator, operand } => {
                Node::Unary { operator: *operator, operand: self.boxed(operand) }
            }
            Node::Binary { operator, left, right } => {
                Node::Binary { operator: *operator, left: self.boxed(left), right: self.boxed(right) }
            }
            Node::Conditional { condition, then, otherwise } => Node::Conditional {
                condition: self.boxed(condition),
                then: self.boxed(then),
                otherwise: self.boxed(otherwise),
            },
            Node::Call { function, arguments, expand_last } => Node::Call {
                function: function.clone(),
                arguments: arguments.iter().map(|argument| self.close(argument)).collect(),
                expand_last: *expand_last,
            },
            Node::Index { target, key } => Node::Index { target: self.boxed(target), key: self.boxed(key) },
            Node::Splat { target, each } => {
                let target = self.boxed(target);
                Node::Splat { target, each: Box::new(self.under(&[SPLAT], each)) }
            }
            Node::For { parts } => {
                let collection = self.close(&parts.collection);
                Node::For { parts: Box::new(self.for_parts(parts, collection)) }
            }
        };
        Expr::new(node, expr.span)
    }

    fn traversal(&mut self, traversal: &Traversal, span: Option<Span>) -> Expr {
        if self.bound.contains(&traversal.root) {
            let traversal = Traversal { root: renamed(&traversal.root), steps: traversal.steps.clone() };
            return Expr::new(Node::Traverse { traversal }, span);
        }
        match self.interpreter.local(&traversal.root).cloned() {
            Some(outcome) => {
                self.saw(&outcome.value, outcome.marks());
                stepped(residual_typed(&outcome.value, &outcome.ty), &traversal.steps, span)
            }
            None => Expr::new(Node::Traverse { traversal: traversal.clone() }, span),
        }
    }

    /// A `for` over a collection that is closed already.
    pub(crate) fn for_parts(&mut self, parts: &ForExpr, collection: Expr) -> ForExpr {
        let names: Vec<&str> = parts.key_name.iter().chain([&parts.value_name]).map(|name| &**name).collect();
        ForExpr {
            key_name: parts.key_name.as_deref().map(renamed),
            value_name: renamed(&parts.value_name),
            collection,
            key: parts.key.as_ref().map(|key| self.under(&names, key)),
            value: self.under(&names, &parts.value),
            condition: parts.condition.as_ref().map(|condition| self.under(&names, condition)),
            group: parts.group,
        }
    }

    /// The parts of a template.
    pub(crate) fn template(&mut self, parts: &[Part]) -> Vec<Part> {
        parts.iter().map(|part| self.part(part)).collect()
    }

    pub(crate) fn part(&mut self, part: &Part) -> Part {
        match part {
            Part::Text { text } => Part::Text { text: text.clone() },
            Part::Expr { expr } => Part::Expr { expr: self.close(expr) },
            Part::If { condition, then, otherwise } => Part::If {
                condition: self.close(condition),
                then: self.template(then),
                otherwise: self.template(otherwise),
            },
            Part::For { key_name, value_name, collection, body } => {
                let collection = self.close(collection);
                self.part_for(key_name.as_ref(), value_name, collection, body)
            }
        }
    }

    /// A template's `for` over a collection that is closed already.
    pub(crate) fn part_for(
        &mut self,
        key_name: Option<&Arc<str>>,
        value_name: &Arc<str>,
        collection: Expr,
        body: &[Part],
    ) -> Part {
        let before = self.bound.len();
        self.bound.extend(key_name.into_iter().chain([value_name]).cloned());
        let body = self.template(body);
        self.bound.truncate(before);
        Part::For {
            key_name: key_name.map(|name| renamed(name)),
            value_name: renamed(value_name),
            collection,
            body,
        }
    }
}

/// Text as a part.
pub(crate) fn text_part(text: &str) -> Part {
    Part::Text { text: Arc::from(text) }
}
