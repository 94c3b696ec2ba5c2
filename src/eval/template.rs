//! Templates: parts joined as text, as far as they are known.

use mlp_diag::Span;
use mlp_value::{Type, Value};

use crate::close::text_part;
use crate::convert::to_text;
use crate::interpret::{Eval, Interpreter, too_large};
use crate::navigate::{null, wrong};
use crate::unknown::{Waits, residual_of};
use crate::{Node, Outcome, Part};

/// A template being joined: text while everything is known, parts after the first hole.
#[derive(Default)]
struct Joined {
    /// Text since the last part that is not known.
    text: String,
    /// Everything before it.
    parts: Vec<Part>,
    /// Text it certainly starts with, once something is not known.
    prefix: Option<String>,
    waits: Waits,
    sensitive: bool,
}

impl Joined {
    fn open(&mut self, part: Part, start: Option<&str>) {
        if self.prefix.is_none() {
            self.prefix = Some(format!("{}{}", self.text, start.unwrap_or_default()));
        }
        if !self.text.is_empty() {
            self.parts.push(text_part(&std::mem::take(&mut self.text)));
        }
        self.parts.push(part);
    }
}

impl Interpreter<'_> {
    /// A template; one interpolation alone gives the value itself.
    pub(crate) fn template(&mut self, parts: &[Part], span: Option<Span>) -> Eval {
        if let [Part::Expr { expr }] = parts {
            return self.eval(expr);
        }
        let mut joined = Joined::default();
        self.join(parts, &mut joined, span)?;
        let Joined { text, mut parts, prefix, waits, sensitive } = joined;
        let Some(prefix) = prefix else {
            return Ok(Outcome { value: Value::text(text), sensitive });
        };
        if !text.is_empty() {
            parts.push(text_part(&text));
        }
        // A lone interpolation would give the value itself, not its text.
        if parts.len() == 1 {
            parts.push(text_part(""));
        }
        let mut hole = waits.hole(Type::String, Node::Template { parts }, span);
        hole.prefix = Some(prefix).filter(|prefix| !prefix.is_empty());
        Ok(Outcome { value: Value::Hole(hole), sensitive })
    }

    fn join(&mut self, parts: &[Part], joined: &mut Joined, span: Option<Span>) -> Eval<()> {
        parts.iter().try_for_each(|part| self.join_part(part, joined, span))
    }

    fn push(&self, text: &str, joined: &mut Joined, span: Option<Span>) -> Eval<()> {
        self.budget.text(text.len()).map_err(|why| too_large(why, span))?;
        joined.text.push_str(text);
        Ok(())
    }

    fn join_part(&mut self, part: &Part, joined: &mut Joined, span: Option<Span>) -> Eval<()> {
        match part {
            Part::Text { text } => self.push(text, joined, span),
            Part::Expr { expr } => {
                let outcome = self.eval(expr)?;
                joined.sensitive |= outcome.sensitive;
                match &outcome.value {
                    Value::Hole(hole) => {
                        if !matches!(hole.ty, Type::Any | Type::String | Type::Number | Type::Bool) {
                            return Err(wrong(
                                format!("a template needs text, this will be a {}", hole.ty),
                                expr.span,
                            ));
                        }
                        joined.waits.add(&outcome.value);
                        joined.open(Part::Expr { expr: residual_of(&outcome.value) }, hole.prefix.as_deref());
                        Ok(())
                    }
                    Value::Null => Err(null("a template holds null", expr.span)),
                    known => {
                        let text = to_text(known).map_err(|why| {
                            wrong(
                                format!("in a template, {why}; `jsonencode` or `join` make text of it"),
                                expr.span,
                            )
                        })?;
                        self.push(&text, joined, expr.span)
                    }
                }
            }
            Part::If { condition, then, otherwise } => {
                let (truth, sensitive) = self.condition(condition)?;
                joined.sensitive |= sensitive;
                match truth {
                    Ok(true) => self.join(then, joined, span),
                    Ok(false) => self.join(otherwise, joined, span),
                    Err(hole) => {
                        joined.waits.add(&Value::Hole(hole.clone()));
                        let mut closing = self.closing();
                        let (then, otherwise) = (closing.template(then), closing.template(otherwise));
                        note(joined, closing.waits, closing.sensitive);
                        joined.open(Part::If { condition: *hole.residual, then, otherwise }, None);
                        Ok(())
                    }
                }
            }
            Part::For { key_name, value_name, collection, body } => {
                let found = self.eval(collection)?;
                joined.sensitive |= found.sensitive;
                let Some(entries) = self.entries(&found.value, collection.span)? else {
                    joined.waits.add(&found.value);
                    let mut closing = self.closing();
                    let part =
                        closing.part_for(key_name.as_ref(), value_name, residual_of(&found.value), body);
                    note(joined, closing.waits, closing.sensitive);
                    joined.open(part, None);
                    return Ok(());
                };
                for (key, value) in entries {
                    let bind = |value| Outcome { value, sensitive: found.sensitive };
                    let names = key_name.iter().map(|name| (name.clone(), bind(key.clone())));
                    let names: Vec<_> = names.chain([(value_name.clone(), bind(value))]).collect();
                    self.with(names, |inner| inner.join(body, joined, span))?;
                }
                Ok(())
            }
        }
    }
}

fn note(joined: &mut Joined, waits: Waits, sensitive: bool) {
    joined.waits.join(waits);
    joined.sensitive |= sensitive;
}
