//! What lies behind a reference to a declaration: the scope knows it, the value does not.

use std::sync::Arc;

use mlp_diag::{Diagnostics, Span};
use mlp_value::Value;

use crate::interpret::Interpreter;
use crate::typed::Typed;
use crate::{Marks, PlanValue, Resolved, TraversalStep, reference_of};

/// The key of an index as a step of a traversal; what is neither text nor a number names nothing.
pub(crate) fn step_of(key: &PlanValue) -> TraversalStep {
    match key {
        Value::Text(name) => TraversalStep::Attr(name.clone()),
        Value::Number(number) => {
            TraversalStep::Index(number.to_i64().and_then(|at| u64::try_from(at).ok()).unwrap_or(u64::MAX))
        }
        _ => TraversalStep::Attr(Arc::from("")),
    }
}

/// What a scope found: the value with its type, and its marks.
pub(crate) fn resolved(found: Resolved) -> (Typed, Marks) {
    let marks = Marks { sensitive: found.sensitive, ephemeral: found.ephemeral };
    (Typed { value: found.value, ty: found.ty }, marks)
}

impl Interpreter<'_> {
    /// What lies behind a value that is a reference; `None` where it is none, or the scope knows no more of it.
    pub(crate) fn behind(
        &self,
        value: &PlanValue,
        steps: &[TraversalStep],
        span: Option<Span>,
    ) -> Result<Option<Resolved>, Diagnostics> {
        let Some(reference) = reference_of(value) else { return Ok(None) };
        let found = self.scope.behind(&reference, steps, span).map_err(|problem| vec![problem])?;
        Ok(found.filter(|found| found.consumed > 0))
    }
}
