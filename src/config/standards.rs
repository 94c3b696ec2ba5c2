//! Standards: packs of components, checks and rules that an organisation shares, read from a directory like a module without inputs.

use std::collections::{BTreeMap, BTreeSet};

use mlp_diag::{Diagnostic, Span, one_of};
use mlp_eval::{Reference, Resolved, TraversalStep};
use mlp_platform::{Declaration, kinds};
use mlp_syntax::{Expr, ExprKind};
use mlp_value::facts::Need;
use mlp_value::{Address, Key};

use crate::codes;
use crate::evaluator::Evaluator;
use crate::index::{Declared, Index};
use crate::resolve::literal_text;
use crate::scope::{NameScope, followup};
use crate::source::{Entry, Source};
use crate::versions;

/// What a standard may hold; `locals`, `output` and `variable` beside it give names to values.
const HELD: &[&str] =
    &["check", "component", "entity", "output", "package", "policy", "runtime", "team", "variable"];

/// What a gate asks of a check.
const PASSED: &str = "passed";

/// What every environment has of a standard, whether or not something refers to it.
const RULES: &[&str] = &["policy"];

/// The directory a standard is read from.
///
/// # Errors
/// It names no directory that this program reads.
pub(crate) fn source<'t>(declared: &Declared<'t>) -> Result<(String, Span), Box<Diagnostic>> {
    let Some(Entry { source: Source::Expr(Expr { kind: ExprKind::Text(text), span }, _), .. }) =
        declared.parts.get("source")
    else {
        let entry = declared.parts.get("source").map(|entry| &entry.source);
        let at = entry.map_or(declared.header, Source::span);
        let literal = |expr: &Expr| {
            matches!(
                expr.kind,
                ExprKind::Number(_) | ExprKind::Bool(_) | ExprKind::List(_) | ExprKind::Object(_)
            )
        };
        // What is no text at all is told where its type is checked.
        if entry.is_some_and(|source| !matches!(source, Source::Expr(expr, _) if !literal(expr))) {
            return Err(Box::new(followup(format!("`{}` names no source", declared.address), Some(at))));
        }
        return Err(Box::new(
            Diagnostic::error(codes::MODULE, format!("`{}` names no source", declared.address))
                .at(at, "plain text is needed here: it is read before anything is computed")
                .help("write `source = \"./vendor/name\"`"),
        ));
    };
    Ok((text.clone(), *span))
}

/// What is wrong with what a standard holds.
pub(crate) fn held(declared: &Declared<'_>, index: &Index<'_>) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for inner in index.declared.values().filter(|inner| !HELD.contains(&inner.kind.name)) {
        problems.push(
            Diagnostic::error(codes::MODULE, format!("`{}` cannot stand in a standard", inner.kind.name))
                .at(inner.header, "declared here")
                .see(declared.header, "read as a standard")
                .help("a standard holds what others use: components, runtimes, checks, policies, entities, teams and outputs; what makes things is a `module`"),
        );
    }
    problems.extend(version(declared, index));
    problems
}

/// The version that is asked for, and the one that the pack says it has.
fn version(declared: &Declared<'_>, index: &Index<'_>) -> Option<Diagnostic> {
    let asked = declared.parts.get("version")?;
    let demand = literal_text(Some(asked))?;
    let package = index.declared.values().find(|inner| inner.kind.name == "package");
    let said =
        package.and_then(|package| Some((package.header, literal_text(package.parts.get("version"))?)));
    let wrong = |headline: String| {
        Diagnostic::error(codes::MODULE, headline).at(asked.source.span(), "asked for here")
    };
    let Some((header, found)) = said else {
        let headline = format!("`{}` says no version, and `{demand}` is asked for", declared.address);
        return Some(
            wrong(headline).help("add `package { version = … }` to the standard, or take `version` out here"),
        );
    };
    match versions::accepts(&demand, &found) {
        Ok(true) => None,
        Ok(false) => Some(
            wrong(format!("`{}` has version {found}, and `{demand}` is asked for", declared.address))
                .see(header, "this version")
                .help(format!("ask for what is there: `version = \"{found}\"`; or put the other version into the directory")),
        ),
        // That it is no demand is told where its form is checked.
        Err(_) => None,
    }
}

impl<'t> Evaluator<'t> {
    /// Whether a directory that nobody gave the files of may still be there: the host is asked, and until it answers nothing
    /// is said.
    pub(crate) fn may_be_there(&self, directory: &str) -> bool {
        let need = Need::Digest(directory.to_owned());
        self.facts.ask(need, &mut self.needs.borrow_mut()).is_none()
    }
}

impl NameScope<'_, '_> {
    /// What stands behind the name of a standard that was read: something it holds, or one of its outputs; `None` where it was
    /// not read.
    pub(crate) fn of_standard(
        &self,
        pack: &Address,
        rest: &[TraversalStep],
        span: Option<Span>,
    ) -> Result<Option<Resolved>, Diagnostic> {
        if !self.evaluator().packs.contains(pack) {
            return Ok(None);
        }
        let word = |at: usize| match rest.get(at) {
            Some(TraversalStep::Attr(name)) => Some(&**name),
            _ => None,
        };
        let Some(first) = word(0) else { return Ok(None) };
        let held = kinds::kind(first).filter(|kind| HELD.contains(&kind.name) && kind.name != "output");
        let Some((kind, name)) = held.zip(word(1)) else {
            return self.given_by(pack, first, &rest[1..], span).map(Some);
        };
        let module = pack.inside();
        let mut address = Address::within(module.clone(), kind.name, name);
        let mut used = 2;
        if self.evaluator().repeated.contains(&address) {
            let key = match rest.get(2) {
                Some(TraversalStep::Key(key)) => Some(Key::Text(key.clone())),
                Some(TraversalStep::Index(index)) => Some(Key::Index(*index)),
                _ => None,
            };
            if let Some(key) = key {
                address = address.with_key(key);
                used = 3;
            }
        }
        if !self.evaluator().instances.contains_key(&address) {
            let known = self.evaluator().instances.keys();
            let names: Vec<&str> = known
                .filter(|known| known.module == module && known.kind == address.kind)
                .map(|known| &*known.name)
                .collect();
            return Err(Diagnostic::error(
                codes::UNKNOWN_NAME,
                format!("`{pack}` has no {} `{name}`", kind.name),
            )
            .at_opt(span, "not in the standard")
            .help(one_of(name, names.iter().copied())));
        }
        // Whether a check passes is known when it was run.
        if kind.name == "check" && word(used) == Some(PASSED) && rest.len() == used + 1 {
            let value = Reference { address, path: vec![PASSED.to_owned()] }.to_value();
            return Ok(Some(Resolved::plain(value, rest.len(), false)));
        }
        let found = self.part_of(&address, kind, &rest[used..], span)?;
        Ok(Some(Resolved { consumed: used + found.consumed, ..found }))
    }
}

/// Takes out of the declarations what a standard holds and nothing refers to, and the standards themselves.
pub(crate) fn prune(packs: &BTreeSet<Address>, declarations: &mut BTreeMap<Address, Declaration>) {
    if packs.is_empty() {
        return;
    }
    let modules: Vec<_> = packs.iter().map(Address::inside).collect();
    let held = |address: &Address| modules.iter().any(|module| address.module.starts_with(module));
    let rule = |one: &Declaration| RULES.contains(&one.kind);
    let starts = declarations.values().filter(|one| !held(&one.address) || rule(one));
    let mut open: Vec<Address> = starts.map(|one| one.address.clone()).collect();
    let mut keep: BTreeSet<Address> = BTreeSet::new();
    while let Some(address) = open.pop() {
        if let Some(found) = declarations.get(&address)
            && keep.insert(address)
        {
            open.extend(found.edges.iter().map(|edge| edge.to.clone()));
        }
    }
    declarations.retain(|address, _| keep.contains(address) && !packs.contains(address));
}
