//! A run of a batch endpoint: the rows of one dataset become predictions in another.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use mlp_floor::data::{Cell, Format, Spool};
use mlp_floor::registry::ModelVersion;
use mlp_floor::serve::{BatchSpec, predict_batch};
use mlp_provider::{Event, ProviderError, Reporter, RunRequest, RunSummary, StepSummary};
use serde_json::{Map, Value as Json, json};

use crate::dataset;
use crate::documents::Document;
use crate::fault::{Fallible, fault, io, wrong};
use crate::mlp_value::{KnownValue, Number};
use crate::resources::Ground;
use crate::run::{Lineage, record, run_id, text};
use crate::steps::secrets;
use crate::supervisor::{environment, launch, version};
use crate::{codes, time};

type Rows = Vec<Map<String, Json>>;

const CHUNK: usize = 1000;

pub(crate) async fn run(
    ground: &Ground,
    request: &RunRequest,
    reporter: &dyn Reporter,
) -> Result<RunSummary, ProviderError> {
    let document = ground.place.get(&request.identity)?;
    let address = document.address().to_owned();
    let now = time::now_ms();
    let run = run_id(now);
    let missing = |word: &str| wrong(codes::VALUE, format!("its record has no `{word}`"), &address, word);
    let model = document.config.field("model").ok_or_else(|| missing("model"))?;
    let version = version(&ground.place, model, "model")?;
    let input =
        ground.place.get(&format!("datasets/{}", text(&document.config, "input").unwrap_or_default()))?;
    reporter.event(Event::Started { subject: "predict".to_owned() });
    let wanted = dataset::Wanted::of(document.config.field("pinned").unwrap_or(&KnownValue::Null));
    let (rows, digest) = rows_of(ground, &input, &wanted)?;
    let spec = BatchSpec {
        name: format!("batch-{run}"),
        launch: launch(&ground.place, &version, &document)?,
        env: variables(ground, &document, &version)?,
        secret: secret_names(&document),
        start_timeout_ms: milliseconds(&document, "start_timeout_ms", 60_000),
        request_timeout_ms: milliseconds(&document, "timeout_ms", 600_000),
        log_dir: ground.place.logs(request.identity.rsplit('/').next().unwrap_or("batch")),
    };
    let predictions = predict_batch(&spec, &rows, CHUNK).await.map_err(|found| fault(&found, &address))?;
    let key = dataset::key_columns(&input.config);
    let written: Rows = rows
        .iter()
        .zip(predictions)
        .map(|(row, prediction)| output_row(row, prediction, &key, version.number, &run))
        .collect();
    let output = format!("datasets/{}", text(&document.config, "output").unwrap_or_default());
    let made = write(ground, &output, &written, text(&document.config, "mode") != Some("overwrite"), &run)?;
    let text =
        format!("{} rows predicted by {} version {}", written.len(), version_address(model), version.number);
    reporter.event(Event::Finished { subject: "predict".to_owned(), text: text.clone(), good: true });
    #[expect(clippy::cast_precision_loss, reason = "seconds for people")]
    let seconds = time::now_ms().saturating_sub(now) as f64 / 1000.0;
    let step = StepSummary { status: "succeeded".to_owned(), reason: text.clone(), seconds };
    let summary = RunSummary {
        run: run.clone(),
        id: request.id.clone(),
        status: "succeeded".to_owned(),
        started: time::rfc3339(now),
        seconds,
        steps: BTreeMap::from([("predict".to_owned(), step)]),
        results: vec![text, made],
        metrics: BTreeMap::new(),
        problems: Vec::new(),
    };
    let lineage = Lineage {
        datasets: BTreeMap::from([(input.address().to_owned(), digest)]),
        params: BTreeMap::new(),
        run_id: run,
        started: summary.started.clone(),
    };
    record(ground, &summary, &lineage)?;
    Ok(summary)
}

fn milliseconds(document: &Document, name: &str, otherwise: u64) -> u64 {
    let written = document.config.field(name).and_then(KnownValue::as_number).and_then(Number::to_i64);
    written.and_then(|number| u64::try_from(number).ok()).unwrap_or(otherwise)
}

/// What the worker finds in its environment: the variables of its runtime, and its secrets.
fn variables(
    ground: &Ground,
    document: &Document,
    version: &ModelVersion,
) -> Fallible<BTreeMap<String, String>> {
    let mut found = environment(version, document);
    if let Some(written) = document.config.field("secrets").and_then(KnownValue::as_object) {
        found.extend(secrets(ground, written, document, "secrets")?);
    }
    Ok(found)
}

/// The variables whose values are secrets.
fn secret_names(document: &Document) -> BTreeSet<String> {
    let written = document.config.field("secrets").and_then(KnownValue::as_object);
    written.into_iter().flat_map(|written| written.keys()).map(ToString::to_string).collect()
}

fn version_address(model: &KnownValue) -> &str {
    text(model, "address").unwrap_or_default()
}

/// The first row of a dataset, for an example request.
pub(crate) fn first_row(ground: &Ground, address: &str) -> Option<serde_json::Map<String, Json>> {
    let name = address.strip_prefix("dataset.")?;
    let document = ground.place.get(&format!("datasets/{name}")).ok()?;
    // What is encrypted is not shown to whoever looks at the screen.
    if dataset::is_encrypted(&document.config) {
        return None;
    }
    rows_of(ground, &document, &dataset::Wanted::Now).ok()?.0.into_iter().next()
}

/// The rows of a version of a dataset, and that version.
fn rows_of(ground: &Ground, document: &Document, wanted: &dataset::Wanted<'_>) -> Fallible<(Rows, String)> {
    let Some(digest) = dataset::version(&ground.place, document, wanted)? else {
        return Err(wrong(
            codes::NO_VERSION,
            format!("`{}` has no version yet", document.address()),
            document.address(),
            "",
        ));
    };
    let failed = |found: mlp_floor::Problem| fault(&found, document.address());
    let store = ground.place.store(&document.config);
    let name = dataset::name_of(&document.config);
    let manifest = store.manifest(&name, &digest).map_err(failed)?;
    let mut table = store.open(&name, &digest).map_err(failed)?;
    let texts: Vec<&str> = manifest
        .columns
        .iter()
        .filter(|column| matches!(column.kind.as_str(), "string" | "timestamp" | "date"))
        .map(|column| column.name.as_str())
        .collect();
    let mut rows = Vec::new();
    while let Some(row) = table.next_row().map_err(failed)? {
        let columns = table.columns().iter().zip(&row.cells);
        let value = |name: &str, cell: &Cell| {
            // A field of CSV has no type of its own: `007` is text where the column is.
            if texts.contains(&name) && !cell.is_null() {
                return Json::from(cell.text().into_owned());
            }
            serde_json::from_str(&cell.json()).unwrap_or_else(|_| Json::from(cell.text().into_owned()))
        };
        rows.push(columns.map(|(name, cell)| (name.clone(), value(name, cell))).collect());
    }
    Ok((rows, digest))
}

fn output_row(
    row: &Map<String, Json>,
    prediction: Json,
    key: &[String],
    version: u32,
    run: &str,
) -> Map<String, Json> {
    let keeps = |name: &String| key.is_empty() || key.contains(name);
    let mut made: Map<String, Json> = row
        .iter()
        .filter(|(name, _)| keeps(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    match prediction {
        Json::Object(fields) => made.extend(fields),
        other => {
            made.insert("prediction".to_owned(), other);
        }
    }
    made.insert("model_version".to_owned(), json!(version));
    made.insert("run".to_owned(), json!(run));
    made
}

/// Makes a version of a dataset of its rows so far and new ones, which are never on the disk as they are: they may have to
/// be masked, redacted or encrypted first.
fn write(ground: &Ground, identity: &str, rows: &Rows, append: bool, run: &str) -> Fallible<String> {
    let document = ground.place.get(identity)?;
    let failed = |found: mlp_floor::Problem| fault(&found, document.address());
    let folder = ground.place.home.join("tmp");
    let mut spool = Spool::new(&folder, Format::JsonLines).map_err(failed)?;
    write_rows(&mut spool, rows).map_err(|error| io("write", &folder, &error))?;
    let source = spool.finish(&format!("predictions of run {run}")).map_err(failed)?;
    let made = dataset::publish(ground, identity, source, append, run)?;
    Ok(format!(
        "{} has {} rows in version {}",
        document.address(),
        made.manifest.rows,
        &made.manifest.digest[..12]
    ))
}

fn write_rows(file: &mut impl Write, rows: &Rows) -> std::io::Result<()> {
    for row in rows {
        serde_json::to_writer(&mut *file, row)?;
        file.write_all(b"\n")?;
    }
    Ok(())
}
