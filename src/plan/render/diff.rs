//! Two values compared line by line, as a person reads a change: long texts, JSON inside a text, lists and objects.

use mlp_eval::PlanValue;
use mlp_value::{KnownValue, Value};
use similar::{ChangeTag, TextDiff};

use super::values::Words;

/// Unchanged lines shown around a changed one.
const CONTEXT: usize = 2;
/// Columns at which the items of lists that are compared are broken.
const NARROW: usize = 40;

/// A line of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Line {
    /// `-`, `+`, or a blank.
    pub sign: &'static str,
    /// The line.
    pub text: String,
}

/// How wide a comparison may be, and how much of what did not change it shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    /// Columns.
    pub width: usize,
    /// All lines, not only those near a change.
    pub whole: bool,
}

/// The lines of a value that is too long for one, or of two compared.
pub(crate) fn diff(
    before: Option<&PlanValue>,
    after: Option<&PlanValue>,
    extent: Extent,
    words: &Words<'_>,
) -> Vec<Line> {
    let line = |sign: &'static str, text: String| Line { sign, text };
    if let (Some(old), Some(new)) = (before, after)
        && same_json(old, new)
    {
        return vec![line(" ", "only its layout changes, the JSON in it is the same".to_owned())];
    }
    // Both are laid out item by item, so that the comparison is one of items.
    let layout = |value: Option<&PlanValue>, other: Option<&PlanValue>| {
        let compared = other.is_some() && value.is_some_and(|value| matches!(value, Value::List(_)));
        let width = if compared { extent.width.min(NARROW) } else { extent.width };
        value.map(|value| json_lines(value).unwrap_or_else(|| words.lines(value, width))).unwrap_or_default()
    };
    let (old, new) = (layout(before, after), layout(after, before));
    let (old, new): (Vec<&str>, Vec<&str>) =
        (old.iter().map(String::as_str).collect(), new.iter().map(String::as_str).collect());
    let diff = TextDiff::from_slices(&old, &new);
    let context = if extent.whole { usize::MAX / 4 } else { CONTEXT };
    let mut rows = Vec::new();
    for (number, group) in diff.grouped_ops(context).iter().enumerate() {
        if number > 0 {
            rows.push(line(" ", "…".to_owned()));
        }
        for change in group.iter().flat_map(|operation| diff.iter_changes(operation)) {
            let sign = match change.tag() {
                ChangeTag::Delete => "-",
                ChangeTag::Insert => "+",
                ChangeTag::Equal => " ",
            };
            // A line too long is broken after it was compared, so that one letter more does not shift all that follow.
            rows.extend(folded(change.value(), extent.width).into_iter().map(|piece| line(sign, piece)));
        }
    }
    rows
}

/// Whether a value is shown in several lines even where one would hold it.
pub(crate) fn is_long_text(value: &PlanValue) -> bool {
    value.as_text().is_some_and(|text| text.contains('\n'))
}

/// Whether both sides hold JSON: shown as what it says, not as one long line.
pub(crate) fn are_json(before: Option<&PlanValue>, after: Option<&PlanValue>) -> bool {
    before.is_some()
        && after.is_some()
        && [before, after].into_iter().flatten().all(|side| json_of(side).is_some())
}

/// JSON that is written down as a text, where it is an object or a list.
fn json_of(value: &PlanValue) -> Option<serde_json::Value> {
    let text = value.as_text().filter(|text| text.trim_start().starts_with(['{', '[']))?;
    serde_json::from_str(text).ok().filter(|json: &serde_json::Value| json.is_object() || json.is_array())
}

fn json_lines(value: &PlanValue) -> Option<Vec<String>> {
    let pretty = serde_json::to_string_pretty(&json_of(value)?).ok()?;
    Some(pretty.lines().map(str::to_owned).collect())
}

fn same_json(old: &PlanValue, new: &PlanValue) -> bool {
    let exact = |value: &PlanValue| KnownValue::from_json(&json_of(value)?).ok();
    match (exact(old), exact(new)) {
        (Some(old), Some(new)) => old == new,
        _ => false,
    }
}

/// A line broken into pieces of at most that many characters, after a blank where there is one.
fn folded(line: &str, width: usize) -> Vec<String> {
    let width = width.max(20);
    let letters: Vec<char> = line.chars().collect();
    let mut rest = letters.as_slice();
    let mut pieces = Vec::new();
    while rest.len() > width {
        let blank = rest.iter().take(width).rposition(|letter| *letter == ' ').filter(|at| *at > width / 2);
        let (piece, after) = rest.split_at(blank.map_or(width, |at| at + 1));
        pieces.push(piece.iter().collect());
        rest = after;
    }
    pieces.push(rest.iter().collect());
    pieces
}
