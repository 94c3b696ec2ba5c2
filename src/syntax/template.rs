//! Text with interpolation: escapes, strip markers, directives, and the indentation of heredocs.

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
    /// A heredoc: read from the source, this much indentation taken off every line.
    Heredoc { indent: usize, line_start: bool },
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
        let mut indent = 0;
        if self.written(range).starts_with("<<-") {
            let mut smallest = None;
            self.measure(&heredoc.template, &mut true, &mut smallest);
            indent = smallest.unwrap_or(0);
        }
        let mut literals = Literals::Heredoc { indent, line_start: true };
        joined(self.parts(&heredoc.template, &mut literals, false, false))
    }

    /// Finds the smallest indentation of all lines that are not blank.
    fn measure(&self, template: &Template, line_start: &mut bool, smallest: &mut Option<usize>) {
        let mut seen =
            |indent: usize| *smallest = Some(smallest.map_or(indent, |known: usize| known.min(indent)));
        for element in template {
            if let Element::Literal(literal) = element {
                for piece in self.written(literal.span()).split_inclusive('\n') {
                    let blank = piece.ends_with('\n') && piece.trim().is_empty();
                    if *line_start && !blank {
                        seen(leading(piece));
                    }
                    *line_start = piece.ends_with('\n');
                }
                continue;
            }
            if *line_start {
                seen(0);
                *line_start = false;
            }
        }
        for element in template {
            if let Element::Directive(directive) = element {
                for inner in bodies(directive) {
                    self.measure(inner, &mut false, smallest);
                }
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
                    parts.push(TemplatePart::Text(if trim { text.trim_start().to_owned() } else { text }));
                    trim = false;
                }
                Element::Interpolation(interpolation) => {
                    if starts(interpolation.strip) {
                        trim_last(&mut parts);
                    }
                    mark_inline(literals);
                    parts.push(TemplatePart::Expr(self.expr(&interpolation.expr)));
                    trim = ends(interpolation.strip);
                }
                Element::Directive(directive) => {
                    if starts(opening(directive)) {
                        trim_last(&mut parts);
                    }
                    mark_inline(literals);
                    parts.push(self.directive(directive, literals));
                    trim = ends(closing(directive));
                }
            }
        }
        if trim_end {
            trim_last(&mut parts);
        }
        parts.retain(|part| !matches!(part, TemplatePart::Text(text) if text.is_empty()));
        parts
    }

    fn directive(&mut self, directive: &Directive, literals: &mut Literals) -> TemplatePart {
        let outer = match literals {
            Literals::Quoted { nested } => std::mem::replace(nested, true),
            Literals::Heredoc { .. } => false,
        };
        let part = match directive {
            Directive::If(parts) => {
                let opener = &parts.if_expr;
                let end = parts.endif_expr.strip;
                let condition = self.expr(&opener.cond_expr);
                let middle = parts.else_expr.as_ref().map_or(end, |other| other.strip);
                let yes = self.parts(&opener.template, literals, ends(opener.strip), starts(middle));
                mark_inline(literals);
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
        mark_inline(literals);
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
            Literals::Heredoc { indent, line_start } => {
                let mut text = String::new();
                for piece in self.written(range).split_inclusive('\n') {
                    let skipped = if *line_start { leading(piece).min(*indent) } else { 0 };
                    text.push_str(&piece[skipped..]);
                    *line_start = piece.ends_with('\n');
                }
                text.replace("$${", "${").replace("%%{", "%{")
            }
        }
    }
}

fn leading(line: &str) -> usize {
    line.bytes().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

fn mark_inline(literals: &mut Literals) {
    if let Literals::Heredoc { line_start, .. } = literals {
        *line_start = false;
    }
}

fn trim_last(parts: &mut [TemplatePart]) {
    if let Some(TemplatePart::Text(text)) = parts.last_mut() {
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

fn bodies(directive: &Directive) -> Vec<&Template> {
    match directive {
        Directive::If(parts) => {
            let other = parts.else_expr.as_ref().map(|other| &other.template);
            std::iter::once(&parts.if_expr.template).chain(other).collect()
        }
        Directive::For(parts) => vec![&parts.for_expr.template],
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
