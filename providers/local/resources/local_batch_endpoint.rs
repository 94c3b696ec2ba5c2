//! `local_batch_endpoint`: what a batch prediction reads, asks and writes.

use mlp_provider::{Field, Removal, Reporter, ResourceKind};
use serde_json::Value as Json;

use super::local_endpoint::keep_server;
use super::{Ground, Handler, Native, Observation, seen, with_common};
use crate::documents::Document;
use crate::fault::Fallible;
use crate::mlp_value::KnownValue;
use crate::triggers;

pub(super) struct BatchEndpoint;

impl Native for BatchEndpoint {
    fn name(&self) -> &'static str {
        "local_batch_endpoint"
    }

    fn kind(&self) -> ResourceKind {
        let fields = with_common(vec![
            Field::required("model", "The model version, or the alias of one."),
            Field::required("input", "The dataset it reads."),
            Field::required("output", "The dataset it writes."),
            Field::optional("pinned", "The version of it that is read, or the moment it is of."),
            Field::required("mode", "Whether it appends."),
            Field::optional("serve", "What predicts, instead of what the version says."),
            Field::optional("code", "The code of what predicts, instead of the version's own."),
            Field::optional("runtime", "The interpreter that predicts, instead of the version's own."),
            Field::optional("secrets", "Where its secrets are, by variable."),
            Field::optional("timeout_ms", "How long a chunk of rows may take."),
            Field::optional("start_timeout_ms", "How long it may take to become ready."),
            Field::optional("trigger", "What starts it by itself."),
            Field::optional(
                "paused",
                "Whether triggers only look: in the development mode nothing starts by itself.",
            ),
            Field::computed("scheduled", "`yes`, or `no` while nobody watches its triggers."),
        ]);
        ResourceKind::new(self.name(), "Predictions for a whole dataset, when they are asked for.", fields)
    }

    fn folder(&self) -> &'static str {
        "batch"
    }
}

impl Handler for BatchEndpoint {
    fn realise(
        &self,
        ground: &Ground,
        _: Option<&Document>,
        config: &KnownValue,
        reporter: &dyn Reporter,
    ) -> Fallible<Json> {
        triggers::prepare(ground, config)?;
        keep_server(ground, config, reporter)
    }

    fn observe(&self, ground: &Ground, document: &Document) -> Fallible<Observation> {
        let mut seen = seen("yes");
        seen.computed.insert("scheduled", triggers::watched(ground, &document.config));
        Ok(seen)
    }

    fn remove(&self, ground: &Ground, document: &Document) -> Fallible<()> {
        triggers::forget(&ground.place, document)
    }

    fn removal(&self, _: &Ground, _: &Document) -> Fallible<Option<Removal>> {
        Ok(None)
    }
}
