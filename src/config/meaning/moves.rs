//! `moved` and `removed` fit what is declared, and each other.

use std::collections::{BTreeMap, BTreeSet};

use mlp_diag::{Diagnostic, Span, one_of};
use mlp_platform::Declaration;
use mlp_platform::moves::{Move, address_in, lies_at};
use mlp_value::{Address, Path, Value};

use super::Whole;
use crate::codes;

/// Checks every `moved` and every `removed`.
pub(super) fn check(whole: &Whole<'_, '_>) {
    let moves: Vec<(Move, &Declaration)> =
        whole.of_kind("moved").filter_map(|one| Some((Move::of(one)?, one))).collect();
    let declared = declared(whole);
    let mut first: BTreeMap<&Address, &Declaration> = BTreeMap::new();
    for (said, declaration) in &moves {
        let problem = of_two_kinds(whole, said, declaration)
            .or_else(|| {
                still_declared(whole, &declared, (declaration, &said.from), |known| said.leaves(known))
            })
            .or_else(|| to_nothing(whole, &declared, (said, declaration), &moves))
            .or_else(|| {
                let other = first.insert(&said.from, declaration)?;
                Some(moved_twice(whole, said, declaration, other))
            });
        if let Some(problem) = problem {
            whole.report(problem);
        }
    }
    circles(whole, &moves);
    for declaration in whole.of_kind("removed") {
        let Some(from) = address_in(declaration, "from") else { continue };
        let problem = still_declared(whole, &declared, (declaration, &from), |known| lies_at(known, &from))
            .or_else(|| two_fates(whole, declaration));
        if let Some(problem) = problem {
            whole.report(problem);
        }
    }
}

fn at(whole: &Whole<'_, '_>, declaration: &Declaration, attribute: &str) -> Option<Span> {
    whole.place(&declaration.address, &Path::of(&[attribute]))
}

fn of_two_kinds(whole: &Whole<'_, '_>, said: &Move, declaration: &Declaration) -> Option<Diagnostic> {
    let (from, to) = (&said.from, &said.to);
    (from.kind != to.kind).then(|| {
        Diagnostic::error(codes::MOVED, format!("{from} cannot become {to}: they are of different kinds"))
            .at_opt(at(whole, declaration, "to"), format!("this is a {}", to.kind))
            .see_opt(at(whole, declaration, "from"), format!("this is a {}", from.kind))
            .help("declare it anew and remove the old one")
    })
}

/// Every address at which something lies: instances, what they are instances of, and the modules they are in.
fn declared(whole: &Whole<'_, '_>) -> BTreeSet<Address> {
    let mut all = BTreeSet::new();
    // Who declares a hundred thousand and moves nothing need not wait for it.
    if whole.of_kind("moved").chain(whole.of_kind("removed")).next().is_some() {
        for known in whole.evaluator.instances.keys() {
            let calls = known.enclosing();
            all.extend(calls.iter().map(Address::without_key));
            all.extend(calls);
            all.extend([known.without_key(), known.clone()]);
        }
    }
    all
}

fn still_declared(
    whole: &Whole<'_, '_>,
    declared: &BTreeSet<Address>,
    (declaration, from): (&Declaration, &Address),
    is_there: impl Fn(&Address) -> bool,
) -> Option<Diagnostic> {
    if !declared.contains(from) {
        return None;
    }
    let instances = &whole.evaluator.instances;
    let (_, known) = instances.iter().find(|(known, _)| is_there(known))?;
    let word = if declaration.kind == "moved" { "have moved" } else { "be removed" };
    Some(
        Diagnostic::error(codes::MOVED, format!("{from} is said to {word} and is still declared"))
            .at_opt(at(whole, declaration, "from"), "the address it had")
            .see(known.declared.header, "it is declared here")
            .help("take the declaration or this block away"),
    )
}

fn to_nothing(
    whole: &Whole<'_, '_>,
    declared: &BTreeSet<Address>,
    (said, declaration): (&Move, &Declaration),
    moves: &[(Move, &Declaration)],
) -> Option<Diagnostic> {
    let to = &said.to;
    let evaluator = whole.evaluator;
    let base = to.without_key();
    // What this environment does not have, or has no instance of, cannot be moved to: it will be ended under its new address.
    let is_known = declared.contains(to)
        || evaluator.repeated.contains(&base)
        || evaluator.elsewhere.contains_key(&base)
        || moves.iter().any(|(other, _)| other.takes(to).is_some());
    if is_known {
        return None;
    }
    let names: Vec<String> = evaluator.instances.keys().map(ToString::to_string).collect();
    Some(
        Diagnostic::error(codes::MOVED, format!("{to} is not declared"))
            .at_opt(at(whole, declaration, "to"), "the address it has")
            .help(one_of(&to.to_string(), names.iter().map(String::as_str))),
    )
}

fn moved_twice(
    whole: &Whole<'_, '_>,
    said: &Move,
    declaration: &Declaration,
    other: &Declaration,
) -> Diagnostic {
    Diagnostic::error(codes::MOVED, format!("{} is said to have moved to two addresses", said.from))
        .at_opt(at(whole, declaration, "to"), "to this one")
        .see_opt(at(whole, other, "to"), "and to this one")
        .help("keep one of the two blocks")
}

/// Each circle is told once, at the first of its blocks.
fn circles(whole: &Whole<'_, '_>, moves: &[(Move, &Declaration)]) {
    let mut told: BTreeSet<Address> = BTreeSet::new();
    for (said, declaration) in moves {
        let mut way: Vec<Address> = vec![said.from.clone()];
        let mut here = said.from.clone();
        while let Some(to) = moves.iter().find_map(|(one, _)| one.takes(&here)) {
            if to == said.from {
                if told.is_disjoint(&way.iter().cloned().collect()) {
                    whole.report(circle(whole, &way, declaration));
                }
                told.extend(way);
                break;
            }
            if way.contains(&to) {
                break;
            }
            way.push(to.clone());
            here = to;
        }
    }
}

fn circle(whole: &Whole<'_, '_>, way: &[Address], declaration: &Declaration) -> Diagnostic {
    let mut names: Vec<String> = way.iter().map(ToString::to_string).collect();
    names.extend(names.first().cloned());
    Diagnostic::error(codes::MOVED, format!("{} is said to have moved in a circle", way[0]))
        .at_opt(at(whole, declaration, "from"), names.join(" → "))
        .help("take one of these `moved` blocks away")
}

fn two_fates(whole: &Whole<'_, '_>, declaration: &Declaration) -> Option<Diagnostic> {
    let lifecycle = declaration.body.field("lifecycle")?;
    let word = lifecycle.field("on_destroy").and_then(Value::as_text)?;
    let truth = lifecycle.field("destroy").and_then(Value::as_bool)?;
    let place = |name: &str| whole.place(&declaration.address, &Path::of(&["lifecycle", name]));
    ((word == "delete") != truth).then(|| {
        Diagnostic::error(codes::MOVED, "`on_destroy` and `destroy` say different things")
            .at_opt(place("destroy"), format!("this says {truth}"))
            .see_opt(place("on_destroy"), format!("this says {word}"))
            .help("keep one of the two")
    })
}
