//! Nothing is silently ignored: what is set and not in a lowering's table of served attributes is refused.

use crate::codes;
use crate::mlp_diag::Diagnostic;
use crate::mlp_eval::{PlanValue, Quoted, reference_of};
use crate::mlp_platform::{Declaration, Origin};
use crate::mlp_value::Path;
use crate::support::NATIVE;

/// Attributes of every block that are served, or that other rooms take care of.
const COMMON: &[&str] = &[
    "description",
    "owner",
    "labels.**",
    "depends_on",
    "provider",
    "environments",
    "for_each",
    "count",
    "lifecycle.precondition",
    "override.**",
];

/// Those that speak of an object, which only some kinds become.
const OF_OBJECTS: &[&str] = &[
    "lifecycle.protect",
    "lifecycle.on_destroy",
    "lifecycle.ignore_changes",
    "lifecycle.postcondition",
    "lifecycle.replace_triggered_by",
];

/// Why some attributes are not served, where that is worth a line.
const REASONS: &[(&str, &str)] = &[
    (
        "from",
        "what makes a version of a dataset is not in the cluster yet; let a step of a pipeline write the data",
    ),
    ("quality", "expectations are not checked in the cluster yet"),
    ("protection", "nothing masks, redacts or encrypts in the cluster yet"),
    ("writes", "versions of datasets are not made in the cluster yet; hand on an output instead"),
    ("register", "there is no model registry in the cluster yet"),
    (
        "model",
        "there is no model registry in the cluster yet; serve an image that holds its model, with `serve = component.x`",
    ),
    (
        "variant",
        "there is no model registry in the cluster yet; serve an image that holds its model, with `serve = component.x`",
    ),
    ("members", "who is in a team says something only to `access`, which is not served yet"),
    ("idp_group", "who is in a team says something only to `access`, which is not served yet"),
    ("cache", "results of earlier runs are not used again in the cluster yet"),
    ("code", "code reaches a pod in its image: build it into the image, and leave `code` out"),
    ("lock", "the packages are those of the image: build them into it, and leave `lock` out"),
    ("version", "the language is that of the image: leave `version` out"),
    (
        "accelerator",
        "accelerators are not resolved for clusters yet; name the node and the resource with an `override`",
    ),
    (
        "encrypt",
        "volumes are encrypted by their class: name one with `override \"kubernetes\" { set = { storageClassName = \"…\" } }`",
    ),
    ("create_before_destroy", "a name follows from the address, so that two cannot stand side by side"),
];

/// The paths that are set and not among `served`: `a.b`, `a.*.b`, and `a.**` for everything below `a`.
pub(super) fn unserved(declaration: &Declaration, served: &[&str]) -> Vec<Diagnostic> {
    let of_objects: &[&str] = if NATIVE.contains(&declaration.kind) { OF_OBJECTS } else { &[] };
    let all = served.iter().chain(COMMON).chain(of_objects);
    let patterns: Vec<Vec<&str>> = all.map(|pattern| pattern.split('.').collect()).collect();
    let open: Vec<&[&str]> = patterns.iter().map(Vec::as_slice).collect();
    let mut found = Vec::new();
    walk(declaration, &declaration.body, &Path::default(), &open, &mut found);
    found.iter().map(|path| refuse(declaration, path)).collect()
}

fn walk(declaration: &Declaration, value: &PlanValue, at: &Path, open: &[&[&str]], found: &mut Vec<Path>) {
    let Some(items) = value.as_object() else { return };
    for (name, item) in items.iter() {
        let path = at.field(name);
        let below: Vec<&[&str]> = open
            .iter()
            .filter(|pattern| pattern.first().is_some_and(|word| *word == "*" || *word == name.as_ref()))
            .map(|pattern| &pattern[1..])
            .collect();
        if below.iter().any(|rest| rest.is_empty() || rest[0] == "**") || !is_set(item) {
            continue;
        }
        let plain = item.as_object().is_some() && reference_of(item).is_none() && Quoted::of(item).is_none();
        if plain && !below.is_empty() {
            walk(declaration, item, &path, &below, found);
        } else if !matches!(declaration.origins.of(&path), Some(Origin::Default)) {
            found.push(path);
        }
    }
}

fn is_set(value: &PlanValue) -> bool {
    match value {
        PlanValue::Null | PlanValue::Bool(false) => false,
        PlanValue::List(items) => !items.is_empty(),
        PlanValue::Object(items) => !items.is_empty(),
        _ => true,
    }
}

fn refuse(declaration: &Declaration, path: &Path) -> Diagnostic {
    let text = path.to_string();
    let word = text.rsplit('.').next().unwrap_or_default();
    let headline = format!("`{text}` is not served by the Kubernetes provider");
    let found = Diagnostic::error(codes::NOT_SERVED, headline).on(&declaration.address, path);
    if OF_OBJECTS.contains(&text.as_str()) {
        let kind = declaration.kind;
        return found
            .note(format!(
                "a `{kind}` becomes no object of its own, which could be kept, deleted or looked at"
            ))
            .help(format!("say it of what uses it: one of {}", NATIVE.join(", ")));
    }
    let found = match REASONS.iter().find(|(name, _)| *name == word) {
        Some((_, reason)) => found.note(*reason),
        None => found,
    };
    found.help(format!(
        "take it out of this environment with a partial block (`{word} = null`), or use a provider that serves it"
    ))
}
