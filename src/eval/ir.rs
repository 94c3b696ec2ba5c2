//! The IR: expressions as data. It serialises, so a gate's condition can lie in a state file and be evaluated later.

use std::sync::Arc;

use mlp_diag::Span;
use mlp_value::{Address, Key, KnownValue};
use serde::{Deserialize, Serialize};

/// An expression with the place it was written, where it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expr {
    /// What it computes.
    #[serde(flatten)]
    pub node: Node,
    /// Where it was written; not part of its meaning, and not written to disk.
    #[serde(skip)]
    pub span: Option<Span>,
}

/// What an expression computes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "op")]
pub enum Node {
    /// A constant.
    Literal {
        /// Its value.
        value: KnownValue,
    },
    /// A name and the way from it: `model.fraud.alias.champion`.
    Traverse {
        /// The way.
        traversal: Traversal,
    },
    /// A template of several parts, joined as text.
    Template {
        /// The parts in order.
        parts: Vec<Part>,
    },
    /// `[a, b]`
    List {
        /// Items.
        items: Vec<Expr>,
    },
    /// `{ a = b }`
    Object {
        /// Keys (evaluated) and values in the order written.
        items: Vec<(Expr, Expr)>,
    },
    /// `-a`, `!a`
    Unary {
        /// Operator.
        operator: UnaryOp,
        /// Operand.
        operand: Box<Expr>,
    },
    /// `a + b`
    Binary {
        /// Operator.
        operator: BinaryOp,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
    },
    /// `a ? b : c`; the branch not taken is not evaluated.
    Conditional {
        /// Condition.
        condition: Box<Expr>,
        /// Value if true.
        then: Box<Expr>,
        /// Value if false.
        otherwise: Box<Expr>,
    },
    /// `f(a, b...)`
    Call {
        /// Name.
        function: Arc<str>,
        /// Arguments.
        arguments: Vec<Expr>,
        /// Whether the last argument is spread.
        expand_last: bool,
    },
    /// `a[i]` or `a.b` on any expression.
    Index {
        /// What is indexed.
        target: Box<Expr>,
        /// Key or index.
        key: Box<Expr>,
    },
    /// `a[*].b`, `a.*.b`: the target as a list, then `each` of it with the item bound to `$splat`.
    Splat {
        /// What is spread.
        target: Box<Expr>,
        /// Computed for each item; the item is the variable `$splat`.
        each: Box<Expr>,
    },
    /// A `for` expression.
    For {
        /// Its parts.
        parts: Box<ForExpr>,
    },
}

/// `[for k, v in c : x if y]` or `{for k, v in c : x => y... if z}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForExpr {
    /// Name of the key variable.
    pub key_name: Option<Arc<str>>,
    /// Name of the value variable.
    pub value_name: Arc<str>,
    /// What is iterated.
    pub collection: Expr,
    /// The key of an object `for`; `None` gives a list.
    pub key: Option<Expr>,
    /// The value.
    pub value: Expr,
    /// The filter.
    pub condition: Option<Expr>,
    /// Values of one key are gathered in a list.
    pub group: bool,
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "part")]
pub enum Part {
    /// Text as it stands.
    Text {
        /// The text, escapes resolved.
        text: Arc<str>,
    },
    /// `${expr}`
    Expr {
        /// The expression.
        expr: Expr,
    },
    /// `%{ if c }…%{ else }…%{ endif }`
    If {
        /// Condition.
        condition: Expr,
        /// Parts if true.
        then: Vec<Part>,
        /// Parts if false.
        otherwise: Vec<Part>,
    },
    /// `%{ for k, v in c }…%{ endfor }`
    For {
        /// Key variable.
        key_name: Option<Arc<str>>,
        /// Value variable.
        value_name: Arc<str>,
        /// What is iterated.
        collection: Expr,
        /// Parts for each.
        body: Vec<Part>,
    },
}

/// A root name and steps from it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Traversal {
    /// First name.
    pub root: Arc<str>,
    /// The steps, constant ones only; a computed index makes an `Index` node around it.
    pub steps: Vec<TraversalStep>,
}

/// One step of a traversal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraversalStep {
    /// `.name`
    Attr(Arc<str>),
    /// `["key"]`
    Key(Arc<str>),
    /// `[0]`
    Index(u64),
}

/// Unary operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnaryOp {
    /// `-`
    Negate,
    /// `!`
    Not,
}

/// Binary operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

impl Expr {
    /// An expression at a place.
    pub fn new(node: Node, span: Option<Span>) -> Self {
        Self { node, span }
    }

    /// A constant.
    pub fn literal(value: KnownValue) -> Self {
        Self::new(Node::Literal { value }, None)
    }

    /// Calls `visit` for every traversal in it.
    pub fn traversals<'e>(&'e self, visit: &mut dyn FnMut(&'e Traversal, Option<Span>)) {
        if let Node::Traverse { traversal } = &self.node {
            visit(traversal, self.span);
        }
        self.children(&mut |child| child.traversals(visit));
    }

    /// Calls `visit` for every direct child.
    pub fn children<'e>(&'e self, visit: &mut dyn FnMut(&'e Expr)) {
        match &self.node {
            Node::Literal { .. } | Node::Traverse { .. } => {}
            Node::Template { parts } => parts.iter().for_each(|part| part.exprs(visit)),
            Node::List { items } => items.iter().for_each(visit),
            Node::Object { items } => items.iter().for_each(|(key, value)| {
                visit(key);
                visit(value);
            }),
            Node::Unary { operand, .. } => visit(operand),
            Node::Binary { left, right, .. } => {
                visit(left);
                visit(right);
            }
            Node::Conditional { condition, then, otherwise } => {
                visit(condition);
                visit(then);
                visit(otherwise);
            }
            Node::Call { arguments, .. } => arguments.iter().for_each(visit),
            Node::Index { target, key } => {
                visit(target);
                visit(key);
            }
            Node::Splat { target, each } => {
                visit(target);
                visit(each);
            }
            Node::For { parts } => {
                visit(&parts.collection);
                parts.key.iter().for_each(&mut *visit);
                visit(&parts.value);
                parts.condition.iter().for_each(visit);
            }
        }
    }

    /// Calls `visit` for every direct child, which it may change.
    pub fn children_mut(&mut self, visit: &mut dyn FnMut(&mut Expr)) {
        match &mut self.node {
            Node::Literal { .. } | Node::Traverse { .. } => {}
            Node::Template { parts } => parts.iter_mut().for_each(|part| part.exprs_mut(visit)),
            Node::List { items } => items.iter_mut().for_each(visit),
            Node::Object { items } => items.iter_mut().for_each(|(key, value)| {
                visit(key);
                visit(value);
            }),
            Node::Unary { operand, .. } => visit(operand),
            Node::Binary { left, right, .. } => {
                visit(left);
                visit(right);
            }
            Node::Conditional { condition, then, otherwise } => {
                visit(condition);
                visit(then);
                visit(otherwise);
            }
            Node::Call { arguments, .. } => arguments.iter_mut().for_each(visit),
            Node::Index { target, key } => {
                visit(target);
                visit(key);
            }
            Node::Splat { target, each } => {
                visit(target);
                visit(each);
            }
            Node::For { parts } => {
                visit(&mut parts.collection);
                parts.key.iter_mut().for_each(&mut *visit);
                visit(&mut parts.value);
                parts.condition.iter_mut().for_each(visit);
            }
        }
    }
}

impl Part {
    fn exprs<'e>(&'e self, visit: &mut dyn FnMut(&'e Expr)) {
        match self {
            Self::Text { .. } => {}
            Self::Expr { expr } => visit(expr),
            Self::If { condition, then, otherwise } => {
                visit(condition);
                then.iter().chain(otherwise).for_each(|part| part.exprs(visit));
            }
            Self::For { collection, body, .. } => {
                visit(collection);
                body.iter().for_each(|part| part.exprs(visit));
            }
        }
    }

    fn exprs_mut(&mut self, visit: &mut dyn FnMut(&mut Expr)) {
        match self {
            Self::Text { .. } => {}
            Self::Expr { expr } => visit(expr),
            Self::If { condition, then, otherwise } => {
                visit(condition);
                then.iter_mut().chain(otherwise).for_each(|part| part.exprs_mut(visit));
            }
            Self::For { collection, body, .. } => {
                visit(collection);
                body.iter_mut().for_each(|part| part.exprs_mut(visit));
            }
        }
    }
}

impl Traversal {
    /// The traversal by which an address is named from the project's own directory.
    pub fn of(address: &Address) -> Self {
        let mut steps: Vec<TraversalStep> = Vec::new();
        let mut push = |kind: &str, name: &str, key: Option<&Key>| {
            steps.push(TraversalStep::Attr(kind.into()));
            // Two labels are one name.
            steps.extend(name.split('.').map(|word| TraversalStep::Attr(word.into())));
            steps.extend(key.map(|key| match key {
                Key::Text(key) => TraversalStep::Key(key.clone()),
                Key::Index(index) => TraversalStep::Index(*index),
            }));
        };
        for call in address.enclosing() {
            push("module", &call.name, call.key.as_ref());
        }
        push(&address.kind, &address.name, address.key.as_ref());
        let root = match steps.remove(0) {
            TraversalStep::Attr(root) | TraversalStep::Key(root) => root,
            TraversalStep::Index(_) => address.kind.clone(),
        };
        Self { root, steps }
    }
}

impl std::fmt::Display for Traversal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.root)?;
        for step in &self.steps {
            match step {
                TraversalStep::Attr(name) => write!(f, ".{name}")?,
                TraversalStep::Key(key) => write!(f, "[{key:?}]")?,
                TraversalStep::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
