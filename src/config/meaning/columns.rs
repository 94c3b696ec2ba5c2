//! Columns that rules name: those of a dataset's own quality and protection, of what joins to it, and of what is keyed by it.

use mlp_diag::{Diagnostic, Span, one_of};
use mlp_platform::Declaration;
use mlp_platform::schema::Scope;
use mlp_value::{Path, Value};

use super::schema_file::{Columns, columns, texts};
use super::scopes::{each, words};
use super::{Whole, names_of};
use crate::codes;

/// Checks every column that something names.
pub(super) fn check(whole: &Whole<'_, '_>) {
    for dataset in whole.of_kind("dataset") {
        own(whole, dataset);
    }
    for monitor in whole.of_kind("monitor") {
        joined(whole, monitor);
        watched(whole, monitor);
    }
    for features in whole.of_kind("features") {
        keyed(whole, features);
    }
}

fn gone(whole: &Whole<'_, '_>, dataset: &Declaration, known: &Columns, name: &str, place: Option<Span>) {
    let declared = known.at.unwrap_or(dataset.header);
    whole.report(
        Diagnostic::error(codes::COLUMN, format!("`{}` has no column `{name}`", dataset.address))
            .at_opt(place, "named here")
            .see(declared, "its declared schema")
            .help(one_of(name, known.names().iter().copied())),
    );
}

/// The columns that a dataset's expectations and protection name.
fn own(whole: &Whole<'_, '_>, dataset: &Declaration) {
    let mut named: Vec<(String, Option<Span>)> = Vec::new();
    let mut add = |at: Path| {
        let place = |path: &Path| whole.place(&dataset.address, path);
        named.extend(
            texts(&dataset.body, &at).into_iter().map(|(path, name)| (name.to_owned(), place(&path))),
        );
    };
    add(Path::of(&["protection", "mask"]));
    for expectation in names_of(dataset.body.get(&Path::of(&["quality", "expect"]))) {
        add(Path::of(&["quality", "expect", expectation, "column"]));
        add(Path::of(&["quality", "expect", expectation, "columns"]));
    }
    for quoted in whole.quoted_of(dataset).iter().filter(|one| one.scope == Scope::Row) {
        each(&quoted.expr, Scope::Row.roots(), &mut |traversal, span| {
            let name = words(traversal).first().copied().unwrap_or_default().to_owned();
            named.push((name, span));
        });
    }
    let Some((_, first)) = named.first() else { return };
    let Some(known) = columns(whole, dataset) else {
        let what = format!("the columns that rules of `{}` name", dataset.address);
        return whole.unchecked(*first, what, "declare its `schema`");
    };
    for (name, place) in named.iter().filter(|(name, _)| !known.has(name)) {
        gone(whole, dataset, &known, name, *place);
    }
}

/// The column by which a monitor joins the truth.
fn joined(whole: &Whole<'_, '_>, monitor: &Declaration) {
    let at = Path::of(&["labels_from", "join"]);
    let Some(name) = monitor.body.get(&at).and_then(Value::as_text) else { return };
    let from = monitor.body.get(&Path::of(&["labels_from", "from"]));
    let Some((dataset, _)) = from.and_then(|from| whole.behind(from)) else { return };
    let place = whole.place(&monitor.address, &at);
    match columns(whole, dataset) {
        Some(known) if !known.has(name) => gone(whole, dataset, &known, name, place),
        Some(_) => {}
        None => {
            let what = format!("whether `{}` has the column `{name}`", dataset.address);
            whole.unchecked(place, what, "declare its `schema`");
        }
    }
}

/// What signals watch is told by requests and answers, of which no names are declared.
fn watched(whole: &Whole<'_, '_>, monitor: &Declaration) {
    for signal in names_of(monitor.body.field("signal")) {
        for word in ["metric", "on", "by"] {
            let at = Path::of(&["signal", signal, word]);
            if monitor.body.get(&at).is_some() {
                let what = format!("what signal `{signal}` of `{}` names as its `{word}`", monitor.address);
                whole.unchecked(
                    whole.place(&monitor.address, &at),
                    what,
                    "it is known once there are answers",
                );
            }
        }
    }
}

/// The key of an entity is among the columns of what its features are computed from.
fn keyed(whole: &Whole<'_, '_>, features: &Declaration) {
    let Some((entity, reference)) = features.body.field("entity").and_then(|value| whole.behind(value))
    else {
        return;
    };
    if !reference.path.is_empty() {
        return;
    }
    let from = features.body.field("from").and_then(Value::as_list).unwrap_or_default();
    for (index, item) in from.iter().enumerate() {
        let Some((dataset, _)) = whole.behind(item).filter(|(one, _)| one.kind == "dataset") else {
            continue;
        };
        let Some(known) = columns(whole, dataset) else { continue };
        for (path, key) in texts(&entity.body, &Path::of(&["key"])) {
            if known.has(key) {
                continue;
            }
            let declared = known.at.unwrap_or(dataset.header);
            let used = whole.place(&features.address, &Path::of(&["from"]).index(index));
            let mut problem = Diagnostic::error(
                codes::COLUMN,
                format!("`{}` has no column `{key}` to key `{}` by", dataset.address, features.address),
            )
            .at_opt(whole.place(&entity.address, &path), "the key")
            .see(declared, "its declared schema");
            if let Some(used) = used {
                problem = problem.see(used, "computed from it here");
            }
            whole.report(problem.help(one_of(key, known.names().iter().copied())));
        }
    }
}
