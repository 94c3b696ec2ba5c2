//! What is declared: every block under its address, before anything is evaluated.

use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use mlp_diag::{Diagnostic, Diagnostics, Span, one_of};
use mlp_parallel::in_parallel;
use mlp_platform::kinds::{self, KINDS};
use mlp_platform::schema::{Kind, Ty};
use mlp_syntax::{Block, Expr, Ident, Tree};
use mlp_value::Address;

use crate::codes;
use crate::slips::{as_name, foreign, meant_kind};
use crate::source::{BodyReader, Expected, Parts};

/// Fewer blocks are read sooner than threads are started.
const WORTH: usize = 1000;

/// Kinds whose blocks have no name of their own: they are numbered.
const UNNAMED: &[&str] = &["import", "moved", "removed"];

/// A block under its address.
#[derive(Debug, Clone)]
pub(crate) struct Declared<'t> {
    pub(crate) address: Address,
    pub(crate) kind: &'static Kind,
    pub(crate) header: Span,
    pub(crate) parts: Parts<'t>,
    /// The whole block, and the partial blocks that are merged into it.
    pub(crate) spans: Vec<Span>,
}

/// An environment and what stands in it.
#[derive(Debug, Clone)]
pub(crate) struct EnvironmentBlock<'t> {
    pub(crate) declared: Declared<'t>,
    pub(crate) blocks: Vec<&'t Block>,
    /// The name as it stands in the tree, for origins.
    pub(crate) tag: Option<&'t str>,
}

/// Everything a project declares.
#[derive(Debug, Default)]
pub struct Index<'t> {
    pub(crate) declared: BTreeMap<Address, Declared<'t>>,
    /// Where the `project` block stands.
    project: Option<Span>,
    pub(crate) environments: BTreeMap<String, EnvironmentBlock<'t>>,
    pub(crate) locals: BTreeMap<String, (&'t Ident, &'t Expr)>,
    /// Labels of blocks that could not be read: what refers to them is not to blame.
    pub(crate) unread: BTreeSet<String>,
    /// Kinds of which a block has no name: whoever refers to it cannot be told that it is not there.
    pub(crate) nameless: BTreeSet<String>,
}

/// The names of the environments that the trees declare.
pub fn environments(trees: &[&Tree]) -> Vec<String> {
    let blocks = trees.iter().flat_map(|tree| &tree.body.blocks);
    let mut names: Vec<String> = blocks
        .filter(|block| block.kind.name == "environment")
        .filter_map(|block| block.labels.first().map(|label| label.name.clone()))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// What is meant by the first word of a block; a misspelt one is read as what it is near.
fn meaning(written: &str) -> &str {
    kinds::kind(written).or_else(|| meant_kind(written)).map_or(written, |kind| kind.name)
}

/// The name of a block that has none of its own.
fn numbered(kind: &Kind, number: usize) -> Address {
    Address::new(kind.name, &format!("n{number}"))
}

/// A block of the top level by itself, before the others are looked at.
#[derive(Default)]
struct Read<'t> {
    declared: Option<Declared<'t>>,
    diagnostics: Diagnostics,
}

impl<'t> Read<'t> {
    fn of(block: &'t Block) -> Self {
        if matches!(meaning(&block.kind.name), "locals" | "environment") {
            return Self::default();
        }
        let mut diagnostics = Diagnostics::new();
        let declared = read_block(block, None, 0, &mut diagnostics);
        Self { declared, diagnostics }
    }
}

impl<'t> Index<'t> {
    /// Reads all trees as one: order never matters.
    pub fn of(trees: &[&'t Tree], diagnostics: &mut Diagnostics) -> Self {
        let mut index = Self::default();
        let blocks: Vec<&'t Block> = trees.iter().flat_map(|tree| &tree.body.blocks).collect();
        let mut read = in_parallel(&blocks, blocks.len() >= WORTH, |&block| Read::of(block));
        for tree in trees {
            for attribute in &tree.body.attributes {
                diagnostics.push(
                    Diagnostic::error(
                        codes::UNKNOWN_BLOCK,
                        format!("`{}` stands outside any block", attribute.name.name),
                    )
                    .at(attribute.name.span, "only blocks can stand here")
                    .help("put it into a `locals` block, or into the block it belongs to"),
                );
            }
            for block in &tree.body.blocks {
                let read = read.next().unwrap_or_default();
                index.block(block, read, diagnostics);
            }
        }
        index
    }

    fn block(&mut self, block: &'t Block, mut read: Read<'t>, diagnostics: &mut Diagnostics) {
        let written = block.kind.name.as_str();
        let meant = meaning(written);
        if meant != written && matches!(meant, "locals" | "environment") {
            diagnostics.push(unknown_block(written, block.kind.span));
        }
        match meant {
            "locals" => self.locals(block, diagnostics),
            "environment" => self.environment(block, diagnostics),
            _ => {
                diagnostics.append(&mut read.diagnostics);
                let Some(mut declared) = read.declared else {
                    self.nameless.insert(block.kind.name.clone());
                    self.unread.extend(block.labels.iter().map(|label| label.name.clone()));
                    return;
                };
                if UNNAMED.contains(&declared.kind.name) {
                    declared.address = numbered(declared.kind, self.declared.len());
                }
                if declared.kind.name == "project" {
                    if let Some(first) = self.project {
                        let problem = Diagnostic::error(codes::DUPLICATE, "there are two `project` blocks");
                        diagnostics.push(
                            problem
                                .at(declared.header, "again here")
                                .see(first, "first here")
                                .help("keep one: all files of a directory are one project"),
                        );
                        return;
                    }
                    self.project = Some(declared.header);
                }
                match self.declared.entry(declared.address.clone()) {
                    Entry::Vacant(place) => drop(place.insert(declared)),
                    Entry::Occupied(first) => {
                        let name = declared.address.to_string();
                        diagnostics.push(twice(&name, declared.header, first.get().header));
                    }
                }
            }
        }
    }

    fn locals(&mut self, block: &'t Block, diagnostics: &mut Diagnostics) {
        for attribute in &block.body.attributes {
            let name = &attribute.name;
            if let Some((first, _)) = self.locals.get(&name.name) {
                diagnostics.push(twice(&format!("local.{}", name.name), name.span, first.span));
                continue;
            }
            self.locals.insert(name.name.clone(), (name, &attribute.expr));
        }
        for inner in &block.body.blocks {
            diagnostics.push(
                Diagnostic::error(codes::UNKNOWN_BLOCK, "`locals` holds attributes only")
                    .at(inner.header, "a block")
                    .help(format!("write `{} = {{ … }}`", inner.kind.name)),
            );
        }
    }

    fn environment(&mut self, block: &'t Block, diagnostics: &mut Diagnostics) {
        let Some(kind) = kinds::kind("environment") else { return };
        let (own, blocks): (Vec<&Block>, Vec<&Block>) =
            block.body.blocks.iter().partition(|inner| kind.attribute(&inner.kind.name).is_some());
        let Some(address) = address_of(block, kind, 0, diagnostics) else {
            self.unread.extend(block.labels.iter().map(|label| label.name.clone()));
            return;
        };
        let name = address.name.to_string();
        let mut reader = BodyReader { tag: None, diagnostics };
        let mut parts = reader.attributes(&block.body.attributes, &Expected::of(kind));
        for inner in own {
            reader.nested_block(&mut parts, inner, &Expected::of(kind));
        }
        if let Some(first) = self.environments.get(&name) {
            diagnostics.push(twice(&address.to_string(), block.header, first.declared.header));
            return;
        }
        let declared = Declared { address, kind, header: block.header, parts, spans: vec![block.span] };
        let tag = block.labels.first().map(|label| label.name.as_str());
        self.environments.insert(name, EnvironmentBlock { declared, blocks, tag });
    }
}

pub(crate) fn twice(what: &str, again: Span, first: Span) -> Diagnostic {
    Diagnostic::error(codes::DUPLICATE, format!("`{what}` is declared twice"))
        .at(again, "again here")
        .see(first, "first here")
        .help("give one of the two another name, or remove it")
}

/// Reads one block of a kind; `tag` names the environment it stands in.
pub(crate) fn read_block<'t>(
    block: &'t Block,
    tag: Option<&'t str>,
    number: usize,
    diagnostics: &mut Diagnostics,
) -> Option<Declared<'t>> {
    let name = block.kind.name.as_str();
    let kind = kinds::kind(name).or_else(|| {
        diagnostics.push(unknown_block(name, block.kind.span));
        meant_kind(name)
    })?;
    let address = address_of(block, kind, number, diagnostics)?;
    let parts = if kind.open {
        BodyReader { tag, diagnostics }.open_body(&block.body, &Expected::of(kind))
    } else {
        BodyReader { tag, diagnostics }.body(&block.body, &Expected::of(kind))
    };
    Some(Declared { address, kind, header: block.header, parts, spans: vec![block.span] })
}

fn unknown_block(name: &str, span: Span) -> Diagnostic {
    let holders = holders_of(name);
    let help = match (foreign(name), holders.as_slice()) {
        (Some(here), _) => format!("what other tools call so is a `{here}` here: `mlp explain {here}`"),
        (None, []) => one_of(name, KINDS.iter().map(|kind| kind.name)),
        (None, [one]) => format!("write it inside the `{one}` block that it is about"),
        (None, some) => format!("write it inside the block that it is about: {}", listed(some)),
    };
    Diagnostic::error(codes::UNKNOWN_BLOCK, format!("there is no block `{name}`"))
        .at(span, "not a block of the language")
        .help(help)
}

/// The blocks in which a block of this name stands.
fn holders_of(name: &str) -> Vec<&'static str> {
    let holds = |kind: &&&Kind| kind.attributes.iter().any(|one| one.name == name && is_block(&one.ty));
    KINDS.iter().filter(holds).map(|kind| kind.name).collect()
}

fn is_block(ty: &Ty) -> bool {
    match ty {
        Ty::Object(_) | Ty::Open(_) | Ty::Labelled(_) | Ty::MaybeLabelled(_) | Ty::Repeated(_) => true,
        Ty::OneOf(types) => types.iter().any(is_block),
        _ => false,
    }
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn labels_given(count: usize) -> String {
    match count {
        0 => "none stands".to_owned(),
        1 => "one stands".to_owned(),
        count => format!("{count} stand"),
    }
}

fn address_of(
    block: &Block,
    kind: &'static Kind,
    number: usize,
    diagnostics: &mut Diagnostics,
) -> Option<Address> {
    let given = block.labels.len();
    if given != kind.labels.len() {
        let wanted: String = kind.labels.iter().map(|label| format!(" \"{label}\"")).collect();
        let takes = match kind.labels.len() {
            0 => "no label".to_owned(),
            1 => "one label".to_owned(),
            count => format!("{count} labels"),
        };
        diagnostics.push(
            Diagnostic::error(
                codes::LABELS,
                format!("`{}` takes {takes}, and {} here", kind.name, labels_given(given)),
            )
            .at(block.header, "here")
            .help(format!("write `{}{wanted} {{ … }}`", kind.name)),
        );
        if given < kind.labels.len() {
            return None;
        }
    }
    let mut labels: Vec<Cow<'_, str>> = Vec::new();
    for label in block.labels.iter().take(kind.labels.len()) {
        if is_name(&label.name) {
            labels.push(Cow::Borrowed(&label.name));
        } else {
            diagnostics.push(
                Diagnostic::error(codes::LABELS, format!("`{}` cannot be a name", label.name))
                    .at(label.span, "here")
                    .help(format!(
                        "write `\"{}\"`: a name is made of letters, digits, `_` and `-`, and starts with a letter or `_`",
                        as_name(&label.name)
                    )),
            );
            labels.push(Cow::Owned(as_name(&label.name)));
        }
    }
    Some(match labels.as_slice() {
        [] if UNNAMED.contains(&kind.name) => numbered(kind, number),
        [] => Address::new(kind.name, ""),
        [name] => Address::new(kind.name, name),
        [ty, name, ..] if kind.name == "resource" => Address::new(ty, name),
        [first, second, ..] => Address::new(kind.name, &format!("{first}.{second}")),
    })
}

fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_' || c == '-')
}
