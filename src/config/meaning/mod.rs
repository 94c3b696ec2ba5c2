//! What the declarations mean together: names that one declares and another uses, artifacts and the steps that take them, columns
//! and the rules that name them, metrics and the gates that compare them.
//!
//! A rule is one file here and one line in `RULES`. It looks only at declarations in which nothing is wrong by itself, so that one
//! mistake is told once; and where something is undeclared it says nothing, but notes what could not be checked.

mod columns;
mod conditions;
mod gates;
mod members;
mod moves;
mod names;
mod params;
mod residency;
mod schema_file;
mod scopes;
mod settings;
mod signature;
#[cfg(test)]
mod tests;
mod traffic;
mod wiring;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use mlp_diag::{Diagnostic, Diagnostics, Span};
use mlp_eval::{PlanValue, Reference, reference_of};
use mlp_platform::Declaration;
use mlp_value::{Address, Path, Step};

use crate::check::inner_span;
use crate::codes;
use crate::evaluator::{Evaluator, QuotedAt};
use crate::source::{Entry, Source};

type Rule = fn(&Whole<'_, '_>);

/// Every rule.
const RULES: &[Rule] = &[
    members::check,
    names::check,
    settings::check,
    wiring::check,
    conditions::check,
    scopes::check,
    columns::check,
    signature::check,
    gates::check,
    traffic::check,
    residency::check,
    moves::check,
];

/// Whether one place lies in another.
pub(crate) fn encloses(whole: Span, inner: Span) -> bool {
    whole.file == inner.file && whole.start <= inner.start && inner.end <= whole.end
}

/// Whether any of these places, in the order of the text, lies in another.
pub(crate) fn any_within(sorted: &[Span], whole: Span) -> bool {
    let first = sorted.partition_point(|place| (place.file, place.start) < (whole.file, whole.start));
    sorted[first..]
        .iter()
        .take_while(|place| place.file == whole.file && place.start < whole.end)
        .any(|place| encloses(whole, *place))
}

/// All declarations of an environment, and where everything in them stands.
pub(crate) struct Whole<'a, 't> {
    evaluator: &'a Evaluator<'t>,
    all: &'a BTreeMap<Address, Declaration>,
    /// Those in which nothing is wrong by itself, by kind.
    by_kind: HashMap<&'static str, Vec<&'a Declaration>>,
    /// Those in which something is.
    spoilt: BTreeSet<&'a Address>,
    /// Expressions kept for later, by whose they are.
    quoted: BTreeMap<Address, Vec<QuotedAt>>,
    found: RefCell<Diagnostics>,
}

/// Checks what the declarations mean together.
pub(crate) fn check(
    evaluator: &Evaluator<'_>,
    declarations: &BTreeMap<Address, Declaration>,
    diagnostics: &mut Diagnostics,
) {
    let mut places: Vec<Span> = evaluator.diagnostics.borrow().iter().filter_map(Diagnostic::place).collect();
    places.sort_by_key(|place| (place.file, place.start));
    let wrong = |address: &&Address| {
        let spans = evaluator.instances.get(address).map(|one| one.declared.spans.as_slice());
        spans.is_some_and(|spans| spans.iter().any(|whole| any_within(&places, *whole)))
    };
    let spoilt =
        if places.is_empty() { BTreeSet::new() } else { declarations.keys().filter(wrong).collect() };
    let mut quoted: BTreeMap<Address, Vec<QuotedAt>> = BTreeMap::new();
    for one in evaluator.quoted.take() {
        quoted.entry(one.owner.clone()).or_default().push(one);
    }
    // Who asked first, and whether several did, is no matter.
    for all in quoted.values_mut() {
        all.sort_by(|left, right| left.at.cmp(&right.at));
        all.dedup_by(|left, right| left.at == right.at && left.expr == right.expr);
    }
    let mut by_kind: HashMap<&'static str, Vec<&Declaration>> = HashMap::new();
    for declaration in declarations.values().filter(|one| !spoilt.contains(&one.address)) {
        by_kind.entry(declaration.kind).or_default().push(declaration);
    }
    let whole = Whole { evaluator, all: declarations, by_kind, spoilt, quoted, found: RefCell::default() };
    RULES.iter().for_each(|rule| rule(&whole));
    diagnostics.append(&mut whole.found.into_inner());
}

impl<'a, 't> Whole<'a, 't> {
    /// The declarations of a kind in which nothing is wrong.
    fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = &'a Declaration> + use<'_, 'a, 't> {
        self.by_kind.get(kind).into_iter().flatten().copied()
    }

    /// Declarations in which nothing is wrong.
    fn sound(&self) -> impl Iterator<Item = &'a Declaration> {
        self.all.values().filter(|declaration| !self.spoilt.contains(&declaration.address))
    }

    /// A declaration, unless something is wrong in it.
    fn get(&self, address: &Address) -> Option<&'a Declaration> {
        self.all.get(address).filter(|declaration| !self.spoilt.contains(&declaration.address))
    }

    /// The declaration that a value refers to, and the words behind its address.
    fn behind(&self, value: &PlanValue) -> Option<(&'a Declaration, Reference)> {
        let reference = reference_of(value)?;
        Some((self.get(&reference.address)?, reference))
    }

    /// Expressions kept for later, in declarations in which nothing is wrong.
    fn quoted(&self) -> impl Iterator<Item = (&'a Declaration, &QuotedAt)> {
        let all = self.quoted.iter().filter_map(|(owner, all)| Some((self.get(owner)?, all)));
        all.flat_map(|(owner, all)| all.iter().map(move |one| (owner, one)))
    }

    /// Those of one declaration.
    fn quoted_of(&self, owner: &Declaration) -> &[QuotedAt] {
        self.quoted.get(&owner.address).map(Vec::as_slice).unwrap_or_default()
    }

    fn report(&self, diagnostic: Diagnostic) {
        self.found.borrow_mut().push(diagnostic);
    }

    /// Notes what could not be checked, for those who want to know.
    fn unchecked(&self, place: Option<Span>, what: impl Into<String>, way_out: &str) {
        let note = Diagnostic::warning(codes::UNCHECKED, format!("not checked: {}", what.into()))
            .at_opt(place, "nothing is declared to check it by")
            .help(way_out);
        self.evaluator.unchecked.borrow_mut().push(note);
    }

    /// Where a value of a declaration stands, as near as its text tells.
    fn place(&self, address: &Address, path: &Path) -> Option<Span> {
        place(self.evaluator, address, path)
    }

    /// Where the name of an attribute, of a key or of a block stands; else its value.
    fn name_place(&self, address: &Address, path: &Path) -> Option<Span> {
        let (entry, rest) = entry(self.evaluator, address, path)?;
        if rest.is_root() {
            return Some(entry.name);
        }
        match &entry.source {
            Source::Expr(expr, _) => key_span(expr, &rest).or(Some(expr.span)),
            other => Some(other.span()),
        }
    }
}

/// Where a value of a declaration stands, as near as its text tells.
pub(crate) fn place(evaluator: &Evaluator<'_>, address: &Address, path: &Path) -> Option<Span> {
    let (entry, rest) = entry(evaluator, address, path)?;
    Some(match &entry.source {
        Source::Expr(expr, _) => inner_span(expr, &rest).unwrap_or(expr.span),
        other => other.span(),
    })
}

/// The innermost entry that a path leads to, and what is left of the path in its expression.
fn entry<'e, 't>(
    evaluator: &'e Evaluator<'t>,
    address: &Address,
    path: &Path,
) -> Option<(&'e Entry<'t>, Path)> {
    let instance = evaluator.instances.get(address)?;
    let mut steps = path.steps().iter();
    let Some(Step::Field(first)) = steps.next() else { return None };
    let mut entry = instance.declared.parts.get(&**first)?;
    let mut rest = Path::default();
    for step in steps {
        match (&entry.source, step) {
            (Source::Parts(parts, ..), Step::Field(name)) if rest.is_root() => match parts.get(&**name) {
                Some(inner) => entry = inner,
                None => break,
            },
            (Source::Expr(..), step) => rest.push(step.clone()),
            _ => break,
        }
    }
    Some((entry, rest))
}

/// Where a key of a literal object stands.
fn key_span(expr: &mlp_syntax::Expr, path: &Path) -> Option<Span> {
    let Some(Step::Field(last)) = path.steps().last() else { return None };
    let object = path.parent()?;
    let span = if object.is_root() { expr.span } else { inner_span(expr, &object)? };
    // The object is found again by its place: `inner_span` gives places only.
    find_key(expr, span, last)
}

fn find_key(expr: &mlp_syntax::Expr, span: Span, name: &str) -> Option<Span> {
    use mlp_syntax::ExprKind;
    match &expr.kind {
        ExprKind::Object(items) if expr.span == span => items.iter().find_map(|(key, _)| match &key.kind {
            ExprKind::Text(text) | ExprKind::Name(text) if text == name => Some(key.span),
            _ => None,
        }),
        ExprKind::Object(items) => items.iter().find_map(|(_, value)| find_key(value, span, name)),
        ExprKind::List(items) => items.iter().find_map(|item| find_key(item, span, name)),
        ExprKind::Parens(inner) => find_key(inner, span, name),
        _ => None,
    }
}

/// The names of a list of texts, or the keys of an object.
fn names_of(value: Option<&PlanValue>) -> Vec<&str> {
    match value {
        Some(mlp_value::Value::List(items)) => items.iter().filter_map(mlp_value::Value::as_text).collect(),
        Some(mlp_value::Value::Object(items)) => items.keys().map(AsRef::as_ref).collect(),
        _ => Vec::new(),
    }
}
