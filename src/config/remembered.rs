//! What the last apply told of things that something waits for: enough to know which instances there are.

use std::collections::BTreeMap;

use mlp_diag::{Diagnostic, Diagnostics, Span};
use mlp_eval::{Outcome, Resolved, Scope, Traversal, Unknown, evaluate};
use mlp_value::facts::{Fact, Need};
use mlp_value::{Address, KnownValue, Value};

use crate::codes;
use crate::evaluator::Evaluator;

impl Evaluator<'_> {
    /// The value with every hole filled of which the last apply told the value; others stay.
    ///
    /// # Errors
    /// What is computed of it goes wrong.
    pub(crate) fn remembered(&self, outcome: Outcome) -> Result<Outcome, Diagnostics> {
        if let Value::Hole(hole) = &outcome.value {
            return Ok(match self.filled(hole)? {
                Some(found) => {
                    Outcome::marked(found.value.clone(), outcome.marks()).of_type(&found.type_of())
                }
                None => outcome,
            });
        }
        let value = outcome.value.fill(&mut |hole: &Unknown| {
            let found = self.filled(hole)?;
            Ok::<_, Diagnostics>(found.map_or_else(|| Value::Hole(hole.clone()), |found| found.value))
        })?;
        Ok(Outcome { value, ..outcome })
    }

    /// What a hole comes to; `None` when the last apply told less than it waits for.
    fn filled(&self, hole: &Unknown) -> Result<Option<Outcome>, Diagnostics> {
        let mut known: BTreeMap<Address, KnownValue> = BTreeMap::new();
        for text in &hole.after {
            let Ok(address) = text.parse::<Address>() else { return Ok(None) };
            let need = Need::Remembered(address.to_string());
            let Some(Fact::Text(json)) = self.facts.ask(need, &mut self.needs.borrow_mut()) else {
                return Ok(None);
            };
            let outputs = serde_json::from_str(json).ok().and_then(|json| KnownValue::from_json(&json).ok());
            let Some(outputs) = outputs else { return Ok(None) };
            known.insert(address, outputs);
        }
        if known.is_empty() {
            return Ok(None);
        }
        evaluate(&hole.residual, &Outputs(known)).map(Some)
    }
}

/// Outputs by address.
struct Outputs(BTreeMap<Address, KnownValue>);

impl Scope for Outputs {
    fn resolve(&self, traversal: &Traversal, span: Option<Span>) -> Result<Resolved, Diagnostic> {
        // The longest beginning that is the address of something known.
        for length in (1..=traversal.steps.len()).rev() {
            let beginning =
                Traversal { root: traversal.root.clone(), steps: traversal.steps[..length].to_vec() };
            let found = beginning.to_string().parse().ok().and_then(|address| self.0.get(&address));
            if let Some(value) = found {
                return Ok(Resolved::plain(value.lift(), length, false));
            }
        }
        Err(Diagnostic::error(codes::NOT_KNOWN, format!("`{traversal}` was not told at the last apply"))
            .at_opt(span, "")
            .help("apply once more: what is told changes with the program's version"))
    }
}
