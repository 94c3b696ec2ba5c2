//! What can still be read of a block that has a mistake in it: its header, and each of its attributes and blocks by
//! itself, so that one mistake costs one attribute.

use std::collections::HashMap;

use hcl_edit::parser;
use mlp_diag::{Diagnostic, Diagnostics, FileId, Span};

use crate::codes;
use crate::convert::Converter;
use crate::explain::{explain, twice};
use crate::lex::{Kind, Token};
use crate::parse::masked;
use crate::plain;
use crate::split::{MAX_DEPTH, Nesting, check, indent_of, is_header_of};
use crate::{Attribute, Block, Body, Expr, ExprKind, Ident, Tree};

/// Reads the pieces of one file into its tree.
pub(crate) struct Reader<'a> {
    pub file: FileId,
    pub text: &'a str,
    pub tree: Tree,
    pub problems: Diagnostics,
}

/// A piece that is written as a block, by the numbers of its tokens.
struct Shape {
    /// The opening brace.
    open: usize,
    /// Where the inside ends.
    end: usize,
    /// Where the block ends in the text.
    last: usize,
}

impl Reader<'_> {
    /// Reads an attribute or a block, and all that it can of a broken one; `found` is what is wrong already.
    pub(crate) fn piece(&mut self, tokens: &[Token], mut found: Vec<Diagnostic>, depth: usize) -> Body {
        if found.is_empty() {
            if let (Some(first), Some(last)) = (tokens.first(), tokens.last())
                && let Some(body) = plain::body(self.file, self.text, first.start, last.end)
            {
                return body;
            }
            match self.parse(tokens) {
                Ok(body) => return body,
                Err(problem) => found.push(*problem),
            }
        }
        self.broken(tokens, found, depth)
    }

    /// What the parser proper makes of it.
    pub(crate) fn parse(&mut self, tokens: &[Token]) -> Result<Body, Box<Diagnostic>> {
        let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return Ok(Body::default()) };
        // With a line ending after it, an error at the end lies behind the last token, not in it.
        let source = masked(self.text, tokens, first.start, last.end) + "\n";
        let body = parser::parse_body(&source).map_err(|error| {
            let at = first.start + error.location().offset();
            Box::new(explain(self.file, self.text, tokens, at, error.message()))
        })?;
        let mut converter = Converter {
            file: self.file,
            text: self.text,
            base: first.start,
            steps: 0,
            problems: &mut self.problems,
        };
        Ok(converter.body(&body))
    }

    fn broken(&mut self, tokens: &[Token], found: Vec<Diagnostic>, depth: usize) -> Body {
        let mut body = Body::default();
        let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return body };
        let span = Span::new(self.file, first.start, last.end);
        // A heredoc or comment without an end has swallowed what follows it, with all the names in there.
        self.tree.lost |= found.iter().any(|problem| problem.code == codes::TOO_LARGE);
        self.tree.lost |= tokens
            .iter()
            .any(|token| !token.closed && matches!(token.kind, Kind::Heredoc | Kind::BlockComment));
        let readable = depth < MAX_DEPTH
            && found
                .iter()
                .all(|problem| !matches!(problem.code.as_str(), codes::TOO_DEEP | codes::TOO_LARGE));
        match self.shape(tokens).filter(|_| readable) {
            Some(shape) => {
                let block = self.block(tokens, &shape, found, depth);
                body.blocks.push(block);
            }
            None => {
                self.problems.extend(found);
                self.tree.broken.push(span);
                let sign = |token: &&Token| token.is(self.text, "=") || token.is(self.text, ":");
                if first.kind == Kind::Name && tokens.get(1).filter(sign).is_some() {
                    let value =
                        tokens.get(2).map_or(span, |token| Span::new(self.file, token.start, last.end));
                    let expr = Expr { kind: ExprKind::Broken, span: value };
                    body.attributes.push(Attribute { name: self.ident(first), expr, span });
                } else if depth == 0 {
                    self.tree.lost = true;
                }
            }
        }
        body
    }

    /// How a piece is written that starts like a block, whatever is wrong behind its opening brace.
    fn shape(&self, tokens: &[Token]) -> Option<Shape> {
        let line = tokens.iter().position(|token| token.kind == Kind::Newline).unwrap_or(tokens.len());
        let open = tokens[..line].iter().position(|token| token.is(self.text, "{"))?;
        let head = &tokens[..open];
        // `name = {` is an attribute, unless labels stand between the two.
        let assigned = head.get(1).is_some_and(|token| token.is(self.text, "="));
        if head.first()?.kind != Kind::Name || assigned {
            return None;
        }
        let last = tokens.iter().rposition(|token| token.kind != Kind::Newline && !token.is_comment())?;
        let own_closer = last > open
            && tokens[last].is(self.text, "}")
            && (line > last
                || indent_of(self.text, tokens[last].start) <= indent_of(self.text, head[0].start));
        Some(Shape { open, end: if own_closer { last } else { last + 1 }, last: tokens[last].end })
    }

    /// A block by its parts. What is wrong with it as a whole is told only when no part of it has a mistake.
    fn block(&mut self, tokens: &[Token], shape: &Shape, found: Vec<Diagnostic>, depth: usize) -> Block {
        let before = self.problems.len();
        let head = &tokens[..shape.open];
        if let Some(problem) = self.header_problem(head, &tokens[shape.open]) {
            self.problems.push(problem);
        }
        let inside = &tokens[shape.open + 1..shape.end.max(shape.open + 1)];
        let bracketed = found.iter().any(|problem| problem.code != codes::SYNTAX);
        let mut body = Body::default();
        let mut complete = true;
        if inside.iter().any(|token| token.kind == Kind::Newline) {
            for piece in self.members(inside, bracketed) {
                let inner = self.piece(piece, check(self.file, self.text, piece), depth + 1);
                let names = inner.attributes.len() + inner.blocks.len();
                complete &= names > 0 && names >= self.assignments(piece);
                body.attributes.extend(inner.attributes);
                body.blocks.extend(inner.blocks);
            }
        } else {
            complete = inside.is_empty();
        }
        drop_repeated(&mut body, &mut self.problems);
        if self.problems.len() == before {
            self.problems.extend(found);
        }
        let kind = self.ident(&head[0]);
        let labels: Vec<Ident> = head[1..]
            .iter()
            .filter(|token| matches!(token.kind, Kind::Name | Kind::Quoted))
            .map(|token| self.ident(token))
            .collect();
        let header = labels.last().map_or(kind.span, |last| kind.span.to(last.span));
        let span = Span::new(self.file, head[0].start, shape.last);
        if !complete {
            self.tree.incomplete.extend([header, span]);
        }
        Block { kind, labels, body, header, span }
    }

    /// What is wrong with kind and labels: they are read as those of an empty block.
    fn header_problem(&self, head: &[Token], brace: &Token) -> Option<Diagnostic> {
        let first = head.first()?;
        if let Some(problem) = check(self.file, self.text, head).into_iter().next() {
            return Some(problem);
        }
        let source = self.text[first.start..brace.end].to_owned() + "\n}\n";
        let error = parser::parse_body(&source).err()?;
        let tokens: Vec<Token> = head.iter().chain([brace]).copied().collect();
        let at = first.start + error.location().offset();
        Some(explain(self.file, self.text, &tokens, at, error.message()))
    }

    /// The attributes and blocks between two braces. Where brackets are at fault, a line that is indented as the first
    /// and begins as an attribute or a block does is one, whatever is still open.
    fn members<'t>(&self, inside: &'t [Token], bracketed: bool) -> Vec<&'t [Token]> {
        let margin = inside
            .iter()
            .find(|token| token.kind != Kind::Newline && !token.is_comment())
            .map_or(0, |token| indent_of(self.text, token.start));
        let mut pieces = Vec::new();
        let mut nesting = Nesting::default();
        let mut start = 0;
        for (at, token) in inside.iter().enumerate() {
            nesting.step(self.text, token);
            let ends = nesting.is_even() || (bracketed && self.is_member(&inside[at + 1..], margin));
            if token.kind == Kind::Newline && ends {
                pieces.push(&inside[start..at]);
                start = at + 1;
                nesting.reset();
            }
        }
        pieces.push(&inside[start..]);
        pieces.retain(|piece| piece.iter().any(|token| token.kind != Kind::Newline && !token.is_comment()));
        pieces.iter().map(|piece| trimmed(piece)).collect()
    }

    /// How many attributes stand in a piece, outside its brackets.
    fn assignments(&self, piece: &[Token]) -> usize {
        let mut nesting = Nesting::default();
        let mut count = 0;
        for token in piece {
            nesting.step(self.text, token);
            count += usize::from(nesting.is_even() && token.is(self.text, "="));
        }
        count
    }

    fn is_member(&self, tokens: &[Token], margin: usize) -> bool {
        let [first, second, ..] = tokens else { return false };
        first.kind == Kind::Name
            && indent_of(self.text, first.start) == margin
            && (second.is(self.text, "=") || is_header_of(self.text, tokens.iter().copied()))
    }

    fn ident(&self, token: &Token) -> Ident {
        let written = token.text(self.text);
        let plain = written.strip_prefix('"').unwrap_or(written);
        let plain = plain.strip_suffix('"').unwrap_or(plain);
        Ident { name: plain.to_owned(), span: Span::new(self.file, token.start, token.end) }
    }
}

/// Without the line endings and comments around it.
fn trimmed(piece: &[Token]) -> &[Token] {
    let tells = |token: &Token| token.kind != Kind::Newline && (!token.is_comment() || !token.closed);
    let start = piece.iter().position(tells).unwrap_or(0);
    let end = piece.iter().rposition(tells).map_or(start, |at| at + 1);
    &piece[start..end]
}

/// Leaves out attributes that are set again, and says so.
pub(crate) fn drop_repeated(body: &mut Body, problems: &mut Diagnostics) {
    let mut seen: HashMap<String, Span> = HashMap::new();
    body.attributes.retain(|attribute| match seen.get(&attribute.name.name) {
        Some(first) => {
            problems.push(twice("attribute", &attribute.name.name, attribute.name.span, Some(*first)));
            false
        }
        None => {
            seen.insert(attribute.name.name.clone(), attribute.name.span);
            true
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    /// The places of all mistakes as the text they point at, and the names that were read all the same.
    fn read(text: &str) -> (Vec<&str>, String) {
        let (tree, problems) = parse(FileId(0), text);
        let places = problems.iter().map(|problem| {
            let span = problem.place().unwrap();
            &text[span.start as usize..span.end as usize]
        });
        (places.collect(), outline(&tree.body))
    }

    fn outline(body: &Body) -> String {
        let value = |expr: &Expr| if expr.kind == ExprKind::Broken { "!" } else { "" };
        let attributes = body.attributes.iter().map(|one| one.name.name.clone() + value(&one.expr));
        let blocks = body.blocks.iter().map(|block| {
            let labels: String = block.labels.iter().map(|label| format!(" {}", label.name)).collect();
            format!("{}{labels}({})", block.kind.name, outline(&block.body))
        });
        attributes.chain(blocks).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_mistake_costs_one_attribute() {
        for (text, places, outline) in [
            ("b \"x\" {\n  a = = 1\n  c = 2\n  d = [1 2]\n}\n", vec!["=", "2"], "b x(a! c d!)"),
            (
                "b \"x\" {\n  a: 1\n  c \"y\" {\n    d = )\n    e = 1\n  }\n}\n",
                vec![":", ")"],
                "b x(a! c y(d! e))",
            ),
            ("b {\n  a = 1\n  a = 2\n  c = = 1\n}\nd = 1\n", vec!["a", "="], "d b(a c!)"),
            ("b \"x\" y = {\n  a = 1\n}\n", vec!["="], "b x y(a)"),
            ("b \"x {\n  a = 1\n}\nc = 1\n", vec!["\"x"], "c b x(a)"),
            ("b {\n  a = \"x\n  c = 1\n}\n", vec!["\"x"], "b(a! c)"),
            ("b {\n  a = [\"x, \"y\"]\n  c = 1\n}\nd {\n}\n", vec!["\"]"], "b(a! c) d()"),
            ("b {\n  a = [1,\n  c = 1\n}\nd {\n}\n", vec!["["], "b(a! c) d()"),
            ("b {\n  a = \"${f(\"\n  c = 1\n}\n", vec!["${"], "b(a! c)"),
            ("b {\n  c {\n    a = 1\n  d = 2\n}\ne {\n}\n", vec!["{"], "b(d c(a)) e()"),
            ("b {\n  c {\n    a = 1\n  }\n  }\n  d = 2\n}\ne {\n}\n", vec!["}"], "b(d c(a)) e()"),
            ("b {\n  a = 1\n", vec!["{"], "b(a)"),
            ("b {\n  a = 1\nc {\n  d = (\n}\n", vec!["{", "("], "b(a) c(d!)"),
            ("b { a = 1, c = 2 }\nd = 1\n", vec![","], "d b()"),
        ] {
            let (found, names) = read(text);
            assert_eq!((found, names.as_str()), (places, outline), "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_marked() {
        let (tree, _) = parse(FileId(0), "b {\n  = 1\n  a = 1\n}\nc {\n}\n");
        assert_eq!((tree.incomplete.len(), tree.broken.len(), tree.lost), (2, 1, false));
        assert!(parse(FileId(0), "b {\n  a = <<E\n x\n}\n").0.lost);
        assert!(parse(FileId(0), "\"b\" {\n  a = 1\n}\n").0.lost);
    }
}
