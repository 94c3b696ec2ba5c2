//! What a rollout is aborted on: conditions over the figures of the new version, `self.error_rate > 0.01`.
//!
//! Times are milliseconds here: a duration in quotes is made a number when the endpoint is lowered, which is also when a
//! condition that could never be computed is refused.

use std::collections::BTreeMap;

use mlp_floor::serve::Reading;

use crate::gate::{first_word, judge};
use crate::mlp_diag::one_of;
use crate::mlp_eval::{BinaryOp, Expr, Node, Part, Quoted};
use crate::mlp_value::{KnownValue, Number, units};

const SELF: &str = "self";
/// Figures that are times.
const TIMES: &[&str] = &["mean", "p50", "p95", "p99"];
const COMPARISONS: &[BinaryOp] =
    &[BinaryOp::Less, BinaryOp::LessOrEqual, BinaryOp::Greater, BinaryOp::GreaterOrEqual];
const FIGURES: &[&str] = &["error_rate", "errors", "mean", "p50", "p95", "p99", "requests"];

fn figures(reading: &Reading) -> BTreeMap<&'static str, Option<f64>> {
    #[expect(clippy::cast_precision_loss, reason = "numbers of requests, far below 2^52")]
    let count = |number: u64| Some(number as f64);
    BTreeMap::from([
        ("requests", count(reading.requests)),
        ("errors", count(reading.errors)),
        ("error_rate", reading.error_rate),
        ("mean", reading.mean_ms),
        ("p50", reading.p50_ms),
        ("p95", reading.p95_ms),
        ("p99", reading.p99_ms),
    ])
}

/// Why a rollout is to be aborted, if the condition holds. What rests on too few answers makes no condition true.
pub(super) fn fires(condition: &Quoted, reading: &Reading) -> Option<String> {
    let figures = figures(reading);
    let mut unknown = false;
    condition.expr.traversals(&mut |traversal, _| {
        let word = first_word(traversal).unwrap_or_default();
        unknown |= traversal.root.as_ref() == SELF && figures.get(word.as_str()).is_some_and(Option::is_none);
    });
    if unknown {
        return None;
    }
    let values = figures
        .into_iter()
        .filter_map(|(name, value)| Some((name, KnownValue::Number(Number::from_f64(value?)?))));
    let names = BTreeMap::from([(SELF, KnownValue::object(values))]);
    match judge(condition, &names) {
        Ok(verdict) => verdict.held.then(|| {
            let told = verdict.values.join(", ");
            format!("`{}` ({told}; {})", condition.text, describe(reading))
        }),
        // It held no water at plan; what cannot be judged is not let through.
        Err(problem) => Some(format!("`{}` cannot be judged: {}", condition.text, problem.headline)),
    }
}

/// The figures for people.
pub(super) fn describe(reading: &Reading) -> String {
    let mut words = vec![format!("{} of {} requests failed", reading.errors, reading.requests)];
    words.extend(reading.p50_ms.map(|p50| format!("p50 {p50:.1} ms")));
    words.extend(reading.p99_ms.map(|p99| format!("p99 {p99:.1} ms")));
    format!("{} in the last 30 s", words.join(", "))
}

/// A condition with its durations as milliseconds.
///
/// # Errors
/// Why it can never be computed, and what helps.
pub(crate) fn prepare(mut condition: Quoted) -> Result<Quoted, (String, String)> {
    let mut wrong = None;
    condition.expr.traversals(&mut |traversal, _| {
        let word = first_word(traversal).unwrap_or_default();
        if traversal.root.as_ref() == SELF
            && (!FIGURES.contains(&word.as_str()) || traversal.steps.len() != 1)
        {
            let text = format!("a rollout knows no `{traversal}`");
            wrong.get_or_insert((text, one_of(&word, FIGURES.iter().copied())));
        }
    });
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    durations(&mut condition.expr)?;
    // A condition that fails on plain figures would fail on every one.
    let sample = Reading {
        requests: 10,
        errors: 1,
        failed_in_a_row: 0,
        error_rate: Some(0.1),
        mean_ms: Some(2.0),
        p50_ms: Some(1.0),
        p95_ms: Some(3.0),
        p99_ms: Some(4.0),
    };
    match fires(&condition, &sample) {
        Some(why) if why.contains("cannot be judged") => {
            Err((why, "write a comparison, as `self.error_rate > 0.01`".to_owned()))
        }
        _ => Ok(condition),
    }
}

/// Makes every duration a number of milliseconds, and refuses a time that is compared with a bare number.
fn durations(expr: &mut Expr) -> Result<(), (String, String)> {
    if let Node::Binary { left, right, operator } = &expr.node {
        for (time, other) in [(left, right), (right, left)] {
            let bare = matches!(&other.node, Node::Literal { value: KnownValue::Number(_) });
            if is_time(time) && bare && COMPARISONS.contains(operator) {
                let text = "a time is compared with a number that has no unit".to_owned();
                return Err((text, "write a duration in quotes, as `self.p99 > \"60ms\"`".to_owned()));
            }
        }
    }
    if let Some(text) = literal_text(expr) {
        let length = units::duration(&text).map_err(|why| (why, String::new()))?;
        let number = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
        *expr = Expr::new(Node::Literal { value: KnownValue::int(number) }, expr.span);
    }
    let mut outcome = Ok(());
    expr.children_mut(&mut |child| {
        if outcome.is_ok() {
            outcome = durations(child);
        }
    });
    outcome
}

fn is_time(expr: &Expr) -> bool {
    match &expr.node {
        Node::Traverse { traversal } => first_word(traversal)
            .is_some_and(|word| traversal.root.as_ref() == SELF && TIMES.contains(&word.as_str())),
        _ => false,
    }
}

fn literal_text(expr: &Expr) -> Option<String> {
    match &expr.node {
        Node::Literal { value: KnownValue::Text(text) } => Some(text.to_string()),
        Node::Template { parts } => match parts.as_slice() {
            [Part::Text { text }] => Some(text.to_string()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mlp_eval::{Traversal, TraversalStep};

    fn condition(figure: &str, limit: KnownValue) -> Quoted {
        let traversal = Traversal { root: SELF.into(), steps: vec![TraversalStep::Attr(figure.into())] };
        let node = Node::Binary {
            operator: BinaryOp::Greater,
            left: Box::new(Expr::new(Node::Traverse { traversal }, None)),
            right: Box::new(Expr::literal(limit)),
        };
        Quoted { text: format!("self.{figure} > x"), scope: "metric".into(), expr: Expr::new(node, None) }
    }

    fn number(text: &str) -> KnownValue {
        KnownValue::Number(text.parse().unwrap())
    }

    #[test]
    fn a_condition_holds_or_waits_for_figures() {
        let slow = prepare(condition("p99", KnownValue::text("60ms"))).unwrap();
        let reading = |p99_ms| Reading { requests: 100, p99_ms, ..Reading::default() };
        assert!(fires(&slow, &reading(Some(61.0))).unwrap().contains("p99"));
        assert_eq!(fires(&slow, &reading(Some(59.0))), None);
        assert_eq!(fires(&slow, &reading(None)), None);
        let failing = prepare(condition("error_rate", number("0.01"))).unwrap();
        let reading = Reading { requests: 50, errors: 1, error_rate: Some(0.02), ..Reading::default() };
        assert!(fires(&failing, &reading).unwrap().contains("1 of 50 requests failed"));
    }

    #[test]
    fn what_can_never_be_computed_is_refused() {
        let (why, help) = prepare(condition("p98", KnownValue::text("60ms"))).unwrap_err();
        assert!(why.contains("self.p98") && help.contains("p95"), "{why} {help}");
        let (why, help) = prepare(condition("p99", number("60"))).unwrap_err();
        assert!(why.contains("no unit") && help.contains("60ms"), "{why} {help}");
        assert!(prepare(condition("p99", KnownValue::text("sixty"))).is_err());
        assert!(prepare(condition("errors", KnownValue::Null)).is_err());
    }
}
