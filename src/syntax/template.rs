//! Text with interpolation: escapes, strip markers, directives, and the indentation of heredocs.

use std::collections::VecDeque;
use std::ops::Range;

use hcl_edit::Span as _;
use hcl_edit::template::{Directive, Element, HeredocTemplate, StringTemplate, Strip, Template};
use mlp_diag::Span;

use crate::convert::Converter;
use crate::explain::{bad_escape, bare_quote};
use crate::lex::string_end;
use crate::{ExprKind, TemplatePart};

/// How the literals of a template are to be read.
enum Literals {
    /// A string in quotes. The parser resolves escapes at the outermost level only, not within a directive.
    Quoted { nested: bool },
    /// A heredoc: read from the source, stripped and freed of indentation already; in the order of the source.
    Heredoc(VecDeque<String>),
}

/// What a heredoc consists of: lines and parts of lines, and what stands between them.
enum Token {
    /// Text up to the end of a line, and which literal it belongs to.
    Text(String, usize),
    /// An interpolation, or a word of a directive.
    Code,
}

impl Converter<'_> {
    pub(crate) fn string(&mut self, template: &StringTemplate, span: Span) -> ExprKind {
        // The parser takes a bare quote between directives for text; everyone else sees the end of the string there.
        let end = string_end(self.text, span.start as usize);
        if end < span.end as usize {
            let quote = Span::new(self.file, end.saturating_sub(1), end);
            self.problems.push(bare_quote(quote));
        }
        let parts = self.parts(template, &mut Literals::Quoted { nested: false }, false, false);
        joined(parts)
    }

    pub(crate) fn heredoc(&mut self, heredoc: &HeredocTemplate, range: Option<Range<usize>>) -> ExprKind {
        let mut tokens = Tokens::default();
        self.tokens(&heredoc.template, &mut tokens);
        if self.written(range).starts_with("<<-") {
            tokens.flush();
        }
        let mut literals = Literals::Heredoc(tokens.texts());
        joined(self.parts(&heredoc.template, &mut literals, false, false))
    }

    /// Gathers what a heredoc consists of, in the order in which `parts` asks for its literals.
    fn tokens(&self, template: &Template, tokens: &mut Tokens) {
        for element in template {
            match element {
                Element::Literal(literal) => tokens.text(self.written(literal.span())),
                Element::Interpolation(interpolation) => tokens.code(interpolation.strip),
                Element::Directive(directive) => match &**directive {
                    Directive::If(parts) => {
                        tokens.code(parts.if_expr.strip);
                        self.tokens(&parts.if_expr.template, tokens);
                        if let Some(other) = &parts.else_expr {
                            tokens.code(other.strip);
                            self.tokens(&other.template, tokens);
                        }
                        tokens.code(parts.endif_expr.strip);
                    }
                    Directive::For(parts) => {
                        tokens.code(parts.for_expr.strip);
                        self.tokens(&parts.for_expr.template, tokens);
                        tokens.code(parts.endfor_expr.strip);
                    }
                },
            }
        }
    }

    fn parts(
        &mut self,
        template: &Template,
        literals: &mut Literals,
        mut trim: bool,
        trim_end: bool,
    ) -> Vec<TemplatePart> {
        let mut parts: Vec<TemplatePart> = Vec::new();
        for element in template {
            match element {
                Element::Literal(literal) => {
                    let text = self.literal(literal.value(), literal.span(), literals);
                    let trims = trim && matches!(literals, Literals::Quoted { .. });
                    parts.push(TemplatePart::Text(if trims { text.trim_start().to_owned() } else { text }));
                    trim = false;
                }
                Element::Interpolation(interpolation) => {
                    if starts(interpolation.strip) {
                        trim_last(&mut parts, literals);
                    }
                    parts.push(TemplatePart::Expr(self.expr(&interpolation.expr)));
                    trim = ends(interpolation.strip);
                }
                Element::Directive(directive) => {
                    if starts(opening(directive)) {
                        trim_last(&mut parts, literals);
                    }
                    parts.push(self.directive(directive, literals));
                    trim = ends(closing(directive));
                }
            }
        }
        if trim_end {
            trim_last(&mut parts, literals);
        }
        parts.retain(|part| !matches!(part, TemplatePart::Text(text) if text.is_empty()));
        parts
    }

    fn directive(&mut self, directive: &Directive, literals: &mut Literals) -> TemplatePart {
        let outer = match literals {
            Literals::Quoted { nested } => std::mem::replace(nested, true),
            Literals::Heredoc(_) => false,
        };
        let part = match directive {
            Directive::If(parts) => {
                let opener = &parts.if_expr;
                let end = parts.endif_expr.strip;
                let condition = self.expr(&opener.cond_expr);
                let middle = parts.else_expr.as_ref().map_or(end, |other| other.strip);
                let yes = self.parts(&opener.template, literals, ends(opener.strip), starts(middle));
                let no = parts.else_expr.as_ref().map_or_else(Vec::new, |other| {
                    self.parts(&other.template, literals, ends(other.strip), starts(end))
                });
                TemplatePart::If(condition, yes, no)
            }
            Directive::For(parts) => {
                let opener = &parts.for_expr;
                let collection = self.expr(&opener.collection_expr);
                let key = opener.key_var.as_ref().map(|name| self.ident(name));
                let end = starts(parts.endfor_expr.strip);
                let inner = self.parts(&opener.template, literals, ends(opener.strip), end);
                TemplatePart::For(key, self.ident(&opener.value_var), collection, inner)
            }
        };
        if let Literals::Quoted { nested } = literals {
            *nested = outer;
        }
        part
    }

    fn literal(&mut self, resolved: &str, range: Option<Range<usize>>, literals: &mut Literals) -> String {
        match literals {
            Literals::Quoted { nested: false } => resolved.to_owned(),
            Literals::Quoted { nested: true } => unescape(resolved).unwrap_or_else(|| {
                let start = self.base + range.map_or(0, |range| range.start);
                let at = start + self.text[start..].find('\\').map_or(0, |at| at + 1);
                self.problems.push(bad_escape(self.file, self.text, at));
                resolved.to_owned()
            }),
            Literals::Heredoc(texts) => {
                texts.pop_front().unwrap_or_default().replace("$${", "${").replace("%%{", "%{")
            }
        }
    }
}

#[derive(Default)]
struct Tokens {
    all: Vec<Token>,
    /// How many literals there are.
    literals: usize,
    /// Blanks at the start of the next text are taken off.
    trims: bool,
}

impl Tokens {
    fn text(&mut self, text: &str) {
        for (at, line) in text.split_inclusive('\n').enumerate() {
            let line = if at == 0 && self.trims { line.trim_start() } else { line };
            self.all.push(Token::Text(line.to_owned(), self.literals));
        }
        self.literals += 1;
        self.trims = false;
    }

    /// A strip marker takes blanks off up to the end or the start of its own line.
    fn code(&mut self, strip: Strip) {
        if let Some(Token::Text(text, _)) = self.all.last_mut()
            && starts(strip)
        {
            text.truncate(text.trim_end().len());
        }
        self.all.push(Token::Code);
        self.trims = ends(strip);
    }

    /// Takes off the indentation that all lines have in common. A line that starts with code has none, and one whose end was
    /// stripped away goes on in the next, as it does for Terraform.
    fn flush(&mut self) {
        let (mut smallest, mut line_start, mut first) = (usize::MAX, true, Vec::new());
        for (at, token) in self.all.iter().enumerate() {
            let Token::Text(text, _) = token else {
                smallest = if line_start { 0 } else { smallest };
                line_start = false;
                continue;
            };
            if line_start && !(text.ends_with('\n') && text.trim().is_empty()) {
                smallest = smallest.min(leading(text));
                first.push(at);
            }
            line_start = text.ends_with('\n');
        }
        for at in first {
            if let Some(Token::Text(text, _)) = self.all.get_mut(at) {
                text.drain(..smallest.min(leading(text)));
            }
        }
    }

    /// The text of every literal.
    fn texts(self) -> VecDeque<String> {
        let mut texts = VecDeque::from(vec![String::new(); self.literals]);
        for token in self.all {
            if let Token::Text(text, literal) = token {
                texts[literal].push_str(&text);
            }
        }
        texts
    }
}

fn leading(line: &str) -> usize {
    line.bytes().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

fn trim_last(parts: &mut [TemplatePart], literals: &Literals) {
    if let Some(TemplatePart::Text(text)) = parts.last_mut()
        && matches!(literals, Literals::Quoted { .. })
    {
        text.truncate(text.trim_end().len());
    }
}

fn starts(strip: Strip) -> bool {
    matches!(strip, Strip::Start | Strip::Both)
}

fn ends(strip: Strip) -> bool {
    matches!(strip, Strip::End | Strip::Both)
}

fn opening(directive: &Directive) -> Strip {
    match directive {
        Directive::If(parts) => parts.if_expr.strip,
        Directive::For(parts) => parts.for_expr.strip,
    }
}

fn closing(directive: &Directive) -> Strip {
    match directive {
        Directive::If(parts) => parts.endif_expr.strip,
        Directive::For(parts) => parts.endfor_expr.strip,
    }
}

/// Text when nothing is interpolated, a template otherwise.
fn joined(parts: Vec<TemplatePart>) -> ExprKind {
    let mut text = String::new();
    for part in &parts {
        match part {
            TemplatePart::Text(piece) => text.push_str(piece),
            _ => return ExprKind::Template(parts),
        }
    }
    ExprKind::Text(text)
}

fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        out.push(match chars.next()? {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'b' => '\u{8}',
            'f' => '\u{c}',
            known @ ('\\' | '"' | '/') => known,
            wide @ ('u' | 'U') => {
                let digits: String = chars.by_ref().take(if wide == 'u' { 4 } else { 8 }).collect();
                u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32)?
            }
            _ => return None,
        });
    }
    Some(out)
}
