//! Values as a person wrote them.

use mlp_eval::{PlanValue, Quoted, reference_of};
use mlp_value::{Value, fingerprint_of};

/// One line in the language's own words; a hole says what it waits for.
pub(crate) fn inline(value: &PlanValue) -> String {
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
        Value::List(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(items) if items.is_empty() => "{}".to_owned(),
        Value::Object(items) => {
            let shown = items.iter().filter(|(_, item)| !item.is_null());
            let words: Vec<String> =
                shown.map(|(name, item)| format!("{} = {}", key(name), inline(item))).collect();
            format!("{{ {} }}", words.join(", "))
        }
        Value::Hole(hole) if hole.after.is_empty() => "(known after apply)".to_owned(),
        Value::Hole(hole) => format!("(known after {})", hole.after.join(", ")),
    }
}

/// A name as the key of an object.
pub(crate) fn key(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let word = name.chars().next().is_some_and(|first| !first.is_ascii_digit()) && name.chars().all(plain);
    if word { name.to_owned() } else { format!("{name:?}") }
}

/// Several lines: items and attributes one by one, long texts as they are.
pub(crate) fn lines(value: &PlanValue, width: usize) -> Vec<String> {
    let whole = inline(value);
    let plain = reference_of(value).is_some() || Quoted::of(value).is_some();
    match value {
        Value::Text(text) if text.contains('\n') => text.lines().map(str::to_owned).collect(),
        _ if plain || whole.chars().count() <= width => vec![whole],
        Value::List(items) => framed('[', ']', items.iter().map(|item| (None, item)), width),
        Value::Object(items) => {
            let shown = items.iter().filter(|(_, item)| !item.is_null());
            framed('{', '}', shown.map(|(name, item)| (Some(key(name)), item)), width)
        }
        _ => vec![whole],
    }
}

fn framed<'v>(
    open: char,
    close: char,
    items: impl Iterator<Item = (Option<String>, &'v PlanValue)>,
    width: usize,
) -> Vec<String> {
    let mut all = vec![open.to_string()];
    for (name, item) in items {
        let mut inner = lines(item, width.saturating_sub(2)).into_iter();
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
