//! What is sensitive does not come out in what is said of it.

use std::collections::BTreeSet;

use mlp_diag::Diagnostic;
use mlp_eval::PlanValue;
use mlp_value::Value;

use crate::evaluator::Evaluator;

/// Shorter values would make noise of every message, and protect nothing.
const SHORTEST: usize = 4;
/// What stands for a value that must not be shown.
const SHOWN: &str = "(sensitive)";

impl Evaluator<'_> {
    /// The problem without the values of sensitive variables.
    pub(crate) fn hushed(&self, mut diagnostic: Diagnostic) -> Diagnostic {
        let texts = self.secrets(|| {
            let mut texts = BTreeSet::new();
            let sensitive = self.variables.values().flatten().filter(|outcome| outcome.sensitive);
            sensitive.for_each(|outcome| leaves(&outcome.value, &mut texts));
            texts
        });
        if texts.is_empty() {
            return diagnostic;
        }
        let clean = |text: &mut String| {
            for secret in texts {
                if text.contains(secret.as_str()) {
                    *text = text.replace(secret.as_str(), SHOWN);
                }
            }
        };
        clean(&mut diagnostic.headline);
        diagnostic.notes.iter_mut().for_each(clean);
        diagnostic.help.iter_mut().for_each(clean);
        diagnostic.labels.iter_mut().map(|label| &mut label.text).for_each(clean);
        diagnostic
    }
}

/// Every text below a value that is long enough to tell.
fn leaves(value: &PlanValue, found: &mut BTreeSet<String>) {
    value.walk(&mut |_, inner| {
        if let Value::Text(text) = inner
            && text.len() >= SHORTEST
        {
            found.insert(text.to_string());
        }
    });
}
