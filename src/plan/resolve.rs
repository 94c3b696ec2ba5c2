//! Holes filled from what is remembered.

use mlp_diag::{Diagnostic, Diagnostics, Span};
use mlp_eval::{Expr, Node, PlanValue, Resolved, Scope, Traversal, TraversalStep, Unknown, evaluate};
use mlp_value::{Address, Value, fingerprint_of, has_sealed};

use crate::codes;

/// A scope in which `endpoint.churn.url` is an output of a resource; what is not known yet stays a hole.
pub struct OutputScope<'a> {
    outputs: &'a dyn Fn(&Address) -> Option<PlanValue>,
}

impl<'a> OutputScope<'a> {
    /// A scope over the outputs that `outputs` gives for an address; `None` when they are not known yet.
    pub fn new(outputs: &'a dyn Fn(&Address) -> Option<PlanValue>) -> Self {
        Self { outputs }
    }

    /// The value with every hole filled that can be.
    ///
    /// # Errors
    /// A residual that cannot be computed.
    pub fn fill(&self, value: &PlanValue) -> Result<PlanValue, Diagnostics> {
        value.fill(&mut |hole: &Unknown| {
            let known = hole
                .after
                .iter()
                .all(|text| text.parse::<Address>().is_ok_and(|address| (self.outputs)(&address).is_some()));
            if !known || hole.after.is_empty() {
                return Ok(Value::Hole(hole.clone()));
            }
            let outcome = evaluate(&hole.residual, self)?;
            if outcome.sensitive && !hands_on(&hole.residual) {
                return Err(vec![computes_with_a_mark(hole)]);
            }
            // A part of what it names is not known: nor is the whole, as it was written.
            Ok(if outcome.value.has_holes() { Value::Hole(hole.clone()) } else { outcome.value })
        })
    }
}

/// The value as far along the way as names lead, so that a mark beside the way does not count.
fn within(mut value: PlanValue, traversal: &Traversal, mut consumed: usize) -> (PlanValue, usize) {
    while let Some(TraversalStep::Attr(name)) = traversal.steps.get(consumed) {
        let Some(inner) = value.field(name).filter(|_| fingerprint_of(&value).is_none()) else { break };
        (value, consumed) = (inner.clone(), consumed + 1);
    }
    (value, consumed)
}

/// Whether values are only handed on, and nothing is computed from them.
fn hands_on(expr: &Expr) -> bool {
    match &expr.node {
        Node::Literal { .. } | Node::Traverse { .. } => true,
        Node::List { items } => items.iter().all(hands_on),
        Node::Object { items } => {
            items.iter().all(|(key, item)| matches!(key.node, Node::Literal { .. }) && hands_on(item))
        }
        _ => false,
    }
}

/// A mark stands for a sensitive value, and says nothing about it.
fn computes_with_a_mark(hole: &Unknown) -> Diagnostic {
    let after = hole.after.join(", ");
    Diagnostic::error(codes::RESIDUAL, format!("something is computed from a sensitive output of {after}"))
        .note("only a mark of it is kept, and the value itself is not known here")
        .help("give the output itself to an attribute, or compute from the variable it came from")
}

impl Scope for OutputScope<'_> {
    fn resolve(&self, traversal: &Traversal, span: Option<Span>) -> Result<Resolved, Diagnostic> {
        let unknown = || {
            Diagnostic::error(codes::RESIDUAL, format!("`{traversal}` is not known while applying"))
                .at_opt(span, "used here")
                .help("refer to an output of a resource, such as `endpoint.churn.url`")
        };
        // The longest beginning that is the address of something known.
        for length in (1..=traversal.steps.len()).rev() {
            let beginning =
                Traversal { root: traversal.root.clone(), steps: traversal.steps[..length].to_vec() };
            let known = beginning.to_string().parse().ok().and_then(|address| (self.outputs)(&address));
            if let Some(value) = known {
                let (value, consumed) = within(value, traversal, length);
                let sensitive = has_sealed(&value);
                return Ok(Resolved::plain(value, consumed, sensitive));
            }
        }
        Err(unknown())
    }
}
