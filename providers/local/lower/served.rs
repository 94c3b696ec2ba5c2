//! Nothing is silently ignored: what is set and not in a lowering's table of served attributes is refused.

use crate::codes;
use crate::mlp_diag::Diagnostic;
use crate::mlp_eval::{PlanValue, Quoted, reference_of};
use crate::mlp_platform::{Declaration, Origin};
use crate::mlp_value::Path;
use crate::support::NATIVE;

/// Attributes of every block that are served, or that other rooms take care of: `description`, `owner` and `labels` of what is only
/// declared say something to people.
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
    ("monitor", "monitors are not watched by the local provider; let a schedule or a dataset start the run"),
    ("breaches", "monitors are not watched by the local provider; let a schedule or a dataset start the run"),
    ("encrypt", "what is encrypted are datasets: set `protection = { encrypt = true }` there"),
    ("accelerator", "a batch runs on the processors of this machine"),
    ("nodes", "there is one node: this machine"),
    ("compute", "endpoints run as processes of this machine"),
    ("capacity", "a machine that is there already is not bought"),
    ("max_cost", "this machine has no price"),
    ("launcher", "there is one node, on which the command is started once"),
    ("gang", "there is one node, so that nothing has to start together"),
    ("progress", "a step says how far it is itself, in lines that begin with `mlp:progress`"),
    ("slices", "a step writes the metrics of slices itself, into `slices` of its metrics file"),
    ("image", "processes are started without containers"),
    ("tokens", "the router does not know what a token is"),
    ("ttft_p95", "the router does not know what a token is"),
    ("tpot_p95", "the router does not know what a token is"),
    ("callers", "there are no accounts on this machine; give keys with `auth.keys_from`"),
    (
        "create_before_destroy",
        "an object's name follows from its address, so that two cannot stand side by side",
    ),
    ("depends_on", "a check is run with what it is on, whose order holds for it too"),
    ("timeouts", "its operations are done when the call returns"),
];

/// The paths that are set and not among `served`: `a.b`, `a.*.b`, and `a.**` for everything below `a`.
pub(crate) fn unserved(declaration: &Declaration, served: &[&str]) -> Vec<Diagnostic> {
    let of_objects: &[&str] = if NATIVE.contains(&declaration.kind) { OF_OBJECTS } else { &[] };
    // What is looked at beside something else has no order of its own.
    let ordered = |pattern: &&&str| **pattern != "depends_on" || declaration.kind != "check";
    let all = served.iter().chain(COMMON.iter().filter(ordered)).chain(of_objects);
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
    let found = Diagnostic::error(codes::NOT_SERVED, format!("`{text}` is not served by the local provider"))
        .on(&declaration.address, path);
    let found = match REASONS.iter().find(|(name, _)| *name == word) {
        _ if OF_OBJECTS.contains(&text.as_str()) => {
            let kind = declaration.kind;
            return found
                .note(format!(
                    "a `{kind}` becomes no object of its own, which could be kept, deleted or looked at"
                ))
                .help(format!("say it of what uses it: one of {}", NATIVE.join(", ")));
        }
        Some((_, reason)) => found.note(*reason),
        None => found,
    };
    found.help(format!(
        "take it out of this environment with a partial block (`{word} = null`), or use a provider that serves it"
    ))
}
