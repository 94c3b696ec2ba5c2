//! `local_batch_endpoint`: what a batch prediction reads, asks and writes.

use mlp_provider::{Field, Removal, Reporter, ResourceKind};
use serde_json::Value as Json;

use super::{Ground, Handler, Observation, seen, with_common};
use crate::documents::Document;
use crate::fault::Fallible;
use crate::mlp_value::KnownValue;

pub(super) struct BatchEndpoint;

impl Handler for BatchEndpoint {
    fn kind(&self) -> ResourceKind {
        let fields = with_common(vec![
            Field::required("model", "The model version, or the alias of one."),
            Field::required("input", "The dataset it reads."),
            Field::required("output", "The dataset it writes."),
            Field::optional("pinned", "The version of it that is read, or the moment it is of."),
            Field::required("mode", "Whether it appends."),
            Field::optional("serve", "The class that predicts, instead of the version's own."),
        ]);
        ResourceKind::new(
            "local_batch_endpoint",
            "Predictions for a whole dataset, when they are asked for.",
            fields,
        )
    }

    fn realise(&self, _: &Ground, _: Option<&Document>, _: &KnownValue, _: &dyn Reporter) -> Fallible<Json> {
        Ok(Json::Null)
    }

    fn observe(&self, _: &Ground, _: &Document) -> Fallible<Observation> {
        Ok(seen("yes"))
    }

    fn remove(&self, _: &Ground, _: &Document) -> Fallible<()> {
        Ok(())
    }

    fn removal(&self, _: &Ground, _: &Document) -> Fallible<Option<Removal>> {
        Ok(None)
    }
}
