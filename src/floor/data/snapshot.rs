//! What a snapshot is made from and what it consists of.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::profile::ColumnProfile;
use super::quality::{Expectation, ExpectationResult, RowPredicate};
use super::schema::ColumnSchema;
use super::source::SourceData;
use super::table::Format;
use crate::Problem;

/// What happens when a quality expectation is not met. A schema that is not met always blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// No version is made.
    #[default]
    Block,
    /// The version is made, and the snapshot carries a warning.
    Warn,
}

/// Keeps some of the rows, the same ones for the same seed, in their order. Rows are chosen by their content: equal rows
/// of a fraction are kept or left out together.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Sample {
    /// How many rows; fewer where the data has fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Which share of the rows, above 0 and at most 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
    /// Another seed chooses other rows.
    #[serde(default)]
    pub seed: u64,
}

/// What a snapshot is made from.
#[derive(Clone, Default)]
pub struct SnapshotRequest {
    /// The name of the data set.
    pub name: String,
    /// Files, and directories of files.
    pub sources: Vec<SourceData>,
    /// The format it is kept in; by default that of the sources.
    pub format: Option<Format>,
    /// The version whose rows come before those of the sources, as they are: they are not checked and protected again.
    pub append_to: Option<String>,
    /// Whether rows of the sources that the earlier version has already are left out.
    pub only_new: bool,
    /// The declared schema.
    pub schema: Option<Vec<ColumnSchema>>,
    /// Whether columns beyond the schema are an error.
    pub strict: bool,
    /// The expectations, checked on all rows before sampling and masking.
    pub quality: Vec<Expectation>,
    /// The meaning of each [`super::Check::Row`], by the name of its expectation.
    pub predicates: BTreeMap<String, Arc<RowPredicate>>,
    /// What happens when an expectation is not met.
    pub on_failure: OnFailure,
    /// Which rows are kept.
    pub sample: Option<Sample>,
    /// Columns whose values are replaced by tokens.
    pub mask: Vec<String>,
    /// Kinds of text that are replaced wherever they occur in text: `email`, `phone`. A CSV field of digits alone is text
    /// only where the schema says `string`.
    pub redact: Vec<String>,
    /// Whether the sources are masked and redacted already ([`super::RowProtection`]): a token of a token would join nothing.
    pub protected: bool,
    /// Whether it is encrypted, with the key of the store.
    pub encrypt: bool,
    /// The present, in seconds since 1970.
    pub now: f64,
    /// The present as RFC 3339, for the manifest.
    pub created_at: String,
}

/// A file a snapshot was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFile {
    /// Its path, as it was given.
    pub path: String,
    /// The BLAKE3 digest of its content.
    pub digest: String,
    /// Its size.
    pub bytes: u64,
}

/// The description of one version of a data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this format.
    pub format_version: u32,
    /// The name of the data set.
    pub name: String,
    /// The BLAKE3 digest of the content, keyed where it is encrypted: the version.
    pub digest: String,
    /// The format of the content.
    pub format: Format,
    /// How many rows it has.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
    /// Its columns.
    pub columns: Vec<ColumnProfile>,
    /// What it was made from.
    pub sources: Vec<SourceFile>,
    /// The BLAKE3 digest of the schema it was checked against.
    pub schema_digest: Option<String>,
    /// The results of the expectations when the version was made.
    pub quality: Vec<ExpectationResult>,
    /// Which rows were kept.
    pub sample: Option<Sample>,
    /// The columns that are masked.
    pub mask: Vec<String>,
    /// The kinds of text that are redacted.
    pub redact: Vec<String>,
    /// The name of the key that the tokens of masked columns were made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask_key: Option<String>,
    /// The name of the key it is encrypted with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
    /// When the version was made, RFC 3339.
    pub created_at: String,
}

/// The newest format of manifests.
pub(super) const MANIFEST_VERSION: u32 = 1;

/// A version of a data set, as it was made or found.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Its description, as it is stored.
    pub manifest: Manifest,
    /// The file with its content.
    pub object: PathBuf,
    /// Whether the version is new; else the same content was there already.
    pub created: bool,
    /// The results of the expectations now.
    pub quality: Vec<ExpectationResult>,
    /// The expectations that were not met, where that only warns.
    pub warnings: Vec<Problem>,
}

impl SnapshotRequest {
    pub(super) fn schema_digest(&self) -> Result<Option<String>, Problem> {
        let Some(schema) = &self.schema else { return Ok(None) };
        let text = serde_json::to_vec(&(schema, self.strict))
            .map_err(|error| Problem::new("MLP0712", format!("the schema cannot be digested: {error}")))?;
        Ok(Some(blake3::hash(&text).to_hex().to_string()))
    }
}

/// Refuses data that is not as declared; what only warns comes back.
pub(super) fn judge(
    request: &SnapshotRequest,
    schema_failures: Vec<String>,
    quality: &[ExpectationResult],
) -> Result<Vec<Problem>, Problem> {
    let unmet = quality.iter().filter(|result| !result.passed);
    if !schema_failures.is_empty() {
        let text = format!("the data of `{}` does not match its schema", request.name);
        let unmet = unmet.map(|result| format!("expectation {result}"));
        return Err(Problem::new("MLP0703", text)
            .with_notes(schema_failures.into_iter().chain(unmet))
            .help("correct the data, or declare the schema it has")
            .at("schema"));
    }
    let problems: Vec<Problem> = unmet
        .map(|result| {
            let text = format!("the data of `{}` does not meet the expectation {result}", request.name);
            Problem::new("MLP0704", text).at(format!("quality.expect.{}", result.name))
        })
        .collect();
    if request.on_failure == OnFailure::Warn {
        return Ok(problems);
    }
    match <[Problem; 1]>::try_from(problems) {
        Ok([one]) => Err(one.help(QUALITY_HELP)),
        Err(problems) if problems.is_empty() => Ok(problems),
        Err(problems) => {
            let text =
                format!("the data of `{}` does not meet {} expectations", request.name, problems.len());
            let notes = quality.iter().filter(|result| !result.passed).map(ToString::to_string);
            Err(Problem::new("MLP0704", text).with_notes(notes).help(QUALITY_HELP).at("quality"))
        }
    }
}

const QUALITY_HELP: &str = "correct the data, lower `at_least`, or set `on_failure = \"warn\"`";
