//! Datasets that the steps of a run wrote: when every step and check ended well, their outputs become versions.

use std::path::Path;

use mlp_floor::data::{Format, SourceData};
use mlp_floor::launch::{RunReport, StepStatus, is_parquet};
use mlp_provider::RunSummary;
use serde_json::Value as Json;

use crate::dataset;
use crate::documents::Document;
use crate::fault::{Fallible, fault};
use crate::mlp_value::KnownValue;
use crate::resources::{Ground, local_dataset};
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
            let written = Written {
                dataset: target.as_text().unwrap_or_default(),
                path: &artifact.path,
                cached: done.status == StepStatus::Cached,
                label: format!("step {name} of run {}", summary.run),
            };
            match written.publish(ground, &summary.run) {
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

/// What a step wrote for a dataset.
struct Written<'a> {
    dataset: &'a str,
    path: &'a Path,
    /// Whether an earlier run made it.
    cached: bool,
    label: String,
}

impl Written<'_> {
    /// Makes one version, and says what came of it.
    fn publish(&self, ground: &Ground, run: &str) -> Fallible<Vec<String>> {
        let document = dataset::get(&ground.place, self.dataset)?;
        let address = document.address().to_owned();
        let grows = text(&document.config, "version") == Some("append-only");
        if grows && self.cached {
            return Ok(vec![format!(
                "{address}: nothing is appended, the step's result is that of an earlier run"
            )]);
        }
        let format = match self.path.extension() {
            _ if is_parquet(self.path) => Format::Parquet,
            Some(end) if end == "jsonl" => Format::JsonLines,
            _ => Format::Csv,
        };
        let source = SourceData::new(self.path, Some(format)).named(&self.label);
        let mut request = dataset::request(&document.config, vec![source])?;
        request.append_to = dataset::version_of(&document).filter(|_| grows).map(str::to_owned);
        let made = ground
            .place
            .store(&document.config)
            .snapshot(&request)
            .map_err(|found| fault(&found, &address))?;
        let mut resolved = local_dataset::resolved(&made);
        resolved["run"] = Json::from(run);
        let after = Document::new(&ground.target, &document.kind, document.config.clone(), resolved);
        ground.place.put(&format!("datasets/{}", self.dataset), &after)?;
        let digest = &made.manifest.digest[..12];
        let mut said = vec![format!("{address} has {} rows in version {digest}", made.manifest.rows)];
        said.extend(made.warnings.iter().map(|warning| format!("{address}: {}", warning.message)));
        Ok(said)
    }
}
