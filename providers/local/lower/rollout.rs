//! The `rollout` of an endpoint: steps in percent of a variant's share, each held, and what it is aborted on.

use std::collections::BTreeMap;

use super::builder::Builder;
use crate::codes;
use crate::mlp_eval::{PlanValue, Quoted, reference_of};
use crate::mlp_value::{Number, Value, units};
use crate::supervisor::prepare;

/// The steps of a canary that names none.
const STEPS: &[i64] = &[5, 25, 100];
/// How long a step is held that says nothing.
const HOLD: &str = "5m";

pub(super) fn lower(builder: &mut Builder<'_>, config: &mut BTreeMap<&'static str, PlanValue>) {
    if builder.attribute("rollout").and_then(Value::as_object).is_none_or(|written| written.is_empty()) {
        return;
    }
    let strategy = builder.text("rollout.strategy").unwrap_or("canary");
    if strategy == "all_at_once" {
        for path in ["rollout.steps", "rollout.hold", "rollout.abort_on"] {
            if builder.attribute(path).is_some() {
                builder.error(
                    codes::VALUE,
                    path,
                    "a version that takes over all at once has no steps and is not watched",
                    "use `strategy = \"canary\"`, or leave this out",
                );
            }
        }
        return;
    }
    let steps = if strategy == "blue_green" { blue_green(builder) } else { steps(builder) };
    let hold = hold(builder);
    let abort_on = abort_on(builder);
    config.insert(
        "rollout",
        Value::object([
            ("strategy", Value::text(strategy)),
            ("steps", Value::list(steps.into_iter().map(Value::int))),
            ("hold_ms", Value::int(hold)),
            ("abort_on", Value::list(abort_on)),
        ]),
    );
}

/// All of the share at once, with the version before kept ready for as long as it is held.
fn blue_green(builder: &mut Builder<'_>) -> Vec<i64> {
    if builder.attribute("rollout.steps").is_some() {
        builder.error(
            codes::VALUE,
            "rollout.steps",
            "`blue_green` has one step, the whole share",
            "use `strategy = \"canary\"`, or leave `steps` out",
        );
    }
    vec![100]
}

fn steps(builder: &mut Builder<'_>) -> Vec<i64> {
    let Some(written) = builder.attribute("rollout.steps").and_then(Value::as_list) else {
        return STEPS.to_vec();
    };
    let mut steps: Vec<i64> =
        written.iter().filter_map(|step| step.as_number().and_then(Number::to_i64)).collect();
    if steps.is_empty() || !steps.is_sorted_by(|one, next| one < next) {
        builder.error(
            codes::VALUE,
            "rollout.steps",
            "the steps of a rollout are percentages that grow",
            "write them in order, as `[5, 25, 100]`",
        );
    }
    if steps.last() != Some(&100) {
        steps.push(100);
    }
    steps
}

fn hold(builder: &mut Builder<'_>) -> i64 {
    let text = builder.text("rollout.hold").unwrap_or(HOLD);
    match units::duration(text) {
        Ok(hold) => i64::try_from(hold.as_millis()).unwrap_or(i64::MAX),
        Err(why) => {
            builder.error(codes::VALUE, "rollout.hold", why, "");
            0
        }
    }
}

fn abort_on(builder: &mut Builder<'_>) -> Vec<PlanValue> {
    let written = builder.attribute("rollout.abort_on").and_then(Value::as_list).unwrap_or_default();
    let mut found = Vec::new();
    for (index, value) in written.iter().enumerate() {
        let path = format!("rollout.abort_on[{index}]");
        if let Some(reference) = reference_of(value) {
            builder.not_served(
                &path,
                &format!("`{reference}` as what a rollout is aborted on"),
                "write a condition, as `self.error_rate > 0.01`",
            );
            continue;
        }
        let Some(condition) = Quoted::of(value) else {
            builder.error(
                codes::VALUE,
                &path,
                "this names no figure of the new version",
                "write a condition, as `self.error_rate > 0.01`",
            );
            continue;
        };
        match prepare(condition) {
            Err((why, help)) => builder.error(codes::VALUE, &path, why, &help),
            Ok(condition) => match condition.to_value() {
                Ok(value) => found.push(value.lift()),
                Err(why) => builder.error(codes::VALUE, &path, why, ""),
            },
        }
    }
    found
}
