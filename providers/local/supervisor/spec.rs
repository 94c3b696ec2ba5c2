//! From an endpoint's record and the registry to what is served now.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mlp_floor::registry::{ModelVersion, Registry};
use mlp_floor::serve::{
    AuthSpec, CaptureSpec, EndpointSpec, Feed, GraphSpec, HealthSpec, Launch, LimitScope, LimitSpec,
    ModelLabel, Pick, Protocol, RequestRate, ScaleSpec, SloSpec, VariantSpec,
};
use mlp_provider::{ErrorClass, ProviderError};
use serde_json::{Value as Json, json};

use super::vault::Vault;
use crate::documents::{Document, Place};
use crate::fault::{Fallible, fault, wrong};
use crate::lower::object_name;
use crate::mlp_diag::Diagnostic;
use crate::mlp_value::{KnownValue, Number};
use crate::{codes, dataset, forms};

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

/// How a version is started: by its own record, or by what its endpoint names instead.
pub(crate) fn launch(place: &Place, version: &ModelVersion, document: &Document) -> Fallible<Launch> {
    let missing = |what: &str| {
        let text =
            format!("version {} of model `{}` was registered without {what}", version.number, version.model);
        let mut error = wrong(codes::NO_VERSION, text, &format!("model.{}", version.model), "serve");
        error.diagnostic.help = Some(
            "give the model `serve` (`module:Class`, or a command), apply, and register a version again"
                .to_owned(),
        );
        error
    };
    let own = document.config.field("serve").and_then(KnownValue::as_text);
    let own = own.map(|text| forms::recorded(Some(text), false));
    let kept = version.serve.clone().unwrap_or_default();
    let code = document.resolved.get("code").and_then(Json::as_str).or(kept.code.as_deref());
    let code_dir = code.map(|code| place.code().join(code));
    let own_interpreter = document.resolved.get("interpreter").and_then(Json::as_str);
    let interpreter = PathBuf::from(own_interpreter.or(kept.interpreter.as_deref()).unwrap_or("python3"));
    let model_dir = PathBuf::from(&version.path);
    let serve = own.as_ref().unwrap_or(&kept);
    match (&serve.class, &serve.command) {
        (Some(class), _) => {
            let code_dir = code_dir.ok_or_else(|| missing("code"))?;
            Ok(Launch::PythonClass { interpreter, class: class.clone(), code_dir, model_dir })
        }
        (None, Some(argv)) => {
            let code_dir = code_dir.unwrap_or_else(|| model_dir.clone());
            Ok(Launch::Command { argv: argv.clone(), code_dir, model_dir })
        }
        (None, None) if serve.mlmodel => {
            let code_dir = code_dir.unwrap_or_else(|| model_dir.clone());
            Ok(Launch::Mlmodel { interpreter, code_dir, model_dir })
        }
        (None, None) => Err(missing("a way to serve it")),
    }
}

/// The environment of the runtime that a version is served in, its programs first on the path.
pub(crate) fn environment(version: &ModelVersion, document: &Document) -> BTreeMap<String, String> {
    let kept = version.serve.clone().unwrap_or_default();
    let own = document.config.field("runtime");
    let mut found = own.map_or(kept.env, crate::runtimes::variables);
    let own = document.resolved.get("interpreter").and_then(Json::as_str).map(str::to_owned);
    let program = own.or(kept.interpreter);
    let programs = program.as_deref().map(Path::new).filter(|path| path.is_absolute()).and_then(Path::parent);
    if let (Some(programs), false) = (programs, found.contains_key("PATH")) {
        let inherited = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        let all = [programs.to_path_buf()].into_iter().chain(std::env::split_paths(&inherited));
        let joined = std::env::join_paths(all).ok().and_then(|path| path.into_string().ok());
        found.extend(joined.map(|path| ("PATH".to_owned(), path)));
    }
    found
}

/// The graph of a record, for nodes of these names.
pub(crate) fn graph_of<'n>(graph: &KnownValue, names: impl Iterator<Item = &'n str>) -> GraphSpec {
    let pick = |text: &str| {
        let mut words = text.split('.').map(str::to_owned);
        Pick { node: words.next().unwrap_or_default(), path: words.collect() }
    };
    let feed = |value: Option<&KnownValue>| match (value.and_then(KnownValue::as_text), value) {
        (Some(text), _) => Feed::Node(pick(text)),
        (None, Some(value)) => {
            let members = value.as_object().into_iter().flat_map(|members| members.iter());
            let picks = members.filter_map(|(name, text)| Some((name.to_string(), pick(text.as_text()?))));
            Feed::Object(picks.collect())
        }
        (None, None) => Feed::Request,
    };
    let inputs = graph.field("input");
    let nodes = names.map(|name| (name.to_owned(), feed(inputs.and_then(|inputs| inputs.field(name)))));
    GraphSpec { nodes: nodes.collect(), output: feed(graph.field("output")) }
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
pub(super) fn build(
    place: &Place,
    document: &Document,
    port: Option<u16>,
    vault: &Vault,
) -> Fallible<EndpointSpec> {
    let config = &document.config;
    let name = document.address().parse().map(|address| object_name(&address)).unwrap_or_default();
    let asked = number(config, "port").and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
    let auth = match config.field("auth") {
        Some(auth) => {
            let keys = vault.secret(document, text(auth, "keys_from"), "auth.keys_from")?;
            Some(AuthSpec { keys: keys.lines().map(str::to_owned).collect() })
        }
        None => None,
    };
    let milliseconds = |name: &str, otherwise: u64| {
        number(config, name).and_then(|number| u64::try_from(number).ok()).unwrap_or(otherwise)
    };
    let variants = variants(place, document, vault)?;
    let names = variants.iter().map(|variant| variant.name.as_str());
    Ok(EndpointSpec {
        port: if asked == 0 { port.unwrap_or(0) } else { asked },
        host: text(config, "host").to_owned(),
        protocol: if text(config, "protocol") == "plain" {
            Protocol::Plain
        } else {
            Protocol::OpenInferenceV2
        },
        graph: config.field("graph").map(|graph| graph_of(graph, names)),
        variants,
        health: HealthSpec::default(),
        start_timeout_ms: milliseconds("start_timeout_ms", START_TIMEOUT_MS),
        request_timeout_ms: milliseconds("timeout_ms", REQUEST_TIMEOUT_MS),
        capture: config.field("capture").map(|written| capture(place, &name, written)).transpose()?,
        auth,
        limits: limits(config),
        slo: promises(config),
        holds: holds(document),
        log_dir: place.logs(&name),
        name,
    })
}

fn limits(config: &KnownValue) -> LimitSpec {
    let mut limits = LimitSpec::default();
    let Some(written) = config.field("limits") else { return limits };
    let positive = |name: &str| number(written, name).and_then(|number| u64::try_from(number).ok());
    if let Some(body) = positive("body") {
        limits.body = body;
    }
    if let Some(most) = positive("in_flight") {
        limits.in_flight = u32::try_from(most).unwrap_or(u32::MAX);
    }
    let per = if text(written, "per") == "key" { LimitScope::Key } else { LimitScope::All };
    if let (Some(requests), Some(window_ms)) = (positive("requests"), positive("window_ms")) {
        limits.rate = Some(RequestRate { requests, window_ms, per });
    }
    limits
}

fn promises(config: &KnownValue) -> Vec<SloSpec> {
    let written = config.field("slo").and_then(KnownValue::as_object);
    let promises = written.into_iter().flat_map(|written| written.iter());
    let spec = |(name, promise): (_, &KnownValue)| SloSpec {
        name: String::from(name),
        share: promise.field("share").and_then(KnownValue::as_number).map_or(1.0, Number::to_f64),
        within_ms: number(promise, "within_ms").and_then(|number| u64::try_from(number).ok()),
    };
    promises.map(|(name, promise)| spec((name.as_ref(), promise))).collect()
}

fn capture(place: &Place, endpoint: &str, written: &KnownValue) -> Fallible<CaptureSpec> {
    let words = |name: &str| {
        let words = written.field(name).and_then(KnownValue::as_list).unwrap_or_default();
        words.iter().filter_map(|word| word.as_text().map(str::to_owned)).collect()
    };
    let on = |name: &str| written.field(name).and_then(KnownValue::as_bool).unwrap_or(true);
    let mask: Vec<String> = words("mask");
    if !mask.is_empty() {
        let record = place.get(&format!("datasets/{}", text(written, "to")))?;
        let store = place.store(&record.config);
        let failed = |problem: mlp_floor::Problem| fault(&problem, record.address());
        store.mask_key(&dataset::name_of(&record.config)).map_err(failed)?;
    }
    Ok(CaptureSpec {
        inputs: on("inputs"),
        outputs: on("outputs"),
        sample: written.field("sample").and_then(KnownValue::as_number).map_or(1.0, Number::to_f64),
        mask,
        redact: words("redact"),
        key: dataset::key_file(&place.home),
        ..CaptureSpec::in_folder(place.captured(endpoint))
    })
}

/// The numbers of the GPUs of a variant.
fn gpus(variant: &KnownValue) -> Vec<String> {
    let numbers = variant.field("gpus").and_then(KnownValue::as_list).unwrap_or_default();
    numbers.iter().filter_map(|number| Some(number.as_number()?.to_i64()?.to_string())).collect()
}

/// What tells the replicas of a variant which GPUs are theirs.
fn visible(variant: &KnownValue) -> Option<(String, String)> {
    let numbers = gpus(variant);
    (!numbers.is_empty()).then(|| ("CUDA_VISIBLE_DEVICES".to_owned(), numbers.join(",")))
}

/// The lock files by which the runs of this project know that GPUs are taken.
fn holds(document: &Document) -> Vec<PathBuf> {
    let project = document.resolved.get("directory").and_then(Json::as_str).unwrap_or(".");
    let root = crate::run::gpu_root(Path::new(project));
    let variants = document.config.field("variant").and_then(KnownValue::as_object);
    let variants = variants.into_iter().flat_map(|variants| variants.values());
    variants.flat_map(gpus).map(|number| root.join(format!("gpu-{number}"))).collect()
}

fn variants(place: &Place, document: &Document, vault: &Vault) -> Fallible<Vec<VariantSpec>> {
    let config = &document.config;
    let secrets = vault.secrets(document)?;
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
            scale: number(variant, "max_replicas").and_then(|max| u32::try_from(max).ok()).map(|max| {
                ScaleSpec {
                    max,
                    target: variant
                        .field("target")
                        .and_then(KnownValue::as_number)
                        .map_or(1.0, Number::to_f64),
                }
            }),
            launch: launch(place, &version, document)?,
            env: environment(&version, document)
                .into_iter()
                .chain(secrets.clone())
                .chain(visible(variant))
                .collect(),
            secret: secrets.keys().cloned().collect(),
            model: ModelLabel {
                address: text(variant, "address").to_owned(),
                version: u64::from(version.number),
            },
            digest: version.digest.clone(),
        });
    }
    Ok(found)
}
