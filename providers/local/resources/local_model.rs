//! `local_model`: a model in the embedded registry, with its versions.

use mlp_floor::registry::Registry;
use mlp_provider::{Field, Removal, Reporter, ResourceKind};
use serde_json::Value as Json;

use super::local_pipeline::keep_code;
use super::{Ground, Handler, Native, Observation, removal, seen, with_common};
use crate::documents::Document;
use crate::fault::{Fallible, fault};
use crate::lower::object_name;
use crate::mlp_value::KnownValue;

pub(super) struct Model;

/// The name in the registry of the model a record describes.
pub(crate) fn name_of(config: &KnownValue) -> String {
    let address = config.field("address").and_then(KnownValue::as_text).unwrap_or_default();
    address.parse().map(|address| object_name(&address)).unwrap_or_default()
}

impl Native for Model {
    fn name(&self) -> &'static str {
        "local_model"
    }

    fn kind(&self) -> ResourceKind {
        let fields = with_common(vec![
            Field::optional("kind", "What a version is."),
            Field::optional("registry", "The registry it belongs to."),
            Field::optional("signature", "What it takes and gives."),
            Field::optional("serve", "The class that serves it."),
            Field::optional("code", "The code that serves it, where it is not the code that made it."),
            Field::optional(
                "runtime",
                "The interpreter that serves it, where it is not the one that made it.",
            ),
            Field::optional("aliases", "Movable names of versions."),
            Field::optional("keep", "Which versions are kept."),
            Field::optional("card", "What a user should know of it."),
            Field::optional("license", "The licence it is under."),
            Field::optional("gate", "What a version must meet to go from one alias to another."),
        ]);
        ResourceKind::new(self.name(), "A model in the embedded registry.", fields).stateful()
    }

    fn folder(&self) -> &'static str {
        "models"
    }
}

impl Handler for Model {
    fn realise(
        &self,
        ground: &Ground,
        _: Option<&Document>,
        config: &KnownValue,
        reporter: &dyn Reporter,
    ) -> Fallible<Json> {
        let address = config.field("address").and_then(KnownValue::as_text).unwrap_or_default();
        let code = match config.field("code") {
            Some(code) => Some(keep_code(ground, code, address, "code")?),
            None => None,
        };
        if let Some(runtime) = config.field("runtime") {
            crate::runtimes::ensure(ground, runtime, reporter)?;
        }
        let failed = |problem: mlp_floor::Problem| fault(&problem, address);
        let registry = Registry::open(&ground.place.registry()).map_err(failed)?;
        registry.ensure_model(&name_of(config), &config.to_plain_json()).map_err(failed)?;
        Ok(serde_json::json!({ "code": code }))
    }

    fn observe(&self, ground: &Ground, document: &Document) -> Fallible<Observation> {
        let failed = |problem: mlp_floor::Problem| fault(&problem, document.address());
        let name = name_of(&document.config);
        let registry = Registry::open(&ground.place.registry()).map_err(failed)?;
        let there = registry.model(&name).map_err(failed)?.is_some();
        let mut seen = seen(if there { "yes" } else { "the registry does not know it" });
        if there && let Some(latest) = registry.resolve(&name, "latest").map_err(failed)? {
            seen.outputs.insert("version", KnownValue::text(latest.number.to_string()));
            let aliases = registry.aliases(&name).map_err(failed)?;
            let named = aliases.iter().filter(|alias| alias.alias != "latest");
            let numbers = named.map(|alias| (&alias.alias, KnownValue::text(alias.version.to_string())));
            seen.outputs.insert("alias", KnownValue::object(numbers));
        }
        Ok(seen)
    }

    fn remove(&self, ground: &Ground, document: &Document) -> Fallible<()> {
        let failed = |problem: mlp_floor::Problem| fault(&problem, document.address());
        let registry = Registry::open(&ground.place.registry()).map_err(failed)?;
        registry.remove_model(&name_of(&document.config), true).map(|_| ()).map_err(failed)
    }

    fn removal(&self, ground: &Ground, document: &Document) -> Fallible<Option<Removal>> {
        let failed = |problem: mlp_floor::Problem| fault(&problem, document.address());
        let name = name_of(&document.config);
        let registry = Registry::open(&ground.place.registry()).map_err(failed)?;
        if registry.model(&name).map_err(failed)?.is_none() {
            return Ok(None);
        }
        let versions = registry.versions(&name).map_err(failed)?.len();
        Ok(removal(versions, "version", registry.size(&name).map_err(failed)?))
    }
}
