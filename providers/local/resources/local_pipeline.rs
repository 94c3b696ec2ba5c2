//! `local_pipeline`: the definition of a pipeline and the snapshots of its code.

use std::collections::BTreeMap;
use std::path::Path;

use mlp_provider::{Field, Removal, Reporter, ResourceKind};
use serde_json::Value as Json;

use super::{Ground, Handler, Native, Observation, seen, with_common};
use crate::documents::Document;
use crate::fault::{Fallible, fault};
use crate::mlp_value::KnownValue;
use crate::runtimes;
use crate::triggers;

pub(super) struct Pipeline;

/// Keeps the code of a `{ directory, digest }` and gives the digest under which it is kept.
pub(super) fn keep_code(ground: &Ground, code: &KnownValue, address: &str, path: &str) -> Fallible<String> {
    let project = Path::new(&ground.target.directory);
    let directory = project.join(code.field("directory").and_then(KnownValue::as_text).unwrap_or("."));
    crate::dataset::refuse_copies(&ground.place, project, &directory, (address, path))?;
    let kept = mlp_floor::launch::snapshot_code(project, &directory, &ground.place.code());
    kept.map(|kept| kept.digest).map_err(|problem| fault(&problem.at(path), address))
}

/// Where the code of a command stands: the address, where it is not the pipeline's, and the path.
type Place<'c> = (Option<&'c str>, String);

/// The steps, and the commands of checks, by their names in a run.
fn commands(config: &KnownValue) -> impl Iterator<Item = (&str, &KnownValue, Place<'_>)> {
    let fields = |word: &str| config.field(word).and_then(KnownValue::as_object);
    let steps = fields("step").into_iter().flat_map(|steps| steps.iter());
    let checks = fields("checks").into_iter().flat_map(|checks| checks.iter());
    let of_step = steps.map(|(name, step)| (name.as_ref(), step, (None, format!("step.{name}.code"))));
    let of_check = checks.filter_map(|(address, check)| {
        let name = check.field("name")?.as_text()?;
        Some((name, check, (Some(address.as_ref()), "code".to_owned())))
    });
    of_step.chain(of_check)
}

impl Native for Pipeline {
    fn name(&self) -> &'static str {
        "local_pipeline"
    }

    fn kind(&self) -> ResourceKind {
        let fields = with_common(vec![
            Field::optional("kind", "What it is for."),
            Field::optional("params", "Its parameters."),
            Field::optional("param_types", "The types of its parameters."),
            Field::required("step", "Its steps, resolved."),
            Field::optional("checks", "What must hold before a version is registered."),
            Field::optional("trigger", "What starts it by itself."),
            Field::optional(
                "paused",
                "Whether triggers only look: in the development mode nothing starts by itself.",
            ),
            Field::computed("scheduled", "`yes`, or `no` while nobody watches its triggers."),
        ]);
        ResourceKind::new(self.name(), "The definition of a pipeline that runs as processes.", fields)
    }

    fn folder(&self) -> &'static str {
        "pipelines"
    }
}

impl Handler for Pipeline {
    fn realise(
        &self,
        ground: &Ground,
        _: Option<&Document>,
        config: &KnownValue,
        reporter: &dyn Reporter,
    ) -> Fallible<Json> {
        let address = config.field("address").and_then(KnownValue::as_text).unwrap_or_default();
        let mut kept: BTreeMap<String, String> = BTreeMap::new();
        let mut by_directory: BTreeMap<String, String> = BTreeMap::new();
        for (name, step, place) in commands(config) {
            if let Some(runtime) = step.field("runtime") {
                runtimes::ensure(ground, runtime, reporter)?;
            }
            let Some(code) = step.field("code") else { continue };
            let directory = code.field("directory").and_then(KnownValue::as_text).unwrap_or(".").to_owned();
            let digest = match by_directory.get(&directory) {
                Some(digest) => digest.clone(),
                None => keep_code(ground, code, place.0.unwrap_or(address), &place.1)?,
            };
            by_directory.insert(directory, digest.clone());
            kept.insert(name.to_owned(), digest);
        }
        triggers::prepare(ground, config)?;
        Ok(serde_json::json!({ "code": kept }))
    }

    fn observe(&self, ground: &Ground, document: &Document) -> Fallible<Observation> {
        let kept = document.resolved.get("code").and_then(Json::as_object);
        let missing = kept.into_iter().flatten().any(|(_, digest)| {
            !digest.as_str().is_some_and(|digest| ground.place.code().join(digest).is_dir())
        });
        let unbuilt = commands(&document.config).any(|(_, step, _)| {
            step.field("runtime").is_some_and(|runtime| !runtimes::is_built(ground, runtime))
        });
        let mut seen = seen(match (missing, unbuilt) {
            (true, _) => "the snapshot of its code is missing",
            (false, true) => "the environment of its runtime is missing",
            (false, false) => "yes",
        });
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
