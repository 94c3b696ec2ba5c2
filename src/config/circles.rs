//! Parts of a declaration that wait for each other: steps of a pipeline, nodes of an endpoint's graph.

use std::collections::{BTreeMap, BTreeSet};

use mlp_diag::{Diagnostic, Diagnostics};
use mlp_eval::{PlanValue, reference_of};
use mlp_platform::{Declaration, Origin};
use mlp_value::order::in_order;
use mlp_value::{Address, Path};

use crate::codes;

/// Kinds whose parts hand on to each other: the kind, where the parts are, and the word they are named by.
const PARTS: &[(&str, &str, &str)] = &[("pipeline", "step", "step"), ("endpoint", "graph.node", "node")];

/// For each part those it waits for, each with the path that says so.
type Waits = BTreeMap<String, Vec<(String, Path)>>;

/// Checks every declaration that has such parts.
pub(crate) fn check(declarations: &BTreeMap<Address, Declaration>, diagnostics: &mut Diagnostics) {
    for declaration in declarations.values() {
        for (_, parts, word) in PARTS.iter().filter(|(kind, ..)| *kind == declaration.kind) {
            let Ok(path) = parts.parse::<Path>() else { continue };
            let waits = waits(declaration, &path, word);
            if let Some(round) = round(&waits) {
                diagnostics.push(told(declaration, word, &round));
            }
        }
    }
}

fn waits(declaration: &Declaration, at: &Path, word: &str) -> Waits {
    let mut waits = Waits::new();
    let Some(parts) = declaration.body.get(at).and_then(PlanValue::as_object) else { return waits };
    for (name, part) in parts.iter() {
        let mut named = Vec::new();
        part.walk(&mut |below, value| {
            let Some(reference) = reference_of(value) else { return };
            if let [first, other, ..] = reference.path.as_slice()
                && reference.address == declaration.address
                && first == word
            {
                let path = below.steps().iter().fold(at.field(name), |mut path, step| {
                    path.push(step.clone());
                    path
                });
                named.push((other.clone(), path));
            }
        });
        waits.insert(name.to_string(), named);
    }
    waits
}

/// The first way round, as the edges on it.
fn round(waits: &Waits) -> Option<Vec<(String, String, Path)>> {
    // What nothing unfinished stands before is finished; what stays lies on a way round, or behind one.
    let names: Vec<&String> = waits.keys().collect();
    let place = |(other, _): &(String, Path)| names.binary_search(&other).ok();
    let places: Vec<Vec<usize>> =
        waits.values().map(|named| named.iter().filter_map(place).collect()).collect();
    let left: BTreeSet<&String> = in_order(&places).1.into_iter().map(|at| names[at]).collect();
    let mut way: Vec<(String, String, Path)> = Vec::new();
    let mut at = (*left.first()?).clone();
    loop {
        let (next, path) = waits[&at].iter().find(|(other, _)| left.contains(other))?;
        way.push((at.clone(), next.clone(), path.clone()));
        if let Some(start) = way.iter().position(|(from, ..)| from == next) {
            return Some(way.split_off(start));
        }
        at.clone_from(next);
    }
}

fn told(declaration: &Declaration, word: &str, round: &[(String, String, Path)]) -> Diagnostic {
    let names: Vec<&str> = round.iter().map(|(from, ..)| from.as_str()).collect();
    let headline = match names.as_slice() {
        [one] => format!("{word} `{one}` of `{}` waits for itself", declaration.address),
        _ => format!("{word}s of `{}` wait for each other: {}", declaration.address, names.join(", ")),
    };
    let mut problem = Diagnostic::error(codes::CYCLE, headline);
    for (at, (from, to, path)) in round.iter().enumerate() {
        let span = declaration.origins.of(path).and_then(Origin::span);
        let text = format!("`{from}` waits for `{to}`");
        problem = match span {
            Some(span) if at > 0 => problem.see(span, text),
            span => problem.at_opt(span, text),
        };
    }
    problem.on(&declaration.address, &round[0].2).help(format!("let one {word} take something else"))
}
