//! A file as its top-level items, so one bad block costs one block.

use mlp_diag::{Diagnostic, FileId, Span};

use crate::codes;
use crate::lex::{Kind, Lexer, Token};

/// How deep brackets may nest; the parser proper has the same limit.
pub(crate) const MAX_DEPTH: usize = 64;

/// How many words and signs one top-level block may have: a tree of more takes more memory than anybody expects.
pub(crate) const MAX_TOKENS: usize = 1_000_000;

/// One block or attribute of the top level.
pub(crate) struct Item {
    /// Its tokens; the line ending is not among them.
    pub tokens: Vec<Token>,
    /// What is wrong already without parsing it; `None` while nobody looked.
    pub problems: Option<Vec<Diagnostic>>,
}

impl Item {
    /// Its bytes.
    pub(crate) fn range(&self) -> (usize, usize) {
        let start = self.tokens.first().map_or(0, |token| token.start);
        (start, self.tokens.last().map_or(start, |token| token.end))
    }

    /// What is wrong already without parsing it.
    pub(crate) fn found(&self, file: FileId, text: &str) -> Vec<Diagnostic> {
        self.problems.clone().unwrap_or_else(|| check(file, text, &self.tokens))
    }
}

/// Splits a file into its top-level items.
pub(crate) fn split(file: FileId, text: &str) -> Vec<Item> {
    split_up(file, text).0
}

/// The same, and whether every item ended by itself: then what one is depends on its own text alone.
pub(crate) fn split_up(file: FileId, text: &str) -> (Vec<Item>, bool) {
    let mut items: Vec<Item> = Vec::new();
    let mut alone = true;
    let mut pos = 0;
    // Once a bracket was left open, a line that looks like a block's first starts a new item: without this, one
    // missing brace would swallow the rest of the file.
    let mut wary = false;
    while let Some(start) = next_start(text, pos) {
        let (mut tokens, open) = gather(text, start, wary);
        if open && !wary {
            (wary, alone) = (true, false);
            tokens = gather(text, start, wary).0;
        }
        pos = tokens.last().map_or(text.len(), |token| token.end);
        if tokens.len() >= MAX_TOKENS {
            items.push(Item {
                problems: Some(vec![large(file, text, &tokens)]),
                tokens: tokens[..1].to_vec(),
            });
            return (items, false);
        }
        alone &= !tokens.first().is_some_and(|token| token.is(text, "}") || token.is(text, "{"));
        let bare = items.last().is_some_and(|item| is_bare_header(text, &item.tokens));
        // What was to stand in a block without a brace: that is told at its header.
        if bare && (indent_of(text, start) > 0 || text[start..].starts_with('}')) {
            alone = false;
            continue;
        }
        if tokens.first().is_some_and(|token| token.is(text, "}")) && join(file, text, &mut items, &tokens) {
            continue;
        }
        if tokens.first().is_some_and(|token| token.is(text, "{"))
            && let Some(header) = items.last_mut().filter(|_| bare)
        {
            header.problems = Some(vec![own_line(span(file, &tokens[0]))]);
            header.tokens.extend(tokens);
            continue;
        }
        items.push(Item { tokens, problems: None });
    }
    (items, alone)
}

/// Where the next item stands, if it ends by itself; what `None` says is that the whole must be looked at.
pub(crate) fn next_alone(text: &str, pos: usize) -> Option<Option<Item>> {
    let Some(start) = next_start(text, pos) else { return Some(None) };
    let (tokens, open) = gather(text, start, false);
    let bracket = tokens.first().is_some_and(|token| token.is(text, "}") || token.is(text, "{"));
    let alone = !open && !bracket && tokens.len() < MAX_TOKENS;
    alone.then_some(Some(Item { tokens, problems: None }))
}

/// `kind "label"` and no brace.
pub(crate) fn is_bare_header(text: &str, tokens: &[Token]) -> bool {
    let code = tokens.iter().take_while(|token| !token.is_comment());
    let named = tokens.first().is_some_and(|first| first.kind == Kind::Name);
    named
        && code.clone().all(|token| matches!(token.kind, Kind::Name | Kind::Quoted))
        && !tokens[0].is(text, "{")
}

fn own_line(brace: Span) -> Diagnostic {
    Diagnostic::error(codes::SYNTAX, "`{` stands on a line of its own")
        .at(brace, "here")
        .help("write it on the line of the block's kind and labels")
}

/// A brace that closes nothing, where a block above was closed by a brace too many: what lies between the two belongs
/// to that block. Says whether it was so.
fn join(file: FileId, text: &str, items: &mut Vec<Item>, closer: &[Token]) -> bool {
    let indent = |item: &Item| indent_of(text, item.range().0);
    let Some(owner) = items.iter().rposition(|item| indent(item) == 0) else { return false };
    let culprit = items[owner].tokens.last().copied().filter(|token| token.is(text, "}"));
    let Some(culprit) = culprit.filter(|token| indent_of(text, token.start) > 0) else { return false };
    if owner + 1 == items.len() || closer.len() != 1 || indent_of(text, closer[0].start) > 0 {
        return false;
    }
    let header = items[owner].tokens.iter().take_while(|token| !token.is(text, "{")).last().copied();
    let (start, _) = items[owner].range();
    let newline = |end: usize| Token { kind: Kind::Newline, start: end, end, closed: true };
    let rest: Vec<Item> = items.drain(owner + 1..).collect();
    let block = &mut items[owner];
    let mut problems = block.found(file, text);
    block.tokens.pop();
    for item in rest {
        block.tokens.push(newline(item.range().0));
        block.tokens.extend(item.tokens);
    }
    block.tokens.push(newline(closer[0].start));
    block.tokens.extend(closer);
    let head = Span::new(file, start, header.map_or(start, |token| token.end));
    problems.push(
        Diagnostic::error(codes::BRACKET, "`}` closes its block too early")
            .at(span(file, &culprit), "one too many: what follows still belongs to the block")
            .see(head, "this block")
            .help("remove it"),
    );
    block.problems = Some(problems);
    true
}

fn next_start(text: &str, pos: usize) -> Option<usize> {
    Lexer::new(text, pos)
        .find(|token| token.kind != Kind::Newline && (!token.is_comment() || !token.closed))
        .map(|token| token.start)
}

/// The brackets that are open, read as the author meant them: a closing one that does not fit the innermost closes what
/// it fits, and a `)` or `]` never closes a block.
#[derive(Default)]
pub(crate) struct Nesting {
    open: Vec<u8>,
}

impl Nesting {
    /// Takes a token into account.
    pub(crate) fn step(&mut self, text: &str, token: &Token) {
        let bracket = text.as_bytes()[token.start];
        match token.kind {
            Kind::Open => self.open.push(bracket),
            Kind::Close => {
                let wanted = match bracket {
                    b')' => b'(',
                    b']' => b'[',
                    _ => b'{',
                };
                // What lies deeper than may be nested is not looked for: the depth is told instead.
                let floor = self.open.len().saturating_sub(MAX_DEPTH);
                let near = &self.open[floor..];
                let fits = near.iter().rposition(|open| *open == wanted);
                let block = near.iter().rposition(|open| *open == b'{');
                match fits {
                    Some(at) if wanted == b'{' || block.is_none_or(|block| block < at) => {
                        self.open.truncate(floor + at);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// Whether nothing is open.
    pub(crate) fn is_even(&self) -> bool {
        self.open.is_empty()
    }

    /// Forgets what is open.
    pub(crate) fn reset(&mut self) {
        self.open.clear();
    }
}

/// The tokens of the item at `start`, and whether it ran to the end of the file with a bracket open.
fn gather(text: &str, start: usize, wary: bool) -> (Vec<Token>, bool) {
    let mut tokens: Vec<Token> = Vec::new();
    let mut nesting = Nesting::default();
    for token in Lexer::new(text, start).take(MAX_TOKENS) {
        let ends = nesting.is_even() || (wary && is_header(text, token.end));
        if token.kind == Kind::Newline && ends {
            return (tokens, false);
        }
        nesting.step(text, &token);
        tokens.push(token);
    }
    (tokens, !nesting.is_even())
}

/// Whether the line at `pos` looks like the first of a top-level block: `kind "label" {` with no indentation.
fn is_header(text: &str, pos: usize) -> bool {
    let mut tokens = Lexer::new(text, pos).peekable();
    tokens.peek().is_some_and(|first| first.start == pos) && is_header_of(text, tokens)
}

/// Whether tokens begin as a block does: `kind "label" {`.
pub(crate) fn is_header_of(text: &str, mut tokens: impl Iterator<Item = Token>) -> bool {
    if tokens.next().is_none_or(|first| first.kind != Kind::Name) {
        return false;
    }
    for token in tokens.take(8) {
        match token.kind {
            Kind::Name | Kind::Quoted => {}
            Kind::Open => return token.text(text) == "{",
            _ => return false,
        }
    }
    false
}

struct Opener {
    token: Token,
    indent: usize,
}

/// Brackets without a partner, strings and comments without an end, and nesting beyond the limit.
pub(crate) fn check(file: FileId, text: &str, tokens: &[Token]) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let mut stack: Vec<Opener> = Vec::new();
    let mut suspect: Option<Token> = None;
    let mut too_deep = false;
    let mut indent = tokens.first().map_or(0, |token| indent_of(text, token.start));
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Name
                if at > 0 && tokens[at - 1].kind == Kind::Number && tokens[at - 1].end == token.start =>
            {
                problems.push(glued(file, text, &tokens[at - 1], token));
            }
            // `a.0.b` is a step and then another; of a number that stands by itself there is nothing to take.
            Kind::Operator
                if token.is(text, ".")
                    && at > 0
                    && tokens[at - 1].kind == Kind::Number
                    && (at == 1 || !tokens[at - 2].is(text, ".")) =>
            {
                problems.push(glued(file, text, &tokens[at - 1], token));
            }
            Kind::Open => {
                if stack.len() == MAX_DEPTH && !too_deep {
                    too_deep = true;
                    problems.push(deep(span(file, token)));
                }
                stack.push(Opener { token: *token, indent });
            }
            Kind::Close => {
                if too_deep {
                    stack.pop();
                    continue;
                }
                match stack.pop() {
                    Some(opener) if partner(opener.token.text(text)) == token.text(text) => {
                        if suspect.is_none() && opener.indent > indent {
                            suspect = Some(opener.token);
                        }
                    }
                    Some(opener) => problems.push(mismatch(file, text, &opener.token, token)),
                    None => problems.push(stray(file, text, token)),
                }
            }
            Kind::Newline => indent = indent_of(text, token.end),
            _ if !token.closed => problems.push(unclosed(file, text, token)),
            _ => {}
        }
    }
    if let Some(opener) = stack.last()
        && problems.is_empty()
    {
        problems.push(left_open(file, text, suspect.as_ref().unwrap_or(&opener.token)));
    }
    // A string without an end has swallowed brackets: that they have no partner is no mistake of its own.
    if problems.iter().any(|problem| problem.code == codes::UNCLOSED) {
        problems.retain(|problem| problem.code != codes::BRACKET);
    }
    problems
}

/// The indentation of the line a byte stands in.
pub(crate) fn indent_of(text: &str, pos: usize) -> usize {
    let line = text[..pos].rfind('\n').map_or(0, |at| at + 1);
    text[line..].bytes().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

fn partner(open: &str) -> &'static str {
    match open {
        "(" => ")",
        "[" => "]",
        _ => "}",
    }
}

fn span(file: FileId, token: &Token) -> Span {
    Span::new(file, token.start, token.end)
}

pub(crate) fn deep(span: Span) -> Diagnostic {
    Diagnostic::error(codes::TOO_DEEP, format!("nested more than {MAX_DEPTH} levels deep"))
        .at(span, "this level is one too many")
        .help("give an inner part a name of its own in `locals` and refer to it")
}

fn large(file: FileId, text: &str, tokens: &[Token]) -> Diagnostic {
    let start = tokens.first().map_or(0, |token| token.start);
    Diagnostic::error(codes::TOO_LARGE, format!("this block has more than {MAX_TOKENS} words and signs"))
        .at(
            Span::new(file, start, crate::lex::line_end(text, start).min(start + 80)),
            "begins here; what follows is not read",
        )
        .help("keep data in a file of its own and name it, or make the block several")
}

fn mismatch(file: FileId, text: &str, opener: &Token, closer: &Token) -> Diagnostic {
    let (open, close) = (opener.text(text), closer.text(text));
    Diagnostic::error(codes::BRACKET, format!("`{open}` is closed by `{close}`"))
        .at(span(file, closer), format!("expected `{}` here", partner(open)))
        .see(span(file, opener), "opened here")
        .help(format!("close it with `{}`", partner(open)))
}

/// Digits that run into letters: neither a number nor a name, and read differently by everyone.
fn glued(file: FileId, text: &str, number: &Token, name: &Token) -> Diagnostic {
    Diagnostic::error(
        codes::SYNTAX,
        format!("`{}` follows the number `{}` without a space", name.text(text), number.text(text)),
    )
    .at(Span::new(file, number.start, name.end), "neither a number nor a name")
    .help("numbers are decimal, without separators or units (`1000000`, `1.5e3`); a unit stands in a string (`\"10ms\"`)")
}

fn stray(file: FileId, text: &str, closer: &Token) -> Diagnostic {
    let close = closer.text(text);
    Diagnostic::error(codes::BRACKET, format!("`{close}` closes nothing"))
        .at(span(file, closer), "no bracket is open here")
        .help("remove it, or look above for a block that was closed too early")
}

fn left_open(file: FileId, text: &str, opener: &Token) -> Diagnostic {
    let open = opener.text(text);
    Diagnostic::error(codes::BRACKET, format!("`{open}` is never closed"))
        .at(span(file, opener), "opened here")
        .help(format!("add the `{}` that belongs to it", partner(open)))
}

fn unclosed(file: FileId, text: &str, token: &Token) -> Diagnostic {
    let written = token.text(text);
    if let Some(at) =
        written.rfind("${").filter(|at| token.kind == Kind::Quoted && !written[*at..].contains('}'))
    {
        let start = token.start + at;
        return Diagnostic::error(codes::UNCLOSED, "this interpolation is never closed")
            .at(Span::new(file, start, start + 2), "starts here")
            .help("end it with `}` and the string with `\"`; a plain `${` is written `$${`");
    }
    let (what, way_out, end) = match token.kind {
        Kind::Quoted => (
            "string",
            "end it with `\"` on the same line; longer text goes in a heredoc, `<<-EOT`".to_owned(),
            token.end,
        ),
        Kind::Heredoc => {
            let end = crate::lex::line_end(text, token.start);
            let delimiter = text[token.start..end].trim_start_matches(['<', '-']).trim();
            ("heredoc", format!("end it with a line on which `{delimiter}` stands alone"), end)
        }
        _ => ("comment", "end it with `*/`".to_owned(), token.start + 2),
    };
    Diagnostic::error(codes::UNCLOSED, format!("this {what} is never closed"))
        .at(Span::new(file, token.start, end), "starts here")
        .help(way_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<(&str, Vec<String>)> {
        let shown = |item: Item| {
            let (start, end) = item.range();
            let found = item.found(FileId(0), text);
            (&text[start..end], found.iter().map(|problem| problem.code.clone()).collect())
        };
        split(FileId(0), text).into_iter().map(shown).collect()
    }

    #[test]
    fn items_end_with_their_brackets() {
        let text = "# c\na = [\n1]\n\nb \"x\" {\n  c = \"}\" # {\n}\nd = <<E\n}\nE\n";
        let found: Vec<&str> = pieces(text).into_iter().map(|(text, _)| text).collect();
        assert_eq!(found, ["a = [\n1]", "b \"x\" {\n  c = \"}\" # {\n}", "d = <<E\n}\nE"]);
    }

    #[test]
    fn one_open_brace_costs_one_block() {
        let found = pieces("a \"x\" {\n  b {\n    c = 1\n}\nd \"y\" {\n  e = 1\n}\nf {\n}\n");
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].1, ["MLP0105"]);
        assert!(found[1].1.is_empty() && found[2].1.is_empty());
    }

    #[test]
    fn the_opener_that_was_forgotten_is_blamed() {
        let items = split(FileId(0), "a \"x\" {\n  b {\n    c = 1\n}\nd \"y\" {\n}\n");
        assert_eq!(
            items[0].found(FileId(0), "a \"x\" {\n  b {\n    c = 1\n}\nd \"y\" {\n}\n")[0]
                .place()
                .unwrap()
                .start,
            12
        );
    }
}
