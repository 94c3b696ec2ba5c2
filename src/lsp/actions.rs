//! Corrections that a diagnostic names.

use std::collections::HashMap;

use lsp_types::{CodeAction, CodeActionKind, TextEdit, Uri, WorkspaceEdit};
use mlp_diag::{Diagnostic, did_you_mean};

use crate::text::Text;

/// The correction a diagnostic asks for, where it asks `did you mean …?`.
pub(crate) fn correction(
    diagnostic: &Diagnostic,
    shown: &lsp_types::Diagnostic,
    uri: &Uri,
    text: &Text,
) -> Option<CodeAction> {
    let help = diagnostic.help.as_deref()?;
    let better = help.split("did you mean `").nth(1)?.split('`').next()?;
    let span = diagnostic.place()?;
    let bytes = span.start as usize..span.end as usize;
    let written = text.text.get(bytes.clone())?;
    let (at, word) = wrong_word(written, better)?;
    let range = text.range(bytes.start + at..bytes.start + at + word.len());
    #[expect(clippy::mutable_key_type, reason = "the protocol's type; the part that changes is a cache")]
    let changes = HashMap::from([(uri.clone(), vec![TextEdit { range, new_text: better.to_owned() }])]);
    Some(CodeAction {
        title: format!("Write `{better}`"),
        kind: Some(CodeActionKind::QUICKFIX),
        diagnostics: Some(vec![shown.clone()]),
        edit: Some(WorkspaceEdit { changes: Some(changes), ..WorkspaceEdit::default() }),
        is_preferred: Some(true),
        ..CodeAction::default()
    })
}

/// The word of what is written that is to be replaced, and where it begins.
fn wrong_word<'w>(written: &'w str, better: &str) -> Option<(usize, &'w str)> {
    if better.contains('.') {
        return Some((0, written));
    }
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in written.char_indices().chain([(written.len(), ' ')]) {
        let is_part = c.is_alphanumeric() || c == '_' || c == '-';
        match (start, is_part) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                words.push((from, &written[from..at]));
                start = None;
            }
            _ => {}
        }
    }
    let near = did_you_mean(better, words.iter().map(|(_, word)| *word))?;
    words.into_iter().rfind(|(_, word)| *word == near && *word != better)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_nearest_to_the_better_one_is_replaced() {
        assert_eq!(wrong_word("storage.laek", "lake"), Some((8, "laek")));
        assert_eq!(wrong_word("\"onlin\"", "online"), Some((1, "onlin")));
        assert_eq!(wrong_word("kindd", "kind"), Some((0, "kindd")));
        assert_eq!(wrong_word("x", "something"), None);
    }
}
