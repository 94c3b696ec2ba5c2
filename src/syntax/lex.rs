//! Tokens of the text, coarse on purpose: a whole string or heredoc is one token, whatever is nested in it.
//!
//! Nothing here recurses, so no input can exhaust the stack.

use std::ops::Range;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Name,
    Number,
    Quoted,
    Heredoc,
    LineComment,
    BlockComment,
    Newline,
    Open,
    Close,
    Operator,
    Unknown,
}

/// A token as a range of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
    /// Whether a string, heredoc or block comment found its end.
    pub closed: bool,
}

impl Token {
    /// The token's text.
    pub(crate) fn text<'a>(&self, text: &'a str) -> &'a str {
        &text[self.start..self.end]
    }

    /// Whether it is a comment of either kind.
    pub(crate) fn is_comment(&self) -> bool {
        matches!(self.kind, Kind::LineComment | Kind::BlockComment)
    }

    /// Whether it is this operator or bracket.
    pub(crate) fn is(&self, text: &str, what: &str) -> bool {
        matches!(self.kind, Kind::Operator | Kind::Open | Kind::Close) && self.text(text) == what
    }
}

/// Walks over the tokens of a text.
pub(crate) struct Lexer<'a> {
    text: &'a str,
    pos: usize,
    after_dot: bool,
}

impl<'a> Lexer<'a> {
    /// A lexer that starts at a byte offset.
    pub(crate) fn new(text: &'a str, pos: usize) -> Self {
        Self { text, pos, after_dot: false }
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let start = skip_blanks(self.text, self.pos);
        let first = self.text[start..].chars().next()?;
        let (kind, end, closed) = scan(self.text, start, first, self.after_dot);
        self.pos = end;
        self.after_dot = kind == Kind::Operator && &self.text[start..end] == ".";
        Some(Token { kind, start, end, closed })
    }
}

fn skip_blanks(text: &str, mut pos: usize) -> usize {
    if pos == 0 && text.starts_with('\u{feff}') {
        pos = '\u{feff}'.len_utf8();
    }
    let bytes = text.as_bytes();
    loop {
        match bytes.get(pos) {
            Some(b' ' | b'\t') => pos += 1,
            Some(b'\r') if bytes.get(pos + 1) != Some(&b'\n') => pos += 1,
            _ => return pos,
        }
    }
}

fn scan(text: &str, start: usize, first: char, after_dot: bool) -> (Kind, usize, bool) {
    let rest = &text[start..];
    match first {
        '\n' => (Kind::Newline, start + 1, true),
        '\r' => (Kind::Newline, start + 2, true),
        '#' => (Kind::LineComment, line_end(text, start), true),
        '/' if rest.starts_with("//") => (Kind::LineComment, line_end(text, start), true),
        '/' if rest.starts_with("/*") => match rest[2..].find("*/") {
            Some(at) => (Kind::BlockComment, start + 2 + at + 2, true),
            None => (Kind::BlockComment, text.len(), false),
        },
        '"' => {
            let (end, closed) = skip_template(text, start + 1, Mode::Quoted, &mut Vec::new());
            (Kind::Quoted, if closed { end } else { unclosed_end(text, start) }, closed)
        }
        '<' if heredoc_intro(text, start).is_some() => scan_heredoc(text, start),
        '(' | '[' | '{' => (Kind::Open, start + 1, true),
        ')' | ']' | '}' => (Kind::Close, start + 1, true),
        '0'..='9' => (Kind::Number, number_end(text, start, after_dot), true),
        c if is_name_start(c) => (Kind::Name, name_end(text, start), true),
        c => match operator(rest) {
            Some(length) => (Kind::Operator, start + length, true),
            None => (Kind::Unknown, start + c.len_utf8(), true),
        },
    }
}

/// Where a string ends that is not closed: with its line, and before a bracket that opens what follows.
fn unclosed_end(text: &str, start: usize) -> usize {
    let line = text[start..line_end(text, start)].trim_end();
    let code = line.trim_end_matches(['{', '[', '(']).trim_end();
    start + code.len().max(1)
}

fn scan_heredoc(text: &str, start: usize) -> (Kind, usize, bool) {
    let Some((delimiter, body)) = heredoc_intro(text, start) else {
        return (Kind::Operator, start + 1, true);
    };
    let (end, closed) = match heredoc_end(text, body, delimiter) {
        Some(end) => (end, true),
        None => skip_template(text, body, Mode::Heredoc(delimiter), &mut Vec::new()),
    };
    (Kind::Heredoc, end, closed)
}

/// The end of the line at `pos`, without its line ending.
pub(crate) fn line_end(text: &str, pos: usize) -> usize {
    let end = text[pos..].find('\n').map_or(text.len(), |at| pos + at);
    if text[pos..end].ends_with('\r') { end - 1 } else { end }
}

// Every character beyond ASCII counts as part of a name: the parser proper decides which are allowed.
fn is_name_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || (!c.is_ascii() && !c.is_whitespace())
}

fn is_name_part(c: char) -> bool {
    is_name_start(c) || c.is_ascii_digit() || c == '-'
}

fn name_end(text: &str, start: usize) -> usize {
    text[start..].find(|c| !is_name_part(c)).map_or(text.len(), |at| start + at)
}

fn number_end(text: &str, start: usize, whole: bool) -> usize {
    let bytes = text.as_bytes();
    let digits = |mut pos: usize| {
        while bytes.get(pos).is_some_and(u8::is_ascii_digit) {
            pos += 1;
        }
        pos
    };
    let mut end = digits(start);
    if whole {
        return end;
    }
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if bytes.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
            end = digits(end + 1 + sign);
        }
    }
    end
}

fn operator(rest: &str) -> Option<usize> {
    const LONG: [&str; 9] = ["...", "==", "!=", "<=", ">=", "&&", "||", "=>", "::"];
    if let Some(found) = LONG.iter().find(|op| rest.starts_with(**op)) {
        return Some(found.len());
    }
    rest.starts_with(['=', '+', '-', '*', '/', '%', '<', '>', '!', '?', ':', ',', '.', '&', '|']).then_some(1)
}

/// The delimiter of a heredoc that starts at `pos`, and where its body starts.
fn heredoc_intro(text: &str, pos: usize) -> Option<(&str, usize)> {
    let rest = text[pos..].strip_prefix("<<")?;
    let rest = rest.strip_prefix('-').unwrap_or(rest);
    let start = text.len() - rest.len();
    if !rest.starts_with(is_name_start) {
        return None;
    }
    let end = name_end(text, start);
    let after = &text[end..];
    let line = if after.starts_with("\r\n") { 2 } else { usize::from(after.starts_with('\n')) };
    (line > 0).then_some((&text[start..end], end + line))
}

/// The end of a heredoc when the line at `pos` is its last.
fn heredoc_end(text: &str, pos: usize, delimiter: &str) -> Option<usize> {
    let rest = text[pos..].trim_start_matches([' ', '\t']);
    let after = rest.strip_prefix(delimiter)?;
    (!after.starts_with(is_name_part)).then_some(text.len() - after.len())
}

/// The numbers in the interpolations of a string or heredoc.
pub(crate) fn numbers_inside(text: &str, token: &Token) -> Vec<Range<usize>> {
    let mut numbers = Vec::new();
    match (token.kind, heredoc_intro(text, token.start)) {
        (Kind::Quoted, _) => {
            skip_template(text, token.start + 1, Mode::Quoted, &mut numbers);
        }
        (Kind::Heredoc, Some((delimiter, body))) if heredoc_end(text, body, delimiter).is_none() => {
            skip_template(text, body, Mode::Heredoc(delimiter), &mut numbers);
        }
        _ => {}
    }
    numbers
}

enum Mode<'a> {
    Quoted,
    Heredoc(&'a str),
    Code,
}

/// The end of a string whose first quote stands at `start`.
pub(crate) fn string_end(text: &str, start: usize) -> usize {
    skip_template(text, start + 1, Mode::Quoted, &mut Vec::new()).0
}

/// Skips the rest of a template with all that is nested in it, and notes the numbers in its interpolations; gives
/// its end and whether it was closed.
fn skip_template<'a>(
    text: &'a str,
    start: usize,
    first: Mode<'a>,
    numbers: &mut Vec<Range<usize>>,
) -> (usize, bool) {
    let mut pos = start;
    let mut stack = vec![first];
    while let Some(mode) = stack.last() {
        if pos >= text.len() {
            return (text.len(), false);
        }
        pos = match mode {
            Mode::Code => step_code(text, pos, &mut stack, numbers),
            Mode::Quoted if matches!(text.as_bytes()[pos], b'\n' | b'\r') => return (pos, false),
            Mode::Quoted => step_quoted(text, pos, &mut stack),
            Mode::Heredoc(delimiter) => step_heredoc(text, pos, delimiter, &mut stack),
        };
    }
    (pos, true)
}

fn step_literal(text: &str, pos: usize, stack: &mut Vec<Mode<'_>>) -> usize {
    let rest = &text.as_bytes()[pos..];
    if rest.starts_with(b"$${") || rest.starts_with(b"%%{") {
        return pos + 3;
    }
    if rest.starts_with(b"${") || rest.starts_with(b"%{") {
        stack.push(Mode::Code);
        return pos + 2;
    }
    pos + text[pos..].chars().next().map_or(1, char::len_utf8)
}

fn step_quoted(text: &str, pos: usize, stack: &mut Vec<Mode<'_>>) -> usize {
    match text.as_bytes()[pos] {
        b'"' => {
            stack.pop();
            pos + 1
        }
        b'\\' => pos + 1 + text[pos + 1..].chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8),
        _ => step_literal(text, pos, stack),
    }
}

fn step_heredoc<'a>(text: &'a str, pos: usize, delimiter: &'a str, stack: &mut Vec<Mode<'a>>) -> usize {
    if text.as_bytes()[pos] != b'\n' {
        return step_literal(text, pos, stack);
    }
    match heredoc_end(text, pos + 1, delimiter) {
        Some(end) => {
            stack.pop();
            end
        }
        None => pos + 1,
    }
}

fn step_code<'a>(
    text: &'a str,
    pos: usize,
    stack: &mut Vec<Mode<'a>>,
    numbers: &mut Vec<Range<usize>>,
) -> usize {
    let rest = &text.as_bytes()[pos..];
    match rest[0] {
        b'"' => stack.push(Mode::Quoted),
        b'{' => stack.push(Mode::Code),
        b'}' => {
            stack.pop();
        }
        b'#' => return line_end(text, pos),
        b'/' if rest.starts_with(b"//") => return line_end(text, pos),
        b'/' if rest.starts_with(b"/*") => {
            return text[pos..].find("*/").map_or(text.len(), |at| pos + at + 2);
        }
        b'0'..=b'9' => {
            let after_dot = text.as_bytes()[pos - 1] == b'.';
            let end = number_end(text, pos, after_dot);
            if !after_dot {
                numbers.push(pos..end);
            }
            return end;
        }
        _ if text[pos..].starts_with(is_name_start) => return name_end(text, pos),
        b'<' => {
            if let Some((delimiter, body)) = heredoc_intro(text, pos) {
                if let Some(end) = heredoc_end(text, body, delimiter) {
                    return end;
                }
                stack.push(Mode::Heredoc(delimiter));
                return body;
            }
        }
        _ => {}
    }
    pos + text[pos..].chars().next().map_or(1, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        Lexer::new(text, 0).map(|token| token.text(text)).collect()
    }

    #[test]
    fn strings_heredocs_and_comments_are_one_token() {
        assert_eq!(texts("a = \"x ${f(\"}\")} $${\" # c"), ["a", "=", "\"x ${f(\"}\")} $${\"", "# c"]);
        assert_eq!(texts("a = <<-E\n  }\n  E\nb"), ["a", "=", "<<-E\n  }\n  E", "\n", "b"]);
        assert_eq!(texts("a /* { */ b"), ["a", "/* { */", "b"]);
        assert_eq!(texts("a.0.1 1.5e-3 a-b...)"), ["a", ".", "0", ".", "1", "1.5e-3", "a-b", "...", ")"]);
    }

    #[test]
    fn an_unclosed_string_ends_with_its_line() {
        let tokens: Vec<Token> = Lexer::new("a = \"x\\\nb = 1", 0).collect();
        assert_eq!((tokens[2].kind, tokens[2].closed, tokens[2].end), (Kind::Quoted, false, 7));
        assert_eq!(tokens.len(), 7);
    }
}
