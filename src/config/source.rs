//! A declaration's body before evaluation: blocks and objects as one shape, so that partial blocks merge into it.

use litemap::LiteMap;
use mlp_diag::{Diagnostic, Diagnostics, Span, one_of};
use mlp_platform::schema::{Attribute, Kind, Ty};
use mlp_syntax::{Block, Body, Expr, ExprKind, Ident};

use crate::codes;
use crate::dynamic::{DYNAMIC, Repeated};
use crate::slips::{UNUSABLE, meant_attribute};

/// What stands for an attribute.
#[derive(Debug, Clone)]
pub(crate) enum Source<'t> {
    /// An expression.
    Expr(&'t Expr, Tag<'t>),
    /// Named parts: an object, a block, or labelled blocks by label.
    Parts(Parts<'t>, Tag<'t>, Span),
    /// Unlabelled blocks that may stand several times.
    List(Vec<Source<'t>>, Span),
    /// Blocks of which some are made by `dynamic`.
    Repeated(Box<Repeated<'t>>),
}

/// Which environment wrote it; none for the declaration itself.
pub(crate) type Tag<'t> = Option<&'t str>;

/// A named part.
#[derive(Debug, Clone)]
pub(crate) struct Entry<'t> {
    /// Where the name stands.
    pub(crate) name: Span,
    /// What it is.
    pub(crate) source: Source<'t>,
}

/// The attributes of one body.
pub(crate) type Parts<'t> = LiteMap<String, Entry<'t>>;

impl<'t> Source<'t> {
    /// The place of the whole.
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Expr(expr, _) => expr.span,
            Self::Parts(_, _, span) | Self::List(_, span) => *span,
            Self::Repeated(there) => there.span,
        }
    }

    /// Who wrote it.
    pub(crate) fn tag(&self) -> Tag<'t> {
        match self {
            Self::Expr(_, tag) | Self::Parts(_, tag, _) => *tag,
            Self::List(items, _) => items.first().and_then(Source::tag),
            Self::Repeated(there) => there.made.first().and_then(|made| made.tag),
        }
    }
}

/// Reads a body by the attributes it may have.
pub(crate) struct BodyReader<'t, 'd> {
    /// Who writes.
    pub(crate) tag: Tag<'t>,
    /// What is wrong.
    pub(crate) diagnostics: &'d mut Diagnostics,
}

/// The attributes a body may have, and what to call it in messages.
pub(crate) struct Expected {
    /// For messages: `endpoint`, `variant of an endpoint`.
    pub(crate) what: String,
    /// Own attributes.
    pub(crate) attributes: &'static [Attribute],
    /// Further ones (of every resource-like block).
    pub(crate) more: &'static [Attribute],
}

impl Expected {
    /// Those of a kind.
    pub(crate) fn of(kind: &'static Kind) -> Self {
        let more: &[Attribute] = if kind.common { mlp_platform::kinds::COMMON } else { &[] };
        Self { what: format!("`{}`", kind.name), attributes: kind.attributes, more }
    }

    pub(crate) fn nested(&self, name: &str, attributes: &'static [Attribute]) -> Self {
        Self { what: format!("`{name}` of {}", self.what), attributes, more: &[] }
    }

    pub(crate) fn find(&self, name: &str) -> Option<&'static Attribute> {
        self.attributes.iter().chain(self.more).find(|attribute| attribute.name == name)
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.attributes.iter().chain(self.more).map(|attribute| attribute.name).collect()
    }
}

/// The alternatives of a type, flat.
pub(crate) fn alternatives(ty: &'static Ty) -> Vec<&'static Ty> {
    match ty {
        Ty::OneOf(options) => options.iter().flat_map(alternatives).collect(),
        other => vec![other],
    }
}

impl<'t> BodyReader<'t, '_> {
    /// The parts of a body; unknown names are reported and left out.
    pub(crate) fn body(&mut self, body: &'t Body, expected: &Expected) -> Parts<'t> {
        let mut parts = self.attributes(&body.attributes, expected);
        let (made, written): (Vec<&Block>, Vec<&Block>) =
            body.blocks.iter().partition(|block| block.kind.name == DYNAMIC);
        written.into_iter().for_each(|block| self.nested_block(&mut parts, block, expected));
        made.into_iter().for_each(|block| self.dynamic(&mut parts, block, expected));
        parts
    }

    /// The parts of a body that may have any attribute beside the known ones.
    pub(crate) fn open_body(&mut self, body: &'t Body, expected: &Expected) -> Parts<'t> {
        let mut parts = Parts::new();
        for attribute in &body.attributes {
            let source = match expected.find(&attribute.name.name) {
                Some(schema) => self.expr(&attribute.expr, &schema.ty, expected, schema.name),
                None => Source::Expr(&attribute.expr, self.tag),
            };
            self.put(&mut parts, &attribute.name, source);
        }
        for block in &body.blocks {
            match expected.find(&block.kind.name) {
                Some(schema) => self.block(&mut parts, block, schema, expected),
                None if block.kind.name == DYNAMIC => {
                    let known =
                        block.labels.first().is_some_and(|label| expected.find(&label.name).is_some());
                    match known {
                        true => self.dynamic(&mut parts, block, expected),
                        false => self.no_dynamic(block, expected),
                    }
                }
                None => {
                    let inner = self.open_body(&block.body, &expected.nested(&block.kind.name, &[]));
                    self.put(&mut parts, &block.kind, Source::Parts(inner, self.tag, block.header));
                }
            }
        }
        parts
    }

    /// The attributes of a body.
    pub(crate) fn attributes(
        &mut self,
        attributes: &'t [mlp_syntax::Attribute],
        expected: &Expected,
    ) -> Parts<'t> {
        let mut parts = Parts::new();
        let mut unknown = Vec::new();
        for attribute in attributes {
            match expected.find(&attribute.name.name) {
                None => unknown.push(&attribute.name),
                Some(schema) => {
                    let source = self.expr(&attribute.expr, &schema.ty, expected, schema.name);
                    self.put(&mut parts, &attribute.name, source);
                }
            }
        }
        unknown.into_iter().for_each(|name| self.slip(&mut parts, name, expected));
        parts
    }

    /// A name that is not known; what it is a slip of counts as set.
    fn slip(&mut self, parts: &mut Parts<'t>, name: &Ident, expected: &Expected) {
        self.unknown(name, expected);
        if let Some(meant) = meant_attribute(&name.name, expected) {
            let source = Source::Expr(&UNUSABLE, self.tag);
            parts.entry(meant.name.to_owned()).or_insert(Entry { name: name.span, source });
        }
    }

    /// One nested block.
    pub(crate) fn nested_block(&mut self, parts: &mut Parts<'t>, block: &'t Block, expected: &Expected) {
        match expected.find(&block.kind.name) {
            None => self.slip(parts, &block.kind, expected),
            Some(schema) => self.block(parts, block, schema, expected),
        }
    }

    /// Whether a name beside the known ones is one of those, misspelt: it is near one that is not there.
    fn is_slip(&self, name: &Ident, expected: &Expected, there: &[Ident]) -> bool {
        let near = mlp_diag::did_you_mean(&name.name, expected.names());
        near.is_some_and(|near| !there.iter().any(|ident| ident.name == near))
    }

    /// Where any attribute may stand nobody knows of which blocks there may be several.
    fn no_dynamic(&mut self, block: &Block, expected: &Expected) {
        self.diagnostics.push(
            Diagnostic::error(
                codes::REPEAT,
                format!("{} takes no `dynamic` blocks of its own", expected.what),
            )
            .at(block.header, "")
            .help("give the attribute a value: `name = [for item in … : { … }]`"),
        );
    }

    pub(crate) fn unknown(&mut self, name: &Ident, expected: &Expected) {
        let names = expected.names();
        let near = mlp_diag::did_you_mean(&name.name, names.iter().copied());
        let help = match crate::slips::foreign_attribute(&name.name, &names).filter(|_| near.is_none()) {
            Some(here) => format!("what other tools call so is `{here}` here"),
            None => match crate::slips::instead(expected.what.trim_matches('`'), &name.name) {
                Some(help) => help.to_owned(),
                None => one_of(&name.name, names.iter().copied()),
            },
        };
        self.diagnostics.push(
            Diagnostic::error(
                codes::UNKNOWN_ATTRIBUTE,
                format!("{} has no attribute or block `{}`", expected.what, name.name),
            )
            .at(name.span, "not known here")
            .help(help),
        );
    }

    fn put(&mut self, parts: &mut Parts<'t>, name: &Ident, source: Source<'t>) {
        if let Some(first) = parts.get(&name.name) {
            self.diagnostics.push(
                Diagnostic::error(codes::DUPLICATE, format!("`{}` is set twice", name.name))
                    .at(name.span, "again here")
                    .see(first.name, "first here")
                    .help("keep one of the two"),
            );
            return;
        }
        parts.insert(name.name.clone(), Entry { name: name.span, source });
    }

    /// An expression; an object with plain keys opens into parts where the type has parts.
    fn expr(&mut self, expr: &'t Expr, ty: &'static Ty, expected: &Expected, name: &str) -> Source<'t> {
        let ExprKind::Object(items) = &expr.kind else { return Source::Expr(expr, self.tag) };
        let Some(idents) = items.iter().map(|(key, _)| plain_key(key)).collect::<Option<Vec<_>>>() else {
            return Source::Expr(expr, self.tag);
        };
        let Some(form) = object_form(ty, &idents) else { return Source::Expr(expr, self.tag) };
        let mut parts = Parts::new();
        let mut unknown = Vec::new();
        for ((_, value), ident) in items.iter().zip(&idents) {
            let source = match form {
                Ty::Map(item) => self.expr(value, item, expected, name),
                Ty::Labelled(attributes) => {
                    let inner = expected.nested(name, attributes);
                    self.object(value, &inner).unwrap_or(Source::Expr(value, self.tag))
                }
                Ty::Object(attributes) | Ty::Open(attributes) | Ty::MaybeLabelled(attributes) => {
                    let inner = expected.nested(name, attributes);
                    match inner.find(&ident.name) {
                        Some(schema) => self.expr(value, &schema.ty, &inner, schema.name),
                        None if matches!(form, Ty::Open(_)) && !self.is_slip(ident, &inner, &idents) => {
                            Source::Expr(value, self.tag)
                        }
                        None => {
                            unknown.push((ident, inner));
                            continue;
                        }
                    }
                }
                _ => Source::Expr(value, self.tag),
            };
            self.put(&mut parts, ident, source);
        }
        unknown.into_iter().for_each(|(name, inner)| self.slip(&mut parts, name, &inner));
        let whole = Source::Parts(parts, self.tag, expr.span);
        if !matches!(form, Ty::MaybeLabelled(_)) {
            return whole;
        }
        let entry = Entry { name: expr.span, source: whole };
        Source::Parts([(String::new(), entry)].into_iter().collect(), self.tag, expr.span)
    }

    /// An object by the attributes it may have; `None` when it is none with plain keys.
    fn object(&mut self, expr: &'t Expr, inner: &Expected) -> Option<Source<'t>> {
        let ExprKind::Object(items) = &expr.kind else { return None };
        let mut parts = Parts::new();
        let mut unknown = Vec::new();
        for (key, value) in items {
            let ident = plain_key(key)?;
            match inner.find(&ident.name) {
                None => unknown.push(ident),
                Some(schema) => {
                    let source = self.expr(value, &schema.ty, inner, schema.name);
                    self.put(&mut parts, &ident, source);
                }
            }
        }
        unknown.iter().for_each(|name| self.slip(&mut parts, name, inner));
        Some(Source::Parts(parts, self.tag, expr.span))
    }

    fn block(
        &mut self,
        parts: &mut Parts<'t>,
        block: &'t Block,
        schema: &'static Attribute,
        expected: &Expected,
    ) {
        let name = &block.kind;
        for option in alternatives(&schema.ty) {
            match option {
                Ty::Open(attributes) if block.labels.is_empty() => {
                    let expected = &expected.nested(schema.name, attributes);
                    let there: Vec<Ident> =
                        block.body.attributes.iter().map(|attribute| attribute.name.clone()).collect();
                    for name in there.iter().filter(|name| expected.find(&name.name).is_none()) {
                        if self.is_slip(name, expected, &there) {
                            self.unknown(name, expected);
                        }
                    }
                    let inner = self.open_body(&block.body, expected);
                    return self.put(parts, name, Source::Parts(inner, self.tag, block.header));
                }
                Ty::Object(attributes) if block.labels.is_empty() => {
                    let inner = self.body(&block.body, &expected.nested(schema.name, attributes));
                    return self.put(parts, name, Source::Parts(inner, self.tag, block.header));
                }
                Ty::Repeated(attributes) if block.labels.is_empty() => {
                    let inner = self.body(&block.body, &expected.nested(schema.name, attributes));
                    let item = Source::Parts(inner, self.tag, block.header);
                    match parts.get_mut(&name.name) {
                        Some(Entry { source: Source::List(items, _), .. }) => items.push(item),
                        _ => self.put(parts, name, Source::List(vec![item], block.span)),
                    }
                    return;
                }
                Ty::Labelled(attributes) if block.labels.len() == 1 => {
                    return self.labelled(
                        parts,
                        block,
                        &block.labels[0].clone(),
                        schema,
                        attributes,
                        expected,
                    );
                }
                Ty::MaybeLabelled(attributes) if block.labels.len() <= 1 => {
                    let label = block
                        .labels
                        .first()
                        .cloned()
                        .unwrap_or(Ident { name: String::new(), span: block.kind.span });
                    return self.labelled(parts, block, &label, schema, attributes, expected);
                }
                Ty::Map(item) if block.labels.is_empty() => {
                    let mut inner = Parts::new();
                    for attribute in &block.body.attributes {
                        let source = self.expr(&attribute.expr, item, expected, schema.name);
                        self.put(&mut inner, &attribute.name, source);
                    }
                    return self.put(parts, name, Source::Parts(inner, self.tag, block.header));
                }
                _ => {}
            }
        }
        self.misused(block, schema, expected);
        self.put(parts, name, Source::Expr(&UNUSABLE, self.tag));
    }

    /// A block that has a label too many or too few, or is none.
    fn misused(&mut self, block: &Block, schema: &'static Attribute, expected: &Expected) {
        let name = schema.name;
        let options = alternatives(&schema.ty);
        let labelled = options.iter().any(|ty| matches!(ty, Ty::Labelled(_)));
        let plain = options.iter().any(|ty| {
            matches!(ty, Ty::Object(_) | Ty::Open(_) | Ty::Repeated(_) | Ty::MaybeLabelled(_) | Ty::Map(_))
        });
        let (what, wanted) = if labelled {
            ("takes one label", format!("`{name} \"name\" {{ … }}`"))
        } else if plain {
            ("takes no label", format!("`{name} {{ … }}`"))
        } else {
            ("is a value, not a block", format!("`{name} = …`"))
        };
        self.diagnostics.push(
            Diagnostic::error(codes::LABELS, format!("`{name}` of {} {what}", expected.what))
                .at(block.header, "this block")
                .help(format!("write {wanted}")),
        );
    }

    fn labelled(
        &mut self,
        parts: &mut Parts<'t>,
        block: &'t Block,
        label: &Ident,
        schema: &'static Attribute,
        attributes: &'static [Attribute],
        expected: &Expected,
    ) {
        let inner = self.body(&block.body, &expected.nested(schema.name, attributes));
        let source = Source::Parts(inner, self.tag, block.header);
        let group = parts.entry(block.kind.name.clone()).or_insert_with(|| Entry {
            name: block.kind.span,
            source: Source::Parts(Parts::new(), self.tag, block.header),
        });
        if let Source::Parts(group, ..) = &mut group.source {
            if let Some(first) = group.get(&label.name) {
                self.diagnostics.push(
                    Diagnostic::error(
                        codes::DUPLICATE,
                        format!("`{} \"{}\"` stands twice in {}", block.kind.name, label.name, expected.what),
                    )
                    .at(label.span, "again here")
                    .see(first.name, "first here")
                    .help("give one of the two another name"),
                );
                return;
            }
            group.insert(label.name.clone(), Entry { name: label.span, source });
        }
    }
}

/// Which alternative of a type an object with these keys is meant as: the one that knows most of them.
fn object_form(ty: &'static Ty, keys: &[Ident]) -> Option<&'static Ty> {
    object_form_of(ty, keys.iter().map(|key| key.name.as_str()))
}

/// The same by names alone.
pub(crate) fn object_form_of<'k>(
    ty: &'static Ty,
    keys: impl Iterator<Item = &'k str> + Clone,
) -> Option<&'static Ty> {
    let known = |attributes: &[Attribute]| {
        keys.clone().filter(|key| attributes.iter().any(|attribute| attribute.name == *key)).count()
    };
    let mut best: Option<(usize, &'static Ty)> = None;
    for option in alternatives(ty) {
        let score = match option {
            Ty::Object(attributes) | Ty::Open(attributes) | Ty::MaybeLabelled(attributes) => {
                1 + 2 * known(attributes)
            }
            Ty::Map(_) | Ty::Labelled(_) => 2,
            _ => continue,
        };
        if best.is_none_or(|(most, _)| score > most) {
            best = Some((score, option));
        }
    }
    best.map(|(_, option)| option)
}

/// A key that is a bare word or plain text.
fn plain_key(key: &Expr) -> Option<Ident> {
    match &key.kind {
        ExprKind::Text(name) | ExprKind::Name(name) => Some(Ident { name: name.clone(), span: key.span }),
        _ => None,
    }
}
