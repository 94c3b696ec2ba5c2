//! What the parser stumbled over, in words that help.

use mlp_diag::{Diagnostic, FileId, Span};

use crate::codes;
use crate::lex::{Kind, Token};
use crate::split::deep;

/// A diagnostic for an error at a byte of the file.
pub(crate) fn explain(
    file: FileId,
    text: &str,
    tokens: &[Token],
    offset: usize,
    message: &str,
) -> Diagnostic {
    let at = tokens.iter().position(|token| token.end > offset).unwrap_or(tokens.len());
    let place = Place { file, text, tokens, at, offset };
    if message.contains("nesting depth") {
        return deep(place.span());
    }
    if message.contains("chained binary operators") {
        return Diagnostic::error(codes::TOO_DEEP, "more than 128 operators in one expression")
            .at(place.span(), "this one is too many")
            .help("give a part of it a name in `locals`, or use a function such as `sum` or `alltrue`");
    }
    if message.contains("redefined") {
        return place.redefined(message.contains("object key"));
    }
    if message.contains("escape sequence") || message.contains("hex code") {
        return bad_escape(file, text, offset);
    }
    place.one_line().or_else(|| place.colon()).unwrap_or_else(|| place.plain(message))
}

/// Something was set twice.
pub(crate) fn twice(what: &str, name: &str, second: Span, first: Option<Span>) -> Diagnostic {
    let problem = Diagnostic::error(codes::TWICE, format!("the {what} `{name}` is set twice"))
        .at(second, "set again here")
        .help("remove one of the two");
    match first {
        Some(first) => problem.see(first, "first set here"),
        None => problem,
    }
}

/// An escape that is unknown; `offset` lies in it or right after its backslash.
pub(crate) fn bad_escape(file: FileId, text: &str, offset: usize) -> Diagnostic {
    let start = text[..offset].rfind('\\').unwrap_or(offset);
    let end = text[start..].char_indices().nth(2).map_or(text.len(), |(at, _)| start + at);
    Diagnostic::error(codes::ESCAPE, format!("`{}` is no escape sequence", &text[start..end]))
        .at(Span::new(file, start, end), "unknown here")
        .help(r#"known are \n \r \t \" \\ \uNNNN and \UNNNNNNNN; a backslash itself is written `\\`"#)
}

/// A quote in the text between two directives of a string.
pub(crate) fn bare_quote(quote: Span) -> Diagnostic {
    Diagnostic::error(codes::SYNTAX, "a string ends here, between the directives `%{ … }` of its template")
        .at(quote, "the quote")
        .help(r#"write `\"` for a quote that belongs to the text"#)
}

/// What an operator of another language is here.
fn operator_in_words(word: &str) -> Option<&'static str> {
    match word {
        "and" | "AND" => Some("write `&&`"),
        "or" | "OR" => Some("write `||`"),
        "not" | "NOT" => Some("write `!`, or `!=` between two values"),
        "is" => Some("write `==`"),
        "in" => Some("write `contains(list, value)`"),
        _ => None,
    }
}

struct Place<'a> {
    file: FileId,
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
    offset: usize,
}

impl Place<'_> {
    fn token(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn before(&self) -> Option<&Token> {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at))
    }

    /// The character at the place, when it lies inside a string or heredoc: in one of its interpolations.
    fn inside(&self) -> Option<(Span, char)> {
        let token = self.token().filter(|token| matches!(token.kind, Kind::Quoted | Kind::Heredoc))?;
        let c = self.text[self.offset..].chars().next().filter(|_| self.offset > token.start)?;
        Some((Span::new(self.file, self.offset, self.offset + c.len_utf8()), c))
    }

    fn span(&self) -> Span {
        if let Some((span, _)) = self.inside() {
            return span;
        }
        match self.token() {
            Some(token) if token.kind != Kind::Newline => {
                let end = if token.kind == Kind::Heredoc {
                    crate::lex::line_end(self.text, token.start)
                } else {
                    token.end
                };
                Span::new(self.file, token.start.min(end), end)
            }
            // The end of a line has no width; what stands before it is where a person looks.
            _ => match self.before() {
                Some(token) => Span::new(self.file, token.start, token.end),
                None => Span::new(self.file, self.offset, self.offset),
            },
        }
    }

    fn found(&self) -> String {
        if let Some((_, c)) = self.inside() {
            return if c == '\n' { "the end of the line".to_owned() } else { format!("`{c}`") };
        }
        match self.token() {
            None if self.text.len() > self.tokens.last().map_or(0, |token| token.end) => {
                "the end of the line".to_owned()
            }
            None => "the end".to_owned(),
            Some(token) if token.kind == Kind::Newline => "the end of the line".to_owned(),
            Some(token) if token.is_comment() => "a comment".to_owned(),
            Some(token) if token.kind == Kind::Quoted => "a string".to_owned(),
            Some(token) if token.kind == Kind::Heredoc => "a heredoc".to_owned(),
            Some(token) => format!("`{}`", token.text(self.text)),
        }
    }

    /// The innermost bracket open before the place.
    fn opener(&self) -> Option<usize> {
        let mut depth = 0usize;
        (0..self.at.min(self.tokens.len())).rev().find(|at| match self.tokens[*at].kind {
            Kind::Close => {
                depth += 1;
                false
            }
            Kind::Open if depth == 0 => true,
            Kind::Open => {
                depth -= 1;
                false
            }
            _ => false,
        })
    }

    /// Whether the bracket that is open here was read as an index: a value stands before it.
    fn indexed(&self) -> bool {
        let before = self.opener().and_then(|at| at.checked_sub(1)).map(|at| &self.tokens[at]);
        before.is_some_and(|token| matches!(token.kind, Kind::Name | Kind::Quoted | Kind::Close))
    }

    fn redefined(&self, key: bool) -> Diagnostic {
        let Some(token) = self.token() else {
            return self.plain("");
        };
        let name = token.text(self.text);
        let from = self.opener().map_or(0, |at| at + 1);
        let mut depth = 0usize;
        let mut first = None;
        for at in from..self.at {
            let candidate = &self.tokens[at];
            match candidate.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                _ if depth > 0 || candidate.text(self.text) != name => {}
                _ if self.tokens[at + 1].is(self.text, "=") || self.tokens[at + 1].is(self.text, ":") => {
                    first = first.or(Some(Span::new(self.file, candidate.start, candidate.end)));
                }
                _ => {}
            }
        }
        twice(if key { "key" } else { "attribute" }, name.trim_matches('"'), self.span(), first)
    }

    /// `b { a = 1, c = 2 }`
    fn one_line(&self) -> Option<Diagnostic> {
        let opener = self.opener()?;
        let line = self.tokens[..opener].iter().rposition(|token| token.kind == Kind::Newline);
        let head = &self.tokens[line.map_or(0, |at| at + 1)..opener];
        let block = self.tokens[opener].is(self.text, "{")
            && head.first().is_some_and(|token| token.kind == Kind::Name)
            && head.iter().all(|token| matches!(token.kind, Kind::Name | Kind::Quoted));
        // In `b { c { … } }` the parser stumbles over the inner brace, whose own opener is the outer one.
        let inside = &self.tokens[opener + 1..self.at.min(self.tokens.len())];
        let same_line = inside.iter().all(|token| token.kind != Kind::Newline);
        let nested = self.token().is_some_and(|token| token.is(self.text, "{") || token.kind == Kind::Quoted);
        let assigned = inside.iter().any(|token| token.is(self.text, "="));
        let value_missing = inside.last().is_some_and(|token| token.is(self.text, "="));
        if !block || !same_line || value_missing || !(assigned || (nested && !inside.is_empty())) {
            return None;
        }
        let owner = &self.tokens[opener];
        Some(
            Diagnostic::error(codes::ONE_LINE, "a block on one line holds one attribute at most")
                .at(self.span(), "one too many")
                .see(Span::new(self.file, owner.start, owner.end), "this block")
                .help("break the line after `{`, and put each attribute or block on a line of its own"),
        )
    }

    /// `a: 1`
    fn colon(&self) -> Option<Diagnostic> {
        let token = self.token()?;
        let name = self.before()?;
        if !token.is(self.text, ":") || name.kind != Kind::Name {
            return None;
        }
        Some(
            Diagnostic::error(codes::SYNTAX, "an attribute is set with `=`, not with `:`")
                .at(self.span(), "found `:`")
                .help(format!("write `{} = …`", name.text(self.text))),
        )
    }

    /// `a = b.`: the parser proper gives up at the attribute's name.
    fn dangling_dot(&self) -> Option<Diagnostic> {
        let rest = &self.tokens[self.at.min(self.tokens.len())..];
        let follows = |token: Option<&Token>| {
            token.is_some_and(|next| {
                matches!(next.kind, Kind::Name | Kind::Number) || next.is(self.text, "*") || next.is_comment()
            })
        };
        let at = (0..rest.len()).find(|at| rest[*at].is(self.text, ".") && !follows(rest.get(at + 1)))?;
        let span = Span::new(self.file, rest[at].start, rest[at].end);
        Some(
            Diagnostic::error(codes::SYNTAX, "expected a name after the dot")
                .at(span, "nothing follows here")
                .help("write the name of an attribute, an index or `*`, or remove the dot"),
        )
    }

    /// What is often written in place of `kind "label" {` and `name = value`.
    fn header(&self) -> Option<Diagnostic> {
        let token = self.token();
        let text = token.map_or("", |token| token.text(self.text));
        let first = self.tokens.first()?;
        let labels = self.tokens[1..self.at.min(self.tokens.len()).max(1)]
            .iter()
            .all(|token| matches!(token.kind, Kind::Name | Kind::Quoted));
        let headed = first.kind == Kind::Name && self.at > 0 && labels;
        let (headline, label, help) = match token {
            None if headed && self.tokens.len() > 1 => (
                "this block has no `{`",
                "after this",
                "write `{` on the same line: `kind \"label\" {`".to_owned(),
            ),
            Some(token) if token.is(self.text, "=") && headed && self.at > 1 => {
                ("a block takes no `=`", "remove it", "write `kind \"label\" {`".to_owned())
            }
            Some(token) if token.kind == Kind::Quoted && self.at == 0 => {
                let name = text.trim_matches('"');
                let assigned = self.tokens.get(1).is_some_and(|next| next.is(self.text, "="));
                let way = if assigned {
                    format!("`{name} = …`")
                } else {
                    format!("`{name} \"label\" {{ … }}`")
                };
                (
                    "names of attributes and kinds of blocks take no quotes",
                    "in quotes",
                    format!("write {way}"),
                )
            }
            Some(token) if token.kind == Kind::Operator && self.at == 0 && text != "=" => (
                "a line cannot begin with an operator",
                "here",
                "an expression that goes on on the next line stands in parentheses".to_owned(),
            ),
            Some(token)
                if token.is(self.text, "(") && self.at > 2 && self.tokens[self.at - 2].is(self.text, ".") =>
            {
                let name = self.tokens[self.at - 1].text(self.text);
                (
                    "there are no methods",
                    "called here",
                    format!("write the function around its value: `{name}(…)`"),
                )
            }
            _ if text == ";" => {
                ("`;` is no sign of the language", "here", "remove it: a line ends by itself".to_owned())
            }
            _ => return None,
        };
        Some(Diagnostic::error(codes::SYNTAX, headline).at(self.span(), label).help(help))
    }

    fn plain(&self, message: &str) -> Diagnostic {
        let found = self.found();
        if let Some(problem) = self.dangling_dot().or_else(|| self.header()) {
            return problem;
        }
        let directive = || {
            let rest = &self.tokens[self.at.min(self.tokens.len())..];
            rest.iter().find(|token| {
                matches!(token.kind, Kind::Quoted | Kind::Heredoc) && token.text(self.text).contains("%{")
            })
        };
        if message == "unexpected token"
            && let Some(token) = directive()
        {
            return Diagnostic::error(codes::SYNTAX, "a `%{` directive in this text is incomplete")
                .at(Span::new(self.file, token.start, token.end), "in here")
                .help("`%{ if … }` ends with `%{ endif }`, `%{ for … }` with `%{ endfor }`; a plain `%{` is written `%%{`");
        }
        let (expected, way_out) = self.expected(message);
        Diagnostic::error(codes::SYNTAX, format!("expected {expected}, found {found}"))
            .at(self.span(), if found.starts_with("the end") { "after this" } else { "here" })
            .help(way_out)
    }

    fn expected(&self, message: &str) -> (&'static str, &'static str) {
        let text = self.token().map_or("", |token| token.text(self.text));
        if text.starts_with('\'') {
            return ("a value", "strings are written in double quotes: \"…\"");
        }
        if text == "{" {
            return ("the kind of a block", "`{` stands on the line of the block's kind and labels.");
        }
        let opened =
            self.opener().and_then(|at| self.tokens.get(at)).map_or("", |token| token.text(self.text));
        if text == "=>" && opened == "[" {
            return ("`]`", "an object is made in braces: `{ for key, value in object : key => value }`");
        }
        let before = self.before().map_or("", |token| token.text(self.text));
        if let Some(way_out) = operator_in_words(text).or_else(|| operator_in_words(before)) {
            return ("the end of the line", way_out);
        }
        let next = self.tokens.get(self.at + 1);
        if text == "," && message.contains("`]`") && self.indexed() {
            let way_out =
                "an index takes one value; for a list as a further argument write `,` before its `[`";
            return ("`]`", way_out);
        }
        if message.contains("newline") && next.is_some_and(|next| next.is(self.text, "=")) {
            return ("the end of the line", "put each attribute on a line of its own");
        }
        let operator = self.token().is_some_and(|token| token.kind == Kind::Operator && text != ",");
        if operator && message.contains("newline") && !message.contains("object item") {
            let way_out = "complete the expression; one that goes on on the next line stands in parentheses";
            return ("the end of the line", way_out);
        }
        let cases = [
            (
                "invalid expression",
                "a value",
                "write a value, such as `\"text\"`, `3`, `[…]` or a reference like `dataset.rows`",
            ),
            ("invalid traversal", "a name after the dot", "write the name of an attribute, an index or `*`"),
            ("heredoc", "the end of the heredoc", "end it with its delimiter alone on a line"),
            (
                "object value assignment",
                "`=` after the key",
                "write `key = value`; a key that is computed stands in parentheses",
            ),
            (
                "object item",
                "`,`, a new line or `}`",
                "separate the entries of an object with commas or new lines",
            ),
            (
                "newline",
                "the end of the line",
                "put each attribute and each block on a line of its own; text stands in double quotes",
            ),
            ("`]`", "`,` or `]`", "separate the items of a list with commas"),
            ("`)`", "`,` or `)`", "separate arguments with commas and close the bracket"),
            ("invalid structure", "`=` or a block's `{`", "write `name = value`, or `kind \"label\" { … }`"),
            ("invalid attribute", "`=`", "write `name = value`"),
            ("`:`", "`:`", "write `condition ? value : other`, and `[for item in list : value]`"),
            ("`in`", "`in`", "write `for item in list`"),
            ("`=>`", "`=>`", "write `{ for key, value in object : key => value }`"),
            (
                "block body",
                "an attribute, a block or `}`",
                "write `name = value` or `kind \"label\" { … }` on a line of its own",
            ),
            ("identifier", "a name", "names start with a letter and go on with letters, digits, `_` and `-`"),
            ("`}`", "`}`", "close the `{` or `${` that is open here"),
        ];
        let found = cases.iter().find(|(sign, _, _)| message.contains(sign));
        found.map_or(
            (
                "an attribute or a block",
                "write `name = value`, or `kind \"label\" { … }`; names take no quotes",
            ),
            |(_, expected, way_out)| (*expected, *way_out),
        )
    }
}
