//! Datasets that the steps of a run wrote: when every step and check ended well, their outputs become versions.

use std::path::Path;

use mlp_floor::data::{Format, Table};
use mlp_floor::launch::{RunReport, StepStatus};
use mlp_provider::RunSummary;
use serde_json::{Map, Value as Json};

use crate::batch;
use crate::documents::Document;
use crate::fault::{Fallible, fault};
use crate::mlp_value::KnownValue;
use crate::resources::{Ground, local_dataset as dataset};
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
    let address = document.address().to_owned();
    let format =
        if path.extension().is_some_and(|end| end == "jsonl") { Format::JsonLines } else { Format::Csv };
    if text(&document.config, "version") == Some("append-only") {
        let said = if cached {
            format!("{address}: nothing is appended, the step's result is that of an earlier run")
        } else {
            batch::write(ground, identity, &rows(path, format, &address)?, true, run)?
        };
        return Ok(vec![said]);
    }
    let source = (path.display().to_string(), path.to_path_buf());
    let mut request = dataset::request(&document.config, vec![source])?;
    request.format = Some(format);
    let made =
        ground.place.store(&document.config).snapshot(&request).map_err(|found| fault(&found, &address))?;
    let mut resolved = dataset::resolved(&made);
    resolved["run"] = Json::from(run);
    ground
        .place
        .put(identity, &Document::new(&ground.target, &document.kind, document.config.clone(), resolved))?;
    let digest = &made.manifest.digest[..12];
    let mut said = vec![format!("{address} has {} rows in version {digest}", made.manifest.rows)];
    said.extend(made.warnings.iter().map(|warning| format!("{address}: {}", warning.message)));
    Ok(said)
}

fn rows(path: &Path, format: Format, address: &str) -> Fallible<Vec<Map<String, Json>>> {
    let failed = |found: mlp_floor::Problem| fault(&found, address);
    let mut table = Table::open(path, format).map_err(failed)?;
    let mut rows = Vec::new();
    while let Some(row) = table.next_row().map_err(failed)? {
        let value = |cell: &mlp_floor::data::Cell| {
            serde_json::from_str(&cell.json()).unwrap_or_else(|_| Json::from(cell.text().into_owned()))
        };
        let columns = table.columns().iter().zip(&row.cells);
        rows.push(columns.map(|(name, cell)| (name.clone(), value(cell))).collect());
    }
    Ok(rows)
}
