//! `for` expressions, and what goes over a collection.

use std::collections::BTreeMap;
use std::sync::Arc;

use mlp_diag::{Diagnostic, Span};
use mlp_value::{Type, Value};

use crate::convert::describe_marked;
use crate::interpret::{Entry, Eval, Interpreter, outcome, too_large};
use crate::navigate::{null, wrong};
use crate::typed::{Typed, is_set, object, tuple};
use crate::unknown::residual_typed;
use crate::{Expr, ForExpr, Marks, Node, Outcome, PlanValue, codes};

/// What a `for` has produced so far.
#[derive(Default)]
struct Gathered {
    list: Vec<Typed>,
    object: BTreeMap<Arc<str>, Typed>,
    groups: BTreeMap<Arc<str>, Vec<Typed>>,
    marks: Marks,
}

impl Interpreter<'_> {
    /// Keys and values of what is iterated; `None` while it is not known. The key of a set's item is the item itself.
    pub(crate) fn entries(&self, collection: &Outcome, span: Option<Span>) -> Eval<Option<Vec<Entry>>> {
        let refuse = |found: String| {
            let headline = format!("`for` needs a list, a set, a map or an object, {found}");
            Err(wrong(headline, span))
        };
        let typed = Typed::from(collection.clone());
        let keys: Vec<PlanValue> = match &collection.value {
            Value::Hole(hole) if matches!(hole.ty, Type::String | Type::Number | Type::Bool) => {
                return refuse(format!("this will be a {}", hole.ty));
            }
            Value::Hole(_) => return Ok(None),
            Value::Null => return Err(null("`for` goes over null", span)),
            Value::List(items) if is_set(&typed.ty) => items.to_vec(),
            Value::List(items) => {
                (0u64..).zip(items.iter()).map(|(at, _)| Value::Number(at.into())).collect()
            }
            Value::Object(items) => items.keys().map(|key| Value::Text(key.clone())).collect(),
            other => return refuse(format!("this is {}", describe_marked(other, collection.marks()))),
        };
        self.budget.items(keys.len()).map_err(|why| too_large(why, span))?;
        Ok(Some(keys.into_iter().zip(typed.parts()).collect()))
    }

    /// The names of a `for` bound to one entry.
    pub(crate) fn bound(
        key_name: Option<&Arc<str>>,
        value_name: &Arc<str>,
        (key, value): Entry,
        marks: Marks,
    ) -> Vec<(Arc<str>, Outcome)> {
        // The key of a set's item has the item's type.
        let ty = value.ty.clone().filter(|_| key == value.value);
        let key = Outcome { ty, ..Outcome::marked(key, marks) };
        let key = key_name.map(|name| (name.clone(), key));
        key.into_iter().chain([(value_name.clone(), outcome(value, marks))]).collect()
    }

    pub(crate) fn for_expr(&mut self, parts: &ForExpr, span: Option<Span>) -> Eval {
        let collection = self.eval(&parts.collection)?;
        let Some(entries) = self.entries(&collection, parts.collection.span)? else {
            return Ok(self.for_later(parts, &collection, span));
        };
        let marks = collection.marks();
        let mut gathered = Gathered { marks, ..Gathered::default() };
        for entry in entries {
            let names = Self::bound(parts.key_name.as_ref(), &parts.value_name, entry, marks);
            if !self.with(names, |inner| inner.for_item(parts, &mut gathered))? {
                return Ok(self.for_later(parts, &collection, span));
            }
        }
        let Gathered { list, object: items, groups, marks } = gathered;
        let typed = match (&parts.key, parts.group) {
            (None, _) => tuple(list),
            (Some(_), false) => object(items),
            (Some(_), true) => object(groups.into_iter().map(|(key, items)| (key, tuple(items))).collect()),
        };
        self.produced(typed, marks, span)
    }

    /// Adds one item; `false` when whether or where it belongs is not known yet.
    fn for_item(&mut self, parts: &ForExpr, gathered: &mut Gathered) -> Eval<bool> {
        if let Some(condition) = &parts.condition {
            let (truth, marks) = self.condition(condition)?;
            gathered.marks |= marks;
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
                gathered.marks |= key.marks();
                match key.value {
                    Value::Text(name) => Some((name, expr)),
                    _ => return Ok(false),
                }
            }
        };
        let found = self.eval(&parts.value)?;
        gathered.marks |= found.marks();
        match name {
            None => gathered.list.push(found.into()),
            Some((name, _)) if parts.group => gathered.groups.entry(name).or_default().push(found.into()),
            Some((name, key)) => {
                if gathered.object.insert(name.clone(), found.into()).is_some() {
                    return Err(vec![twice(&name, gathered.marks, key)]);
                }
            }
        }
        Ok(true)
    }

    /// The whole `for` as a hole.
    fn for_later(&mut self, parts: &ForExpr, collection: &Outcome, span: Option<Span>) -> Outcome {
        let mut closing = self.closing();
        closing.saw(&collection.value, collection.marks());
        let parts = closing.for_parts(parts, residual_typed(&collection.value, &collection.ty));
        let ty = match parts.key {
            None => Type::List(Box::new(Type::Any)),
            Some(_) => Type::Map(Box::new(Type::Any)),
        };
        let marks = closing.marks;
        let mut hole = closing.waits.hole(ty, Node::For { parts: Box::new(parts) }, span);
        hole.not_null = true;
        Outcome::marked(Value::Hole(hole), marks)
    }
}

fn twice(name: &str, marks: Marks, key: &Expr) -> Diagnostic {
    let which =
        if marks.sensitive { "a key that is sensitive".to_owned() } else { format!("the key `{name}`") };
    Diagnostic::error(codes::DUPLICATE_KEY, format!("{which} is produced twice"))
        .at_opt(key.span, "")
        .help("write `...` after the value to gather values of one key in a list")
}
