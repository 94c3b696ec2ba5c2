//! What starts a pipeline by itself: a schedule of the cluster.

use super::builder::Builder;
use crate::codes;
use crate::mlp_eval::PlanValue;
use crate::mlp_platform::Mode;
use crate::mlp_value::{Path, Value};

/// A day that never comes: what only `mlp run` starts is held by a schedule that rests.
const NEVER: &str = "0 0 31 2 *";
/// How late a run may start that is not made up for, in seconds: the controller looks every ten.
const LATE: i64 = 60;

/// The fields of the CronJob that say when it starts.
pub(super) fn schedule(builder: &mut Builder<'_>) -> Vec<(&'static str, PlanValue)> {
    let written = builder.attribute("trigger").and_then(Value::as_object);
    let triggers: Vec<(String, &PlanValue)> =
        written.into_iter().flatten().map(|(label, trigger)| (label.to_string(), trigger)).collect();
    let resting = |cron: &str| vec![("schedule", Value::text(cron)), ("suspend", Value::Bool(true))];
    let (label, trigger) = match triggers.as_slice() {
        [] => return resting(NEVER),
        [one] => one,
        [_, (second, _), ..] => {
            let help = "one CronJob has one schedule: write them as one, or as pipelines of their own";
            builder.not_served(&format!("trigger.{second}"), "a second trigger", help);
            return resting(NEVER);
        }
    };
    let at = Path::of(&["trigger", label]);
    let Some(cron) = trigger.field("cron").and_then(Value::as_text) else {
        builder.error(
            codes::VALUE,
            &at.to_string(),
            "a trigger in a cluster needs a schedule",
            "write `cron = \"0 3 * * 1\"`",
        );
        return resting(NEVER);
    };
    // In development nothing starts by itself.
    let paused = builder.input.platform.environment.mode == Mode::Development;
    let zone = trigger.field("timezone").and_then(Value::as_text).unwrap_or("UTC");
    let mut fields = vec![
        ("schedule", Value::text(cron)),
        ("timeZone", Value::text(zone)),
        ("suspend", Value::Bool(paused)),
    ];
    match trigger.field("catch_up").and_then(Value::as_text).unwrap_or("none") {
        "none" => fields.push(("startingDeadlineSeconds", Value::int(LATE))),
        "last" => {}
        other => {
            let what = format!("`catch_up = \"{other}\"`");
            let path = at.field("catch_up").to_string();
            builder.not_served(
                &path,
                &what,
                "a CronJob makes up for the last missed time at most: use `last` or `none`",
            );
        }
    }
    fields
}
