//! A declaration of the project: its values, and where each came from.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use mlp_diag::Diagnostics;
use mlp_lsp::{looked_up, origin};
use mlp_platform::{Declaration, Platform};
use mlp_value::{Address, Path, Value};
use serde_json::json;

use super::{Answer, Finder, Question, Unanswered};
use crate::cli::project::Project;

/// `dataset.transactions`, `module.eu.dataset.raw["x"]`, `endpoint.fraud.scaling`.
pub const FINDER: Finder = Finder {
    topics: "a declaration of the project",
    example: "mlp explain endpoint.fraud -e staging",
    names,
    find,
};

fn names(question: &Question<'_>) -> Vec<String> {
    if !question.topic.contains('.') {
        return Vec::new();
    }
    let (_, platforms, _) = resolved(question);
    let mut names: Vec<String> = platforms
        .values()
        .flat_map(|platform| platform.declarations.keys())
        .map(ToString::to_string)
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The project, what it is in each environment asked for, and what is wrong with it.
fn resolved(question: &Question<'_>) -> (Project, BTreeMap<String, Platform>, Diagnostics) {
    let project = Project::read(question.globals, question.variables);
    let mut problems = project.diagnostics.clone();
    let environments = match &question.globals.environment {
        Some(name) => vec![name.clone()],
        None => project.environments(),
    };
    let mut platforms = BTreeMap::new();
    for environment in environments {
        let (platform, found) = project.resolve(&environment);
        for one in found {
            if !problems.contains(&one) {
                problems.push(one);
            }
        }
        platforms.extend(platform.map(|platform| (environment, platform)));
    }
    (project, platforms, problems)
}

fn find(question: &Question<'_>) -> Result<Option<Answer>, Unanswered> {
    if !question.topic.contains('.') {
        return Ok(None);
    }
    let (project, platforms, problems) = resolved(question);
    let Some((address, path)) = split(question.topic, &platforms) else {
        // Nobody else knows an address either, and it may be only what is wrong that hides it.
        let looks = question
            .topic
            .parse::<Address>()
            .is_ok_and(|address| mlp_platform::kinds::kind(&address.kind).is_some());
        let hidden = looks && platforms.is_empty() && !problems.is_empty();
        return if hidden { Err((problems, project.sources)) } else { Ok(None) };
    };
    let mut text = format!("# {}\n", question.topic);
    let mut environments = serde_json::Map::new();
    let mut all: Vec<(String, Vec<Row>)> = Vec::new();
    for (environment, platform) in &platforms {
        let rows = platform.declarations.get(&address).map(|declaration| {
            let mut rows = Vec::new();
            leaves(declaration, &path, &project, &mut rows);
            rows
        });
        environments.insert(environment.clone(), rows.as_deref().map(detail).unwrap_or_default());
        all.extend(rows.map(|rows| (environment.clone(), rows)));
    }
    told(&mut text, all);
    let absent: Vec<&str> =
        environments.iter().filter(|(_, value)| value.is_null()).map(|(name, _)| name.as_str()).collect();
    if !absent.is_empty() {
        let _ = write!(text, "\nNot part of: {}.\n", absent.join(", "));
    }
    let declared = platforms.values().find_map(|platform| platform.declarations.get(&address));
    if let Some(declaration) = declared {
        let _ = write!(text, "\nDeclared at {}.\n", project.sources.place(declaration.header));
        let mut needs: Vec<String> = declaration.edges.iter().map(|edge| edge.to.to_string()).collect();
        needs.sort();
        needs.dedup();
        if !needs.is_empty() {
            let _ = writeln!(text, "It refers to {}.", needs.join(", "));
        }
    }
    Ok(Some(Answer {
        text,
        detail: json!({ "address": address.to_string(), "path": path.to_string(), "environments": environments }),
    }))
}

/// What all environments agree in is told once; then what is different in some.
fn told(text: &mut String, all: Vec<(String, Vec<Row>)>) {
    let is_common = |row: &Row| all.len() > 1 && all.iter().all(|(_, rows)| rows.contains(row));
    let common: Vec<Row> = all
        .first()
        .map(|(_, rows)| rows.iter().filter(|row| is_common(row)).cloned().collect())
        .unwrap_or_default();
    let mut groups: Vec<(Vec<String>, Vec<Row>)> = Vec::new();
    for (environment, rows) in &all {
        let own: Vec<Row> = rows.iter().filter(|row| !is_common(row)).cloned().collect();
        match groups.iter_mut().find(|(_, known)| *known == own) {
            Some((names, _)) => names.push(environment.clone()),
            None => groups.push((vec![environment.clone()], own)),
        }
    }
    if !common.is_empty() {
        let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
        let _ = write!(text, "\n## {}\n\n{}", names.join(", "), table(&common));
    }
    for (names, rows) in groups.iter().filter(|(_, rows)| !rows.is_empty()) {
        let _ = write!(text, "\n## {}\n\n{}", names.join(", "), table(rows));
    }
}

/// A value: its path, itself, and where it came from.
type Row = (String, String, String);

/// The declaration that a topic names, and what of it.
fn split(topic: &str, platforms: &BTreeMap<String, Platform>) -> Option<(Address, Path)> {
    let mut found: Option<(Address, &str)> = None;
    for platform in platforms.values() {
        for address in platform.declarations.keys() {
            let written = address.to_string();
            let Some(rest) = topic.strip_prefix(&written) else { continue };
            let longer = found.as_ref().is_none_or(|(known, _)| known.to_string().len() < written.len());
            if longer && (rest.is_empty() || rest.starts_with('.')) {
                found = Some((address.clone(), rest));
            }
        }
    }
    let (address, rest) = found?;
    let words: Vec<&str> = rest.split('.').filter(|word| !word.is_empty()).collect();
    let path = Path::of(&words);
    let known = platforms.values().filter_map(|platform| platform.declarations.get(&address));
    known.into_iter().any(|declaration| declaration.body.get(&path).is_some()).then_some((address, path))
}

/// A line for each value with its origin.
fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or_default();
    let short = rows.iter().map(|(_, value, _)| value.chars().count()).filter(|width| *width <= 48).max();
    let short = short.unwrap_or_default();
    let line = |(name, value, from): &Row| format!("    {name:width$} = {value:short$}  # {from}\n");
    rows.iter().map(line).collect()
}

fn detail(rows: &[Row]) -> serde_json::Value {
    rows.iter().map(|(name, value, from)| json!({ "path": name, "value": value, "origin": from })).collect()
}

/// Objects are opened while their parts came from several places.
fn leaves(declaration: &Declaration, path: &Path, project: &Project, rows: &mut Vec<Row>) {
    let Some(value) = declaration.body.get(path) else { return };
    let own = origin(declaration.origins.of(path), &project.sources);
    let mixed = declaration.origins.0.keys().any(|other| {
        other.starts_with(path)
            && other != path
            && origin(declaration.origins.0.get(other), &project.sources) != own
    });
    match value {
        Value::Object(items) if path.is_root() || (mixed && mlp_eval::reference_of(value).is_none()) => {
            for (name, item) in items.iter() {
                if !item.is_null() {
                    leaves(declaration, &path.field(name), project, rows);
                }
            }
        }
        _ => {
            if let Some((shown, from)) = looked_up(declaration, path, &project.sources) {
                rows.push((path.to_string(), shown, from));
            }
        }
    }
}
