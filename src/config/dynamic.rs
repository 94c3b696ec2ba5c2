//! `dynamic` blocks: nested blocks made from a collection.
//!
//! ```hcl
//! dynamic "variant" {
//!   for_each = var.shares
//!   iterator = share
//!   labels   = [share.key]
//!   content { traffic = share.value }
//! }
//! ```

use mlp_diag::{Diagnostic, Span, one_of};
use mlp_eval::PlanValue;
use mlp_platform::schema::{Attribute, Ty};
use mlp_syntax::{Block, Expr, ExprKind};
use mlp_value::Value;

use crate::codes;
use crate::source::{BodyReader, Entry, Expected, Parts, Source, Tag, alternatives};

/// The word.
pub(crate) const DYNAMIC: &str = "dynamic";

/// What a `dynamic` block takes.
const WORDS: &[&str] = &["for_each", "iterator", "labels", "content"];

/// Nested blocks of one name, of which some are made from collections.
#[derive(Debug, Clone)]
pub(crate) struct Repeated<'t> {
    /// Those that are written.
    pub(crate) fixed: Option<Source<'t>>,
    /// Those that are made.
    pub(crate) made: Vec<Dynamic<'t>>,
    /// The place of the first that is made.
    pub(crate) span: Span,
}

/// One `dynamic` block.
#[derive(Debug, Clone)]
pub(crate) struct Dynamic<'t> {
    pub(crate) for_each: &'t Expr,
    /// The name of the item in `labels` and `content`.
    pub(crate) iterator: String,
    pub(crate) labels: Option<&'t Expr>,
    pub(crate) content: Parts<'t>,
    pub(crate) form: Form,
    pub(crate) tag: Tag<'t>,
    pub(crate) span: Span,
}

/// Which blocks are made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    /// One, without a label.
    One(&'static [Attribute], Openness),
    /// Any number, without labels.
    Several(&'static [Attribute]),
    /// Any number, by label.
    Labelled(&'static [Attribute]),
    /// The same, and one of them may have no label.
    MaybeLabelled(&'static [Attribute]),
}

/// Whether a block takes attributes beside those of its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Openness {
    Closed,
    Open,
}

impl Form {
    fn of(ty: &'static Ty) -> Option<Self> {
        alternatives(ty).into_iter().find_map(|option| match option {
            Ty::Object(attributes) => Some(Self::One(attributes, Openness::Closed)),
            Ty::Open(attributes) => Some(Self::One(attributes, Openness::Open)),
            Ty::Repeated(attributes) => Some(Self::Several(attributes)),
            Ty::Labelled(attributes) => Some(Self::Labelled(attributes)),
            Ty::MaybeLabelled(attributes) => Some(Self::MaybeLabelled(attributes)),
            _ => None,
        })
    }

    pub(crate) fn attributes(self) -> &'static [Attribute] {
        match self {
            Self::One(attributes, _)
            | Self::Several(attributes)
            | Self::Labelled(attributes)
            | Self::MaybeLabelled(attributes) => attributes,
        }
    }

    pub(crate) fn openness(self) -> Openness {
        match self {
            Self::One(_, openness) => openness,
            _ => Openness::Closed,
        }
    }

    /// Whether blocks of this form are told apart by labels.
    pub(crate) fn has_labels(self) -> bool {
        matches!(self, Self::Labelled(_) | Self::MaybeLabelled(_))
    }
}

/// The item of a collection that a block is made of.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    pub(crate) name: String,
    pub(crate) key: PlanValue,
    pub(crate) value: PlanValue,
}

impl<'t> BodyReader<'t, '_> {
    /// Reads a `dynamic` block into the parts of the body that it stands in.
    pub(crate) fn dynamic(&mut self, parts: &mut Parts<'t>, block: &'t Block, expected: &Expected) {
        let Some((name, made)) = self.read(block, expected) else { return };
        let place = block.labels.first().map_or(block.header, |label| label.span);
        match parts.get_mut(name) {
            None => {
                let source =
                    Source::Repeated(Box::new(Repeated { fixed: None, span: made.span, made: vec![made] }));
                parts.insert(name.to_owned(), Entry { name: place, source });
            }
            Some(Entry { source: Source::Repeated(there), .. }) => there.made.push(made),
            Some(Entry { source: Source::Expr(expr, _), .. }) => {
                let first = expr.span;
                self.diagnostics.push(
                    Diagnostic::error(codes::DUPLICATE, format!("`{name}` is set twice"))
                        .at(place, "made by blocks here")
                        .see(first, "given a value here")
                        .help("keep one of the two"),
                );
            }
            Some(entry) => {
                let fixed = Some(entry.source.clone());
                entry.source =
                    Source::Repeated(Box::new(Repeated { fixed, span: made.span, made: vec![made] }));
            }
        }
    }

    fn read(&mut self, block: &'t Block, expected: &Expected) -> Option<(&'t str, Dynamic<'t>)> {
        let [label] = block.labels.as_slice() else {
            self.refuse(block.header, "`dynamic` takes one label: the block that is made".to_owned(), {
                "write `dynamic \"<block>\" { for_each = … content { … } }`".to_owned()
            });
            return None;
        };
        let Some(schema) = expected.find(&label.name) else {
            self.unknown(label, expected);
            return None;
        };
        let Some(form) = Form::of(&schema.ty) else {
            self.refuse(label.span, format!("`{}` of {} is no block", label.name, expected.what), {
                format!("give it a value: `{} = [for item in … : …]`", label.name)
            });
            return None;
        };
        for attribute in &block.body.attributes {
            if !WORDS[..3].contains(&attribute.name.name.as_str()) {
                self.not_a_word(&attribute.name.name, attribute.name.span);
            }
        }
        for inner in block.body.blocks.iter().filter(|inner| inner.kind.name != "content") {
            self.not_a_word(&inner.kind.name, inner.kind.span);
        }
        let attribute = |name: &str| {
            let found = block.body.attributes.iter().find(|attribute| attribute.name.name == name);
            found.map(|found| &found.expr)
        };
        let Some(for_each) = attribute("for_each") else {
            self.refuse(block.header, "`dynamic` needs `for_each`".to_owned(), {
                "add `for_each = <a map, list or set>`".to_owned()
            });
            return None;
        };
        let iterator = match attribute("iterator").map(|expr| (&expr.kind, expr.span)) {
            None => label.name.clone(),
            Some((ExprKind::Name(name), _)) => name.clone(),
            Some((_, span)) => {
                self.refuse(
                    span,
                    "`iterator` is a bare word".to_owned(),
                    "write `iterator = item`".to_owned(),
                );
                return None;
            }
        };
        let labels = attribute("labels");
        if let Some(labels) = labels.filter(|_| !form.has_labels()) {
            self.refuse(labels.span, format!("`{}` has no labels", label.name), {
                "take `labels` away".to_owned()
            });
        }
        let mut contents = block.body.blocks.iter().filter(|inner| inner.kind.name == "content");
        let (Some(content), None) = (contents.next(), contents.next()) else {
            self.refuse(block.header, "`dynamic` holds one `content` block".to_owned(), {
                format!("add `content {{ … }}` with what stands in each `{}`", label.name)
            });
            return None;
        };
        let inner = expected.nested(&label.name, form.attributes());
        let content = match form.openness() {
            Openness::Open => self.open_body(&content.body, &inner),
            Openness::Closed => self.body(&content.body, &inner),
        };
        let made = Dynamic { for_each, iterator, labels, content, form, tag: self.tag, span: block.header };
        Some((label.name.as_str(), made))
    }

    fn not_a_word(&mut self, name: &str, span: Span) {
        self.diagnostics.push(
            Diagnostic::error(
                codes::UNKNOWN_ATTRIBUTE,
                format!("`dynamic` has no attribute or block `{name}`"),
            )
            .at(span, "not known here")
            .help(one_of(name, WORDS.iter().copied())),
        );
    }

    fn refuse(&mut self, span: Span, headline: String, help: String) {
        self.diagnostics.push(Diagnostic::error(codes::REPEAT, headline).at(span, "").help(help));
    }
}

/// The items of a collection, each with its key.
///
/// # Errors
/// Why nothing can be made of it.
pub(crate) fn items(value: &PlanValue, is_set: bool) -> Result<Vec<(PlanValue, PlanValue)>, String> {
    match value {
        Value::Object(items) => {
            Ok(items.iter().map(|(key, item)| (PlanValue::text(key), item.clone())).collect())
        }
        Value::List(items) if is_set => Ok(items.iter().map(|item| (item.clone(), item.clone())).collect()),
        Value::List(items) => Ok(items
            .iter()
            .enumerate()
            .map(|(at, item)| (Value::int(i64::try_from(at).unwrap_or(i64::MAX)), item.clone()))
            .collect()),
        Value::Hole(hole) => Err(format!("known only after {}", hole.after.join(", "))),
        Value::Null => Err("this is null".to_owned()),
        other => Err(format!("a map, a list or a set is expected, and this is a {}", other.kind())),
    }
}

/// The label of a block that is made of an item: what is said, else its key, else the item itself where that is text.
///
/// # Errors
/// There is no such text.
pub(crate) fn label(said: Option<&PlanValue>, binding: &Binding) -> Result<String, String> {
    let text = |value: &PlanValue| match value {
        Value::Text(text) => Some(text.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let found = match said {
        None => binding.key.as_text().or(binding.value.as_text()).map(str::to_owned),
        Some(Value::List(labels)) => match labels.as_slice() {
            [one] => text(one),
            several => return Err(format!("one label is needed, and these are {}", several.len())),
        },
        Some(_) => None,
    };
    found.ok_or_else(|| "a list of one string is needed".to_owned())
}
