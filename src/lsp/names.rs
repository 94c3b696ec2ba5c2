//! What every name of a file is: what it declares, what it refers to, and which attribute of which schema it sets.

use std::collections::BTreeSet;

use mlp_config::module_directory;
use mlp_diag::Span;
use mlp_platform::kinds::{self, COMMON};
use mlp_platform::schema::{Attribute, Kind, Ty};
use mlp_syntax::{Block, Body, Expr, ExprKind, Ident, TemplatePart};
use mlp_value::{Path, Step};

use crate::project::{File, ROOT};

/// Something with a name: `dataset.x`, `local.y`, `pipeline.train.step.fit`, in the directory it is declared in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Symbol {
    pub(crate) room: String,
    pub(crate) words: Vec<String>,
}

impl Symbol {
    fn new(room: &str, words: &[&str]) -> Self {
        Self { room: room.to_owned(), words: words.iter().map(|word| (*word).to_owned()).collect() }
    }

    fn member(&self, word: &str, name: &str) -> Self {
        let mut words = self.words.clone();
        words.extend([word.to_owned(), name.to_owned()]);
        Self { room: self.room.clone(), words }
    }

    /// How it is written in an expression.
    pub(crate) fn written(&self) -> String {
        match self.words.first().map(String::as_str) {
            Some("variable") => format!("var.{}", self.words[1..].join(".")),
            Some("resource") => self.words[1..].join("."),
            _ => self.words.join("."),
        }
    }

    /// The last of its words.
    pub(crate) fn name(&self) -> &str {
        self.words.last().map_or("", String::as_str)
    }

    /// Whether it belongs to another by name, and to nothing else.
    pub(crate) fn is_member(&self) -> bool {
        let labels = kinds::kind(&self.words[0]).map_or(1, |kind| kind.labels.len());
        self.words.len() > labels + 1
    }
}

/// What a name does where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Declares it.
    Definition,
    /// Says more of it, in an environment.
    Partial,
    /// Refers to it.
    Reference,
    /// Names what it once was.
    History,
}

/// What stands at a place.
#[derive(Debug, Clone)]
pub(crate) enum What {
    /// A name.
    Symbol(Symbol, Role),
    /// The word that begins a block of the top level.
    Kind(&'static Kind),
    /// The name of an attribute or nested block.
    Attribute(Box<Set>),
    /// The first word of a reference.
    Root(String),
    /// A step of a reference that names an attribute, an output, or the word before a member.
    Part(Symbol, String),
    /// A function.
    Function(String),
    /// A name that a `for` binds.
    Bound,
}

/// An attribute that is set.
#[derive(Debug, Clone)]
pub(crate) struct Set {
    /// Its schema; none among the attributes of any name.
    pub(crate) schema: Option<&'static Attribute>,
    /// The header of the declaration.
    pub(crate) header: Span,
    /// The declaration, in words.
    pub(crate) owner: Symbol,
    /// Where it is in the declaration.
    pub(crate) path: Path,
    /// The environment it is set in.
    pub(crate) environment: Option<String>,
}

/// A place and what stands there.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(crate) span: Span,
    pub(crate) what: What,
}

/// What a partial block of an environment takes beside the attributes of its kind.
pub(crate) const REMOVE: Attribute =
    Attribute::new("remove", Ty::List(&Ty::Text), "Names of blocks that this environment does not have.");

/// Names that are no declarations.
const WORDS: &[&str] = &[
    "each",
    "count",
    "path",
    "target",
    "self",
    "row",
    "candidate",
    "champion",
    "input",
    "output",
    "param",
    "run",
    "metrics",
];

/// The names of a file.
#[derive(Debug, Default)]
pub(crate) struct FileNames {
    /// Everything that is named, in the order of the places.
    pub(crate) marks: Vec<Mark>,
    /// What it declares, and what chunks declared before they could no longer be read.
    pub(crate) declared: Vec<Symbol>,
}

/// The names of a file; `natives` are the native kinds that are declared beside it.
pub(crate) fn names(file: &File, natives: &BTreeSet<String>) -> FileNames {
    let mut walker = Walker::new(file, natives);
    file.ghosts().for_each(|tree| walker.file(&tree.body));
    let mut declared: Vec<Symbol> = walker.found.drain(..).filter_map(|mark| definition(&mark)).collect();
    file.trees().for_each(|tree| walker.file(&tree.body));
    let mut marks = walker.found;
    marks.sort_by_key(|mark| (mark.span.start, mark.span.end));
    declared.extend(marks.iter().filter_map(definition));
    FileNames { marks, declared }
}

fn definition(mark: &Mark) -> Option<Symbol> {
    match &mark.what {
        What::Symbol(symbol, Role::Definition | Role::Partial) => Some(symbol.clone()),
        _ => None,
    }
}

/// The native kinds that a file declares.
pub(crate) fn natives(file: &File) -> impl Iterator<Item = String> + '_ {
    let blocks =
        file.trees().flat_map(|tree| &tree.body.blocks).filter(|block| block.kind.name == "resource");
    blocks.filter_map(|block| block.labels.first().map(|label| label.name.clone()))
}

/// Where in a declaration the walk is.
#[derive(Clone)]
struct Owner {
    symbol: Symbol,
    kind: Option<&'static Kind>,
    header: Span,
    environment: Option<String>,
    path: Path,
    /// The path without the labels of blocks.
    names: Vec<String>,
    /// Whether references name what was.
    history: bool,
}

struct Walker<'f> {
    room: &'f str,
    values: bool,
    natives: &'f BTreeSet<String>,
    bound: Vec<String>,
    found: Vec<Mark>,
}

impl<'f> Walker<'f> {
    fn new(file: &'f File, natives: &'f BTreeSet<String>) -> Self {
        Self { room: &file.room, values: file.is_values(), natives, bound: Vec::new(), found: Vec::new() }
    }

    fn mark(&mut self, span: Span, what: What) {
        self.found.push(Mark { span, what });
    }

    fn symbol(&mut self, span: Span, symbol: Symbol, role: Role) {
        self.mark(span, What::Symbol(symbol, role));
    }

    fn file(&mut self, body: &Body) {
        for attribute in &body.attributes {
            if self.values {
                let symbol = Symbol::new(ROOT, &["variable", &attribute.name.name]);
                self.symbol(attribute.name.span, symbol, Role::Reference);
            }
            self.expr(&attribute.expr, None);
        }
        body.blocks.iter().for_each(|block| self.top(block, None));
    }

    fn top(&mut self, block: &Block, environment: Option<&str>) {
        let kind = kinds::kind(&block.kind.name);
        if let Some(kind) = kind {
            self.mark(block.kind.span, What::Kind(kind));
        }
        if block.kind.name == "locals" {
            for attribute in &block.body.attributes {
                let symbol = Symbol::new(self.room, &["local", &attribute.name.name]);
                self.symbol(attribute.name.span, symbol, Role::Definition);
                self.expr(&attribute.expr, None);
            }
            return;
        }
        let words: Vec<&str> = std::iter::once(block.kind.name.as_str())
            .chain(block.labels.iter().map(|label| label.name.as_str()))
            .collect();
        let symbol = Symbol::new(self.room_of(&block.kind.name), &words);
        if let Some(label) = block.labels.last() {
            let role = if environment.is_some() { Role::Partial } else { Role::Definition };
            self.symbol(inside_quotes(label), symbol.clone(), role);
        }
        let owner = Owner {
            symbol,
            kind,
            header: block.header,
            environment: environment.map(str::to_owned),
            path: Path::default(),
            names: Vec::new(),
            history: false,
        };
        let attributes: Vec<&'static Attribute> =
            kind.into_iter().flat_map(Kind::all_attributes).chain(environment.map(|_| &REMOVE)).collect();
        let called = called_room(self.room, block);
        let is_environment = block.kind.name == "environment" && environment.is_none();
        for attribute in &block.body.attributes {
            self.input(attribute, called.as_deref());
            self.attribute(attribute, &attributes, &owner);
        }
        for inner in &block.body.blocks {
            if is_environment && !attributes.iter().any(|known| known.name == inner.kind.name) {
                self.top(inner, block.labels.first().map(|label| label.name.as_str()));
            } else {
                self.nested(inner, &attributes, &owner);
                if inner.kind.name == "inputs" {
                    inner.body.attributes.iter().for_each(|one| self.given(&one.name, called.as_deref()));
                }
                if is_environment && inner.kind.name == "variables" {
                    inner.body.attributes.iter().for_each(|one| self.given(&one.name, Some(ROOT)));
                }
            }
        }
        if is_environment {
            let given = block.body.attributes.iter().filter(|one| one.name.name == "variables");
            given.for_each(|one| self.keys_given(&one.expr, Some(ROOT)));
        }
    }

    /// An attribute of a module's call that is an input of it.
    fn input(&mut self, attribute: &mlp_syntax::Attribute, called: Option<&str>) {
        let name = attribute.name.name.as_str();
        let own = ["source", "version"].contains(&name) || COMMON.iter().any(|common| common.name == name);
        match (called, name) {
            (None, _) => {}
            (_, "inputs") => self.keys_given(&attribute.expr, called),
            _ if !own => self.given(&attribute.name, called),
            _ => {}
        }
    }

    fn given(&mut self, name: &Ident, room: Option<&str>) {
        if let Some(room) = room {
            self.symbol(name.span, Symbol::new(room, &["variable", &name.name]), Role::Reference);
        }
    }

    fn keys_given(&mut self, expr: &Expr, room: Option<&str>) {
        let ExprKind::Object(items) = &expr.kind else { return };
        for (key, _) in items {
            if let Some(name) = constant(key) {
                self.given(&Ident { name, span: key.span }, room);
            }
        }
    }

    fn room_of(&self, kind: &str) -> &str {
        if matches!(kind, "environment" | "provider") { ROOT } else { self.room }
    }

    fn attribute(&mut self, attribute: &mlp_syntax::Attribute, known: &[&'static Attribute], owner: &Owner) {
        let schema = known.iter().find(|known| known.name == attribute.name.name).copied();
        let mut owner = owner.clone();
        owner.path.push(Step::Field(attribute.name.name.as_str().into()));
        owner.names.push(attribute.name.name.clone());
        owner.history =
            attribute.name.name == "from" && matches!(owner.symbol.words[0].as_str(), "moved" | "removed");
        self.set(attribute.name.span, schema, &owner);
        let attributes = schema.map(|schema| inner(&schema.ty)).unwrap_or_default();
        self.value(&attribute.expr, &attributes, &owner);
    }

    fn set(&mut self, span: Span, schema: Option<&'static Attribute>, owner: &Owner) {
        let set = Set {
            schema,
            header: owner.header,
            owner: owner.symbol.clone(),
            path: owner.path.clone(),
            environment: owner.environment.clone(),
        };
        self.mark(span, What::Attribute(Box::new(set)));
    }

    /// A value whose named parts have a schema.
    fn value(&mut self, expr: &Expr, attributes: &[&'static Attribute], owner: &Owner) {
        let member = member_word(owner);
        match &expr.kind {
            ExprKind::Object(items) if !attributes.is_empty() || member.is_some() => {
                for (key, value) in items {
                    let Some(name) = constant(key) else {
                        self.expr(key, Some(owner));
                        self.expr(value, Some(owner));
                        continue;
                    };
                    if let Some(word) = member {
                        self.symbol(key.span, owner.symbol.member(word, &name), self.role(owner));
                    }
                    let schema = attributes.iter().find(|known| known.name == name).copied();
                    let mut below = owner.clone();
                    below.path.push(Step::Field(name.as_str().into()));
                    below.names.push(name);
                    if member.is_none() {
                        self.set(key.span, schema, &below);
                    }
                    let attributes = schema.map(|schema| inner(&schema.ty)).unwrap_or_default();
                    self.value(value, &attributes, &below);
                }
            }
            ExprKind::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    let mut below = owner.clone();
                    below.path.push(Step::Index(at));
                    match (&item.kind, member) {
                        (ExprKind::Text(name), Some(word)) => {
                            let ident = Ident { name: name.clone(), span: item.span };
                            let symbol = owner.symbol.member(word, name);
                            self.symbol(inside_quotes(&ident), symbol, self.role(owner));
                        }
                        _ => self.value(item, attributes, &below),
                    }
                }
            }
            ExprKind::Parens(expr) => self.value(expr, attributes, owner),
            _ => self.expr(expr, Some(owner)),
        }
    }

    fn role(&self, owner: &Owner) -> Role {
        if owner.environment.is_some() { Role::Partial } else { Role::Definition }
    }

    fn nested(&mut self, block: &Block, known: &[&'static Attribute], owner: &Owner) {
        let schema = known.iter().find(|known| known.name == block.kind.name).copied();
        let mut owner = owner.clone();
        owner.path.push(Step::Field(block.kind.name.as_str().into()));
        owner.names.push(block.kind.name.clone());
        self.set(block.kind.span, schema, &owner);
        let member = member_word(&owner);
        match (block.labels.as_slice(), schema.map(|schema| schema.ty)) {
            ([label, ..], _) => {
                if let Some(word) = member {
                    self.symbol(
                        inside_quotes(label),
                        owner.symbol.member(word, &label.name),
                        self.role(&owner),
                    );
                }
                owner.path.push(Step::Field(label.name.as_str().into()));
            }
            ([], Some(Ty::MaybeLabelled(_))) => owner.path.push(Step::Field("".into())),
            _ => {}
        }
        let attributes = schema.map(|schema| inner(&schema.ty)).unwrap_or_default();
        block.body.attributes.iter().for_each(|it| self.attribute(it, &attributes, &owner));
        block.body.blocks.iter().for_each(|it| self.nested(it, &attributes, &owner));
    }

    fn expr(&mut self, expr: &Expr, owner: Option<&Owner>) {
        match &expr.kind {
            ExprKind::Broken
            | ExprKind::Null
            | ExprKind::Bool(_)
            | ExprKind::Number(_)
            | ExprKind::Text(_) => {}
            ExprKind::Name(_) | ExprKind::Attr(..) | ExprKind::Index(..) => {
                if let Some(chain) = self.chain(expr, owner) {
                    self.resolve(&chain, owner);
                }
            }
            ExprKind::Template(parts) => parts.iter().for_each(|part| self.part(part, owner)),
            ExprKind::List(items) => items.iter().for_each(|item| self.expr(item, owner)),
            ExprKind::Object(items) => {
                for (key, value) in items {
                    // A bare word is a key and no reference.
                    if !matches!(key.kind, ExprKind::Name(_)) {
                        self.expr(key, owner);
                    }
                    self.expr(value, owner);
                }
            }
            ExprKind::Splat(target, each) => {
                self.expr(target, owner);
                self.bound.push("$splat".to_owned());
                self.expr(each, owner);
                self.bound.pop();
            }
            ExprKind::Call { function, arguments, .. } => {
                self.mark(function.span, What::Function(function.name.clone()));
                arguments.iter().for_each(|argument| self.expr(argument, owner));
            }
            ExprKind::Unary(_, inner) | ExprKind::Parens(inner) => self.expr(inner, owner),
            ExprKind::Binary(_, left, right) => {
                self.expr(left, owner);
                self.expr(right, owner);
            }
            ExprKind::Conditional(condition, then, otherwise) => {
                [condition, then, otherwise].into_iter().for_each(|it| self.expr(it, owner));
            }
            ExprKind::For(parts) => {
                self.expr(&parts.collection, owner);
                let names: Vec<&Ident> = parts.key_name.iter().chain([&parts.value_name]).collect();
                self.binding(&names, |walker| {
                    let optional = parts.key.iter().chain(&parts.condition);
                    optional.chain([&parts.value]).for_each(|it| walker.expr(it, owner));
                });
            }
        }
    }

    fn part(&mut self, part: &TemplatePart, owner: Option<&Owner>) {
        match part {
            TemplatePart::Text(_) => {}
            TemplatePart::Expr(expr) => self.expr(expr, owner),
            TemplatePart::If(condition, then, otherwise) => {
                self.expr(condition, owner);
                then.iter().chain(otherwise).for_each(|part| self.part(part, owner));
            }
            TemplatePart::For(key, value, collection, body) => {
                self.expr(collection, owner);
                let names: Vec<&Ident> = key.iter().chain([value]).collect();
                self.binding(&names, |walker| body.iter().for_each(|part| walker.part(part, owner)));
            }
        }
    }

    fn binding(&mut self, names: &[&Ident], inside: impl FnOnce(&mut Self)) {
        let before = self.bound.len();
        for name in names {
            self.mark(name.span, What::Bound);
            self.bound.push(name.name.clone());
        }
        inside(self);
        self.bound.truncate(before);
    }

    /// A name and the constant steps from it; what else stands in it is walked.
    fn chain(&mut self, expr: &Expr, owner: Option<&Owner>) -> Option<Vec<Link>> {
        match &expr.kind {
            ExprKind::Name(name) => Some(vec![Link { text: name.clone(), span: expr.span, key: false }]),
            ExprKind::Attr(target, name) => {
                let mut chain = self.chain(target, owner)?;
                chain.push(Link { text: name.name.clone(), span: name.span, key: false });
                Some(chain)
            }
            ExprKind::Index(target, key) => {
                let chain = self.chain(target, owner);
                let text = constant(key).filter(|_| !matches!(key.kind, ExprKind::Name(_)));
                if text.is_none() {
                    self.expr(key, owner);
                }
                let mut chain = chain?;
                chain.push(Link { text: text.unwrap_or_default(), span: key.span, key: true });
                Some(chain)
            }
            _ => {
                self.expr(expr, owner);
                None
            }
        }
    }

    fn resolve(&mut self, chain: &[Link], owner: Option<&Owner>) {
        let [root, rest @ ..] = chain else { return };
        let first = || rest.first().filter(|link| !link.key);
        let name = root.text.as_str();
        if self.bound.iter().any(|bound| bound == name) {
            if name != "$splat" {
                self.mark(root.span, What::Bound);
            }
            return;
        }
        let role = if owner.is_some_and(|owner| owner.history) { Role::History } else { Role::Reference };
        match name {
            "var" | "local" => {
                self.mark(root.span, What::Root(name.to_owned()));
                let word = if name == "var" { "variable" } else { "local" };
                if let Some(link) = first() {
                    self.symbol(link.span, Symbol::new(self.room, &[word, &link.text]), role);
                }
            }
            "step" | "node" if owner.is_some_and(|owner| owns(owner.kind, name)) => {
                self.mark(root.span, What::Root(name.to_owned()));
                if let (Some(link), Some(owner)) = (first(), owner) {
                    self.symbol(link.span, owner.symbol.member(name, &link.text), role);
                }
            }
            // In the quoted commands of steps `output` is where an output is written; outputs of the project are named by others.
            _ if name != "output"
                && kinds::kind(name).is_some_and(|kind| !kind.labels.is_empty())
                && first().is_some() =>
            {
                if let Some(kind) = kinds::kind(name) {
                    self.declared(kind, chain, role);
                }
            }
            _ if self.natives.contains(name) => {
                self.mark(root.span, What::Root(name.to_owned()));
                if let Some(link) = first() {
                    self.symbol(link.span, Symbol::new(self.room, &["resource", name, &link.text]), role);
                }
            }
            _ if WORDS.contains(&name) => self.mark(root.span, What::Root(name.to_owned())),
            _ => {}
        }
    }

    /// `kind.name`, and what stands behind it.
    fn declared(&mut self, kind: &'static Kind, chain: &[Link], role: Role) {
        self.mark(chain[0].span, What::Root(kind.name.to_owned()));
        let labels = kind.labels.len();
        let Some(named) = chain.get(1..=labels).filter(|links| links.iter().all(|link| !link.key)) else {
            return;
        };
        let words: Vec<&str> =
            std::iter::once(kind.name).chain(named.iter().map(|link| link.text.as_str())).collect();
        let symbol = Symbol::new(self.room_of(kind.name), &words);
        self.symbol(named[labels - 1].span, symbol.clone(), role);
        let mut rest = &chain[labels + 1..];
        if rest.first().is_some_and(|link| link.key) {
            rest = &rest[1..];
        }
        let [word, rest @ ..] = rest else { return };
        if word.key {
            return;
        }
        self.mark(word.span, What::Part(symbol.clone(), word.text.clone()));
        if let (true, Some(name)) = (owns(Some(kind), &word.text), rest.first())
            && (!name.key || word.text == "version")
        {
            self.symbol(name.span, symbol.member(&word.text, &name.text), role);
        }
    }
}

/// One word of a reference.
struct Link {
    text: String,
    span: Span,
    key: bool,
}

fn owns(kind: Option<&'static Kind>, word: &str) -> bool {
    kind.is_some_and(|kind| kind.members.iter().any(|member| member.word == word))
}

/// The word under which the names at this place are referred to.
fn member_word(owner: &Owner) -> Option<&'static str> {
    let at = owner.names.join(".");
    let member = owner.kind?.members.iter().find(|member| !at.is_empty() && member.names_from == at)?;
    Some(member.word)
}

/// The room that a `module` block calls.
fn called_room(room: &str, block: &Block) -> Option<String> {
    if block.kind.name != "module" {
        return None;
    }
    let source = block.body.attributes.iter().find(|attribute| attribute.name.name == "source")?;
    match &source.expr.kind {
        ExprKind::Text(text) => module_directory(room, text).ok(),
        _ => None,
    }
}

/// The text between a label's quotes.
fn inside_quotes(label: &Ident) -> Span {
    let mut span = label.span;
    if (span.end - span.start) as usize >= label.name.len() + 2 {
        span.start += 1;
        span.end -= 1;
    }
    span
}

fn constant(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Text(text) | ExprKind::Name(text) | ExprKind::Number(text) => Some(text.clone()),
        _ => None,
    }
}

/// The attributes that the parts of a value of this type have.
pub(crate) fn inner(ty: &'static Ty) -> Vec<&'static Attribute> {
    match ty {
        Ty::Object(list)
        | Ty::Open(list)
        | Ty::Repeated(list)
        | Ty::Labelled(list)
        | Ty::MaybeLabelled(list) => list.iter().collect(),
        Ty::List(item) => inner(item),
        Ty::OneOf(options) => options.iter().flat_map(inner).collect(),
        _ => Vec::new(),
    }
}
