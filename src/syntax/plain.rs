//! The plain pieces that most files are made of, read without the parser proper: blocks, literals, lists, objects and names with
//! steps. Whatever else stands there, and whatever may be wrong, is left to the parser proper, and so are all messages; a test
//! holds the two against each other.

use std::collections::HashSet;

use mlp_diag::{FileId, Span};

use crate::{Attribute, BinaryOp, Block, Body, Expr, ExprKind, Ident, TemplatePart};

/// Deeper is left to the parser proper, which counts.
const DEEPEST: usize = 16;
/// So many names of one body or object are compared with each other; more are looked up.
const FEW: usize = 8;

/// Reads the bytes `start..end` of a file; `None` where they are not plain.
pub(crate) fn body(file: FileId, text: &str, start: usize, end: usize) -> Option<Body> {
    let mut reader = Plain { file, text, bytes: text.as_bytes().get(..end)?, at: start };
    let body = reader.body(0)?;
    (reader.at == end).then_some(body)
}

/// Names that may stand once.
#[derive(Default)]
struct Once<'a> {
    few: Vec<&'a str>,
    many: HashSet<&'a str>,
}

impl<'a> Once<'a> {
    /// Takes a name; `None` where it was there.
    fn take(&mut self, name: &'a str) -> Option<()> {
        if self.few.len() < FEW {
            if self.few.contains(&name) {
                return None;
            }
            self.few.push(name);
            return Some(());
        }
        (!self.few.contains(&name) && self.many.insert(name)).then_some(())
    }

    fn has(&self, name: &str) -> bool {
        self.few.contains(&name) || self.many.contains(name)
    }
}

/// Where the reader is.
struct Plain<'a> {
    file: FileId,
    text: &'a str,
    /// The bytes up to the end of the piece.
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Plain<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn span(&self, start: usize) -> Span {
        Span::new(self.file, start, self.at)
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// Passes blanks and a comment that ends with its line; `None` at a comment of the other kind.
    fn rest_of_line(&mut self) -> Option<()> {
        self.blanks();
        let comment = match self.peek() {
            Some(b'#') => true,
            Some(b'/') => match self.bytes.get(self.at + 1) {
                Some(b'/') => true,
                _ => return None,
            },
            _ => false,
        };
        while comment && self.peek().is_some_and(|byte| byte != b'\n') {
            // A line may end in two characters.
            if self.peek() == Some(b'\r') {
                return None;
            }
            self.at += 1;
        }
        Some(())
    }

    /// Passes lines in which nothing stands.
    fn empty_lines(&mut self) -> Option<()> {
        loop {
            self.rest_of_line()?;
            if self.peek() != Some(b'\n') {
                return Some(());
            }
            self.at += 1;
        }
    }

    fn word(&mut self) -> Option<&'a str> {
        let start = self.at;
        if !self.peek().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_') {
            return None;
        }
        while self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')) {
            self.at += 1;
        }
        // What follows may belong to it: letters that are not of this alphabet.
        if !self.peek().is_none_or(|byte| byte.is_ascii()) {
            return None;
        }
        self.text.get(start..self.at)
    }

    /// What stands between quotation marks, without anything that means something else.
    fn quoted(&mut self) -> Option<&'a str> {
        let start = self.at + 1;
        let length = self
            .bytes
            .get(start..)?
            .iter()
            .position(|byte| matches!(byte, b'"' | b'\\' | b'$' | b'%' | 0..=0x1f | 0x7f))?;
        if self.bytes.get(start + length) != Some(&b'"') {
            return None;
        }
        self.at = start + length + 1;
        self.text.get(start..start + length)
    }

    /// The attributes and blocks up to a closing brace or the end.
    fn body(&mut self, depth: usize) -> Option<Body> {
        let mut body = Body::default();
        let mut names = Once::default();
        loop {
            self.empty_lines()?;
            if matches!(self.peek(), None | Some(b'}')) {
                // A name that is both is a matter for the parser proper.
                let both = body.blocks.iter().any(|block| names.has(&block.kind.name));
                return (!both).then_some(body);
            }
            let start = self.at;
            let name = self.word()?;
            let ident = Ident { name: name.to_owned(), span: self.span(start) };
            self.blanks();
            if self.peek() == Some(b'=') {
                self.at += 1;
                self.blanks();
                names.take(name)?;
                let expr = self.value(depth + 1)?;
                let span = ident.span.to(expr.span);
                body.attributes.push(Attribute { name: ident, expr, span });
            } else {
                body.blocks.push(self.block(ident, start, depth + 1)?);
            }
            self.rest_of_line()?;
            match self.peek() {
                None | Some(b'\n') => {}
                _ => return None,
            }
        }
    }

    /// A block behind its first word.
    fn block(&mut self, kind: Ident, start: usize, depth: usize) -> Option<Block> {
        if depth > DEEPEST {
            return None;
        }
        let mut labels = Vec::new();
        loop {
            let start = self.at;
            let name = match self.peek()? {
                b'{' => break,
                b'"' => self.quoted()?,
                _ => self.word()?,
            };
            labels.push(Ident { name: name.to_owned(), span: self.span(start) });
            self.blanks();
        }
        let header = labels.last().map_or(kind.span, |last| kind.span.to(last.span));
        self.at += 1;
        self.blanks();
        let body = match self.peek()? {
            b'}' => Body::default(),
            b'\n' | b'#' | b'/' => {
                self.rest_of_line()?;
                (self.peek() == Some(b'\n')).then_some(())?;
                self.body(depth)?
            }
            // On one line.
            _ => return None,
        };
        (self.peek() == Some(b'}')).then_some(())?;
        self.at += 1;
        Some(Block { kind, labels, body, header, span: self.span(start) })
    }

    /// A value, or two with an operator between them, and that nothing follows that would make it another.
    fn value(&mut self, depth: usize) -> Option<Expr> {
        let start = self.at;
        let mut expr = self.operand(depth)?;
        if let Some(operator) = self.operator() {
            let right = self.operand(depth)?;
            let kind = ExprKind::Binary(operator, Box::new(expr), Box::new(right));
            expr = Expr { kind, span: self.span(start) };
        }
        let end = self.at;
        self.blanks();
        let ends = match self.peek() {
            None | Some(b'\n' | b',' | b']' | b'}' | b')' | b'#') => true,
            Some(b'/') => self.bytes.get(self.at + 1) == Some(&b'/'),
            _ => false,
        };
        self.at = end;
        ends.then_some(expr)
    }

    fn operand(&mut self, depth: usize) -> Option<Expr> {
        if depth > DEEPEST {
            return None;
        }
        match self.peek()? {
            b'"' => self.template(depth),
            b'0'..=b'9' => self.number(),
            b'[' => self.list(depth),
            b'{' => self.object(depth),
            _ => self.name(depth),
        }
    }

    /// An operator with a blank on either side, and these blanks.
    fn operator(&mut self) -> Option<BinaryOp> {
        const ALL: &[(&[u8], BinaryOp)] = &[
            (b" + ", BinaryOp::Add),
            (b" - ", BinaryOp::Subtract),
            (b" * ", BinaryOp::Multiply),
            (b" / ", BinaryOp::Divide),
            (b" % ", BinaryOp::Modulo),
            (b" == ", BinaryOp::Equal),
            (b" != ", BinaryOp::NotEqual),
            (b" < ", BinaryOp::Less),
            (b" <= ", BinaryOp::LessOrEqual),
            (b" > ", BinaryOp::Greater),
            (b" >= ", BinaryOp::GreaterOrEqual),
            (b" && ", BinaryOp::And),
            (b" || ", BinaryOp::Or),
        ];
        let rest = self.bytes.get(self.at..)?;
        let (written, operator) = ALL.iter().find(|(written, _)| rest.starts_with(written))?;
        self.at += written.len();
        Some(*operator)
    }

    /// Text, with names and calls in it.
    fn template(&mut self, depth: usize) -> Option<Expr> {
        let start = self.at;
        self.at += 1;
        let mut parts: Vec<TemplatePart> = Vec::new();
        loop {
            let from = self.at;
            let plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | b'$' | b'%' | 0..=0x1f | 0x7f);
            self.at += self.bytes.get(from..)?.iter().take_while(|byte| plain(byte)).count();
            let text = self.text.get(from..self.at)?;
            let ends = self.peek()? == b'"';
            if ends && parts.is_empty() {
                self.at += 1;
                return Some(Expr { kind: ExprKind::Text(text.to_owned()), span: self.span(start) });
            }
            if !text.is_empty() {
                parts.push(TemplatePart::Text(text.to_owned()));
            }
            if ends {
                self.at += 1;
                return Some(Expr { kind: ExprKind::Template(parts), span: self.span(start) });
            }
            // `$${` is no interpolation, and two of these signs are left to the parser proper.
            self.bytes.get(self.at..)?.starts_with(b"${").then_some(())?;
            self.at += 2;
            self.blanks();
            parts.push(TemplatePart::Expr(self.name(depth + 1)?));
            self.blanks();
            (self.peek()? == b'}').then_some(())?;
            self.at += 1;
        }
    }

    /// The arguments of a call behind its name.
    fn call(&mut self, function: Ident, depth: usize) -> Option<Expr> {
        if depth > DEEPEST {
            return None;
        }
        let span = function.span;
        self.at += 1;
        self.blanks();
        let mut arguments = Vec::new();
        while self.peek()? != b')' {
            arguments.push(self.value(depth + 1)?);
            self.blanks();
            match self.peek()? {
                b',' => {
                    self.at += 1;
                    self.blanks();
                    (self.peek()? != b')').then_some(())?;
                }
                b')' => {}
                _ => return None,
            }
        }
        self.at += 1;
        let kind = ExprKind::Call { function, arguments, expand_last: false };
        Some(Expr { kind, span: span.to(Span::new(self.file, self.at, self.at)) })
    }

    fn number(&mut self) -> Option<Expr> {
        let start = self.at;
        let digits = |reader: &mut Self| {
            while reader.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                reader.at += 1;
            }
        };
        digits(self);
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.peek()?.is_ascii_digit().then_some(())?;
            digits(self);
        }
        let written = self.text.get(start..self.at)?;
        Some(Expr { kind: ExprKind::Number(written.to_owned()), span: self.span(start) })
    }

    /// A word of the language, a call, or a name with the steps behind it.
    fn name(&mut self, depth: usize) -> Option<Expr> {
        let start = self.at;
        let word = self.word()?;
        if self.peek() == Some(b'(') {
            // A word of the language is no function.
            let known = !matches!(word, "for" | "if" | "in" | "null" | "true" | "false");
            let function = Ident { name: word.to_owned(), span: self.span(start) };
            return if known { self.call(function, depth + 1) } else { None };
        }
        let kind = match word {
            "for" | "if" | "in" => return None,
            "null" => ExprKind::Null,
            "true" => ExprKind::Bool(true),
            "false" => ExprKind::Bool(false),
            _ => ExprKind::Name(word.to_owned()),
        };
        let steps = matches!(kind, ExprKind::Name(_));
        let mut expr = Expr { kind, span: self.span(start) };
        let mut count = 0;
        while steps && self.peek() == Some(b'.') {
            self.at += 1;
            count += 1;
            if count > DEEPEST {
                return None;
            }
            let begin = self.at;
            let name = self.word()?.to_owned();
            let ident = Ident { name, span: self.span(begin) };
            expr = Expr { kind: ExprKind::Attr(Box::new(expr), ident), span: self.span(start) };
        }
        Some(expr)
    }

    fn list(&mut self, depth: usize) -> Option<Expr> {
        let start = self.at;
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.empty_lines()?;
            if self.peek()? == b']' {
                break;
            }
            items.push(self.value(depth + 1)?);
            self.blanks();
            match self.peek()? {
                b',' => self.at += 1,
                b']' => {}
                b'\n' | b'#' | b'/' => {
                    self.empty_lines()?;
                    (self.peek()? == b']').then_some(())?;
                }
                _ => return None,
            }
        }
        self.at += 1;
        Some(Expr { kind: ExprKind::List(items), span: self.span(start) })
    }

    fn object(&mut self, depth: usize) -> Option<Expr> {
        let start = self.at;
        self.at += 1;
        let mut pairs = Vec::new();
        let mut keys = Once::default();
        loop {
            self.empty_lines()?;
            if self.peek()? == b'}' {
                break;
            }
            let begin = self.at;
            let key = match self.peek()? {
                b'"' => self.quoted()?,
                _ => match self.word()? {
                    "for" | "null" | "true" | "false" => return None,
                    word => word,
                },
            };
            keys.take(key)?;
            let key = Expr { kind: ExprKind::Text(key.to_owned()), span: self.span(begin) };
            self.blanks();
            // `==` begins no value, and so is left to the parser proper.
            matches!(self.peek()?, b'=' | b':').then_some(())?;
            self.at += 1;
            self.blanks();
            pairs.push((key, self.value(depth + 1)?));
            self.rest_of_line()?;
            match self.peek()? {
                b',' | b'\n' => self.at += 1,
                b'}' => {}
                _ => return None,
            }
        }
        self.at += 1;
        Some(Expr { kind: ExprKind::Object(pairs), span: self.span(start) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::split::{check, split};

    const FILE: FileId = FileId(7);

    /// Reads every item both ways; says how many were plain.
    fn compared(text: &str) -> (usize, usize) {
        let (mut plain, mut all) = (0, 0);
        for item in split(FILE, text) {
            let (start, end) = item.range();
            all += 1;
            let Some(found) = body(FILE, text, start, end) else { continue };
            plain += 1;
            assert!(check(FILE, text, &item.tokens).is_empty(), "{text}");
            let known = crate::parse::slowly(FILE, text, &item);
            assert_eq!(Some(found), known, "{}", &text[start..end]);
        }
        (plain, all)
    }

    #[test]
    fn both_ways_of_reading_agree() {
        for text in [
            "a \"x\" {\n  b = 1\n  c = \"é\" # d\n  e {\n  }\n  f \"y\" z {}\n}\n",
            "a = [1, 2.50, [],\n  \"x\", # c\n  b.c-d.e\n]\n",
            "a = { b = 1, \"c d\" : null\n  e = true, # f\n  g = { h = i }\n}\nb = {}\n",
            "a {\n  # c\n\n  // d\n  b = c // d\n\n}\n",
            "a = f(1, g(b.c), [\"x\"]) # c\nb = f()\n",
            "a = \"x ${b.c} é ${ f(1) }\"\nb = \"${c}${d.e}\"\nc = \"${true}\"\n",
            "a = b + 1\nc = [b == \"x\", 2 / 3, b >= c]\nd = f(a && b)\n",
        ] {
            let (plain, all) = compared(text);
            assert_eq!(plain, all, "{text}");
        }
        for text in [
            "a = 1 + 2 + 3\n",
            "a = b[0]\n",
            "a = f(1,)\n",
            "a = \"${b} $${c}\"\n",
            "a = f(b...)\n",
            "a = f(1).b\n",
            "a = \"${~ b ~}\"\n",
            "a = \"${b[0]}\"\n",
            "a = \"$ ${b}\"\n",
            "a = 1 - -1\n",
            "a = 1 -1\n",
            "a = 1 == 2 == 3\n",
            "a = f (1)\n",
            "a = null(1)\n",
            "a = \"${null}\"\n",
            "a = f(\n1)\n",
            "a = b + 1 ? 2 : 3\n",
            "a = if\n",
            "a = \"${b == c}\"\n",
            "a = -1\n",
            "a = <<E\nE\n",
            "a = (1)\n",
            "a = [for b in c : b]\n",
            "a = { (b) = 1 }\n",
            "a = 1e3\n",
            "a = b.0\n",
            "a = b.*\n",
            "a = b\n  c = 1\n",
            "a = b ? c : d\n",
            "a { b = 1 }\n",
            "a = {b = 1, b = 2}\n",
            "b {\n  a = 1\n  a = 2\n}\n",
            "a = é\n",
            "a = \"\\n\"\n",
            "a = \"%{ if b }%{ endif }\"\n",
            "a = /* c */ 1\n",
            "a = 1 /* c */\n",
            "a = b == c\n",
            "a {\n  b = 1\r\n}\n",
            "a = b::c\n",
            "a = true.b\n",
        ] {
            compared(text);
        }
    }

    #[test]
    fn the_files_that_there_are_are_read_alike() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut open = vec![root.join("examples"), root.join("tests")];
        let (mut plain, mut all) = (0, 0);
        while let Some(directory) = open.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                let ending =
                    path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_owned();
                if path.is_dir() {
                    open.push(path);
                } else if let ("mlp" | "mlpvars" | "md", Ok(text)) =
                    (ending.as_str(), std::fs::read_to_string(&path))
                {
                    let (some, items) = compared(&text);
                    (plain, all) = (plain + some, all + items);
                }
            }
        }
        assert!(plain > 50 && plain < all, "{plain} of {all}");
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_alike(text in "([a-c ]|[=:.,\\[\\]{}\"#\n]|true|null|for |1|2\\.5| = | \\+ |f\\(|\\)|\"\\$\\{|\\$| == |\\{\n|\\}\n){0,40}") {
            compared(&text);
        }
    }
}
