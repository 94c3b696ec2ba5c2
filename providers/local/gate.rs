//! Conditions of gates, checks and rows: quoted expressions evaluated over plain values.

use std::collections::BTreeMap;

use crate::codes;
use crate::mlp_diag::{Diagnostic, Span, one_of};
use crate::mlp_eval::{PlanValue, Quoted, Resolved, Scope, Traversal, TraversalStep, evaluate};
use crate::mlp_value::KnownValue;

/// Values by the name that starts a traversal.
struct Names(BTreeMap<&'static str, PlanValue>);

impl Scope for Names {
    fn resolve(&self, traversal: &Traversal, span: Option<Span>) -> Result<Resolved, Diagnostic> {
        match self.0.get(traversal.root.as_ref()) {
            Some(value) => Ok(Resolved::plain(value.clone(), 0, false)),
            None => {
                Err(Diagnostic::error(codes::UNRESOLVED, format!("`{}` means nothing here", traversal.root))
                    .at_opt(span, "")
                    .help(one_of(&traversal.root, self.0.keys().copied().collect::<Vec<_>>())))
            }
        }
    }
}

/// The first word after the root: `auc` of `candidate.auc`.
pub(crate) fn first_word(traversal: &Traversal) -> Option<String> {
    match traversal.steps.first()? {
        TraversalStep::Attr(name) | TraversalStep::Key(name) => Some(name.to_string()),
        TraversalStep::Index(_) => None,
    }
}

/// The value of a quoted expression.
pub(crate) fn value_of(
    quoted: &Quoted,
    names: BTreeMap<&'static str, KnownValue>,
) -> Result<KnownValue, Box<Diagnostic>> {
    let scope = Names(names.into_iter().map(|(name, value)| (name, value.lift())).collect());
    let failed = |text: String| Box::new(Diagnostic::error(codes::VALUE, text));
    let outcome = evaluate(&quoted.expr, &scope).map_err(|mut found| {
        if found.is_empty() {
            failed(format!("`{}` cannot be computed", quoted.text))
        } else {
            Box::new(found.remove(0))
        }
    })?;
    outcome.value.known().map_err(|_| failed(format!("`{}` is not known", quoted.text)))
}

/// Whether a quoted condition is true.
pub(crate) fn holds(
    quoted: &Quoted,
    names: BTreeMap<&'static str, KnownValue>,
) -> Result<bool, Box<Diagnostic>> {
    match value_of(quoted, names)? {
        KnownValue::Bool(held) => Ok(held),
        // A condition over a null is not fulfilled.
        KnownValue::Null => Ok(false),
        other => {
            let text = format!("`{}` gives a {}, not true or false", quoted.text, other.kind());
            Err(Box::new(Diagnostic::error(codes::VALUE, text)))
        }
    }
}

/// What a condition over metrics came to.
pub(crate) struct Verdict {
    /// Whether it holds.
    pub(crate) held: bool,
    /// The metrics it names with their values, for people: `candidate.auc = 0.81`.
    pub(crate) values: Vec<String>,
}

/// Judges a condition over metrics. A metric that is named and missing is an error; a root that is null (no incumbent)
/// misses nothing.
pub(crate) fn judge(
    quoted: &Quoted,
    names: &BTreeMap<&'static str, KnownValue>,
) -> Result<Verdict, Box<Diagnostic>> {
    let mut values = Vec::new();
    let mut missing = None;
    quoted.expr.traversals(&mut |traversal, _| {
        let (Some(root), Some(word)) = (names.get(traversal.root.as_ref()), first_word(traversal)) else {
            return;
        };
        let Some(metrics) = root.as_object() else { return };
        match metrics.get(word.as_str()) {
            Some(value) => {
                let shown = match value {
                    KnownValue::Number(number) => number.rounded(4).to_string(),
                    other => other.kind().to_owned(),
                };
                let line = format!("{}.{word} = {shown}", traversal.root);
                if !values.contains(&line) {
                    values.push(line);
                }
            }
            None => {
                let text = format!("`{}.{word}` is named, and there is no metric `{word}`", traversal.root);
                let help = one_of(&word, metrics.keys().map(AsRef::as_ref).collect::<Vec<_>>());
                missing.get_or_insert_with(|| {
                    Box::new(Diagnostic::error(codes::METRIC_MISSING, text).help(help))
                });
            }
        }
    });
    match missing {
        Some(found) => Err(found),
        None => Ok(Verdict { held: holds(quoted, names.clone())?, values }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mlp_eval::{BinaryOp, Expr, Node};

    fn at(root: &str, word: &str) -> Expr {
        let traversal = Traversal { root: root.into(), steps: vec![TraversalStep::Attr(word.into())] };
        Expr::new(Node::Traverse { traversal }, None)
    }

    fn better() -> Quoted {
        let node = Node::Binary {
            operator: BinaryOp::GreaterOrEqual,
            left: Box::new(at("candidate", "auc")),
            right: Box::new(Expr::literal(KnownValue::Number("0.75".parse().unwrap()))),
        };
        Quoted { text: "candidate.auc >= 0.75".into(), scope: "gate".into(), expr: Expr::new(node, None) }
    }

    fn names(metric: &str, value: &str) -> BTreeMap<&'static str, KnownValue> {
        let metrics = KnownValue::object([(metric, KnownValue::Number(value.parse().unwrap()))]);
        BTreeMap::from([("candidate", metrics), ("champion", KnownValue::Null)])
    }

    #[test]
    fn a_gate_says_what_it_saw() {
        let verdict = judge(&better(), &names("auc", "0.81234")).unwrap();
        assert!(verdict.held);
        assert_eq!(verdict.values, ["candidate.auc = 0.8123"]);
        assert!(!judge(&better(), &names("auc", "0.5")).unwrap().held);
    }

    #[test]
    fn a_missing_metric_is_an_error() {
        let Err(found) = judge(&better(), &names("accuracy", "1")) else { panic!("accepted") };
        assert_eq!(found.code, codes::METRIC_MISSING);
    }
}
