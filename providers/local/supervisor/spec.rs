//! From an endpoint's record and the registry to what is served now.

use std::path::{Path, PathBuf};

use mlp_floor::registry::{ModelVersion, Registry};
use mlp_floor::serve::{
    AuthSpec, EndpointSpec, HealthSpec, Launch, LimitScope, LimitSpec, ModelLabel, Protocol, VariantSpec,
};
use mlp_provider::{ErrorClass, ProviderError};
use serde_json::{Value as Json, json};

use crate::codes;
use crate::documents::{Document, Place};
use crate::fault::{Fallible, fault, wrong};
use crate::lower::object_name;
use crate::mlp_diag::Diagnostic;
use crate::mlp_value::{KnownValue, Number};

const START_TIMEOUT_MS: u64 = 60_000;
const REQUEST_TIMEOUT_MS: u64 = 30_000;

fn text<'v>(value: &'v KnownValue, name: &str) -> &'v str {
    value.field(name).and_then(KnownValue::as_text).unwrap_or_default()
}

fn number(value: &KnownValue, name: &str) -> Option<i64> {
    value.field(name).and_then(KnownValue::as_number).and_then(Number::to_i64)
}

/// The version that a `{ model, alias | version }` means now; none where there is none.
pub(crate) fn find_version(place: &Place, model: &KnownValue) -> Fallible<Option<ModelVersion>> {
    let address = text(model, "address");
    let failed = |problem: mlp_floor::Problem| fault(&problem, address);
    if !place.registry().is_file() {
        return Ok(None);
    }
    let registry = Registry::open(&place.registry()).map_err(failed)?;
    let name = text(model, "model");
    if registry.model(name).map_err(failed)?.is_none() {
        return Ok(None);
    }
    match number(model, "version").and_then(|number| u32::try_from(number).ok()) {
        Some(wanted) => {
            Ok(registry.versions(name).map_err(failed)?.into_iter().find(|version| version.number == wanted))
        }
        None => registry.resolve(name, text(model, "alias")).map_err(failed),
    }
}

/// The version that must be there.
pub(crate) fn version(place: &Place, model: &KnownValue, path: &str) -> Fallible<ModelVersion> {
    find_version(place, model)?.ok_or_else(|| {
        let address = text(model, "address");
        let what = match number(model, "version") {
            Some(number) => format!("`{address}` has no version {number}"),
            None => format!("`{address}` has no version under alias `{}`", text(model, "alias")),
        };
        let found = Diagnostic::error(codes::NO_VERSION, what)
            .on(address, path)
            .help("run a pipeline that registers one");
        ProviderError::new(ErrorClass::Invalid, found)
    })
}

/// How a version is started, by its own record or by another class of its code.
pub(crate) fn launch(place: &Place, version: &ModelVersion, class: Option<&str>) -> Fallible<Launch> {
    let missing = |what: &str| {
        let text =
            format!("version {} of model `{}` was registered without {what}", version.number, version.model);
        let mut error = wrong(codes::NO_VERSION, text, &format!("model.{}", version.model), "serve");
        error.diagnostic.help =
            Some("give the model `serve = \"module:Class\"`, apply, and register a version again".to_owned());
        error
    };
    let serve = version.serve.as_ref().ok_or_else(|| missing("a way to serve it"))?;
    let class = class.or(serve.class.as_deref()).ok_or_else(|| missing("a class that serves it"))?;
    let code = serve.code.as_deref().ok_or_else(|| missing("code"))?;
    Ok(Launch::PythonClass {
        interpreter: PathBuf::from(serve.interpreter.as_deref().unwrap_or("python3")),
        class: class.to_owned(),
        code_dir: place.code().join(code),
        model_dir: PathBuf::from(&version.path),
    })
}

/// The versions that the variants of an endpoint mean now, by variant.
pub(crate) fn pin(place: &Place, config: &KnownValue) -> Fallible<Json> {
    let mut pinned = serde_json::Map::new();
    let variants = config.field("variant").and_then(KnownValue::as_object);
    for (name, variant) in variants.into_iter().flat_map(|variants| variants.iter()) {
        let found = version(place, variant, &format!("variant.{name}.model"))?;
        pinned.insert(name.to_string(), json!(found.number));
    }
    Ok(Json::Object(pinned))
}

/// What is to be served now. `port` is the one it had, where it chooses its own.
pub(super) fn build(place: &Place, document: &Document, port: Option<u16>) -> Fallible<EndpointSpec> {
    let config = &document.config;
    let name = document.address().parse().map(|address| object_name(&address)).unwrap_or_default();
    let asked = number(config, "port").and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
    let project = document.resolved.get("directory").and_then(Json::as_str).unwrap_or(".");
    let auth = match config.field("auth") {
        Some(auth) => {
            let keys = crate::resources::secret_lines(Path::new(project), text(auth, "keys_from"))?;
            Some(AuthSpec { keys })
        }
        None => None,
    };
    let limits = config.field("limits").map(|limits| LimitSpec {
        requests_per_minute: number(limits, "requests_per_minute")
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(u32::MAX),
        per: if text(limits, "per") == "key" { LimitScope::Key } else { LimitScope::All },
    });
    Ok(EndpointSpec {
        port: if asked == 0 { port.unwrap_or(0) } else { asked },
        host: text(config, "host").to_owned(),
        protocol: if text(config, "protocol") == "plain" {
            Protocol::Plain
        } else {
            Protocol::OpenInferenceV2
        },
        variants: variants(place, document)?,
        health: HealthSpec::default(),
        start_timeout_ms: START_TIMEOUT_MS,
        request_timeout_ms: REQUEST_TIMEOUT_MS,
        capture: None,
        auth,
        limits,
        log_dir: place.logs(&name),
        name,
    })
}

fn variants(place: &Place, document: &Document) -> Fallible<Vec<VariantSpec>> {
    let config = &document.config;
    let class = config.field("serve").and_then(KnownValue::as_text);
    let mut found = Vec::new();
    let variants = config.field("variant").and_then(KnownValue::as_object);
    for (name, variant) in variants.into_iter().flat_map(|variants| variants.iter()) {
        let pinned = document.resolved.get("pinned").and_then(|pinned| pinned.get(name.as_ref())?.as_i64());
        let model = match pinned {
            Some(number) => KnownValue::object([
                ("model", KnownValue::text(text(variant, "model"))),
                ("address", KnownValue::text(text(variant, "address"))),
                ("version", KnownValue::int(number)),
            ]),
            None => variant.clone(),
        };
        let version = version(place, &model, &format!("variant.{name}.model"))?;
        #[expect(clippy::cast_precision_loss, reason = "a percentage")]
        let shadow = number(variant, "shadow").unwrap_or(0) as f64;
        found.push(VariantSpec {
            name: name.to_string(),
            of: None,
            weight: number(variant, "weight").and_then(|weight| u32::try_from(weight).ok()).unwrap_or(0),
            shadow,
            replicas: number(variant, "replicas").and_then(|n| u32::try_from(n).ok()).unwrap_or(1),
            launch: launch(place, &version, class)?,
            env: std::collections::BTreeMap::new(),
            model: ModelLabel {
                address: text(variant, "address").to_owned(),
                version: u64::from(version.number),
            },
            digest: version.digest.clone(),
        });
    }
    Ok(found)
}
