//! Where the cursor stands, read from the tokens before it: what is being written does not parse yet.

use mlp_syntax::{Token, TokenKind, tokens};

/// What is open around the cursor, from the outside in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// `kind "label" {`
    Block(Vec<String>),
    /// `name = {`; or an object of no name, as an item.
    Object(Option<String>),
    /// `name = [`
    List(Option<String>),
    /// `function(`, or a bracket for its own sake.
    Call(Option<String>),
}

/// What would stand at the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// The name of a block or attribute.
    Name,
    /// A value of the attribute, the names before the cursor joined by dots: `model.fraud.`
    Value(Option<String>, Vec<String>),
    /// Text of the attribute, between quotes.
    Text(Option<String>),
    /// A label of a block.
    Label(String),
    /// Nothing that could be known: a comment, plain text.
    Nothing,
}

/// Where the cursor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) frames: Vec<Frame>,
    pub(crate) place: Place,
    /// How many bytes before the cursor belong to the word that is being written.
    pub(crate) typed: usize,
}

/// Reads the text from the beginning of the top-level item to the cursor.
pub(crate) fn context(before: &str) -> Context {
    let all: Vec<Token> = tokens(before).collect();
    let mut frames: Vec<Frame> = Vec::new();
    let mut line: Vec<Token> = Vec::new();
    for token in &all {
        match token.kind {
            TokenKind::Newline
                if matches!(frames.last(), None | Some(Frame::Block(_) | Frame::Object(_))) =>
            {
                line.clear()
            }
            TokenKind::Newline | TokenKind::Comment => {}
            TokenKind::Open => {
                frames.push(frame(before, &line, token, frames.last()));
                line.clear();
            }
            TokenKind::Close => {
                frames.pop();
                line.clear();
                // What follows a value is no name of an attribute.
                line.push(*token);
            }
            TokenKind::Operator if &before[token.start..token.end] == "," => line.clear(),
            _ => line.push(*token),
        }
    }
    let last = all.last().copied();
    place(before, frames, &line, last)
}

fn frame(text: &str, line: &[Token], open: &Token, around: Option<&Frame>) -> Frame {
    let word = |token: &Token| text[token.start..token.end].trim_matches('"').to_owned();
    let is = |token: &Token, what: &str| &text[token.start..token.end] == what;
    let attribute = || attribute_of(text, line, around);
    match &text[open.start..open.end] {
        "{" => {
            let is_header = line.first().is_some_and(|first| first.kind == TokenKind::Name)
                && line.iter().all(|token| matches!(token.kind, TokenKind::Name | TokenKind::Text));
            if is_header { Frame::Block(line.iter().map(word).collect()) } else { Frame::Object(attribute()) }
        }
        "[" => Frame::List(attribute()),
        _ => match line.last() {
            Some(last) if last.kind == TokenKind::Name && last.end == open.start => {
                Frame::Call(Some(word(last)))
            }
            Some(last) if is(last, "=") => Frame::Call(None),
            _ => Frame::Call(None),
        },
    }
}

/// The attribute that is set where these tokens stand.
fn attribute_of(text: &str, line: &[Token], around: Option<&Frame>) -> Option<String> {
    let named = match line {
        [name, sign, ..] if matches!(name.kind, TokenKind::Name | TokenKind::Text) => {
            let sign = &text[sign.start..sign.end];
            (sign == "=" || sign == ":").then(|| text[name.start..name.end].trim_matches('"').to_owned())
        }
        _ => None,
    };
    named.or_else(|| match around {
        Some(Frame::List(name)) => name.clone(),
        _ => None,
    })
}

fn place(text: &str, frames: Vec<Frame>, line: &[Token], last: Option<Token>) -> Context {
    let done = |frames, place, typed| Context { frames, place, typed };
    let at_end = last.filter(|token| token.end == text.len());
    if at_end.is_some_and(|token| token.kind == TokenKind::Comment) {
        return done(frames, Place::Nothing, 0);
    }
    let attribute = attribute_of(text, line, frames.last());
    if let Some(token) =
        at_end.filter(|token| matches!(token.kind, TokenKind::Text | TokenKind::Heredoc) && !token.closed)
    {
        return inside_text(text, frames, line, &token, attribute);
    }
    let words: Vec<&Token> = line.iter().collect();
    let typed =
        at_end.filter(|token| token.kind == TokenKind::Name).map_or(0, |token| token.end - token.start);
    let before_word = if typed > 0 { &words[..words.len().saturating_sub(1)] } else { &words[..] };
    let in_names = matches!(frames.last(), None | Some(Frame::Block(_) | Frame::Object(_)));
    if before_word.is_empty() && in_names {
        return done(frames, Place::Name, typed);
    }
    let chain = chain(text, before_word);
    // Behind a finished value only an operator could stand.
    if chain.is_empty()
        && before_word.last().is_some_and(|token| {
            matches!(token.kind, TokenKind::Name | TokenKind::Number | TokenKind::Text | TokenKind::Close)
        })
    {
        return done(frames, Place::Nothing, typed);
    }
    done(frames, Place::Value(attribute, chain), typed)
}

/// The words before the cursor that one dot after the other joins.
fn chain(text: &str, before: &[&Token]) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = before;
    while let [.., name, dot] = rest {
        if &text[dot.start..dot.end] != "." || name.kind != TokenKind::Name {
            break;
        }
        found.push(text[name.start..name.end].to_owned());
        rest = &rest[..rest.len() - 2];
    }
    found.reverse();
    found
}

fn inside_text(
    text: &str,
    frames: Vec<Frame>,
    line: &[Token],
    token: &Token,
    attribute: Option<String>,
) -> Context {
    let written = &text[token.start..];
    let open = written.rfind("${").max(written.rfind("%{"));
    if let Some(at) = open.filter(|at| !written[*at..].contains('}') && !written[..*at].ends_with(['$', '%']))
    {
        let inside = &written[at + 2..];
        let inner = context(&format!("x = {}", inside.trim_start_matches('~')));
        let place = match inner.place {
            Place::Value(_, chain) => Place::Value(None, chain),
            other => other,
        };
        return Context { frames, place, typed: inner.typed };
    }
    let typed = written.trim_start_matches('"').len();
    let words = line.iter().take(line.len().saturating_sub(1));
    let is_label = matches!(frames.last(), None | Some(Frame::Block(_)))
        && line.first().is_some_and(|first| first.kind == TokenKind::Name && first.start != token.start)
        && words.clone().all(|token| matches!(token.kind, TokenKind::Name | TokenKind::Text));
    if is_label {
        let kind = line.first().map(|first| text[first.start..first.end].to_owned()).unwrap_or_default();
        return Context { frames, place: Place::Label(kind), typed };
    }
    Context { frames, place: Place::Text(attribute), typed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_the_cursor() {
        let value = |attribute: Option<&str>, chain: &[&str]| {
            Place::Value(attribute.map(str::to_owned), chain.iter().map(|word| (*word).to_owned()).collect())
        };
        let block = |words: &[&str]| Frame::Block(words.iter().map(|word| (*word).to_owned()).collect());
        let cases: Vec<(&str, Vec<Frame>, Place, usize)> = vec![
            ("", vec![], Place::Name, 0),
            ("end", vec![], Place::Name, 3),
            ("endpoint \"a\" {\n  ki", vec![block(&["endpoint", "a"])], Place::Name, 2),
            ("endpoint \"a\" {\n  kind = ", vec![block(&["endpoint", "a"])], value(Some("kind"), &[]), 0),
            (
                "endpoint \"a\" {\n  kind = \"on",
                vec![block(&["endpoint", "a"])],
                Place::Text(Some("kind".into())),
                2,
            ),
            (
                "endpoint \"a\" {\n  variant \"b\" {\n    model = model.fraud.al",
                vec![block(&["endpoint", "a"]), block(&["variant", "b"])],
                value(Some("model"), &["model", "fraud"]),
                2,
            ),
            (
                "a \"b\" {\n  c = { d = 1, e = ",
                vec![block(&["a", "b"]), Frame::Object(Some("c".into()))],
                value(Some("e"), &[]),
                0,
            ),
            (
                "a \"b\" {\n  c = { d = 1, ",
                vec![block(&["a", "b"]), Frame::Object(Some("c".into()))],
                Place::Name,
                0,
            ),
            (
                "a \"b\" {\n  c = [x.y,\n    z.",
                vec![block(&["a", "b"]), Frame::List(Some("c".into()))],
                value(Some("c"), &["z"]),
                0,
            ),
            ("a \"b\" {\n  c = \"x ${var.", vec![block(&["a", "b"])], value(None, &["var"]), 0),
            ("a \"b\" {\n  c = 1 ", vec![block(&["a", "b"])], Place::Nothing, 0),
            ("a \"b\" {\n  # c = ", vec![block(&["a", "b"])], Place::Nothing, 0),
            ("a \"b", vec![], Place::Label("a".into()), 1),
            (
                "a \"b\" {\n  c = max(1, x",
                vec![block(&["a", "b"]), Frame::Call(Some("max".into()))],
                value(None, &[]),
                1,
            ),
            ("a \"b\" {\n  c = { d = [1] }\n  e", vec![block(&["a", "b"])], Place::Name, 1),
        ];
        for (text, frames, place, typed) in cases {
            assert_eq!(context(text), Context { frames, place, typed }, "{text}");
        }
    }
}
