//! What a provider makes of the portable language, as data: the kinds it serves, and why it does not serve the rest. Nothing is
//! silently ignored: what is set and not in a lowering's table of served attributes is refused.

use mlp_diag::{Diagnostic, Diagnostics};
use mlp_eval::{PlanValue, Quoted, reference_of};
use mlp_platform::{Declaration, Origin};
use mlp_value::Path;

use crate::Support;

/// A provider's tables, and the codes under which it says no.
#[derive(Debug)]
pub struct Dialect {
    /// As in "… is not served by the local provider".
    pub provider: &'static str,
    /// Kinds that become objects.
    pub native: &'static [&'static str],
    /// Kinds to which the specification alone gives their meaning.
    pub declarative: &'static [&'static str],
    /// Kinds that are refused where the environment includes them, each with the reason.
    pub refused: &'static [(&'static str, &'static str)],
    /// Why attributes of that name are not served, where that is worth a line.
    pub reasons: &'static [(&'static str, &'static str)],
    /// Attributes that every block may set, but blocks of this kind: kind and attribute.
    pub without: &'static [(&'static str, &'static str)],
    /// The code for what is not served.
    pub not_served: &'static str,
    /// The code for a reference that leads nowhere in this environment.
    pub unresolved: &'static str,
}

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

impl Dialect {
    /// Whether declarations of that kind become objects.
    #[must_use]
    pub fn is_native(&self, kind: &str) -> bool {
        self.native.contains(&kind)
    }

    /// What the provider makes of a portable kind.
    #[must_use]
    pub fn support(&self, kind: &str) -> Support {
        if self.is_native(kind) {
            return Support::Native;
        }
        if self.declarative.contains(&kind) {
            return Support::Declarative;
        }
        let reason = self.refused.iter().find(|(name, _)| *name == kind).map(|(_, reason)| *reason);
        Support::Refused(reason.unwrap_or("the provider does not know this kind"))
    }

    /// The paths that are set and not among `served`: `a.b`, `a.*.b`, and `a.**` for everything below `a`.
    pub(crate) fn unserved(&self, declaration: &Declaration, served: &[&str]) -> Diagnostics {
        let of_objects = if self.is_native(declaration.kind) { OF_OBJECTS } else { &[] };
        let common = COMMON.iter().filter(|name| !self.without.contains(&(declaration.kind, name)));
        let all = served.iter().chain(common).chain(of_objects);
        let patterns: Vec<Vec<&str>> = all.map(|pattern| pattern.split('.').collect()).collect();
        let open: Vec<&[&str]> = patterns.iter().map(Vec::as_slice).collect();
        let mut found = Vec::new();
        walk(declaration, &declaration.body, &Path::default(), &open, &mut found);
        found.iter().map(|path| self.refuse(declaration, path)).collect()
    }

    fn refuse(&self, declaration: &Declaration, path: &Path) -> Diagnostic {
        let text = path.to_string();
        let word = text.rsplit('.').next().unwrap_or_default();
        let headline = format!("`{text}` is not served by the {}", self.provider);
        let found = Diagnostic::error(self.not_served, headline).on(&declaration.address, path);
        if OF_OBJECTS.contains(&text.as_str()) {
            let kind = declaration.kind;
            return found
                .note(format!(
                    "a `{kind}` becomes no object of its own, which could be kept, deleted or looked at"
                ))
                .help(format!("say it of what uses it: one of {}", self.native.join(", ")));
        }
        let found = match self.reasons.iter().find(|(name, _)| *name == word) {
            Some((_, reason)) => found.note(*reason),
            None => found,
        };
        found.help(format!(
            "take it out of this environment with a partial block (`{word} = null`), or use a provider that serves it"
        ))
    }
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
