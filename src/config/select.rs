//! Which declarations an environment has: `environments` of each, `only` (with what it refers to) and `except`; and that nothing
//! that stays refers to what is left out.

use std::collections::{BTreeMap, BTreeSet};

use mlp_diag::{Diagnostic, Diagnostics, Span};
use mlp_eval::{PlanValue, reference_of};
use mlp_platform::Declaration;
use mlp_value::{Address, Path, Value};

use crate::codes;

/// Kinds that belong to the specification itself: `only` never leaves them out.
const ALWAYS: &[&str] = &["project", "provider", "variable", "environment", "team", "moved", "removed"];

/// Kinds that speak of all environments at once: what they name need not be in this one.
const BEYOND: &[&str] = &["promotion", "product"];

/// Rules: they come along with what they are about, and bring nothing.
const RULES: &[(&str, &str)] = &[("budget", "scope"), ("access", "on"), ("policy", "applies")];

fn listed(value: Option<&PlanValue>) -> Option<BTreeSet<Address>> {
    let items = value?.as_list()?;
    Some(items.iter().filter_map(|item| reference_of(item).map(|reference| reference.address)).collect())
}

/// Whether an address, or a module that it lies in, is among those listed.
fn covers(listed: &BTreeSet<Address>, address: &Address) -> bool {
    if listed.is_empty() {
        return false;
    }
    let mut all = address.enclosing();
    all.push(address.clone());
    all.iter().any(|one| listed.contains(one) || listed.contains(&one.without_key()))
}

/// Why something is not here.
enum Gone {
    /// `environments` of the declaration names others.
    Elsewhere,
    /// The environment's `except`.
    Excepted,
}

/// What an environment leaves out, and what is to be said of what it has.
pub(crate) struct Selected {
    /// References to what is left out.
    pub(crate) problems: Diagnostics,
    /// What comes along with `only`.
    pub(crate) notes: Diagnostics,
}

/// Where something stands in a declaration.
pub(crate) type Places<'p> = &'p dyn Fn(&Address, &Path) -> Option<Span>;

/// Removes what the environment does not have.
pub(crate) fn select(
    environment: &Declaration,
    declarations: &mut BTreeMap<Address, Declaration>,
    places: Places<'_>,
) -> Selected {
    let body = &environment.body;
    let except = listed(body.field("except")).unwrap_or_default();
    let mut gone: BTreeMap<Address, (Gone, Span)> = BTreeMap::new();
    for declaration in declarations.values() {
        let here = listed(declaration.body.field("environments"));
        let why = if here.is_some_and(|only| !only.contains(&environment.address)) {
            Gone::Elsewhere
        } else if covers(&except, &declaration.address) {
            Gone::Excepted
        } else {
            continue;
        };
        gone.insert(declaration.address.clone(), (why, declaration.header));
    }
    if !gone.is_empty() {
        let before: BTreeSet<Address> = declarations.keys().cloned().collect();
        declarations.retain(|address, _| !gone.contains_key(address));
        // What lies in a module goes with it.
        let there: BTreeSet<Address> = declarations.keys().cloned().collect();
        declarations.retain(|address, _| {
            address.enclosing().iter().all(|call| there.contains(call) || !before.contains(call))
        });
    }
    let mut notes = Diagnostics::new();
    if let Some(only) = listed(body.field("only")) {
        notes.extend(keep_only(environment, &only, declarations, places));
    }
    let problems = match gone.is_empty() {
        true => Diagnostics::new(),
        false => left_out(environment, declarations, &gone, places),
    };
    Selected { problems, notes }
}

/// What of a declaration names what it is about, without needing it.
fn is_scope(declaration: &Declaration, at: &Path) -> bool {
    let first = match at.steps().first() {
        Some(mlp_value::Step::Field(name)) => &**name,
        _ => return false,
    };
    first == "environments" || RULES.iter().any(|(kind, scope)| *kind == declaration.kind && *scope == first)
}

/// References to what the environment leaves out, each where it stands.
fn left_out(
    environment: &Declaration,
    declarations: &BTreeMap<Address, Declaration>,
    gone: &BTreeMap<Address, (Gone, Span)>,
    places: Places<'_>,
) -> Diagnostics {
    let mut problems = Diagnostics::new();
    for declaration in declarations.values().filter(|one| !BEYOND.contains(&one.kind)) {
        let mut told: BTreeSet<&Address> = BTreeSet::new();
        for edge in declaration.edges.iter().filter(|edge| !is_scope(declaration, &edge.at)) {
            let Some((why, header)) = gone.get(&edge.to) else { continue };
            if !told.insert(&edge.to) {
                continue;
            }
            let mut problem = Diagnostic::error(
                codes::UNKNOWN_NAME,
                format!("`{}` is not part of environment `{}`", edge.to, environment.address.name),
            )
            .at_opt(places(&declaration.address, &edge.at).or(Some(declaration.header)), "needed here");
            let except = places(&environment.address, &Path::of(&["except"]));
            problem = match (why, except) {
                (Gone::Excepted, Some(except)) => problem.see(except, "left out here"),
                (Gone::Elsewhere, _) | (Gone::Excepted, None) => {
                    problem.see(*header, "kept to other environments")
                }
            };
            problems.push(problem.help(format!(
                "leave `{}` out too, or give it another value in this environment",
                declaration.address
            )));
        }
    }
    problems
}

/// Keeps what is listed and what it refers to; says what came along.
fn keep_only(
    environment: &Declaration,
    only: &BTreeSet<Address>,
    declarations: &mut BTreeMap<Address, Declaration>,
    places: Places<'_>,
) -> Option<Diagnostic> {
    let asked: BTreeSet<Address> =
        declarations.keys().filter(|address| covers(only, address)).cloned().collect();
    let mut keep: BTreeSet<Address> = BTreeSet::new();
    let mut open: Vec<Address> = asked.iter().cloned().collect();
    while let Some(address) = open.pop() {
        if let Some(declaration) = declarations.get(&address)
            && keep.insert(address.clone())
        {
            open.extend(declaration.edges.iter().map(|edge| edge.to.clone()));
            if declaration.kind == "module" {
                open.extend(declarations.keys().filter(|one| one.enclosing().contains(&address)).cloned());
            }
        }
    }
    let about = |declaration: &Declaration| {
        let Some((_, attribute)) = RULES.iter().find(|(kind, _)| *kind == declaration.kind) else {
            return false;
        };
        let Some(scope) = declaration.body.field(attribute).filter(|scope| !scope.is_null()) else {
            return true;
        };
        let kinds = |name: &str| keep.iter().any(|address| *address.kind == *name);
        let one = |item: &PlanValue| match reference_of(item) {
            Some(reference) => keep.contains(&reference.address),
            None => item.as_text().is_some_and(kinds),
        };
        scope.as_list().map_or_else(|| one(scope), |items| items.iter().any(one))
    };
    // An output of what is not here has no value, and what is taken over must be here.
    let follows = |declaration: &Declaration| match declaration.kind {
        "output" => declaration.edges.iter().all(|edge| keep.contains(&edge.to) || !edge_matters(edge)),
        "import" => {
            let to = declaration.body.field("to").and_then(Value::as_text);
            to.and_then(|to| to.parse::<Address>().ok()).is_some_and(|to| keep.contains(&to))
        }
        _ => false,
    };
    let rules: BTreeSet<Address> =
        declarations.values().filter(|one| about(one)).map(|one| one.address.clone()).collect();
    let followers: BTreeSet<Address> =
        declarations.values().filter(|one| follows(one)).map(|one| one.address.clone()).collect();
    declarations.retain(|address, _| {
        keep.contains(address)
            || rules.contains(address)
            || followers.contains(address)
            || ALWAYS.contains(&&*address.kind)
    });
    for rule in &rules {
        if let Some(declaration) = declarations.get_mut(rule) {
            declaration.edges.retain(|edge| keep.contains(&edge.to));
        }
    }
    let quiet = |address: &&Address| !asked.contains(*address) && !ALWAYS.contains(&&*address.kind);
    let brought: Vec<String> =
        keep.iter().chain(&rules).filter(quiet).map(|one| format!("`{one}`")).collect();
    if brought.is_empty() {
        return None;
    }
    let span = places(&environment.address, &Path::of(&["only"]));
    let count = brought.len();
    Some(
        Diagnostic::note_only(
            codes::BROUGHT,
            format!("with what environment `{}` asks for come {count} more", environment.address.name),
        )
        .at_opt(span, "what they are needed by, or about")
        .note(brought.join(", ")),
    )
}

/// Whether an edge leads to something that may be left out.
fn edge_matters(edge: &mlp_platform::Edge) -> bool {
    !ALWAYS.contains(&&*edge.to.kind) && &*edge.to.kind != "locals"
}
