//! Values of variables in JSON (RFC 8259): what other programs write. Texts are taken as they stand, without interpolation.

use mlp_diag::{Diagnostic, Diagnostics, FileId, Span};

use crate::parse::too_large;
use crate::{Attribute, Expr, ExprKind, Ident, Tree, codes};

/// How deep lists and objects may lie in each other.
const DEEPEST: usize = 128;

/// What is said where JSON is left.
const WAY_OUT: &str =
    "JSON has no comments, no expressions and no comma after the last item; a `.mlpvars` file has";

/// Parses a file of values: each member of its object as an attribute. What stands before a mistake is kept.
pub fn parse_json(file: FileId, text: &str) -> (Tree, Diagnostics) {
    let mut tree = Tree::default();
    if let Some(problem) = too_large(file, text) {
        return (Tree { lost: true, ..tree }, vec![problem]);
    }
    let mut reader = Reader { file, text, at: if text.starts_with('\u{feff}') { 3 } else { 0 }, depth: 0 };
    match reader.document(&mut tree) {
        Ok(()) => (tree, Diagnostics::new()),
        Err(problem) => (Tree { lost: true, ..tree }, vec![*problem]),
    }
}

type Read<T> = Result<T, Box<Diagnostic>>;

struct Reader<'s> {
    file: FileId,
    text: &'s str,
    at: usize,
    depth: usize,
}

impl Reader<'_> {
    fn document(&mut self, tree: &mut Tree) -> Read<()> {
        self.space();
        let start = self.at;
        if !self.takes(b'{') {
            let end = start + self.text[start..].chars().next().map_or(0, char::len_utf8);
            return Err(self.wrong("an object is expected", start, end, "a file of values begins with `{`"));
        }
        let members = &mut tree.body.attributes;
        self.members(&mut |name, expr| {
            let span = Span::new(name.span.file, name.span.start as usize, expr.span.end as usize);
            members.push(Attribute { name, expr, span });
        })?;
        self.space();
        if self.at < self.text.len() {
            return Err(self.unexpected("nothing more is expected behind the object"));
        }
        Ok(())
    }

    /// What stands up to the closing brace.
    fn members(&mut self, add: &mut dyn FnMut(Ident, Expr)) -> Read<()> {
        let mut seen: Vec<Ident> = Vec::new();
        self.items(b'}', &mut |reader| {
            let start = reader.at;
            if !reader.is(b'"') {
                return Err(reader.unexpected("the name of a member is expected, in quotes"));
            }
            let name = Ident { name: reader.string()?, span: reader.span(start) };
            if let Some(first) = seen.iter().find(|one| one.name == name.name) {
                let problem = Diagnostic::error(codes::TWICE, format!("`{}` is set twice", name.name));
                let problem = problem.at(name.span, "again here").see(first.span, "first here");
                return Err(Box::new(problem.help("keep one of the two")));
            }
            reader.space();
            if !reader.takes(b':') {
                return Err(reader.unexpected("`:` is expected behind the name"));
            }
            reader.space();
            let expr = reader.value()?;
            seen.push(name.clone());
            add(name, expr);
            Ok(())
        })
    }

    /// Items separated by commas, up to the closing bracket.
    fn items(&mut self, close: u8, one: &mut dyn FnMut(&mut Self) -> Read<()>) -> Read<()> {
        self.space();
        if self.takes(close) {
            return Ok(());
        }
        loop {
            one(self)?;
            self.space();
            if self.takes(close) {
                return Ok(());
            }
            if !self.takes(b',') {
                return Err(self.unexpected(&format!("`,` or `{}` is expected", char::from(close))));
            }
            self.space();
        }
    }

    fn value(&mut self) -> Read<Expr> {
        let start = self.at;
        let kind = match self.byte() {
            Some(b'"') => ExprKind::Text(self.string()?),
            Some(b'{' | b'[') => self.nested()?,
            Some(b'-' | b'0'..=b'9') => ExprKind::Number(self.number()?),
            Some(b't') if self.word("true") => ExprKind::Bool(true),
            Some(b'f') if self.word("false") => ExprKind::Bool(false),
            Some(b'n') if self.word("null") => ExprKind::Null,
            _ => return Err(self.unexpected("a value is expected")),
        };
        Ok(Expr { kind, span: self.span(start) })
    }

    fn nested(&mut self) -> Read<ExprKind> {
        self.depth += 1;
        if self.depth > DEEPEST {
            let problem = Diagnostic::error(codes::TOO_DEEP, format!("nested more than {DEEPEST} deep"));
            return Err(Box::new(
                problem.at(Span::new(self.file, self.at, self.at + 1), "").help("flatten it"),
            ));
        }
        let kind = if self.takes(b'{') {
            let mut members: Vec<(Expr, Expr)> = Vec::new();
            self.members(&mut |name, expr| {
                members.push((Expr { kind: ExprKind::Text(name.name), span: name.span }, expr));
            })?;
            ExprKind::Object(members)
        } else {
            self.at += 1;
            let mut items: Vec<Expr> = Vec::new();
            self.items(b']', &mut |reader| {
                items.push(reader.value()?);
                Ok(())
            })?;
            ExprKind::List(items)
        };
        self.depth -= 1;
        Ok(kind)
    }

    /// A number as it is written: its digits are not rounded.
    fn number(&mut self) -> Read<String> {
        let start = self.at;
        self.takes(b'-');
        let whole = self.digits();
        let leading = whole > 1 && self.text.as_bytes()[self.at - whole] == b'0';
        let fraction = !self.takes(b'.') || self.digits() > 0;
        let exponent = match self.takes(b'e') || self.takes(b'E') {
            true => {
                let _ = self.takes(b'+') || self.takes(b'-');
                self.digits() > 0
            }
            false => true,
        };
        if whole == 0 || leading || !fraction || !exponent {
            let end = self.at.max(start + 1);
            return Err(self.wrong("this is no number of JSON", start, end, "write 3, -0.5 or 1e6"));
        }
        Ok(self.text[start..self.at].to_owned())
    }

    fn digits(&mut self) -> usize {
        let rest = &self.text.as_bytes()[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        count
    }

    fn string(&mut self) -> Read<String> {
        let start = self.at;
        self.at += 1;
        let mut found = String::new();
        loop {
            let Some(next) = self.text[self.at..].chars().next() else {
                let end = self.text[start..].find('\n').map_or(self.text.len(), |line| start + line);
                let problem = Diagnostic::error(codes::UNCLOSED, "a string is not closed");
                return Err(Box::new(
                    problem.at(Span::new(self.file, start, end), "").help("close it with `\"`"),
                ));
            };
            self.at += next.len_utf8();
            match next {
                '"' => return Ok(found),
                '\\' => found.push(self.escape()?),
                '\u{0}'..='\u{1f}' => {
                    let headline = "a line ends, or a control character stands, within a string";
                    let at = self.at - 1;
                    return Err(self.wrong(headline, at, self.at, "close the string, or write `\\n`"));
                }
                other => found.push(other),
            }
        }
    }

    fn escape(&mut self) -> Read<char> {
        let start = self.at - 1;
        let known = match self.byte() {
            Some(byte @ (b'"' | b'\\' | b'/')) => Some(char::from(byte)),
            Some(b'b') => Some('\u{8}'),
            Some(b'f') => Some('\u{c}'),
            Some(b'n') => Some('\n'),
            Some(b'r') => Some('\r'),
            Some(b't') => Some('\t'),
            Some(b'u') => {
                self.at += 1;
                return self.unicode().ok_or_else(|| self.bad_escape(start));
            }
            _ => None,
        };
        match known {
            Some(known) => {
                self.at += 1;
                Ok(known)
            }
            None => Err(self.bad_escape(start)),
        }
    }

    fn bad_escape(&self, start: usize) -> Box<Diagnostic> {
        let rest = self.text[start..].chars().take(2).map(char::len_utf8).sum::<usize>();
        let end = (start + rest).max(self.at).min(self.text.len());
        let problem = Diagnostic::error(codes::ESCAPE, "this escape sequence is none of JSON");
        let help = "there are \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\u with four digits; a backslash is written `\\\\`";
        Box::new(problem.at(Span::new(self.file, start, end), "").help(help))
    }

    /// Four digits, or two halves of one character.
    fn unicode(&mut self) -> Option<char> {
        let first = self.four()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first);
        }
        let second = (self.takes(b'\\') && self.takes(b'u')).then(|| self.four())??;
        let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
        char::from_u32(0x10000 + ((first - 0xd800) << 10) + low)
    }

    fn four(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).ok()
    }

    fn word(&mut self, word: &str) -> bool {
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let found = self.text[self.at..].strip_prefix(word).is_some_and(ends);
        if found {
            self.at += word.len();
        }
        found
    }

    fn space(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|byte| b" \t\r\n".contains(byte)).count();
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn is(&self, byte: u8) -> bool {
        self.byte() == Some(byte)
    }

    fn takes(&mut self, byte: u8) -> bool {
        let there = self.is(byte);
        self.at += usize::from(there);
        there
    }

    fn span(&self, start: usize) -> Span {
        Span::new(self.file, start, self.at)
    }

    fn wrong(&self, headline: &str, start: usize, end: usize, help: &str) -> Box<Diagnostic> {
        let problem = Diagnostic::error(codes::SYNTAX, headline);
        Box::new(problem.at(Span::new(self.file, start, end), "").help(help))
    }

    /// Something else stands here.
    fn unexpected(&self, headline: &str) -> Box<Diagnostic> {
        let rest = &self.text[self.at..];
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let one = rest.chars().next().map_or(0, char::len_utf8);
        let headline =
            if rest.is_empty() { format!("{headline}, and the file ends") } else { headline.to_owned() };
        self.wrong(&headline, self.at, self.at + word.max(one), WAY_OUT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was read, as expressions; or the first mistake and what it points at.
    fn told(text: &str) -> String {
        let (tree, problems) = parse_json(FileId(0), text);
        if let Some(problem) = problems.first() {
            let at = problem.place().map(|span| &text[span.start as usize..span.end as usize]);
            return format!("{} [{}]", problem.headline, at.unwrap_or_default());
        }
        let words = tree.body.attributes.iter().map(|one| format!("{} = {}", one.name.name, word(&one.expr)));
        words.collect::<Vec<_>>().join("; ")
    }

    fn word(expr: &Expr) -> String {
        let all = |items: Vec<String>| items.join(" ");
        match &expr.kind {
            ExprKind::Object(items) => {
                let each = items.iter().map(|(key, value)| format!("{}:{}", word(key), word(value)));
                format!("{{{}}}", all(each.collect()))
            }
            ExprKind::List(items) => format!("[{}]", all(items.iter().map(word).collect())),
            ExprKind::Text(text) => format!("{text:?}"),
            ExprKind::Number(text) => text.clone(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn values_are_read_as_they_stand() {
        for (text, wanted) in [
            ("{}", ""),
            ("\u{feff} {\r\n \"a\": 1\r\n}\r\n", "a = 1"),
            (
                "{\"a\":[1,-2.50,1e-3],\"b\":{\"c\":null,\"d\":true}}",
                "a = [1 -2.50 1e-3]; b = {\"c\":Null \"d\":Bool(true)}",
            ),
            // No text is a template, and nothing is rounded.
            (
                "{\"a\":\"${x} %{if}\",\"n\":0.12345678901234567890123}",
                "a = \"${x} %{if}\"; n = 0.12345678901234567890123",
            ),
            (r#"{"a":"\u00e9\uD83D\uDE00\/\n"}"#, "a = \"é😀/\\n\""),
            (r#"{"ä ö":""}"#, "ä ö = \"\""),
        ] {
            assert_eq!(told(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_mistake_is_told_at_its_place() {
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        for (text, wanted) in [
            ("", "an object is expected []"),
            ("[1]", "an object is expected [[]"),
            ("\u{fffd}{}", "an object is expected [\u{fffd}]"),
            ("{\"a\":1,}", "the name of a member is expected, in quotes [}]"),
            ("{a:1}", "the name of a member is expected, in quotes [a]"),
            ("{\"a\" 1}", "`:` is expected behind the name [1]"),
            ("{\"a\":1 \"b\":2}", "`,` or `}` is expected [\"]"),
            ("{\"a\":1} x", "nothing more is expected behind the object [x]"),
            ("{\"a\":[1", "`,` or `]` is expected, and the file ends []"),
            ("{\"a\":tru}", "a value is expected [tru]"),
            ("{\"a\":nullable}", "a value is expected [nullable]"),
            ("{\"a\":01}", "this is no number of JSON [01]"),
            ("{\"a\":1.}", "this is no number of JSON [1.]"),
            ("{\"a\":-}", "this is no number of JSON [-]"),
            ("{\"a\":\"b}\n", "a line ends, or a control character stands, within a string [\n]"),
            ("{\"a\":\"b", "a string is not closed [\"b]"),
            (r#"{"a":"\x"}"#, "this escape sequence is none of JSON [\\x]"),
            (r#"{"a":"\ud83dx"}"#, "this escape sequence is none of JSON [\\ud83d]"),
            ("{\"a\":1,\"a\":2}", "`a` is set twice [\"a\"]"),
            (&deep, "nested more than 128 deep [[]"),
        ] {
            assert_eq!(told(text), wanted, "{}", &text[..text.len().min(40)]);
        }
    }
}
