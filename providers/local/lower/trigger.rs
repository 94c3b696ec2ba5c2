//! What starts a pipeline or a batch endpoint by itself: checked here, so that a schedule that cannot be read is refused
//! at plan, on the line where it stands.

use std::collections::BTreeMap;

use mlp_floor::schedule::Schedule;

use super::builder::{Builder, object_name};
use crate::codes;
use crate::mlp_diag::Diagnostic;
use crate::mlp_eval::PlanValue;
use crate::mlp_platform::Mode;
use crate::mlp_value::units;
use crate::mlp_value::{Path, Value};

/// Adds the triggers of a declaration to its native fields.
pub(super) fn lower(builder: &mut Builder<'_>, config: &mut BTreeMap<&str, PlanValue>) {
    let Some(written) = builder.attribute("trigger").and_then(Value::as_object) else { return };
    let mut found = BTreeMap::new();
    for (label, trigger) in written.iter() {
        if let Some(trigger) = one(builder, label, trigger) {
            found.insert(label.to_string(), trigger);
        }
    }
    if found.is_empty() {
        return;
    }
    config.insert("trigger", Value::object(found));
    if builder.input.platform.environment.mode == Mode::Development {
        config.insert("paused", Value::Bool(true));
    }
}

fn one(builder: &mut Builder<'_>, label: &str, trigger: &PlanValue) -> Option<PlanValue> {
    let at = Path::of(&["trigger", label]);
    let cron = trigger.field("cron").and_then(Value::as_text);
    match (cron, trigger.field("dataset")) {
        (Some(cron), None) => scheduled(builder, &at, cron, trigger),
        (None, Some(dataset)) => grown(builder, &at, dataset, trigger),
        (Some(_), Some(_)) => {
            refuse(builder, &at.field("dataset"), "a trigger has a schedule or a dataset, not both").help =
                Some("write two triggers, each with a label: `trigger \"nightly\" { … }`".to_owned());
            None
        }
        // One that waits for a monitor was refused already, by its attribute.
        (None, None) if trigger.field("monitor").is_some() => None,
        (None, None) => {
            refuse(builder, &at, "a trigger needs `cron` or `dataset`").help =
                Some("write `cron = \"0 3 * * 1\"`, or `dataset = dataset.orders`".to_owned());
            None
        }
    }
}

/// A refusal at a path, for the caller to complete.
fn refuse<'b>(builder: &'b mut Builder<'_>, at: &Path, headline: &str) -> &'b mut Diagnostic {
    let found = Diagnostic::error(codes::TRIGGER, headline).on(&builder.declaration().address, at);
    builder.diagnostics.push(found);
    let last = builder.diagnostics.len() - 1;
    &mut builder.diagnostics[last]
}

fn scheduled(builder: &mut Builder<'_>, at: &Path, cron: &str, trigger: &PlanValue) -> Option<PlanValue> {
    for word in ["rows", "cooldown"] {
        if trigger.field(word).is_some() {
            refuse(
                builder,
                &at.field(word),
                &format!("`{word}` is about a dataset, and this trigger has a schedule"),
            )
            .help = Some("leave it out, or name a `dataset` instead of `cron`".to_owned());
        }
    }
    let text = |word: &str, default: &str| {
        trigger.field(word).and_then(Value::as_text).unwrap_or(default).to_owned()
    };
    let (timezone, catch_up) = (text("timezone", "UTC"), text("catch_up", "none"));
    if let Err(problem) = Schedule::parse(cron, &timezone) {
        let word = problem.subject.clone().unwrap_or_default();
        let found = refuse(builder, &at.field(&word), &problem.message);
        found.notes = problem.notes;
        found.help = problem.help;
        return None;
    }
    Some(Value::object([
        ("cron", Value::text(cron)),
        ("timezone", Value::text(timezone)),
        ("catch_up", Value::text(catch_up)),
    ]))
}

fn grown(
    builder: &mut Builder<'_>,
    at: &Path,
    dataset: &PlanValue,
    trigger: &PlanValue,
) -> Option<PlanValue> {
    let found = builder.referred(dataset, "dataset", &at.field("dataset").to_string())?;
    let mut fields = BTreeMap::from([
        ("dataset", Value::text(object_name(&found.address))),
        ("address", Value::text(found.address.to_string())),
        ("rows", trigger.field("rows").cloned().unwrap_or_else(|| Value::int(1))),
    ]);
    if let Some(cooldown) = trigger.field("cooldown").and_then(Value::as_text) {
        if let Err(why) = units::duration(cooldown) {
            refuse(builder, &at.field("cooldown"), &why);
            return None;
        }
        fields.insert("cooldown", Value::text(cooldown));
    }
    Some(Value::object(fields))
}
