//! `local_pipeline`: the definition of a pipeline and the snapshots of its code.

use std::collections::BTreeMap;
use std::path::Path;

use mlp_provider::{Field, Removal, Reporter, ResourceKind};
use serde_json::Value as Json;

use super::{Ground, Handler, Observation, seen, with_common};
use crate::documents::Document;
use crate::fault::{Fallible, fault};
use crate::mlp_value::KnownValue;
use crate::triggers;

pub(super) struct Pipeline;

/// Keeps the code of a `{ directory, digest }` and gives the digest under which it is kept.
pub(super) fn keep_code(ground: &Ground, code: &KnownValue, address: &str, path: &str) -> Fallible<String> {
    let project = Path::new(&ground.target.directory);
    let directory = project.join(code.field("directory").and_then(KnownValue::as_text).unwrap_or("."));
    let kept = mlp_floor::launch::snapshot_code(project, &directory, &ground.place.code());
    kept.map(|kept| kept.digest).map_err(|problem| fault(&problem.at(path), address))
}

impl Handler for Pipeline {
    fn kind(&self) -> ResourceKind {
        let fields = with_common(vec![
            Field::optional("kind", "What it is for."),
            Field::optional("params", "Its parameters."),
            Field::required("step", "Its steps, resolved."),
            Field::optional("checks", "What must hold before a version is registered."),
            Field::optional("trigger", "What starts it by itself."),
            Field::optional(
                "paused",
                "Whether triggers only look: in the development mode nothing starts by itself.",
            ),
            Field::computed("scheduled", "`yes`, or `no` while nobody watches its triggers."),
        ]);
        ResourceKind::new("local_pipeline", "The definition of a pipeline that runs as processes.", fields)
    }

    fn realise(
        &self,
        ground: &Ground,
        _: Option<&Document>,
        config: &KnownValue,
        _: &dyn Reporter,
    ) -> Fallible<Json> {
        let address = config.field("address").and_then(KnownValue::as_text).unwrap_or_default();
        let mut kept: BTreeMap<String, String> = BTreeMap::new();
        let mut by_directory: BTreeMap<String, String> = BTreeMap::new();
        let steps = config.field("step").and_then(KnownValue::as_object);
        for (name, step) in steps.into_iter().flat_map(|steps| steps.iter()) {
            let Some(code) = step.field("code") else { continue };
            let directory = code.field("directory").and_then(KnownValue::as_text).unwrap_or(".").to_owned();
            let digest = match by_directory.get(&directory) {
                Some(digest) => digest.clone(),
                None => keep_code(ground, code, address, &format!("step.{name}.code"))?,
            };
            by_directory.insert(directory, digest.clone());
            kept.insert(name.to_string(), digest);
        }
        triggers::prepare(ground, config)?;
        Ok(serde_json::json!({ "code": kept }))
    }

    fn observe(&self, ground: &Ground, document: &Document) -> Fallible<Observation> {
        let kept = document.resolved.get("code").and_then(Json::as_object);
        let missing = kept.into_iter().flatten().any(|(_, digest)| {
            !digest.as_str().is_some_and(|digest| ground.place.code().join(digest).is_dir())
        });
        let mut seen = seen(if missing { "the snapshot of its code is missing" } else { "yes" });
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
