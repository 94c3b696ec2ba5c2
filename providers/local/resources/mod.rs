//! Native resources, one file a kind: its field table, and how it is made, looked at and removed.

mod local_batch_endpoint;
pub(crate) mod local_dataset;
mod local_directory;
mod local_endpoint;
mod local_model;
mod local_pipeline;
mod local_value;

use std::collections::BTreeMap;

use mlp_provider::{Equality, Field, Removal, Reporter, ResourceKind, Target};
use serde_json::Value as Json;

use crate::documents::{Document, Place};
use crate::fault::Fallible;
use crate::mlp_value::{KnownValue, units};

pub(crate) use local_endpoint::secret_lines;
pub(crate) use local_model::name_of as model_name;

/// What is looked at and changed: the environment and where its things are.
#[derive(Debug, Clone)]
pub(crate) struct Ground {
    pub(crate) target: Target,
    pub(crate) place: Place,
}

/// What is seen beside the record itself.
pub(crate) struct Observation {
    /// What only the machine knows: `intact`, `running`.
    pub(crate) computed: BTreeMap<&'static str, KnownValue>,
    /// What others may use.
    pub(crate) outputs: Outputs,
}

/// Outputs by their names.
pub(crate) type Outputs = BTreeMap<&'static str, KnownValue>;

/// One native kind.
pub(crate) trait Native: Send + Sync {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// Its field table.
    fn kind(&self) -> ResourceKind;

    /// What the identities of its objects begin with; also the folder of their records.
    fn folder(&self) -> &'static str;
}

/// A native kind of which nothing is made outside the state.
pub(crate) trait Remembered: Native {
    /// What it tells others; `key` names the change.
    fn outputs(&self, config: &KnownValue, before: Option<&KnownValue>, key: &str) -> Outputs;
}

/// A native kind of which something is made. All of it is blocking work.
pub(crate) trait Handler: Native {
    /// Makes it so, and says what was found out on the way.
    fn realise(
        &self,
        ground: &Ground,
        before: Option<&Document>,
        config: &KnownValue,
        reporter: &dyn Reporter,
    ) -> Fallible<Json>;

    /// What is seen of it; the record itself was read already.
    fn observe(&self, ground: &Ground, document: &Document) -> Fallible<Observation>;

    /// Removes all but the record.
    fn remove(&self, ground: &Ground, document: &Document) -> Fallible<()>;

    /// What removing it would lose.
    fn removal(&self, ground: &Ground, document: &Document) -> Fallible<Option<Removal>>;
}

/// Every native kind of which something is made, in the order of their names.
pub(crate) const RESOURCES: &[&dyn Handler] = &[
    &local_batch_endpoint::BatchEndpoint,
    &local_dataset::Dataset,
    &local_directory::Directory,
    &local_endpoint::Endpoint,
    &local_model::Model,
    &local_pipeline::Pipeline,
];

/// Every native kind that is remembered and nothing else.
pub(crate) const REMEMBERED: &[&dyn Remembered] = &[&local_value::LocalValue];

/// All of them.
pub(crate) fn natives() -> impl Iterator<Item = &'static dyn Native> {
    let remembered = REMEMBERED.iter().map(|kind| *kind as &dyn Native);
    RESOURCES.iter().map(|kind| *kind as &dyn Native).chain(remembered)
}

/// The handler of a native kind.
pub(crate) fn handler(kind: &str) -> Option<&'static dyn Handler> {
    RESOURCES.iter().copied().find(|handler| handler.name() == kind)
}

/// The fields that every kind has.
fn with_common(mut own: Vec<Field>) -> Vec<Field> {
    own.extend([
        Field::required("address", "The address of its declaration."),
        Field::optional("description", "What it is, for people."),
        Field::optional("owner", "Who answers for it."),
        Field::optional("labels", "Labels."),
        Field::optional("credentials", "Fingerprints of the secrets it uses.")
            .equality(Equality::Fingerprint)
            .secret(),
        Field::computed("intact", "`yes`, or what is wrong with what is kept of it."),
    ]);
    own
}

/// An observation of something that is as it should be, or not.
fn seen(intact: &str) -> Observation {
    Observation { computed: BTreeMap::from([("intact", KnownValue::text(intact))]), outputs: BTreeMap::new() }
}

fn removal(count: usize, what: &str, bytes: u64) -> Option<Removal> {
    let plural = if count == 1 { "" } else { "s" };
    (count > 0)
        .then(|| Removal { what: format!("{count} {what}{plural}, {}", units::format_bytes(bytes)), bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_and_folder_agree() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("resources");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .filter(|name| name != "mod")
            .collect();
        files.sort();
        let mut listed: Vec<String> = natives().map(|native| native.name().to_owned()).collect();
        listed.sort();
        assert_eq!(files, listed);
    }
}
