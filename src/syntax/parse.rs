//! Text to tree: every top-level item is parsed by itself.

use hcl_edit::parser;
use mlp_diag::{Diagnostic, Diagnostics, FileId, Span};
use mlp_parallel::in_parallel;

use crate::codes;
use crate::convert::Converter;
use crate::explain::explain;
use crate::lex::{Kind, Lexer, Token, numbers_inside};
use crate::recover::{Reader, drop_repeated};
use crate::split::{Item, check, split};
use crate::{Expr, Tree};

/// The largest file that is read.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// So much text is read sooner than threads are started.
const WORTH: usize = 64 * 1024;

/// So many mistakes are told of one file; who makes more has something else in mind than a specification.
const MAX_PROBLEMS: usize = 1000;

/// Parses a file: the tree of everything that could be read, and what is wrong with the rest.
pub fn parse(file: FileId, text: &str) -> (Tree, Diagnostics) {
    let _stage = mlp_trace::stage("parse");
    if let Some(problem) = too_large(file, text) {
        return (Tree { lost: true, ..Tree::default() }, vec![problem]);
    }
    let items = split(file, text);
    let (mut tree, mut problems) = (Tree::default(), Diagnostics::new());
    let read = in_parallel(&items, text.len() >= WORTH, |item| piece(file, text, item));
    for (item, one) in items.iter().zip(read) {
        if problems.len() >= MAX_PROBLEMS {
            tree.lost = true;
            problems.push(too_many(file, text, item));
            break;
        }
        let (mut piece, mut found) = one;
        tree.body.attributes.append(&mut piece.body.attributes);
        tree.body.blocks.append(&mut piece.body.blocks);
        tree.broken.append(&mut piece.broken);
        tree.incomplete.append(&mut piece.incomplete);
        tree.lost |= piece.lost;
        problems.append(&mut found);
    }
    drop_repeated(&mut tree.body, &mut problems);
    problems.sort_by_key(|problem| problem.place().map(|span| span.start));
    (tree, problems)
}

/// Parses several files, each as [`parse`] does.
pub fn parse_all(files: &[(FileId, &str)]) -> Vec<(Tree, Diagnostics)> {
    // Within one file the pieces are shared out; of many files each is one piece.
    match files {
        [(file, text)] => vec![parse(*file, text)],
        _ => {
            let size: usize = files.iter().map(|(_, text)| text.len()).sum();
            in_parallel(files, size >= WORTH, |(file, text)| parse(*file, text)).collect()
        }
    }
}

/// One top-level item.
fn piece(file: FileId, text: &str, item: &Item) -> (Tree, Diagnostics) {
    let mut reader = Reader { file, text, tree: Tree::default(), problems: Diagnostics::new() };
    reader.tree.body = reader.piece(&item.tokens, item.found(file, text), 0);
    (reader.tree, reader.problems)
}

/// One top-level item as the parser proper alone reads it; `None` where something is wrong with it.
#[cfg(test)]
pub(crate) fn slowly(file: FileId, text: &str, item: &Item) -> Option<crate::Body> {
    let mut reader = Reader { file, text, tree: Tree::default(), problems: Diagnostics::new() };
    let body = reader.parse(&item.tokens).ok()?;
    reader.problems.is_empty().then_some(body)
}

fn too_many(file: FileId, text: &str, item: &Item) -> Diagnostic {
    let (start, end) = item.range();
    Diagnostic::error(codes::SYNTAX, format!("more than {MAX_PROBLEMS} mistakes in one file"))
        .at(Span::new(file, start, end.min(crate::lex::line_end(text, start))), "from here on it is not read")
        .help("mend the first ones: the others may follow from them")
}

/// Parses one expression that is not part of a file, such as the value of a variable.
pub fn parse_expression(file: FileId, text: &str) -> Result<Expr, Diagnostics> {
    if let Some(problem) = too_large(file, text) {
        return Err(vec![problem]);
    }
    let trimmed = text.trim_end();
    let base = text.len() - text.trim_start().len();
    if base >= trimmed.len() {
        let problem = Diagnostic::error(codes::SYNTAX, "expected a value, found nothing");
        return Err(vec![
            problem.at(Span::new(file, 0, text.len()), "").help("write a value, such as `\"text\"` or `3`"),
        ]);
    }
    let tokens: Vec<Token> = Lexer::new(trimmed, base).collect();
    let found = check(file, text, &tokens);
    if !found.is_empty() {
        return Err(found);
    }
    let source = masked(trimmed, &tokens, base, trimmed.len());
    let parsed = parser::parse_expr(&source).map_err(|error| {
        vec![explain(file, text, &tokens, base + error.location().offset(), error.message())]
    })?;
    let mut problems = Diagnostics::new();
    let expr = Converter { file, text, base, steps: 0, problems: &mut problems }.expr(&parsed);
    if problems.is_empty() { Ok(expr) } else { Err(problems) }
}

pub(crate) fn too_large(file: FileId, text: &str) -> Option<Diagnostic> {
    (text.len() > MAX_BYTES).then(|| {
        Diagnostic::error(
            codes::TOO_LARGE,
            format!("the file has {} MiB; 16 MiB are read at most", text.len() >> 20),
        )
        .at(Span::new(file, 0, 0), "")
        .help("split it into several files of one directory; they merge as one")
    })
}

/// The source with numbers that the parser proper cannot hold written as zeros of the same length: the converter
/// reads every number from the text.
pub(crate) fn masked(text: &str, tokens: &[Token], start: usize, end: usize) -> String {
    let mut source = text[start..end].to_owned();
    let mut mask = |number: std::ops::Range<usize>| {
        let written = &text[number.clone()];
        // With an exponent a number has three characters or more.
        if written.len() > 15 || written.contains(['e', 'E']) {
            let zero = format!("0.{}", "0".repeat(number.len() - 2));
            source.replace_range(number.start - start..number.end - start, &zero);
        }
    };
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Number if at == 0 || !tokens[at - 1].is(text, ".") => mask(token.start..token.end),
            Kind::Quoted | Kind::Heredoc => numbers_inside(text, token).into_iter().for_each(&mut mask),
            _ => {}
        }
    }
    source
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BinaryOp, ExprKind, TemplatePart};

    const FILE: FileId = FileId(0);

    fn good(text: &str) -> Tree {
        let (tree, problems) = parse(FILE, text);
        assert!(problems.is_empty(), "{text}: {problems:?}");
        tree
    }

    fn value(text: &str) -> ExprKind {
        parse_expression(FILE, text).unwrap().kind
    }

    fn problem(text: &str) -> Diagnostic {
        let (_, problems) = parse(FILE, text);
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        problems[0].clone()
    }

    #[test]
    fn a_character_of_several_bytes_that_is_no_name_ends() {
        let (_, diagnostics) = parse(FileId(0), "locals {\n  b = \"${tru\u{2028}e}\"\n}\n");
        assert!(!diagnostics.is_empty());
    }

    #[test]
    fn the_references_parse() {
        for name in ["tests/reference/fraud", "tests/reference/support-llm", "examples/churn"] {
            let path = format!("{}/../../{name}/main.mlp", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(&path).unwrap();
            let tree = good(&text);
            for block in &tree.body.blocks {
                assert!(text[block.span.start as usize..].starts_with(&block.kind.name));
            }
        }
    }

    #[test]
    fn spans_point_into_the_file() {
        let text = "# é\nmodel \"fraud\" {\n  a = 1 + two.three[0]\n}\n";
        let tree = good(text);
        let block = &tree.body.blocks[0];
        let cut = |span: Span| &text[span.start as usize..span.end as usize];
        assert_eq!(cut(block.header), "model \"fraud\"");
        assert_eq!(cut(block.labels[0].span), "\"fraud\"");
        assert_eq!(cut(block.span), &text[5..text.len() - 1]);
        assert_eq!(cut(block.body.attributes[0].span), "a = 1 + two.three[0]");
        let ExprKind::Binary(BinaryOp::Add, left, right) = &block.body.attributes[0].expr.kind else {
            panic!("no sum")
        };
        assert_eq!((cut(left.span), cut(right.span)), ("1", "two.three[0]"));
    }

    #[test]
    fn a_number_is_no_name_and_ends_where_a_name_begins() {
        for bad in [
            "1e400 \"x\" {\n}\n",
            "a = 1e-4001e-400\n",
            "a = 0x10\n",
            "a = 1_000\n",
            "a = \"${1each}\"\n",
            "a = [1. 2]\n",
            "a = 1 .2\n",
        ] {
            let (_, problems) = parse(FILE, bad);
            assert!(!problems.is_empty(), "{bad}");
            assert!(crate::format(bad).is_err(), "{bad}");
        }
        assert!(problem("a = 1_000\n").headline.contains("`1`"));
    }

    #[test]
    fn a_quote_between_directives_ends_the_string() {
        let text = "a = \"${b}-%{ if true }xjoin(\",\", [1])%{ endif }\"\n";
        assert!(!parse(FILE, text).1.is_empty());
        assert!(crate::format(text).is_err());
        good("a = \"%{ if b == \"c\" }x ${d[\"e\"]} \\\"q\\\"%{ endif }\"\n");
    }

    #[test]
    fn numbers_are_as_written() {
        for number in
            ["1", "0.10", "1e400", "123456789012345678901234567890", "-5", "-0.30", "1E-7", "-1e-400"]
        {
            assert_eq!(value(number), ExprKind::Number(number.to_owned()));
        }
        let ExprKind::Template(parts) = value("\"${1e400}${x9e400}\"") else { panic!("no template") };
        let TemplatePart::Expr(number) = &parts[0] else { panic!("no number") };
        assert_eq!(number.kind, ExprKind::Number("1e400".to_owned()));
        assert_eq!(value("- 5"), ExprKind::Number("-5".to_owned()));
        let ExprKind::Object(pairs) = value("{ 1e400 = 1 }") else { panic!("no object") };
        assert_eq!(pairs[0].0.kind, ExprKind::Number("1e400".to_owned()));
    }

    fn text(part: &str) -> TemplatePart {
        TemplatePart::Text(part.to_owned())
    }

    #[test]
    fn strings_and_heredocs() {
        let cases = [
            (r#""a\n\u00e9\"$${x}%%{y}""#, "a\né\"${x}%{y}"),
            ("<<E\n  a\n b\nE", "  a\n b\n"),
            ("<<-E\n    a\n\n      b $${\n    E", "a\n\n  b ${\n"),
            ("<<E\nE", ""),
            (r#""""#, ""),
        ];
        for (written, meant) in cases {
            assert_eq!(value(written), ExprKind::Text(meant.to_owned()), "{written}");
        }
    }

    #[test]
    fn templates_and_strip_markers() {
        let ExprKind::Template(parts) = value(r#""a ${~ b ~} c""#) else { panic!("no template") };
        assert_eq!((&parts[0], &parts[2], parts.len()), (&text("a"), &text("c"), 3));
        let ExprKind::Template(parts) = value(r#""%{ if a ~} \"x %{~ else }y\n%{ endif ~}  z""#) else {
            panic!("no template")
        };
        let TemplatePart::If(_, yes, no) = &parts[0] else { panic!("no directive") };
        assert_eq!((yes, no, &parts[1]), (&vec![text("\"x")], &vec![text("y\n")], &text("z")));
        let heredoc = "<<-E\n    %{ for k, v in x ~}\n      ${k}=${v}\n    %{ endfor ~}\n  E";
        let ExprKind::Template(parts) = value(heredoc) else { panic!("no template") };
        let TemplatePart::For(Some(key), item, _, inner) = &parts[0] else { panic!("no directive") };
        assert_eq!((key.name.as_str(), item.name.as_str(), inner.len()), ("k", "v", 5));
        // The indentation of a line is a text of its own.
        assert_eq!(inner[4], text("\n"));
    }

    #[test]
    fn splats_bind_the_item() {
        let ExprKind::Splat(_, each) = value("a[*].b[0]") else { panic!("no splat") };
        let ExprKind::Index(inner, _) = &each.kind else { panic!("the index belongs to each item") };
        let ExprKind::Attr(item, _) = &inner.kind else { panic!("no attribute") };
        assert_eq!(item.kind, ExprKind::Name("$splat".to_owned()));
        let ExprKind::Index(inner, _) = value("a.*.b[0]") else { panic!("the index belongs to the list") };
        assert!(matches!(inner.kind, ExprKind::Splat(..)));
        assert!(matches!(value("a.0.b"), ExprKind::Attr(..)));
    }

    #[test]
    fn every_kind_of_expression() {
        assert!(matches!(value("f(a, b...)"), ExprKind::Call { expand_last: true, .. }));
        assert!(matches!(value("a ? b : c"), ExprKind::Conditional(..)));
        assert!(matches!(value("(a)"), ExprKind::Parens(_)));
        assert!(matches!(value("!a"), ExprKind::Unary(..)));
        assert_eq!(value("null"), ExprKind::Null);
        let ExprKind::For(parts) = value("{ for k, v in x : k => v... if v > 1 }") else { panic!("no for") };
        assert!(parts.group && parts.key.is_some() && parts.condition.is_some() && parts.key_name.is_some());
        assert!(matches!(value("[for v in x : v]"), ExprKind::For(_)));
    }

    #[test]
    fn mistakes_have_a_code_a_place_and_a_way_out() {
        let cases = [
            ("a = 1\na = 2\n", "MLP0104", "a"),
            ("b {\n  a = 1\n  c = 2\n  a = 3\n}\n", "MLP0104", "a"),
            ("b {\n  a = { x = 1, y = 2, x = 3 }\n}\n", "MLP0104", "x"),
            ("b { a = 1, c = 2 }\n", "MLP0107", ","),
            ("b { a = 1 c = 2 }\n", "MLP0107", "c"),
            ("b { c { a = 1 } }\n", "MLP0107", "{"),
            ("b {\n  a: 1\n}\n", "MLP0101", ":"),
            ("a = 'x'\n", "MLP0101", "'"),
            ("a = [1 2]\n", "MLP0101", "2"),
            ("a = b c\n", "MLP0101", "c"),
            ("a = \"x\nb = 1\n", "MLP0106", "\"x"),
            ("a = \"\\q\"\n", "MLP0108", "\\q"),
            ("a = (1]\n", "MLP0105", "]"),
            ("}\n", "MLP0105", "}"),
            ("b {\n", "MLP0105", "{"),
            ("a = 1 ++ 2\n", "MLP0101", "+"),
            ("a = b ? c\n", "MLP0101", "c"),
            ("a = \"%{ if b }\"\n", "MLP0101", "\"%{ if b }\""),
        ];
        for (text, code, place) in cases {
            let found = problem(text);
            let span = found.place().unwrap();
            let cut = &text[span.start as usize..span.end as usize];
            assert_eq!((found.code.as_str(), cut), (code, place), "{text}: {found:?}");
            assert!(found.help.is_some(), "{text}: {found:?}");
        }
        assert_eq!(problem("b {\n  a = 1\n  a = 2\n}\n").labels.len(), 2);
    }

    #[test]
    fn a_value_that_is_missing_is_named() {
        let found = problem("b {\n  a =\n  c = 1\n}\n");
        assert!(found.headline.contains("expected a value"), "{found:?}");
    }

    #[test]
    fn one_bad_block_costs_one_block() {
        let (tree, problems) = parse(FILE, "a \"x\" {\n  b: 1\n}\nc {\n  d = 1\n}\ne = = 2\nf = 3\n");
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert_eq!((tree.body.blocks.len(), tree.body.attributes.len()), (2, 2));
    }

    #[test]
    fn depth_and_size_are_limited() {
        for open in ["[", "(", "{a=", "f(", "!", "-", "\"${", "a{\n", "a?"] {
            let (_, problems) = parse(FILE, &format!("x = {}", open.repeat(100_000)));
            assert!(!problems.is_empty(), "{open}");
            let (_, problems) = parse(FILE, &open.repeat(100_000));
            assert!(!problems.is_empty(), "{open}");
        }
        let deep = format!("x = {}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(problem(&deep).code, "MLP0103");
        assert_eq!(problem(&format!("x = 1{}", " + 1".repeat(100_000))).code, "MLP0103");
        assert!(
            !parse(FILE, &format!("x = {}1{}", "[".repeat(60), "]".repeat(60))).0.body.attributes.is_empty()
        );
        let long = format!("a = [{}1]\nb = 1\n", "1,".repeat(600_000));
        assert_eq!(problem(&long).code, "MLP0102");
        let large = " ".repeat(MAX_BYTES + 1);
        assert_eq!(problem(&large).code, "MLP0102");
    }

    #[test]
    fn mistakes_without_end_are_cut() {
        let (tree, problems) = parse(FILE, &"a {\n".repeat(5000));
        assert_eq!((problems.len(), tree.lost), (MAX_PROBLEMS + 1, true));
    }

    #[test]
    fn many_steps_of_a_traversal_do_not_exhaust_the_stack() {
        let (_, problems) = parse(FILE, &format!("x = a{}", ".b".repeat(100_000)));
        assert_eq!(problems[0].code, "MLP0103");
        let nested = format!("x = {}0{}", "a[".repeat(30), format!("]{}", ".b".repeat(30)).repeat(30));
        assert_eq!(parse(FILE, &nested).1[0].code, "MLP0103");
    }

    #[test]
    fn a_byte_order_mark_and_line_endings_of_windows_are_fine() {
        let tree = good("\u{feff}a = 1\r\nb {\r\n  c = 2\r\n}\r\n");
        assert_eq!((tree.body.attributes.len(), tree.body.blocks.len()), (1, 1));
    }
}
