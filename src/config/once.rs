//! A name that is written wrong twice in one block is one mistake: it is told once, with both places.

use std::collections::{BTreeMap, HashMap};

use mlp_diag::{Diagnostic, Diagnostics, FileId, Label, Span};

use crate::codes;
use crate::resolve::Inputs;

/// What is said of names: with the same words it is the same name.
const OF_NAMES: &[&str] = &[
    codes::UNKNOWN_NAME,
    codes::MEMBER,
    codes::SCOPE,
    codes::ELSEWHERE,
    codes::COLUMN,
    codes::METRIC,
    codes::UNKNOWN_FUNCTION,
];

/// The place of a diagnostic that may be told together with others of its block.
fn place(diagnostic: &Diagnostic) -> Option<Span> {
    diagnostic.place().filter(|_| OF_NAMES.contains(&diagnostic.code.as_str()))
}

/// Joins what is said of one name in one block.
pub(crate) fn join(inputs: &Inputs<'_>, diagnostics: &mut Diagnostics) {
    if diagnostics.iter().filter_map(place).nth(1).is_none() {
        return;
    }
    let inner = inputs.modules.iter().flat_map(|module| &module.trees);
    let blocks = inputs.trees.iter().chain(inner).flat_map(|tree| &tree.body.blocks);
    let blocks: BTreeMap<(FileId, u32), u32> =
        blocks.map(|block| ((block.span.file, block.span.start), block.span.end)).collect();
    let block_of = |place: Span| {
        let (at, end) = blocks.range(..=(place.file, place.start)).next_back()?;
        (at.0 == place.file && place.end <= *end).then_some(*at)
    };
    let mut first: HashMap<_, usize> = HashMap::new();
    let mut kept: Diagnostics = Vec::with_capacity(diagnostics.len());
    for diagnostic in diagnostics.drain(..) {
        let Some((span, block)) = place(&diagnostic).and_then(|span| Some((span, block_of(span)?))) else {
            kept.push(diagnostic);
            continue;
        };
        let what = (block, diagnostic.code.clone(), diagnostic.headline.clone(), diagnostic.help.clone());
        let at = *first.entry(what).or_insert(kept.len());
        match kept.get_mut(at) {
            None => kept.push(diagnostic),
            Some(known) if known.labels.iter().any(|label| label.span == span) => {}
            Some(known) => known.labels.push(Label { span, text: "and here".to_owned(), primary: false }),
        }
    }
    *diagnostics = kept;
}

#[cfg(test)]
mod tests {
    use crate::tests::{HEAD, resolve_text};

    /// Each diagnostic with the texts it points at.
    #[track_caller]
    fn check(body: &str, wanted: &[&[&str]]) {
        let text = format!("{HEAD}{body}");
        let found = resolve_text(&text, "local").diagnostics;
        let words = |span: mlp_diag::Span| &text[span.start as usize..span.end as usize];
        let places: Vec<Vec<&str>> =
            found.iter().map(|one| one.labels.iter().map(|label| words(label.span)).collect()).collect();
        assert_eq!(places, wanted, "{body}: {found:#?}");
    }

    #[test]
    fn one_name_in_one_block_is_told_once() {
        check(
            "storage \"a\" { labels = { x = storage.b.pattern, y = storage.b.pattern, z = storage.c.pattern } }\n",
            &[&["storage.b.pattern", "storage.b.pattern"], &["storage.c.pattern"]],
        );
        check(
            "storage \"a\" { description = local.x }\nstorage \"b\" { description = local.x }\n",
            &[&["x"], &["x"]],
        );
        check("storage \"a\" { labels = { x = sqr(1), y = sqr(2) } }\n", &[&["sqr(1)", "sqr(2)"]]);
    }
}
