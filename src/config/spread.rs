//! What lies in modules, after it was evaluated: paths of the project, and what holds of a call for all that is in it.

use std::collections::BTreeMap;

use mlp_eval::PlanValue;
use mlp_platform::{Declaration, Edge, EdgeKind};
use mlp_value::{Address, Path, Value};

use crate::evaluator::{Evaluator, Instance};
use crate::modules::rebased;

/// Attributes that hold paths, or addresses of another kind, and say by nothing which of the two.
const REBASED: &[(&str, &str)] = &[("dataset", "from"), ("source", "uri")];

/// Paths in a module are relative to it.
pub(crate) fn rebase_paths(evaluator: &Evaluator<'_>, instance: &Instance<'_>, body: &mut PlanValue) {
    let directory = evaluator.rooms.get(instance.room).map_or(".", |room| room.directory.as_str());
    let of_file = body.field("kind").is_none_or(|kind| kind.as_text() == Some("file"));
    let Value::Object(items) = body else { return };
    let name = REBASED.iter().find(|(kind, _)| *kind == instance.declared.kind.name).map(|(_, name)| *name);
    let Some(name) = name.filter(|_| directory != "." && of_file) else { return };
    let rebase = |value: &PlanValue| match value.as_text() {
        Some(text) => PlanValue::text(rebased(directory, text)),
        None => value.clone(),
    };
    if let Some(value) = std::sync::Arc::make_mut(items).get_mut(name) {
        let moved = match &*value {
            Value::List(items) => PlanValue::list(items.iter().map(rebase)),
            other => rebase(other),
        };
        *value = moved;
    }
}

/// Words of the language that give others their values, and are nothing themselves once these are known.
const INNER: &[&str] = &["output", "variable", "locals"];

/// What lies in a module is made with the provider that its call names, unless it names one itself; the innermost call wins.
fn providers(declarations: &mut BTreeMap<Address, Declaration>, inner: &BTreeMap<Address, Vec<Address>>) {
    let path = Path::of(&["provider"]);
    let named = |call: &Declaration| {
        let value = call.body.field("provider").filter(|value| !value.is_null())?.clone();
        Some((call.address.clone(), value, call.origins.of(&path).cloned()))
    };
    let mut calls: Vec<_> =
        declarations.values().filter(|one| one.kind == "module").filter_map(named).collect();
    calls.sort_by_key(|(call, ..)| std::cmp::Reverse(call.module.len()));
    for (call, value, origin) in calls {
        for address in inner.get(&call).into_iter().flatten() {
            let Some(found) = declarations.get_mut(address) else { continue };
            let common = mlp_platform::kinds::kind(found.kind).is_some_and(|kind| kind.common);
            let Value::Object(body) = &mut found.body else { continue };
            if !common || body.get("provider").is_some_and(|value| !value.is_null()) {
                continue;
            }
            std::sync::Arc::make_mut(body).insert("provider".into(), value.clone());
            if let Some(origin) = &origin {
                found.origins.0.insert(path.clone(), origin.clone());
            }
        }
    }
}

/// What holds of a module's call holds of everything in it; then the calls themselves are taken out.
pub(crate) fn spread(declarations: &mut BTreeMap<Address, Declaration>) {
    let mut inner: BTreeMap<Address, Vec<Address>> = BTreeMap::new();
    let lasting = |address: &&Address| !INNER.contains(&&*address.kind) && &*address.kind != "module";
    for address in declarations.keys().filter(lasting) {
        for call in address.enclosing() {
            let every = call.without_key();
            if every != call {
                inner.entry(every).or_default().push(address.clone());
            }
            inner.entry(call).or_default().push(address.clone());
        }
    }
    if inner.is_empty() {
        declarations.retain(|_, declaration| declaration.kind != "module");
        return;
    }
    let within = |call: &Address| inner.get(call).cloned().unwrap_or_default();
    let ordering = |declaration: &Declaration| {
        let edges = declaration.edges.iter().filter(|edge| edge.kind == EdgeKind::Ordering);
        edges.cloned().collect::<Vec<Edge>>()
    };
    providers(declarations, &inner);
    let calls: Vec<(Vec<Address>, Vec<Edge>)> = declarations
        .values()
        .filter(|declaration| declaration.kind == "module")
        .map(|call| (within(&call.address), ordering(call)))
        .collect();
    for (inner, edges) in calls {
        for address in inner {
            if let Some(declaration) = declarations.get_mut(&address) {
                declaration.edges.extend(edges.iter().cloned());
            }
        }
    }
    for declaration in declarations.values_mut() {
        let edges = std::mem::take(&mut declaration.edges);
        for edge in edges {
            if &*edge.to.kind != "module" {
                declaration.edges.push(edge);
                continue;
            }
            let inner = within(&edge.to).into_iter().filter(|to| *to != declaration.address);
            declaration.edges.extend(inner.map(|to| Edge { to, ..edge.clone() }));
        }
    }
    declarations.retain(|address, declaration| {
        declaration.kind != "module" && (address.module.is_empty() || !INNER.contains(&declaration.kind))
    });
}
