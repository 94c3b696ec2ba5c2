//! Checks of a run: conditions on its metrics, and commands that ran as steps of it.

use std::collections::BTreeMap;

use mlp_floor::launch::{Failure, RunReport};
use mlp_provider::RunSummary;
use serde_json::{Map, Value as Json};

use crate::documents::Document;
use crate::mlp_diag::{Blame, Diagnostic};
use crate::mlp_eval::Quoted;
use crate::mlp_value::KnownValue;
use crate::run::text;
use crate::{codes, gate};

/// The checks of a pipeline's record by address.
fn all(document: &Document) -> impl Iterator<Item = (&str, &KnownValue)> {
    let checks = document.config.field("checks").and_then(KnownValue::as_object);
    checks.into_iter().flat_map(|checks| checks.iter()).map(|(address, check)| (address.as_ref(), check))
}

/// Judges the conditions of checks; the first that does not hold refuses.
///
/// # Errors
/// A condition does not hold, or names a metric that is not there.
pub(crate) fn judge(document: &Document, metrics: &Map<String, Json>) -> Result<(), Box<Diagnostic>> {
    for (address, check) in all(document) {
        let Some(quoted) = check.field("assert").and_then(Quoted::of) else { continue };
        let values = KnownValue::from_json(&Json::Object(metrics.clone())).unwrap_or(KnownValue::Null);
        let names = BTreeMap::from([("metrics", values)]);
        let verdict = gate::judge(&quoted, &names).map_err(|found| Box::new(found.on(address, "assert")))?;
        if !verdict.held {
            let mut found =
                Diagnostic::error(codes::CHECK_FAILED, format!("{address} failed: {}", quoted.text))
                    .on(address, "assert")
                    .blame(Blame::Policy);
            found.notes = verdict.values;
            found.help = text(check, "message").map(str::to_owned);
            return Err(Box::new(found));
        }
    }
    Ok(())
}

/// Judges the conditions where no step registers anything: over the metrics of all steps together.
pub(crate) fn judge_alone(document: &Document, report: &RunReport, summary: &mut RunSummary) {
    let steps = document.config.field("step").and_then(KnownValue::as_object);
    let registers = steps.is_some_and(|steps| steps.values().any(|step| step.field("register").is_some()));
    if registers || summary.status != "succeeded" {
        return;
    }
    let mut metrics = Map::new();
    report.steps.values().for_each(|step| metrics.extend(step.metrics.clone()));
    summary.metrics.extend(crate::run::scalars(&metrics));
    if let Err(found) = judge(document, &metrics) {
        summary.problems.push(*found);
        summary.status = "failed".to_owned();
    }
}

/// The check whose command is the step of that name, and why it refused.
pub(crate) fn refusal(document: &Document, step: &str, failure: &Failure) -> Option<Diagnostic> {
    let (address, check) = all(document).find(|(_, check)| text(check, "name") == Some(step))?;
    let what = failure.message.strip_prefix(&format!("step `{step}` ")).unwrap_or(&failure.message);
    let mut found = Diagnostic::error(codes::CHECK_FAILED, format!("{address} failed: its command {what}"))
        .on(address, "run")
        .blame(Blame::Policy);
    found.notes = failure.log_tail.iter().filter(|line| !line.trim().is_empty()).cloned().collect();
    found.notes.extend(failure.notes.iter().cloned());
    found.help = text(check, "message").map(str::to_owned).or_else(|| failure.help.clone());
    Some(found)
}

/// The first check whose command did not end well.
pub(crate) fn refused_by<'d>(document: &'d Document, report: &RunReport) -> Option<&'d str> {
    let is_good = |name: &str| report.steps.get(name).is_some_and(|step| step.status.is_good());
    all(document)
        .find(|(_, check)| text(check, "name").is_some_and(|name| !is_good(name)))
        .map(|(address, _)| address)
}
