//! Values as a person wrote them.

use std::collections::{BTreeMap, BTreeSet};

use mlp_eval::{PlanValue, Quoted, Unknown, reference_of};
use mlp_value::{Value, fingerprint_of};

use crate::{Action, Part, Plan};

/// What happens to each declaration in a plan, so that a value that waits for it can say so.
pub(crate) struct Words<'p> {
    becomes: BTreeMap<String, &'p str>,
}

impl<'p> Words<'p> {
    /// Of a plan.
    pub fn of(plan: &'p Plan) -> Self {
        let steps = plan.steps.iter().filter(|step| step.part != Some(Part::Old));
        let mut becomes: BTreeMap<String, &str> =
            steps.map(|step| (step.resource.address.to_string(), becomes(step.action))).collect();
        becomes.extend(
            plan.deferred.iter().map(|item| (item.resource.address.to_string(), " has what it waits for")),
        );
        Self { becomes }
    }

    /// `(known after endpoint.a is created: endpoint.a.url)`.
    fn hole(&self, hole: &Unknown) -> String {
        if hole.after.is_empty() {
            return "(known after apply)".to_owned();
        }
        let becomes = |address: &String| self.becomes.get(address).copied().unwrap_or_default();
        let after: Vec<String> =
            hole.after.iter().map(|address| format!("{address}{}", becomes(address))).collect();
        format!("(known after {})", after.join(" and "))
    }

    /// One line in the language's own words; a hole says what it waits for.
    pub fn inline(&self, value: &PlanValue) -> String {
        if let Some(reference) = reference_of(value) {
            return reference.to_string();
        }
        if let Some(quoted) = Quoted::of(value) {
            return quoted.text;
        }
        if fingerprint_of(value).is_some() {
            return "(sensitive)".to_owned();
        }
        match value {
            Value::Null => "null".to_owned(),
            Value::Bool(truth) => truth.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Text(text) => serde_json::to_string(text.as_ref()).unwrap_or_default(),
            Value::List(items) => {
                format!("[{}]", items.iter().map(|item| self.inline(item)).collect::<Vec<_>>().join(", "))
            }
            Value::Object(items) if items.is_empty() => "{}".to_owned(),
            Value::Object(items) => {
                let shown = items.iter().filter(|(_, item)| !item.is_null());
                let words: Vec<String> =
                    shown.map(|(name, item)| format!("{} = {}", key(name), self.inline(item))).collect();
                format!("{{ {} }}", words.join(", "))
            }
            Value::Hole(hole) => self.hole(hole),
        }
    }

    /// Several lines: items and attributes one by one, long texts as they are.
    pub fn lines(&self, value: &PlanValue, width: usize) -> Vec<String> {
        let whole = self.inline(value);
        let plain = reference_of(value).is_some() || Quoted::of(value).is_some();
        match value {
            Value::Text(text) if text.contains('\n') => text.lines().map(str::to_owned).collect(),
            _ if plain || whole.chars().count() <= width => vec![whole],
            Value::List(items) => self.framed(('[', ']'), items.iter().map(|item| (None, item)), width),
            Value::Object(items) => {
                let shown = items.iter().filter(|(_, item)| !item.is_null());
                self.framed(('{', '}'), shown.map(|(name, item)| (Some(key(name)), item)), width)
            }
            _ => vec![whole],
        }
    }

    fn framed<'v>(
        &self,
        (open, close): (char, char),
        items: impl Iterator<Item = (Option<String>, &'v PlanValue)>,
        width: usize,
    ) -> Vec<String> {
        let mut all = vec![open.to_string()];
        for (name, item) in items {
            let mut inner = self.lines(item, width.saturating_sub(2)).into_iter();
            let first = inner.next().unwrap_or_default();
            let comma = if name.is_none() { "," } else { "" };
            let head = name.map(|name| format!("{name} = ")).unwrap_or_default();
            let rest: Vec<String> = inner.map(|line| format!("  {line}")).collect();
            all.push(format!("  {head}{first}"));
            all.extend(rest);
            if let Some(last) = all.last_mut() {
                last.push_str(comma);
            }
        }
        all.push(close.to_string());
        all
    }
}

/// What has happened to something once it is done.
fn becomes(action: Action) -> &'static str {
    match action {
        Action::Create => " is created",
        Action::Replace => " is replaced",
        Action::NewVersion => " has its new version",
        Action::Update | Action::Resize => " is updated",
        Action::Import => " is taken over",
        _ => "",
    }
}

/// Expressions that a value which is not known yet is computed from: `endpoint.a.url`.
pub(crate) fn computed_from(value: &PlanValue) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    value.walk(&mut |_, inner| {
        if let Value::Hole(hole) = inner {
            hole.residual.traversals(&mut |traversal, _| {
                found.insert(traversal.to_string());
            });
        }
    });
    found
}

/// Addresses that a value which is not known yet waits for.
pub(crate) fn waits_for(value: &PlanValue) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    value.walk(&mut |_, inner| {
        if let Value::Hole(hole) = inner {
            found.extend(hole.after.iter().cloned());
        }
    });
    found
}

/// A name as the key of an object.
pub(crate) fn key(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let word = name.chars().next().is_some_and(|first| !first.is_ascii_digit()) && name.chars().all(plain);
    if word { name.to_owned() } else { format!("{name:?}") }
}
