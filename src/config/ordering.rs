//! In which order blocks with `for_each` or `count` are expanded: what the instances of one follow from comes first.

use std::collections::BTreeSet;
use std::sync::Arc;

use mlp_eval::TraversalStep;
use mlp_syntax::Expr;
use mlp_value::Address;

use crate::evaluator::Evaluator;
use crate::expression::lower;
use crate::modules::inputs;
use crate::source::Source;

/// Whether the instances that an expression of a room gives follow from those of something pending other than itself.
pub(crate) fn waits(evaluator: &Evaluator<'_>, room: usize, expr: &Expr, itself: &Address) -> bool {
    let mut search = Search { evaluator, itself, seen: BTreeSet::new() };
    search.expr(room, expr)
}

struct Search<'s, 't> {
    evaluator: &'s Evaluator<'t>,
    itself: &'s Address,
    /// Names that were followed already, by room.
    seen: BTreeSet<(usize, String)>,
}

impl Search<'_, '_> {
    fn expr(&mut self, room: usize, expr: &Expr) -> bool {
        let mut named: Vec<(Arc<str>, Vec<Arc<str>>)> = Vec::new();
        lower(expr).traversals(&mut |traversal, _| {
            let words = traversal.steps.iter().map_while(|step| match step {
                TraversalStep::Attr(name) => Some(name.clone()),
                TraversalStep::Key(_) | TraversalStep::Index(_) => None,
            });
            named.push((traversal.root.clone(), words.collect()));
        });
        named.iter().any(|(root, words)| self.name(room, root, words))
    }

    fn name(&mut self, room: usize, root: &str, words: &[Arc<str>]) -> bool {
        let Some(first) = words.first() else { return false };
        match root {
            "local" => self.seen.insert((room, format!("local.{first}"))) && self.local(room, first),
            "var" => self.seen.insert((room, format!("var.{first}"))) && self.variable(room, first),
            _ => self.block(room, root, words),
        }
    }

    fn local(&mut self, room: usize, name: &str) -> bool {
        let found =
            self.evaluator.rooms.get(room).and_then(|room| room.locals.get(name)).map(|(_, expr)| *expr);
        found.is_some_and(|expr| self.expr(room, expr))
    }

    /// A module's variable is what its call gives.
    fn variable(&mut self, room: usize, name: &str) -> bool {
        let Some(call) = self.evaluator.rooms.get(room).and_then(|room| room.call.as_ref()) else {
            return false;
        };
        let given = inputs(&call.declared.parts).find(|(input, _)| *input == name);
        match given.map(|(_, entry)| &entry.source) {
            Some(Source::Expr(expr, _)) => self.expr(call.room, expr),
            _ => false,
        }
    }

    fn block(&mut self, room: usize, root: &str, words: &[Arc<str>]) -> bool {
        let module = self.evaluator.rooms.get(room).map(|room| room.module.clone()).unwrap_or_default();
        let pending = &self.evaluator.pending;
        if root == "module" {
            let call = words.first().map_or("", |word| word);
            let call = Address::within(module, "module", call);
            // What a module gives may follow from anything in it.
            let within = |one: &Address| one.enclosing().iter().any(|outer| outer.without_key() == call);
            return pending.iter().any(|one| one != self.itself && (*one == call || within(one)));
        }
        let named = |kind: &str, name: String| {
            let address = Address::within(module.clone(), kind, &name);
            address != *self.itself && pending.contains(&address)
        };
        // One label or two; a native resource by its type, or behind the word `resource`.
        let one = words.first().is_some_and(|name| named(root, name.to_string()));
        let two = || words.len() > 1 && (named(root, format!("{}.{}", words[0], words[1])));
        let native = || root == "resource" && words.len() > 1 && named(&words[0], words[1].to_string());
        one || two() || native()
    }
}
