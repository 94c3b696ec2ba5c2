//! Diagnostics for people (source lines with carets, through `annotate-snippets`) and for programs (JSON).

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::json;

use crate::{Diagnostic, Severity, SourceMap, Span};

/// How to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// ANSI colours; never the only carrier of meaning.
    pub color: bool,
    /// Columns of the terminal.
    pub width: usize,
}

/// One diagnostic as text, ending in a newline.
pub fn render_text(diagnostic: &Diagnostic, sources: &SourceMap, style: Style) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    // What another program said may have several lines: the first is the headline.
    let (headline, more) = diagnostic.headline.split_once('\n').unwrap_or((&diagnostic.headline, ""));
    let title = level.primary_title(headline).id(&diagnostic.code);
    let mut group = Group::with_title(title);
    for span_file in files_of(diagnostic) {
        let labels: Vec<_> =
            diagnostic.labels.iter().filter(|label| label.span.file == span_file.file).collect();
        let ranges: Vec<_> = labels.iter().map(|label| range_in(sources, label.span)).collect();
        // Only the lines that are shown: drawing costs time for each line it is given, and a file may have a million.
        let (from, excerpt) = excerpt(sources.text(span_file.file), &ranges);
        let first_line = sources.line_col(span_file.file, u32::try_from(from).unwrap_or(u32::MAX)).line;
        let mut snippet = Snippet::source(excerpt).line_start(first_line).path(sources.name(span_file.file));
        for (label, range) in labels.iter().zip(ranges) {
            let kind = if label.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            let annotation = kind.span(range.start - from..range.end - from);
            snippet = snippet.annotation(if label.text.is_empty() {
                annotation
            } else {
                annotation.label(label.text.as_str())
            });
        }
        group = group.element(snippet);
    }
    if diagnostic.labels.is_empty()
        && let Some(subject) = &diagnostic.subject
    {
        let path = if subject.path.is_empty() { String::new() } else { format!(", {}", subject.path) };
        group = group.element(Level::NOTE.message(format!("at {}{path}", subject.address)));
    }
    if !more.is_empty() {
        group = group.element(Level::NOTE.message(more));
    }
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = if style.color { Renderer::styled() } else { Renderer::plain() };
    let mut text = renderer.term_width(style.width.max(40)).render(&[group]);
    text.push('\n');
    text
}

/// The first span of each file, culprit's file first.
fn files_of(diagnostic: &Diagnostic) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let primary_first = diagnostic.labels.iter().filter(|label| label.primary);
    for label in primary_first.chain(diagnostic.labels.iter().filter(|label| !label.primary)) {
        if !spans.iter().any(|span| span.file == label.span.file) {
            spans.push(label.span);
        }
    }
    spans
}

/// The lines that hold these ranges: where the first begins, and their text.
fn excerpt<'t>(text: &'t str, ranges: &[std::ops::Range<usize>]) -> (usize, &'t str) {
    let start = ranges.iter().map(|range| range.start).min().unwrap_or(0);
    let end = ranges.iter().map(|range| range.end).max().unwrap_or(0);
    let from = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let to = text[end..].find('\n').map_or(text.len(), |at| end + at + 1);
    (from, &text[from..to])
}

/// A byte range that lies inside the text and on character boundaries.
fn range_in(sources: &SourceMap, span: Span) -> std::ops::Range<usize> {
    let text = sources.text(span.file);
    let floor = |offset: u32| {
        let mut at = (offset as usize).min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(span.start);
    start..floor(span.end).max(start)
}

/// One diagnostic as JSON: `severity`, `code`, `message`, `spans` with byte and line/column ranges.
pub fn render_json(diagnostic: &Diagnostic, sources: &SourceMap) -> serde_json::Value {
    let spans: Vec<_> = diagnostic
        .labels
        .iter()
        .map(|label| {
            let start = sources.line_col(label.span.file, label.span.start);
            let end = sources.line_col(label.span.file, label.span.end);
            json!({
                "file": sources.name(label.span.file),
                "byte_start": label.span.start, "byte_end": label.span.end,
                "line_start": start.line, "column_start": start.column,
                "line_end": end.line, "column_end": end.column,
                "primary": label.primary, "label": label.text,
            })
        })
        .collect();
    json!({
        "severity": diagnostic.severity, "code": diagnostic.code, "message": diagnostic.headline,
        "spans": spans, "subject": diagnostic.subject, "notes": diagnostic.notes, "help": diagnostic.help,
        "blame": diagnostic.blame,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_points_at_its_text() {
        let mut sources = SourceMap::default();
        let file = sources.add("main.mlp", "endpoint \"a\" {\n  kindd = \"online\"\n}\n");
        let diagnostic = Diagnostic::error("MLP0301", "unknown attribute `kindd`")
            .at(Span::new(file, 17, 22), "not an attribute of endpoint")
            .help("did you mean `kind`?");
        let text = render_text(&diagnostic, &sources, Style { color: false, width: 100 });
        assert!(text.starts_with("error[MLP0301]: unknown attribute `kindd`"), "{text}");
        assert!(text.contains("main.mlp:2:3"), "{text}");
        assert!(text.contains("^^^^^ not an attribute of endpoint"), "{text}");
        assert!(text.contains("did you mean `kind`?"), "{text}");
        assert_eq!(render_json(&diagnostic, &sources)["spans"][0]["line_start"], 2);
    }

    #[test]
    fn no_place_is_no_panic() {
        let text = render_text(
            &Diagnostic::error("MLP0901", "lease held").on("endpoint.a", "port"),
            &SourceMap::default(),
            Style { color: false, width: 0 },
        );
        assert!(text.contains("endpoint.a, port"), "{text}");
    }
}
