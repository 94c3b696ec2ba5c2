//! The canonical form of a file: the author's lines, with the white space set right.
//!
//! It works on tokens, not on the tree, so nothing the author wrote can be lost: lines stay as they were broken;
//! indentation, the space between tokens, and the alignment of `=` and of trailing comments are made anew.

use mlp_diag::{Diagnostics, FileId};

use crate::lex::{Kind, Lexer, Token};
use crate::parse;

/// Formats a file, or says why it cannot be read.
pub fn format(text: &str) -> Result<String, Diagnostics> {
    let (_, problems) = parse(FileId(0), text);
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut lines = lines(text);
    align_values(&mut lines);
    align_comments(&mut lines);
    let mut out = String::with_capacity(text.len());
    for line in &lines {
        out.push_str(&line.text());
        out.push('\n');
    }
    Ok(out)
}

/// A line in its parts, as far as alignment tells them apart.
#[derive(Default)]
struct Line {
    indent: usize,
    /// What stands before the `=` of an attribute that fits on this line, or all of the code.
    lead: String,
    /// `= value`, where the line is such an attribute.
    value: Option<String>,
    /// Spaces before the value.
    value_gap: usize,
    comment: Option<String>,
    /// Spaces before the comment.
    comment_gap: usize,
}

impl Line {
    fn is_blank(&self) -> bool {
        self.lead.is_empty() && self.comment.is_none()
    }

    fn code(&self) -> String {
        if self.lead.is_empty() {
            return String::new();
        }
        let mut code = " ".repeat(self.indent * 2) + &self.lead;
        if let Some(value) = &self.value {
            code.push_str(&" ".repeat(self.value_gap));
            code.push_str(value);
        }
        code
    }

    fn text(&self) -> String {
        let mut text = self.code();
        if let Some(comment) = &self.comment {
            let gap = if self.lead.is_empty() { self.indent * 2 } else { self.comment_gap };
            text.push_str(&" ".repeat(gap));
            text.push_str(comment);
        }
        text
    }
}

/// The file's lines with their indentation; runs of blank lines are one, and none stands just inside a bracket.
fn lines(text: &str) -> Vec<Line> {
    let tokens: Vec<Token> = Lexer::new(text, 0).collect();
    let mut lines: Vec<Line> = Vec::new();
    // For every open bracket the indentation of the line it stands in.
    let mut open: Vec<usize> = Vec::new();
    let mut after_opener = true;
    for row in tokens.split(|token| token.kind == Kind::Newline) {
        let Some(first) = row.first() else {
            if !after_opener && lines.last().is_some_and(|line| !line.is_blank()) {
                lines.push(Line::default());
            }
            continue;
        };
        if first.kind == Kind::Close && lines.last().is_some_and(Line::is_blank) {
            lines.pop();
        }
        let line = line(text, row, &mut open);
        after_opener =
            row.iter().rfind(|token| !token.is_comment()).is_some_and(|token| token.kind == Kind::Open);
        lines.push(line);
    }
    while lines.last().is_some_and(Line::is_blank) {
        lines.pop();
    }
    lines
}

fn line(text: &str, row: &[Token], open: &mut Vec<usize>) -> Line {
    let closers = row.iter().take_while(|token| token.kind == Kind::Close).count();
    let mut indent = open.last().map_or(0, |outer| outer + 1);
    for _ in 0..closers {
        indent = open.pop().unwrap_or(0);
    }
    let before = open.len();
    let mut balanced = closers == 0;
    for token in &row[closers..] {
        match token.kind {
            Kind::Open => open.push(indent),
            Kind::Close => {
                balanced &= open.len() > before;
                open.pop();
            }
            _ => {}
        }
    }
    balanced &= open.len() == before;
    let (code, comment) = match row.split_last() {
        Some((last, code)) if last.kind == Kind::LineComment => {
            (code, Some(last.text(text).trim_end().to_owned()))
        }
        _ => (row, None),
    };
    // A heredoc at the end of a line stands below it and is no part of its shape.
    let shown = match code.split_last() {
        Some((last, rest)) if last.kind == Kind::Heredoc => rest,
        _ => code,
    };
    let one_line = balanced && shown.iter().all(|token| !token.text(text).contains('\n'));
    let (lead, value) = match assignment(text, code).filter(|_| one_line) {
        Some(at) => (spaced(text, code, 0..at), Some(spaced(text, code, at..code.len()))),
        None => (spaced(text, code, 0..code.len()), None),
    };
    Line { indent, lead, value, value_gap: 1, comment, comment_gap: 1 }
}

/// Where the `=` of `key = value` stands, when the line begins so.
fn assignment(text: &str, code: &[Token]) -> Option<usize> {
    let first = code.first()?;
    let mut at = 1;
    if first.is(text, "(") {
        let mut depth = 1;
        while depth > 0 {
            match code.get(at)?.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth -= 1,
                _ => {}
            }
            at += 1;
        }
    } else if !matches!(first.kind, Kind::Name | Kind::Quoted | Kind::Number) {
        return None;
    }
    // `google.eu = google.west` among the providers that are passed on.
    while code.get(at).is_some_and(|token| token.is(text, ".")) && code.get(at + 1)?.kind == Kind::Name {
        at += 2;
    }
    (code.get(at)?.is(text, "=") && code.len() > at + 1).then_some(at)
}

/// Some tokens of a line with canonical space between them.
fn spaced(text: &str, row: &[Token], range: std::ops::Range<usize>) -> String {
    let mut out = String::new();
    for at in range.clone() {
        if at > range.start && space_between(text, row, at) {
            out.push(' ');
        }
        out.push_str(row[at].text(text));
    }
    out
}

/// Whether a space stands before the token at `at`, which is not the line's first.
fn space_between(text: &str, row: &[Token], at: usize) -> bool {
    let (previous, current) = (&row[at - 1], &row[at]);
    let (left, right) = (previous.text(text), current.text(text));
    if previous.is_comment() || current.is_comment() {
        return true;
    }
    if previous.kind == Kind::Open || current.kind == Kind::Close {
        // `{}` is empty; other braces have air inside, other brackets none.
        return (left == "{" || right == "}") && !(left == "{" && right == "}");
    }
    if matches!(right, "," | "." | "..." | "::") || matches!(left, "." | "::") {
        return false;
    }
    if current.kind == Kind::Open && right != "{" {
        return !is_suffix(text, row, at);
    }
    !is_prefix(text, row, at - 1)
}

/// Whether a `(` or `[` belongs to what stands before it: a call or an index.
fn is_suffix(text: &str, row: &[Token], at: usize) -> bool {
    let previous = &row[at - 1];
    match previous.kind {
        Kind::Name => !is_keyword(text, row, at - 1),
        _ if row[at].is(text, "(") => is_prefix(text, row, at - 1),
        _ => ends_value(text, row, at - 1) || is_prefix(text, row, at - 1),
    }
}

/// Whether the name at `at` is the `in` or `if` of a `for`, not a name of the user's.
fn is_keyword(text: &str, row: &[Token], at: usize) -> bool {
    let after_step = at > 0 && matches!(row[at - 1].text(text), "." | "::");
    !after_step && matches!(row[at].text(text), "in" | "if")
}

/// Whether the token at `at` can be the last of a value.
fn ends_value(text: &str, row: &[Token], at: usize) -> bool {
    match row[at].kind {
        Kind::Name => !is_keyword(text, row, at),
        Kind::Number | Kind::Quoted | Kind::Heredoc | Kind::Close | Kind::Unknown => true,
        // The star of a splat.
        _ => row[at].is(text, "*") && at > 0 && matches!(row[at - 1].text(text), "." | "["),
    }
}

/// Whether the token at `at` is a `-` or `!` that belongs to what follows it.
fn is_prefix(text: &str, row: &[Token], at: usize) -> bool {
    match row[at].text(text) {
        "!" => true,
        "-" => {
            let before = (0..at).rev().find(|before| !row[*before].is_comment());
            before.is_none_or(|before| !ends_value(text, row, before))
        }
        _ => false,
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// Nobody reads beside each other what is wider: lines that are do not move their neighbours, of which there may be thousands.
const WIDEST: usize = 1000;

fn widest(widths: impl Iterator<Item = usize>) -> usize {
    widths.filter(|width| *width <= WIDEST).max().unwrap_or(0)
}

/// Aligns the `=` of attributes that stand directly below one another.
fn align_values(lines: &mut [Line]) {
    for group in lines.chunk_by_mut(|above, below| above.value.is_some() && below.value.is_some()) {
        let widest = widest(group.iter().map(|line| width(&line.lead)));
        for line in group.iter_mut().filter(|line| line.value.is_some()) {
            line.value_gap = widest.saturating_sub(width(&line.lead)) + 1;
        }
    }
}

/// Aligns the comments after code that stand directly below one another.
fn align_comments(lines: &mut [Line]) {
    let trails = |line: &Line| line.comment.is_some() && !line.lead.is_empty() && !line.lead.contains('\n');
    for group in lines.chunk_by_mut(|above, below| trails(above) && trails(below)) {
        if !group.iter().all(trails) {
            continue;
        }
        let widths: Vec<usize> = group.iter().map(|line| width(&line.code())).collect();
        let widest = widest(widths.iter().copied());
        for (line, width) in group.iter_mut().zip(widths) {
            line.comment_gap = widest.saturating_sub(width) + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::parse_expression;

    /// A tree without its spans, as text.
    fn shape(text: &str) -> String {
        let (tree, problems) = parse(FileId(0), text);
        assert!(problems.is_empty(), "{text}: {problems:?}");
        let shown = format!("{tree:?}");
        let mut pieces = shown.split("Span { file: FileId(0), start: ");
        let first = pieces.next().unwrap().to_owned();
        pieces.fold(first, |all, piece| all + &piece[piece.find('}').unwrap() + 1..])
    }

    fn faithful(text: &str) -> String {
        let formatted = format(text).unwrap();
        assert_eq!(shape(&formatted), shape(text), "{text}\n---\n{formatted}");
        assert_eq!(format(&formatted).unwrap(), formatted, "formatting twice");
        formatted
    }

    fn read(path: &str) -> String {
        std::fs::read_to_string(format!("{}/../../{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    #[test]
    fn the_references_are_formatted_already() {
        for name in ["fraud/main.mlp", "support-llm/main.mlp", "fraud/vendor/acme-risk/standard.mlp"] {
            let text = read(&format!("tests/reference/{name}"));
            assert_eq!(faithful(&text), text, "{name}");
        }
        faithful(&read("examples/churn/main.mlp"));
    }

    #[test]
    fn what_becomes_of_untidy_text() {
        let cases = [
            ("\n\na=1\n\n\nbbb   =  2 # x\n\n", "a = 1\n\nbbb = 2 # x\n"),
            ("a=1 # x\nbbb=22#y\n", "a   = 1  # x\nbbb = 22 #y\n"),
            ("b \"x\"{\n\n  a=1\n\n\n  cc=2\n\n}\n", "b \"x\" {\n  a = 1\n\n  cc = 2\n}\n"),
            ("a={x=1,y=[ 1,2 ]}\n", "a = { x = 1, y = [1, 2] }\n"),
            ("a = [\n1,\n      2, # two\n]\n", "a = [\n  1,\n  2, # two\n]\n"),
            ("a = f( [{\nb=1\n},{\nb=2\n}] )\n", "a = f([{\n  b = 1\n}, {\n  b = 2\n}])\n"),
            ("a = - 1+-2*!b [ 0 ] . c\n", "a = -1 + -2 * !b[0].c\n"),
            ("a = [for x in(b):x if(x)]\n", "a = [for x in (b) : x if (x)]\n"),
            ("a = {for k,v in b:k=>v...if v}\n", "a = { for k, v in b : k => v... if v }\n"),
            ("a = f (b ...)\n", "a = f(b...)\n"),
            ("a = b[ * ].c\n", "a = b[*].c\n"),
            ("a = b ?c:d\n", "a = b ? c : d\n"),
            ("aa = <<-E\n   x\n  E\nb=1\n", "aa = <<-E\n   x\n  E\nb  = 1\n"),
            ("a={\nb=c\nd.e=f\n}\n", "a = {\n  b   = c\n  d.e = f\n}\n"),
            ("a {}\nb{ }\nc { d=1 }\n", "a {}\nb {}\nc { d = 1 }\n"),
            ("a = 1\n/* x\n   y */\nb = 2\n", "a = 1\n/* x\n   y */\nb = 2\n"),
            ("b {\n# c\na = 1 // d\n# e\n}\n", "b {\n  # c\n  a = 1 // d\n  # e\n}\n"),
            ("a = \"${ x }\"\r\nb = 1\r\n", "a = \"${ x }\"\nb = 1\n"),
            ("a = {\n(b) = 1\n\"ccc\" = 2\n}\nd = 1\n", "a = {\n  (b)   = 1\n  \"ccc\" = 2\n}\nd = 1\n"),
            ("a = in[0]\nb = x.if[0]\n", "a = in [0]\nb = x.if[0]\n"),
            ("# only a comment", "# only a comment\n"),
            ("", ""),
        ];
        for (written, wanted) in cases {
            assert_eq!(faithful(written), wanted, "{written}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_formatted() {
        assert_eq!(format("a = [\n").unwrap_err().len(), 1);
    }

    fn expression() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            "[a-z][a-z0-9_]{0,4}"
                .prop_filter("a keyword", |name| !matches!(name.as_str(), "for" | "in" | "if")),
            "[0-9]{1,3}(\\.[0-9]{1,2})?",
            "-[0-9]{1,20}",
            "\"[a-z #/{}=]{0,6}\"",
            Just("\"a ${b[\"}\"]} ~ $${\"".to_owned()),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let pair = (inner.clone(), inner.clone());
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4)
                    .prop_map(|items| format!("[{}]", items.join(" ,"))),
                prop::collection::vec(inner.clone(), 1..4)
                    .prop_map(|items| format!("[\n{},\n]", items.join(",# c\n"))),
                inner.clone().prop_map(|value| format!("{{a={value}, \"b c\":1}}")),
                inner.clone().prop_map(|value| format!("{{\n a={value} // c\n\n\n bbb=2\n}}")),
                (pair.clone(), "( ?(\\+|-|\\*|/|%|==|!=|<|>|<=|>=|&&|\\|\\|) )|(==)|( - )")
                    .prop_map(|((left, right), op)| format!("({left}{op}({right}))")),
                inner.clone().prop_map(|value| format!("!  ({value})")),
                inner.clone().prop_map(|value| format!("-({value})")),
                (inner.clone(), pair).prop_map(|(a, (b, c))| format!("(({a})?{b}:{c})")),
                inner.clone().prop_map(|value| format!("f( {value} ,g()[ * ].x . y)")),
                inner.clone().prop_map(|value| format!("[for k,v in({value}):v  if(v)]")),
                inner.prop_map(|value| format!("{{for k in({value}):k=>k ...}}")),
            ]
        })
    }

    fn body() -> impl Strategy<Value = String> {
        let value = expression().prop_filter("what parses", |text| parse_expression(FileId(0), text).is_ok());
        let item = (value, 0..6usize).prop_map(|(value, kind)| match kind {
            0 => format!("@ = {value}"),
            1 => format!("@={value}   # é comment"),
            2 => format!("b \"x\"   {{ @={value} }}"),
            3 => format!("b \"x\" \"y\"{{ # c\n\n\t@   = {value}\n c=1 // d\n}}"),
            4 => format!("b{{\nc {{\n@ = {value}\n\n\n}}\n}}\n\n"),
            _ => format!("/* c */\n@ = <<-E\n    ${{{value}}}\n  $${{ é\n  E"),
        });
        prop::collection::vec(item, 0..6).prop_map(|items| {
            let named = items.iter().enumerate().map(|(at, item)| item.replace('@', &"n".repeat(at + 1)));
            named.collect::<Vec<_>>().join("\n")
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]
        #[test]
        fn formatting_changes_nothing_but_white_space(text in body()) {
            faithful(&text);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]
        #[test]
        fn no_text_makes_it_panic(text in "[a-c{}\\[\\]()\"$%<~E=.,:*# /\\\\\n\r-]{0,40}|\\PC{0,20}") {
            let (_, _) = parse(FileId(0), &text);
            let _ = parse_expression(FileId(0), &text);
            if let Ok(formatted) = format(&text) {
                prop_assert_eq!(shape(&formatted), shape(&text));
            }
        }
    }
}
