//! Templates: parts joined as text, as far as they are known.

use std::sync::Arc;

use mlp_diag::Span;
use mlp_value::{Type, Value};

use crate::close::text_part;
use crate::convert::{describe_marked, to_text};
use crate::interpret::{Eval, Interpreter, too_large};
use crate::navigate::{null, wrong};
use crate::text::normalized;
use crate::unknown::{Waits, residual_of, residual_typed};
use crate::{Marks, Node, Outcome, Part};

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
    marks: Marks,
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
        let Joined { text, mut parts, prefix, waits, marks } = joined;
        let Some(prefix) = prefix else {
            return Ok(Outcome::marked(Value::Text(normalized(&Arc::from(text))), marks));
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
        Ok(Outcome::marked(Value::Hole(hole), marks))
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
                joined.marks |= outcome.marks();
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
                        let text = to_text(known).map_err(|_| {
                            let found = describe_marked(known, outcome.marks());
                            let way = match crate::reference_of(known) {
                                Some(reference) => {
                                    format!("name something of it, such as `{reference}.description`")
                                }
                                None => "`jsonencode` or `join` make text of it".to_owned(),
                            };
                            wrong(format!("a template needs text, this is {found}; {way}"), expr.span)
                        })?;
                        self.push(&text, joined, expr.span)
                    }
                }
            }
            Part::If { condition, then, otherwise } => {
                let (truth, marks) = self.condition(condition)?;
                joined.marks |= marks;
                match truth {
                    Ok(true) => self.join(then, joined, span),
                    Ok(false) => self.join(otherwise, joined, span),
                    Err(hole) => {
                        joined.waits.add(&Value::Hole(hole.clone()));
                        let mut closing = self.closing();
                        let (then, otherwise) = (closing.template(then), closing.template(otherwise));
                        note(joined, closing.waits, closing.marks);
                        joined
                            .open(Part::If { condition: *hole.into_later().residual, then, otherwise }, None);
                        Ok(())
                    }
                }
            }
            Part::For { key_name, value_name, collection, body } => {
                let found = self.eval(collection)?;
                joined.marks |= found.marks();
                let Some(entries) = self.entries(&found, collection.span)? else {
                    joined.waits.add(&found.value);
                    let mut closing = self.closing();
                    let part = closing.part_for(
                        key_name.as_ref(),
                        value_name,
                        residual_typed(&found.value, &found.ty),
                        body,
                    );
                    note(joined, closing.waits, closing.marks);
                    joined.open(part, None);
                    return Ok(());
                };
                for entry in entries {
                    let names = Self::bound(key_name.as_ref(), value_name, entry, found.marks());
                    self.with(names, |inner| inner.join(body, joined, span))?;
                }
                Ok(())
            }
        }
    }
}

fn note(joined: &mut Joined, waits: Waits, marks: Marks) {
    joined.waits.join(waits);
    joined.marks |= marks;
}
