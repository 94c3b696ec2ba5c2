//! Holes filled from what is remembered.

use mlp_diag::{Diagnostic, Diagnostics, Span};
use mlp_eval::{PlanValue, Resolved, Scope, Traversal, TraversalStep, Unknown, evaluate};
use mlp_value::{Address, Key, Value};

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
            evaluate(&hole.residual, self).map(|outcome| outcome.value)
        })
    }
}

impl Scope for OutputScope<'_> {
    fn resolve(&self, traversal: &Traversal, span: Option<Span>) -> Result<Resolved, Diagnostic> {
        let unknown = || {
            Diagnostic::error(codes::RESIDUAL, format!("`{traversal}` is not known while applying"))
                .at_opt(span, "used here")
                .help("refer to an output of a resource, such as `endpoint.churn.url`")
        };
        let mut address =
            Address { module: Vec::new(), kind: traversal.root.clone(), name: "".into(), key: None };
        let Some(TraversalStep::Attr(name)) = traversal.steps.first() else { return Err(unknown()) };
        address.name = name.clone();
        let keyed = match traversal.steps.get(1) {
            Some(TraversalStep::Key(key)) => Some(Key::Text(key.clone())),
            Some(TraversalStep::Index(index)) => Some(Key::Index(*index)),
            _ => None,
        };
        if let Some(key) = keyed
            && let Some(value) = (self.outputs)(&address.with_key(key))
        {
            return Ok(Resolved { value, consumed: 2, sensitive: false });
        }
        match (self.outputs)(&address) {
            Some(value) => Ok(Resolved { value, consumed: 1, sensitive: false }),
            None => Err(unknown()),
        }
    }
}
