//! Partial blocks of an environment, merged into the declaration of the same address: by fields or whole as the attribute says,
//! `null` takes an attribute away, `remove` a block, and a changed variety replaces the whole.

use std::collections::{BTreeMap, BTreeSet};

use mlp_diag::{Diagnostic, Diagnostics, Span, one_of};
use mlp_platform::kinds;
use mlp_platform::schema::{Attribute, Kind, Merge, Ty};
use mlp_syntax::{Block, Expr, ExprKind};
use mlp_value::Address;

use crate::codes;
use crate::dynamic::Repeated;
use crate::index::{Declared, EnvironmentBlock, Index, read_block, twice};
use crate::meaning::encloses;
use crate::slips::UNUSABLE;
use crate::source::{Entry, Parts, Source, alternatives};

/// The declarations of an environment by address.
pub(crate) type Merged<'t> = BTreeMap<Address, Declared<'t>>;

/// A partial block as it was read.
struct Partial<'t> {
    declared: Declared<'t>,
    /// What it takes away, each with its place.
    remove: Vec<(&'t str, mlp_diag::Span)>,
}

/// The declarations of the index with the environment's partial blocks in them, and those that stand in other environments only.
pub(crate) fn merged<'t>(
    index: &Index<'t>,
    mut declared: Merged<'t>,
    environment: &EnvironmentBlock<'t>,
    diagnostics: &mut Diagnostics,
) -> (Merged<'t>, BTreeMap<Address, String>) {
    // What stands in this environment only.
    let mut only_here: BTreeSet<Address> = BTreeSet::new();
    let mut elsewhere = BTreeMap::new();
    let mut seen: BTreeMap<Address, Span> = BTreeMap::new();
    for (name, other) in &index.environments {
        let here = std::ptr::eq(other, environment);
        for (number, block) in other.blocks.iter().enumerate() {
            let mut own = Diagnostics::new();
            let found = read(block, other.tag, number, &mut own);
            if here {
                diagnostics.append(&mut own);
            }
            let Some(partial) = found else { continue };
            let address = &partial.declared.address;
            if !here {
                if only_here.contains(address) || !declared.contains_key(address) {
                    let why = format!("it is declared in environment `{name}` only");
                    elsewhere.insert(address.clone(), why);
                }
                continue;
            }
            if let Some(first) = seen.insert(address.clone(), partial.declared.header) {
                diagnostics.push(twice(&address.to_string(), partial.declared.header, first));
                continue;
            }
            match declared.get_mut(address) {
                None if address.name.split('.').any(|name| index.unread.contains(name)) => {
                    only_here.insert(address.clone());
                    declared.insert(address.clone(), partial.declared);
                }
                None => {
                    only_here.insert(address.clone());
                    whole(partial, &mut declared, diagnostics);
                }
                Some(base) => put_over(base, partial, diagnostics),
            }
        }
    }
    (declared, elsewhere)
}

/// A declaration of its own: there is nothing that it could take away.
fn whole<'t>(partial: Partial<'t>, declared: &mut Merged<'t>, diagnostics: &mut Diagnostics) {
    for (name, place) in partial.remove {
        diagnostics.push(
            Diagnostic::error(
                codes::PARTIAL,
                format!("`{name}` cannot be removed: `{}` is declared here only", partial.declared.address),
            )
            .at(place, "nothing to remove")
            .help("take it out of `remove`"),
        );
    }
    declared.insert(partial.declared.address.clone(), partial.declared);
}

/// Puts a partial block over the declaration of the same address.
fn put_over<'t>(base: &mut Declared<'t>, partial: Partial<'t>, diagnostics: &mut Diagnostics) {
    base.spans.extend(partial.declared.spans);
    // What is misspelt there may be what is removed here.
    let misspelt = |one: &Diagnostic| {
        let within = |place| base.spans.iter().any(|whole| encloses(*whole, place));
        one.code == codes::UNKNOWN_ATTRIBUTE && one.place().is_some_and(within)
    };
    let spoilt = diagnostics.iter().any(misspelt);
    for (path, place) in partial.remove {
        if let Err(problem) = remove(&mut base.parts, path)
            && !spoilt
        {
            let problem = problem.at(place, "nothing of that name").see(base.header, "declared here");
            diagnostics.push(problem);
        }
    }
    let kind = base.kind;
    if let (Some(old), Some(new)) = (base.parts.get("params"), partial.declared.parts.get("params")) {
        parameters(old, new, diagnostics);
    }
    merge(&mut base.parts, partial.declared.parts, &Shape::Kind(kind), diagnostics);
}

/// Takes an attribute or a block away; `step.judge` is a labelled one.
fn remove(parts: &mut Parts<'_>, path: &str) -> Result<(), Diagnostic> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let names: Vec<String> = parts.keys().cloned().collect();
    let gone = || {
        Diagnostic::error(codes::PARTIAL, format!("there is no `{first}` to remove"))
            .help(one_of(first, names.iter().map(String::as_str)))
    };
    match rest {
        None => parts.remove(first).map(drop).ok_or_else(gone),
        Some(rest) => match parts.get_mut(first).map(|entry| &mut entry.source) {
            Some(Source::Parts(inner, ..)) => remove(inner, rest),
            _ => Err(gone()),
        },
    }
}

/// An environment gives parameters other values; it brings no new ones and does not change their types.
fn parameters(old: &Entry<'_>, new: &Entry<'_>, diagnostics: &mut Diagnostics) {
    let (Source::Parts(old_parts, ..), Source::Parts(new_parts, ..)) = (&old.source, &new.source) else {
        return;
    };
    for (name, given) in new_parts {
        let Some(declared) = old_parts.get(name) else {
            diagnostics.push(
                Diagnostic::error(
                    codes::PARTIAL,
                    format!("there is no parameter `{name}` to give another value"),
                )
                .at(given.name, "not declared")
                .see(old.name, "the parameters that there are")
                .help(one_of(name, old_parts.keys().map(String::as_str))),
            );
            continue;
        };
        let (Some(was), Some(is)) = (literal(&declared.source), literal(&given.source)) else { continue };
        if was != is {
            diagnostics.push(
                Diagnostic::error(
                    codes::WRONG_TYPE,
                    format!("the parameter `{name}` is a {was}, and this is a {is}"),
                )
                .at(given.source.span(), format!("a {is}"))
                .see(declared.source.span(), format!("declared as a {was}"))
                .help(format!("give it a {was}")),
            );
        }
    }
}

/// The type of what is written as it is; `None` for what is computed, and for null.
fn literal(source: &Source<'_>) -> Option<&'static str> {
    let Source::Expr(expr, _) = source else { return None };
    match &expr.kind {
        ExprKind::Bool(_) => Some("bool"),
        ExprKind::Number(_) => Some("number"),
        ExprKind::Text(_) | ExprKind::Template(_) => Some("string"),
        ExprKind::List(_) => Some("list"),
        ExprKind::Object(_) => Some("map"),
        _ => None,
    }
}

fn read<'t>(
    block: &'t Block,
    tag: Option<&'t str>,
    number: usize,
    diagnostics: &mut Diagnostics,
) -> Option<Partial<'t>> {
    if kinds::kind(&block.kind.name).is_some_and(|kind| !kind.partial) {
        diagnostics.push(
            Diagnostic::error(
                codes::PARTIAL,
                format!("a `{}` cannot stand in an environment", block.kind.name),
            )
            .at(block.header, "here")
            .help("declare it at the top level"),
        );
        return None;
    }
    // `remove` is a word of partial blocks alone: it is taken out before the body meets its schema.
    let mut before = Diagnostics::new();
    let declared = read_block(block, tag, number, &mut before);
    let removal = block.body.attributes.iter().find(|attribute| attribute.name.name == "remove");
    let mut remove = Vec::new();
    if let Some(attribute) = removal {
        before.retain(|diagnostic| diagnostic.place() != Some(attribute.name.span));
        remove = removals(attribute, &mut before);
    }
    diagnostics.append(&mut before);
    declared.map(|declared| Partial { declared, remove })
}

/// The names in `remove`.
fn removals<'t>(
    attribute: &'t mlp_syntax::Attribute,
    diagnostics: &mut Diagnostics,
) -> Vec<(&'t str, mlp_diag::Span)> {
    let wrong = |expr: &Expr| {
        Diagnostic::error(codes::PARTIAL, "`remove` takes a list of names")
            .at(expr.span, "")
            .help("write `remove = [\"queue\"]`")
    };
    let ExprKind::List(items) = &attribute.expr.kind else {
        diagnostics.push(wrong(&attribute.expr));
        return Vec::new();
    };
    let mut found = Vec::new();
    for item in items {
        match &item.kind {
            ExprKind::Text(name) => found.push((name.as_str(), item.span)),
            _ => diagnostics.push(wrong(item)),
        }
    }
    found
}

fn is_null(source: &Source<'_>) -> bool {
    matches!(source, Source::Expr(Expr { kind: ExprKind::Null, .. }, _))
}

/// The words that tell one variety of a thing from another: a change of them replaces the whole.
const DISCRIMINANTS: &[&str] = &["kind", "engine"];

/// What the parts of something are, and so how each of them is merged.
enum Shape {
    /// The attributes of a block.
    Kind(&'static Kind),
    /// Named attributes.
    Attributes(&'static [Attribute]),
    /// Blocks by label, each with these attributes.
    Labels(&'static [Attribute]),
    /// Values of one type by free keys.
    Keys(&'static Ty),
    /// Attributes that nothing is known of.
    Unknown,
}

impl Shape {
    fn of(ty: &'static Ty) -> Self {
        let shapes = alternatives(ty).into_iter().find_map(|option| match option {
            Ty::Object(attributes) | Ty::Open(attributes) => Some(Self::Attributes(attributes)),
            Ty::Labelled(attributes) | Ty::MaybeLabelled(attributes) => Some(Self::Labels(attributes)),
            Ty::Map(item) => Some(Self::Keys(item)),
            _ => None,
        });
        shapes.unwrap_or(Self::Unknown)
    }

    /// How a part of that name is merged, and what its own parts are.
    fn part(&self, name: &str) -> (Merge, Self) {
        let attribute = |found: Option<&'static Attribute>| match found {
            Some(found) => (found.merge, Self::of(&found.ty)),
            None => (Merge::Whole, Self::Unknown),
        };
        match self {
            Self::Kind(kind) => attribute(kind.attribute(name)),
            Self::Attributes(all) => attribute(all.iter().find(|attribute| attribute.name == name)),
            Self::Labels(attributes) => (Merge::Fields, Self::Attributes(attributes)),
            Self::Keys(item) => {
                let merge =
                    if matches!(item, Ty::Object(_) | Ty::Map(_)) { Merge::Fields } else { Merge::Whole };
                (merge, Self::of(item))
            }
            Self::Unknown => (Merge::Fields, Self::Unknown),
        }
    }
}

/// Merges a partial block into the parts of the declaration of the same address.
fn merge<'t>(base: &mut Parts<'t>, partial: Parts<'t>, shape: &Shape, diagnostics: &mut Diagnostics) {
    for (name, entry) in partial {
        let (how, inner) = shape.part(&name);
        let fields = how == Merge::Fields;
        if is_null(&entry.source) {
            base.remove(&name);
            continue;
        }
        match (base.get_mut(&name), entry) {
            (
                Some(Entry { source: Source::Parts(old, ..), .. }),
                Entry { source: Source::Parts(new, ..), .. },
            ) if fields && !changes_discriminant(old, &new) => {
                merge(old, new, &inner, diagnostics);
            }
            (Some(Entry { source: Source::Repeated(old), .. }), Entry { source, .. }) if fields => {
                merge_made(old, source, &inner, diagnostics);
            }
            (
                Some(old @ Entry { source: Source::Parts(..), .. }),
                Entry { source: Source::Repeated(mut new), .. },
            ) if fields => {
                let mut both = Repeated { fixed: Some(old.source.clone()), made: Vec::new(), span: new.span };
                if let Some(fixed) = new.fixed.take() {
                    merge_made(&mut both, fixed, &inner, diagnostics);
                }
                both.made = new.made;
                old.source = Source::Repeated(Box::new(both));
            }
            // Nobody knows what it would have been.
            (Some(old), new) if is_unusable(&old.source) || is_unusable(&new.source) => {}
            // Only what is written as an object has fields to merge by: the two would replace each other unseen.
            (Some(old), new)
                if fields
                    && !matches!(shape, Shape::Unknown)
                    && is_computed(&old.source) != is_computed(&new.source) =>
            {
                diagnostics.push(
                    Diagnostic::error(codes::PARTIAL, format!("`{name}` cannot be merged by its fields"))
                        .at(new.source.span(), "set for this environment")
                        .see(old.source.span(), "declared here")
                        .note(format!("`{name}` is merged field by field, and one of the two is computed as a whole"))
                        .help("write both as objects `{ … }`, or compute the difference inside the declaration from `target.name`"),
                );
            }
            // What is no object at all is refused where it stands, in every environment alike.
            (Some(old), Entry { source: Source::Parts(..), .. })
                if fields && literal(&old.source).is_some() => {}
            (_, entry) => {
                base.insert(name, entry);
            }
        }
    }
}

/// Merges what an environment writes into blocks of which some are made: by label, into the written ones. What is made under a
/// label that an environment writes is merged with it when it is made.
fn merge_made<'t>(old: &mut Repeated<'t>, new: Source<'t>, shape: &Shape, diagnostics: &mut Diagnostics) {
    match (new, &mut old.fixed) {
        (Source::Parts(new, ..), Some(Source::Parts(fixed, ..))) => {
            merge(fixed, new, shape, diagnostics);
        }
        (Source::Repeated(new), _) => {
            if let Some(fixed) = new.fixed {
                merge_made(old, fixed, shape, diagnostics);
            }
            old.made.extend(new.made);
        }
        (new, fixed) => *fixed = Some(new),
    }
}

/// Merges parts of which nothing is known but that they have names.
pub(crate) fn merge_fields<'t>(base: &mut Parts<'t>, partial: Parts<'t>) {
    merge(base, partial, &Shape::Unknown, &mut Diagnostics::new());
}

/// Whether an object is computed: a reference, a call, a choice.
fn is_computed(source: &Source<'_>) -> bool {
    matches!(source, Source::Expr(..)) && literal(source).is_none() && !is_null(source)
}

/// Whether it stands for a name that is misspelt, which was told already.
fn is_unusable(source: &Source<'_>) -> bool {
    matches!(source, Source::Expr(expr, _) if std::ptr::eq(*expr, &raw const UNUSABLE))
}

fn changes_discriminant(old: &Parts<'_>, new: &Parts<'_>) -> bool {
    DISCRIMINANTS.iter().any(|word| match (old.get(*word), new.get(*word)) {
        (
            Some(Entry { source: Source::Expr(old, _), .. }),
            Some(Entry { source: Source::Expr(new, _), .. }),
        ) => old.kind != new.kind,
        _ => false,
    })
}
