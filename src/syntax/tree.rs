//! The compact tree of a file: blocks, attributes and expressions, each with its span.

use mlp_diag::Span;

/// A file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tree {
    /// Everything at the top level.
    pub body: Body,
    /// Attributes and pieces that could not be read: what follows from them is no mistake of its own.
    pub broken: Vec<Span>,
    /// Headers and wholes of blocks in which something stands that is not known by name.
    pub incomplete: Vec<Span>,
    /// Whether blocks may be missing whose names are not known.
    pub lost: bool,
}

/// Attributes and blocks, each in the order written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Body {
    /// `name = expr`
    pub attributes: Vec<Attribute>,
    /// `kind "label" { … }`
    pub blocks: Vec<Block>,
}

/// A name with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ident {
    /// The name; a label's without its quotes.
    pub name: String,
    /// Where.
    pub span: Span,
}

/// `name = expr`
#[derive(Debug, Clone, PartialEq)]
pub struct Attribute {
    /// Name.
    pub name: Ident,
    /// Value.
    pub expr: Expr,
    /// All of it.
    pub span: Span,
}

/// `kind "label" { … }`
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Kind.
    pub kind: Ident,
    /// Labels.
    pub labels: Vec<Ident>,
    /// What stands between the braces.
    pub body: Body,
    /// Kind and labels.
    pub header: Span,
    /// All of it.
    pub span: Span,
}

/// An expression with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What stands there.
    pub kind: ExprKind,
    /// Where.
    pub span: Span,
}

/// What an expression is.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number as written.
    Number(String),
    /// Text without interpolation, escapes resolved; also a heredoc without one.
    Text(String),
    /// Text with interpolation or directives; also a heredoc.
    Template(Vec<TemplatePart>),
    /// `[a, b]`
    List(Vec<Expr>),
    /// `{ a = b }`: keys that are bare words are `Text`.
    Object(Vec<(Expr, Expr)>),
    /// A bare name.
    Name(String),
    /// `target.name`
    Attr(Box<Expr>, Ident),
    /// `target[key]`; also the legacy `target.0`
    Index(Box<Expr>, Box<Expr>),
    /// `target[*]rest`, `target.*rest`: `each` is `rest` with the item as the name `$splat`.
    Splat(Box<Expr>, Box<Expr>),
    /// `f(a, b...)`
    Call {
        /// Function.
        function: Ident,
        /// Arguments.
        arguments: Vec<Expr>,
        /// `...` after the last.
        expand_last: bool,
    },
    /// `-a`, `!a`
    Unary(UnaryOp, Box<Expr>),
    /// `a + b`
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `a ? b : c`
    Conditional(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `(a)`
    Parens(Box<Expr>),
    /// `[for …]`, `{for …}`
    For(Box<ForParts>),
    /// What could not be read; its mistake was told.
    Broken,
}

/// The parts of a `for` expression.
#[derive(Debug, Clone, PartialEq)]
pub struct ForParts {
    /// Key variable.
    pub key_name: Option<Ident>,
    /// Value variable.
    pub value_name: Ident,
    /// What is iterated.
    pub collection: Expr,
    /// Key of an object `for`.
    pub key: Option<Expr>,
    /// Value.
    pub value: Expr,
    /// Filter.
    pub condition: Option<Expr>,
    /// `...` after the value.
    pub group: bool,
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq)]
pub enum TemplatePart {
    /// Text, escapes resolved, white space stripped as the neighbours' `~` say.
    Text(String),
    /// `${expr}`
    Expr(Expr),
    /// `%{ if }`
    If(Expr, Vec<TemplatePart>, Vec<TemplatePart>),
    /// `%{ for }`
    For(Option<Ident>, Ident, Expr, Vec<TemplatePart>),
}

/// Unary operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnaryOp {
    /// `-`
    Negate,
    /// `!`
    Not,
}

/// Binary operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum BinaryOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
}
