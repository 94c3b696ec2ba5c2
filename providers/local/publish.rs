//! Datasets that the steps of a run wrote: when every step and check ended well, their outputs become versions.

use std::path::Path;

use mlp_floor::data::{Format, SourceData};
use mlp_floor::launch::{RunReport, StepStatus, is_parquet};
use mlp_provider::RunSummary;

use crate::dataset;
use crate::documents::Document;
use crate::fault::Fallible;
use crate::mlp_value::KnownValue;
use crate::resources::Ground;
use crate::run::text;

/// Makes the versions; what goes wrong fails the run, and leaves the dataset as it was.
pub(crate) fn all(ground: &Ground, document: &Document, report: &RunReport, summary: &mut RunSummary) {
    if summary.status != "succeeded" {
        return;
    }
    let steps = document.config.field("step").and_then(KnownValue::as_object);
    for (name, step) in steps.into_iter().flat_map(|steps| steps.iter()) {
        let writes = step.field("writes").and_then(KnownValue::as_object);
        let Some(done) = report.steps.get(name.as_ref()) else { continue };
        for (output, target) in writes.into_iter().flat_map(|writes| writes.iter()) {
            let Some(artifact) = done.outputs.get(output.as_ref()) else { continue };
            let target = format!("datasets/{}", target.as_text().unwrap_or_default());
            let cached = done.status == StepStatus::Cached;
            match one(ground, &target, &artifact.path, cached, &summary.run) {
                Ok(made) => summary.results.extend(made),
                Err(error) => {
                    let mut found = *error.diagnostic;
                    found.notes.insert(0, format!("step `{name}` of {} wrote it", document.address()));
                    summary.problems.push(found);
                    summary.status = "failed".to_owned();
                }
            }
        }
    }
}

/// Makes one version, and says what came of it.
fn one(ground: &Ground, identity: &str, path: &Path, cached: bool, run: &str) -> Fallible<Vec<String>> {
    let document = ground.place.get(identity)?;
    let address = document.address();
    let append = text(&document.config, "version") == Some("append-only");
    if append && cached {
        return Ok(vec![format!(
            "{address}: nothing is appended, the step's result is that of an earlier run"
        )]);
    }
    let format = if is_parquet(path) { Some(Format::Parquet) } else { Format::of(path) };
    let source = SourceData::new(path, Some(format.unwrap_or(Format::Csv)));
    let made = dataset::publish(ground, identity, source, append, run)?;
    let digest = &made.manifest.digest[..12];
    let mut said = vec![format!("{address} has {} rows in version {digest}", made.manifest.rows)];
    said.extend(made.warnings.iter().map(|warning| format!("{address}: {}", warning.message)));
    Ok(said)
}
