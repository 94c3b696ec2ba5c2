//! Holes filled from what is remembered.

use mlp_diag::{Diagnostic, Diagnostics, Span};
use mlp_eval::{PlanValue, Resolved, Scope, Traversal, Unknown, evaluate};
use mlp_value::{Address, Value};

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
        // The longest beginning that is the address of something known.
        for length in (1..=traversal.steps.len()).rev() {
            let beginning =
                Traversal { root: traversal.root.clone(), steps: traversal.steps[..length].to_vec() };
            let known = beginning.to_string().parse().ok().and_then(|address| (self.outputs)(&address));
            if let Some(value) = known {
                return Ok(Resolved::plain(value, length, false));
            }
        }
        Err(unknown())
    }
}
