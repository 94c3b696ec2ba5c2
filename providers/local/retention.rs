//! Which versions of a model stay: those that `keep` asks for, and those that something still leads to.

use std::collections::BTreeSet;

use mlp_floor::registry::{ModelVersion, Registry};

use crate::documents::Document;
use crate::fault::{Fallible, fault};
use crate::holds::{files, is_json};
use crate::mlp_value::{KnownValue, Number, units};
use crate::resources::Ground;
use crate::run::text;
use crate::supervisor::{client, needed as in_rollout};
use crate::time;

/// The versions of a model that go: beyond the newest that `keep` counts, older than it asks for, and needed by nobody.
/// None where the model says nothing of it.
pub(crate) fn surplus(ground: &Ground, registry: &Registry, model: &Document) -> Fallible<Vec<ModelVersion>> {
    let failed = |problem: mlp_floor::Problem| fault(&problem, model.address());
    let Some(keep) = model.config.field("keep") else { return Ok(Vec::new()) };
    let count = keep.field("versions").and_then(KnownValue::as_number).and_then(Number::to_i64);
    let Some(count) = count.and_then(|count| usize::try_from(count).ok()) else { return Ok(Vec::new()) };
    let young = text(keep, "at_least").and_then(|text| units::duration(text).ok()).unwrap_or_default();
    let age = u64::try_from(young.as_millis()).unwrap_or(u64::MAX);
    // Times in one notation compare as text.
    let before = time::rfc3339(time::now_ms().saturating_sub(age));
    let name = crate::resources::model_name(&model.config);
    let needed = needed(ground, registry, &name, model.address())?;
    let versions = registry.versions(&name).map_err(failed)?;
    let old = versions.len().saturating_sub(count);
    let goes = |version: &ModelVersion| {
        !needed.contains(&version.number) && (age == 0 || version.created_at < before)
    };
    Ok(versions.into_iter().take(old).filter(goes).collect())
}

/// The versions that aliases name, that a rollback of them would go back to, that records pin, and that are served.
fn needed(ground: &Ground, registry: &Registry, name: &str, address: &str) -> Fallible<BTreeSet<u32>> {
    let failed = |problem: mlp_floor::Problem| fault(&problem, address);
    let mut found = BTreeSet::new();
    for alias in registry.aliases(name).map_err(failed)? {
        found.insert(alias.version);
        if alias.alias != mlp_floor::registry::LATEST {
            found.extend(registry.previous(name, &alias.alias).map_err(failed)?);
        }
    }
    for folder in ["endpoints", "batch"] {
        for path in files(&ground.place.home.join(folder)).into_iter().filter(|path| is_json(path)) {
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let record = ground.place.get(&format!("{folder}/{stem}"))?;
            found.extend(pinned(&record, name));
        }
    }
    found.extend(in_rollout(&ground.place, name).into_iter().filter_map(|number| u32::try_from(number).ok()));
    let served =
        client::last_status(&ground.target).endpoints.into_iter().filter_map(|endpoint| endpoint.state);
    let models = served.flat_map(|state| state.variants).map(|variant| variant.model);
    let ours = models.filter(|model| model.address == address);
    found.extend(ours.filter_map(|model| u32::try_from(model.version).ok()));
    Ok(found)
}

/// The versions of a model that a record names by number.
fn pinned(record: &Document, name: &str) -> Vec<u32> {
    let by_number = |model: &KnownValue| {
        let number = model.field("version").and_then(KnownValue::as_number).and_then(Number::to_i64);
        number.filter(|_| text(model, "model") == Some(name)).and_then(|number| u32::try_from(number).ok())
    };
    let mut found: Vec<u32> = record.config.field("model").and_then(by_number).into_iter().collect();
    let variants = record.config.field("variant").and_then(KnownValue::as_object);
    for (variant, fields) in variants.into_iter().flat_map(|variants| variants.iter()) {
        found.extend(by_number(fields));
        let pinned = record.resolved.get("pinned").and_then(|pinned| pinned.get(variant.as_ref())?.as_u64());
        let ours = pinned.filter(|_| text(fields, "model") == Some(name));
        found.extend(ours.and_then(|number| u32::try_from(number).ok()));
    }
    found
}
