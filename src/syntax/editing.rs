//! What editors need beside the tree: tokens of text that does not parse, and trees that move as the text before them changes.

use mlp_diag::{Diagnostic, Span};

use crate::lex::{Kind, Lexer};
use crate::{Attribute, Block, Body, Expr, ExprKind, Ident, TemplatePart, Tree};

/// What a token is; a string or heredoc is one token, whatever is nested in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum TokenKind {
    Name,
    Number,
    Text,
    Heredoc,
    Comment,
    Newline,
    Open,
    Close,
    Operator,
    Unknown,
}

/// A token as a range of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Whether a string, heredoc or comment found its end.
    pub closed: bool,
}

/// The tokens of a text, whatever it is.
pub fn tokens(text: &str) -> impl Iterator<Item = Token> + '_ {
    Lexer::new(text, 0).map(|token| Token {
        kind: match token.kind {
            Kind::Name => TokenKind::Name,
            Kind::Number => TokenKind::Number,
            Kind::Quoted => TokenKind::Text,
            Kind::Heredoc => TokenKind::Heredoc,
            Kind::LineComment | Kind::BlockComment => TokenKind::Comment,
            Kind::Newline => TokenKind::Newline,
            Kind::Open => TokenKind::Open,
            Kind::Close => TokenKind::Close,
            Kind::Operator => TokenKind::Operator,
            Kind::Unknown => TokenKind::Unknown,
        },
        start: token.start,
        end: token.end,
        closed: token.closed,
    })
}

/// Moves every span of a tree by so many bytes.
pub fn shift(tree: &mut Tree, by: i64) {
    body(&mut tree.body, by);
    tree.broken.iter_mut().chain(&mut tree.incomplete).for_each(|it| span(it, by));
}

/// Moves every span of a diagnostic by so many bytes.
pub fn shift_diagnostic(diagnostic: &mut Diagnostic, by: i64) {
    diagnostic.labels.iter_mut().for_each(|label| span(&mut label.span, by));
}

fn span(span: &mut Span, by: i64) {
    let moved = |at: u32| u32::try_from(i64::from(at) + by).unwrap_or_default();
    span.start = moved(span.start);
    span.end = moved(span.end);
}

fn body(inside: &mut Body, by: i64) {
    inside.attributes.iter_mut().for_each(|it| attribute(it, by));
    inside.blocks.iter_mut().for_each(|it| block(it, by));
}

fn attribute(it: &mut Attribute, by: i64) {
    ident(&mut it.name, by);
    expr(&mut it.expr, by);
    span(&mut it.span, by);
}

fn block(it: &mut Block, by: i64) {
    ident(&mut it.kind, by);
    it.labels.iter_mut().for_each(|label| ident(label, by));
    body(&mut it.body, by);
    span(&mut it.header, by);
    span(&mut it.span, by);
}

fn ident(it: &mut Ident, by: i64) {
    span(&mut it.span, by);
}

fn expr(it: &mut Expr, by: i64) {
    span(&mut it.span, by);
    match &mut it.kind {
        ExprKind::Broken
        | ExprKind::Null
        | ExprKind::Bool(_)
        | ExprKind::Number(_)
        | ExprKind::Text(_)
        | ExprKind::Name(_) => {}
        ExprKind::Template(parts) => parts.iter_mut().for_each(|it| part(it, by)),
        ExprKind::List(items) => items.iter_mut().for_each(|it| expr(it, by)),
        ExprKind::Object(items) => items.iter_mut().for_each(|(key, value)| {
            expr(key, by);
            expr(value, by);
        }),
        ExprKind::Attr(target, name) => {
            expr(target, by);
            ident(name, by);
        }
        ExprKind::Index(left, right) | ExprKind::Splat(left, right) | ExprKind::Binary(_, left, right) => {
            expr(left, by);
            expr(right, by);
        }
        ExprKind::Call { function, arguments, .. } => {
            ident(function, by);
            arguments.iter_mut().for_each(|it| expr(it, by));
        }
        ExprKind::Unary(_, inner) | ExprKind::Parens(inner) => expr(inner, by),
        ExprKind::Conditional(condition, then, otherwise) => {
            [condition, then, otherwise].into_iter().for_each(|it| expr(it, by));
        }
        ExprKind::For(parts) => {
            parts.key_name.iter_mut().chain([&mut parts.value_name]).for_each(|it| ident(it, by));
            let optional = parts.key.iter_mut().chain(parts.condition.iter_mut());
            optional.chain([&mut parts.collection, &mut parts.value]).for_each(|it| expr(it, by));
        }
    }
}

fn part(it: &mut TemplatePart, by: i64) {
    match it {
        TemplatePart::Text(_) => {}
        TemplatePart::Expr(inner) => expr(inner, by),
        TemplatePart::If(condition, then, otherwise) => {
            expr(condition, by);
            then.iter_mut().chain(otherwise).for_each(|it| part(it, by));
        }
        TemplatePart::For(key, value, collection, inside) => {
            key.iter_mut().chain([value]).for_each(|it| ident(it, by));
            expr(collection, by);
            inside.iter_mut().for_each(|it| part(it, by));
        }
    }
}

#[cfg(test)]
mod tests {
    use mlp_diag::FileId;

    use super::*;
    use crate::{Chunks, parse};

    const FILE: FileId = FileId(0);

    #[test]
    fn a_file_is_its_chunks() {
        for name in
            ["tests/reference/fraud", "tests/reference/support-llm", "examples/churn", "examples/calls"]
        {
            let path = format!("{}/../../{name}/main.mlp", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(&path).unwrap();
            let (whole, problems) = parse(FILE, &text);
            assert!(problems.is_empty());
            let mut joined = Tree::default();
            for range in Chunks::of(&text).ranges {
                let (mut tree, problems) = parse(FILE, &text[range.clone()]);
                assert!(problems.is_empty(), "{problems:?}");
                shift(&mut tree, i64::try_from(range.start).unwrap());
                joined.body.attributes.append(&mut tree.body.attributes);
                joined.body.blocks.append(&mut tree.body.blocks);
            }
            assert_eq!(joined, whole, "{name}");
        }
    }

    #[test]
    fn every_kind_of_expression_moves() {
        let text = "locals {\n  a = \"${x}%{ if y }${{for k, v in z : k => v... if k}}%{ endif }%{ for i in j }${i}%{ endfor }\"\n  \
                    b = { c = -d[0], e = !f ? g[*].h : (k(l, m...)) }\n  n = { for o, p in q : o => p + null }\n}\n";
        let (there, problems) = parse(FILE, &format!("\n\n{text}"));
        assert!(problems.is_empty(), "{problems:?}");
        let (mut here, _) = parse(FILE, text);
        shift(&mut here, 2);
        assert_eq!(here, there);
    }

    #[test]
    fn a_mistake_moves_with_its_chunk() {
        let text = "a \"x\" {\n  b = \n}\n";
        let (_, mut found) = parse(FILE, text);
        found.iter_mut().for_each(|one| shift_diagnostic(one, 1));
        assert_eq!(found, parse(FILE, &format!("\n{text}")).1);
    }
}
