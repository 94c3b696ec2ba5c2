//! The parser's tree to ours: compact, without white space, every span counted from the start of the file.

use std::ops::Range;

use hcl_edit::Span as _;
use hcl_edit::expr::{self as hcl, BinaryOperator, Expression, ObjectKey, TraversalOperator, UnaryOperator};
use hcl_edit::structure;
use mlp_diag::{Diagnostic, Diagnostics, FileId, Span};

use crate::codes;
use crate::explain::twice;
use crate::{Attribute, BinaryOp, Block, Body, Expr, ExprKind, ForParts, Ident, UnaryOp};

/// Steps such as `.name` and `[0]` that one reference may have, with those of the references around it: each
/// step is a level of the tree, and whoever walks the tree may recurse.
const MAX_STEPS: usize = 128;

/// Converts what was parsed from the bytes after `base`.
pub(crate) struct Converter<'a> {
    pub file: FileId,
    pub text: &'a str,
    pub base: usize,
    /// Steps of the references around the expression that is being converted.
    pub steps: usize,
    pub problems: &'a mut Diagnostics,
}

impl Converter<'_> {
    fn at(&self, range: Option<Range<usize>>) -> Span {
        let range = range.unwrap_or(0..0);
        Span::new(self.file, self.base + range.start, self.base + range.end)
    }

    /// What was written in a range of the parsed piece.
    pub(crate) fn written(&self, range: Option<Range<usize>>) -> &str {
        let range = range.unwrap_or(0..0);
        self.text.get(self.base + range.start..self.base + range.end).unwrap_or_default()
    }

    pub(crate) fn ident(&self, ident: &hcl_edit::Decorated<hcl_edit::Ident>) -> Ident {
        Ident { name: ident.as_str().to_owned(), span: self.at(ident.span()) }
    }

    pub(crate) fn body(&mut self, body: &structure::Body) -> Body {
        // There are as many bodies as blocks, and most have one attribute: a vector that grows has room for four.
        let blocks = body.blocks().count();
        let mut converted =
            Body { attributes: Vec::with_capacity(body.len() - blocks), blocks: Vec::with_capacity(blocks) };
        for item in body {
            match item {
                structure::Structure::Attribute(attribute) => {
                    let name = self.ident(&attribute.key);
                    let expr = self.expr(&attribute.value);
                    let span = name.span.to(expr.span);
                    converted.attributes.push(Attribute { name, expr, span });
                }
                structure::Structure::Block(block) => converted.blocks.push(self.block(block)),
            }
        }
        converted
    }

    fn block(&mut self, block: &structure::Block) -> Block {
        let kind = self.ident(&block.ident);
        let label = |label: &structure::BlockLabel| Ident {
            name: label.as_str().to_owned(),
            span: self.at(label.span()),
        };
        let labels: Vec<Ident> = block.labels.iter().map(label).collect();
        let header = labels.last().map_or(kind.span, |last| kind.span.to(last.span));
        let span = self.at(block.span());
        Block { body: self.body(&block.body), kind, labels, header, span }
    }

    pub(crate) fn expr(&mut self, expr: &Expression) -> Expr {
        let span = self.at(expr.span());
        let kind = match expr {
            Expression::Null(_) => ExprKind::Null,
            Expression::Bool(value) => ExprKind::Bool(*value.value()),
            Expression::Number(number) => ExprKind::Number(self.number(number.span())),
            Expression::String(text) => ExprKind::Text(text.value().clone()),
            Expression::Array(items) => ExprKind::List(items.iter().map(|item| self.expr(item)).collect()),
            Expression::Object(object) => self.object(object),
            Expression::StringTemplate(template) => self.string(template, span),
            Expression::HeredocTemplate(heredoc) => self.heredoc(heredoc, expr.span()),
            Expression::Parenthesis(inner) => ExprKind::Parens(Box::new(self.expr(inner.inner()))),
            Expression::Variable(name) => ExprKind::Name(name.as_str().to_owned()),
            Expression::Conditional(parts) => ExprKind::Conditional(
                Box::new(self.expr(&parts.cond_expr)),
                Box::new(self.expr(&parts.true_expr)),
                Box::new(self.expr(&parts.false_expr)),
            ),
            Expression::FuncCall(call) => self.call(call),
            Expression::Traversal(traversal) => return self.traversal(traversal),
            Expression::UnaryOp(operation) => self.unary(operation),
            Expression::BinaryOp(operation) => ExprKind::Binary(
                binary(*operation.operator.value()),
                Box::new(self.expr(&operation.lhs_expr)),
                Box::new(self.expr(&operation.rhs_expr)),
            ),
            Expression::ForExpr(parts) => ExprKind::For(Box::new(self.for_parts(parts))),
        };
        Expr { kind, span }
    }

    /// A number as written, without what may stand between its sign and its digits.
    fn number(&self, range: Option<Range<usize>>) -> String {
        let written = self.written(range);
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-');
        match written.strip_prefix('-') {
            Some(rest) => {
                let start = rest.rfind(|c| !is_part(c)).map_or(0, |at| at + 1);
                format!("-{}", &rest[start..])
            }
            None => written.to_owned(),
        }
    }

    fn unary(&mut self, operation: &hcl::UnaryOp) -> ExprKind {
        let operand = self.expr(&operation.expr);
        let operator = match operation.operator.value() {
            UnaryOperator::Neg => UnaryOp::Negate,
            UnaryOperator::Not => UnaryOp::Not,
        };
        ExprKind::Unary(operator, Box::new(operand))
    }

    fn object(&mut self, object: &hcl::Object) -> ExprKind {
        let mut pairs: Vec<(Expr, Expr)> = Vec::with_capacity(object.len());
        let mut seen: std::collections::HashMap<String, Span> = std::collections::HashMap::new();
        for (key, value) in object {
            let key = match key {
                ObjectKey::Ident(name) => {
                    Expr { kind: ExprKind::Text(name.as_str().to_owned()), span: self.at(name.span()) }
                }
                ObjectKey::Expression(expr) => self.expr(expr),
            };
            if let ExprKind::Text(name) = &key.kind
                && let Some(first) = seen.insert(name.clone(), key.span)
            {
                self.problems.push(twice("key", name, key.span, Some(first)));
            }
            let value = self.expr(value.expr());
            pairs.push((key, value));
        }
        ExprKind::Object(pairs)
    }

    fn call(&mut self, call: &hcl::FuncCall) -> ExprKind {
        let mut function = self.ident(&call.name.name);
        for scope in call.name.namespace.iter().rev() {
            let scope = self.ident(scope);
            function = Ident {
                name: format!("{}::{}", scope.name, function.name),
                span: scope.span.to(function.span),
            };
        }
        let arguments = call.args.iter().map(|argument| self.expr(argument)).collect();
        ExprKind::Call { function, arguments, expand_last: call.args.expand_final() }
    }

    fn for_parts(&mut self, parts: &hcl::ForExpr) -> ForParts {
        ForParts {
            key_name: parts.intro.key_var.as_ref().map(|name| self.ident(name)),
            value_name: self.ident(&parts.intro.value_var),
            collection: self.expr(&parts.intro.collection_expr),
            key: parts.key_expr.as_ref().map(|key| self.expr(key)),
            value: self.expr(&parts.value_expr),
            condition: parts.cond.as_ref().map(|condition| self.expr(&condition.expr)),
            group: parts.grouping,
        }
    }

    fn traversal(&mut self, traversal: &hcl::Traversal) -> Expr {
        let around = self.steps;
        self.steps += traversal.operators.len();
        let span = self.at(traversal.span());
        let expr = if self.steps > MAX_STEPS {
            let problem =
                Diagnostic::error(codes::TOO_DEEP, format!("A reference has more than {MAX_STEPS} steps"));
            let help = "give an inner part a name of its own in `locals` and refer to it";
            self.problems.push(problem.at(span, "this one").help(help));
            Expr { kind: ExprKind::Null, span }
        } else {
            let target = self.expr(&traversal.expr);
            self.follow(target, &traversal.operators)
        };
        self.steps = around;
        expr
    }

    fn follow(&mut self, mut target: Expr, operators: &[hcl_edit::Decorated<TraversalOperator>]) -> Expr {
        let mut rest = operators;
        while let Some((first, after)) = rest.split_first() {
            let span = target.span.to(self.at(first.span()));
            rest = after;
            let inner = Box::new(target);
            let kind = match first.value() {
                TraversalOperator::GetAttr(name) => ExprKind::Attr(inner, self.ident(name)),
                TraversalOperator::Index(key) => ExprKind::Index(inner, Box::new(self.expr(key))),
                TraversalOperator::LegacyIndex(index) => {
                    let kind = ExprKind::Number(index.value().to_string());
                    ExprKind::Index(inner, Box::new(Expr { kind, span: self.at(index.span()) }))
                }
                // `.*` takes along the attributes that follow, `[*]` everything that follows.
                TraversalOperator::AttrSplat(_) => {
                    let taken = after.iter().take_while(|step| {
                        matches!(
                            step.value(),
                            TraversalOperator::GetAttr(_) | TraversalOperator::LegacyIndex(_)
                        )
                    });
                    let (each, left) = after.split_at(taken.count());
                    rest = left;
                    target = self.splat(inner, span, each);
                    continue;
                }
                TraversalOperator::FullSplat(_) => return self.splat(inner, span, after),
            };
            target = Expr { kind, span };
        }
        target
    }

    fn splat(
        &mut self,
        target: Box<Expr>,
        span: Span,
        each: &[hcl_edit::Decorated<TraversalOperator>],
    ) -> Expr {
        let item = Expr { kind: ExprKind::Name("$splat".to_owned()), span };
        let each = self.follow(item, each);
        let span = span.to(each.span);
        Expr { kind: ExprKind::Splat(target, Box::new(each)), span }
    }
}

fn binary(operator: BinaryOperator) -> BinaryOp {
    match operator {
        BinaryOperator::Eq => BinaryOp::Equal,
        BinaryOperator::NotEq => BinaryOp::NotEqual,
        BinaryOperator::LessEq => BinaryOp::LessOrEqual,
        BinaryOperator::GreaterEq => BinaryOp::GreaterOrEqual,
        BinaryOperator::Less => BinaryOp::Less,
        BinaryOperator::Greater => BinaryOp::Greater,
        BinaryOperator::Plus => BinaryOp::Add,
        BinaryOperator::Minus => BinaryOp::Subtract,
        BinaryOperator::Mul => BinaryOp::Multiply,
        BinaryOperator::Div => BinaryOp::Divide,
        BinaryOperator::Mod => BinaryOp::Modulo,
        BinaryOperator::And => BinaryOp::And,
        BinaryOperator::Or => BinaryOp::Or,
    }
}
