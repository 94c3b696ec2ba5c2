//! Fetches the raw rows of a dataset from outside the project, before they are checked and published.

use std::path::PathBuf;

use mlp_floor::Problem;
use mlp_floor::data::SourceData;
use mlp_floor::extract::{self, Extracted, SourceSpec, Staging};
use mlp_provider::{ErrorClass, Event, ProviderError, Reporter};

use crate::codes;
use crate::fault::{Fallible, fault, wrong};
use crate::lower::combined_digest;
use crate::mlp_value::KnownValue;
use crate::resources::Ground;

/// What was fetched for one version. Dropped, it leaves everything as it was.
#[derive(Default)]
pub(crate) struct Fetched {
    extracted: Vec<Extracted>,
    /// A mark of what the sources held before they were read.
    pub(crate) mark: Option<String>,
}

/// Reads the sources of a dataset's record that lie outside the project.
pub(crate) fn fetch(ground: &Ground, config: &KnownValue, reporter: &dyn Reporter) -> Fallible<Fetched> {
    let address = config.field("address").and_then(KnownValue::as_text).unwrap_or_default();
    let staging = staging(ground, config);
    let project = PathBuf::from(&ground.target.directory);
    let mut fetched = Fetched::default();
    let mut marks = Vec::new();
    let planned = config.field("source_mark").and_then(KnownValue::as_text);
    for value in config.field("outside").and_then(KnownValue::as_list).unwrap_or_default() {
        let spec: SourceSpec = serde_json::from_value(value.to_plain_json())
            .map_err(|error| wrong(codes::DOCUMENT, error.to_string(), address, "from"))?;
        let source = value.field("source").and_then(KnownValue::as_text).unwrap_or(address);
        let failed = |problem: Problem| error(&problem, ground, &spec, source);
        // Before the reading: what changes meanwhile is seen by the next plan.
        if planned.is_none() {
            let mut found = extract::look(&spec, &project).map_err(failed)?;
            let labels = spec.tables.iter().map(|table| &table.name);
            let labels: Vec<&String> =
                if spec.tables.is_empty() { vec![&spec.uri] } else { labels.collect() };
            marks.extend(
                labels.iter().filter_map(|label| Some((format!("{source} {label}"), found.remove(*label)?))),
            );
        }
        let found = extract::extract(&spec, &project, &staging).map_err(failed)?;
        for text in &found.said {
            reporter.event(Event::Progress { subject: address.to_owned(), text: text.clone() });
        }
        fetched.extracted.push(found);
    }
    let looked = (!marks.is_empty()).then(|| combined_digest(&marks));
    fetched.mark = planned.map(str::to_owned).or(looked);
    Ok(fetched)
}

/// Raw rows are only kept where they may be read: not where the dataset masks, redacts or encrypts them.
fn staging(ground: &Ground, config: &KnownValue) -> Staging {
    let protected = ["mask", "redact", "encrypt"].iter().any(|name| {
        let value = config.field("protection").and_then(|protection| protection.field(name));
        value.is_some_and(|value| match value {
            KnownValue::Null | KnownValue::Bool(false) => false,
            KnownValue::List(items) => !items.is_empty(),
            _ => true,
        })
    });
    let directory = ground.place.home.join("extract").join(crate::dataset::name_of(config));
    Staging { directory, keep: !protected }
}

/// A problem of a source is said of the source, and of an attribute of the secret where that is what is wrong.
fn error(problem: &Problem, ground: &Ground, spec: &SourceSpec, source: &str) -> ProviderError {
    let of_secret = problem.subject.as_deref() == Some("from");
    let secret = ground.target.secrets.iter().find(|(_, from)| spec.secret.as_ref() == Some(*from));
    let address = match (of_secret, secret) {
        (true, Some((address, _))) => address.as_str(),
        _ => source,
    };
    let mut error = fault(problem, address);
    if extract::may_pass(problem) {
        error.class = ErrorClass::Fatal;
        error.diagnostic.blame = crate::mlp_diag::Blame::Provider;
    }
    error
}

impl Fetched {
    /// The rows, in the order of the sources.
    pub(crate) fn sources(&self) -> Vec<SourceData> {
        self.extracted.iter().flat_map(|extracted| extracted.parts.clone()).collect()
    }

    /// The version is there: the next reading goes on from here.
    pub(crate) fn accept(self, address: &str) -> Fallible<()> {
        for extracted in self.extracted {
            extracted.accept().map_err(|problem| fault(&problem, address))?;
        }
        Ok(())
    }
}

/// Removes what is kept of a dataset's sources.
pub(crate) fn forget(ground: &Ground, config: &KnownValue) -> Fallible<()> {
    let directory = staging(ground, config).directory;
    match std::fs::remove_dir_all(&directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(crate::fault::io("remove", &directory, &error));
        }
        _ => {}
    }
    // Fails where other datasets keep something, and then it is to stay.
    let _ = directory.parent().map(std::fs::remove_dir);
    Ok(())
}
