//! What an object carries that says whose it is, and what of it is ours.

use mlp_provider::{Observed, Owner, Target};
use serde_json::{Map, Value as Json, json};

use crate::manifest::{self, FOLLOWING, MANIFEST, WAIT_FOR};
use crate::mlp_platform::Platform;
use crate::mlp_value::{KnownValue, Value};
use crate::names::label;
use crate::natives::{ADDRESS, Health, NAMESPACE, Native, at};
use crate::schema::Schema;
use crate::shape::Shape;

const PROJECT: &str = "mlp.dev/project";
const ENVIRONMENT: &str = "mlp.dev/environment";
const LINEAGE: &str = "mlp.dev/lineage";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Where the specification is at home that made an object which may lie anywhere.
const HOME: &str = "mlp.dev/home";
const RESOURCE: &str = "mlp.dev/resource";
const FIELDS: &str = "mlp.dev/fields";
const DIGEST: &str = "mlp.dev/digest";
/// How the version of an object was written that a specification gives as a whole.
const API: &str = "mlp.dev/api";
/// The condition for which an object is waited.
const AWAITS: &str = "mlp.dev/wait-for";

/// The environment with its user, as its home is called.
fn environment(target: &Target) -> &str {
    target.home.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(&target.environment)
}

/// The labels by which objects of an environment are found.
pub(crate) fn selector(target: &Target) -> String {
    format!("{PROJECT}={},{ENVIRONMENT}={}", label(&target.project), label(environment(target)))
}

/// The labels by which objects are found that may lie anywhere.
pub(crate) fn selector_anywhere(target: &Target) -> String {
    format!("{},{HOME}={}", selector(target), label(home(target)))
}

/// The namespace of the provider block.
fn home(target: &Target) -> &str {
    target.provider.field("namespace").and_then(Value::as_text).unwrap_or_default()
}

/// What of a configuration is put into the object.
fn fields(native: &Native, config: &Json) -> Json {
    let Some(items) = config.as_object() else { return json!({}) };
    let follows = |name: &str| native.is_whole() && FOLLOWING.contains(&name);
    let ours = |(name, value): &(&String, &Json)| {
        *name != ADDRESS && *name != NAMESPACE && !value.is_null() && !follows(name)
    };
    let kept = items.iter().filter(ours);
    let whole = native.is_whole();
    let value = |value: &Json| if whole { manifest::pruned(value) } else { value.clone() };
    Json::Object(kept.map(|(name, item)| (name.clone(), value(item))).collect())
}

/// Which parts of an object are ours that is made of a configuration.
pub(crate) fn shape(native: &Native, config: &Json, types: Option<&Schema>) -> Shape {
    let fields = fields(native, config);
    if !native.is_whole() {
        return Shape::of(&fields, "", "spec");
    }
    let one = |(name, item): (&String, &Json)| {
        let types = types.filter(|_| name == MANIFEST);
        (name.clone(), Shape::typed(item, types))
    };
    Shape::Fields(fields.as_object().into_iter().flatten().map(one).collect())
}

fn digest(fields: &Json) -> String {
    // Numbers and the order of names are those of our own values, whoever wrote the JSON.
    let plain = KnownValue::from_json(fields).ok().and_then(|value| serde_json::to_string(&value).ok());
    blake3::hash(plain.unwrap_or_default().as_bytes()).to_hex().to_string()
}

/// Puts our marks on an object that is made of a configuration.
pub(crate) fn mark(native: &Native, object: &mut Json, config: &Json, shape: &Shape, target: &Target) {
    let fields = fields(native, config);
    let mut labels = vec![
        (PROJECT, label(&target.project)),
        (ENVIRONMENT, label(environment(target))),
        (LINEAGE, label(&target.lineage)),
        (MANAGED_BY, "mlp".to_owned()),
    ];
    let resource = config[ADDRESS].as_str().unwrap_or_default().to_owned();
    let mut annotations =
        vec![(RESOURCE, resource), (FIELDS, shape.to_json().to_string()), (DIGEST, digest(&fields))];
    if native.is_whole() {
        labels.push((HOME, label(home(target))));
        let text = |value: &Json| value.as_str().map(str::to_owned);
        annotations.extend(text(&config[MANIFEST]["apiVersion"]).map(|api| (API, api)));
        annotations.extend(text(&config[WAIT_FOR]).map(|condition| (AWAITS, condition)));
    }
    for (name, all) in [("labels", labels.as_slice()), ("annotations", annotations.as_slice())] {
        let metadata = &mut object["metadata"][name];
        if !metadata.is_object() {
            *metadata = Json::Object(Map::new());
        }
        for (key, value) in all {
            metadata[*key] = json!(value);
        }
    }
}

/// Names project, environment and resource on an object that others will apply: it is no object of ours.
pub(crate) fn name(object: &mut Json, config: &Json, platform: &Platform) {
    let metadata = &mut object["metadata"];
    metadata["labels"][PROJECT] = json!(label(&platform.project.name));
    metadata["labels"][ENVIRONMENT] = json!(label(&platform.environment.folder()));
    metadata["annotations"][RESOURCE] = config[ADDRESS].clone();
}

fn text<'j>(object: &'j Json, kind: &str, name: &str) -> Option<&'j str> {
    object["metadata"][kind][name].as_str()
}

/// Whose an object is.
pub(crate) fn owner(object: &Json, target: &Target) -> Owner {
    let Some(lineage) = text(object, "labels", LINEAGE) else { return Owner::CannotTell };
    let ours = text(object, "labels", PROJECT) == Some(&label(&target.project))
        && text(object, "labels", ENVIRONMENT) == Some(&label(environment(target)))
        && !target.lineage.is_empty()
        && lineage == label(&target.lineage);
    if ours { Owner::Mine } else { Owner::Foreign }
}

/// The resource an object was made for, in the words of its mark.
pub(crate) fn resource(object: &Json) -> Option<&str> {
    text(object, "annotations", RESOURCE)
}

/// The lineage of an object.
pub(crate) fn lineage(object: &Json) -> &str {
    text(object, "labels", LINEAGE).unwrap_or_default()
}

/// The version in which an object was written, where a specification gave it as a whole.
pub(crate) fn api(object: &Json) -> Option<&str> {
    text(object, "annotations", API)
}

/// How far an object is, by the condition that its specification names or by what its kind says.
pub(crate) fn health(native: &Native, object: &Json) -> Health {
    match text(object, "annotations", AWAITS).filter(|_| native.is_whole()) {
        Some(condition) => manifest::waits_for(object, condition),
        None => native.health(object),
    }
}

/// The fields of an object that are in its table.
fn present(native: &Native, object: &Json) -> Json {
    if native.is_whole() {
        let awaits = text(object, "annotations", AWAITS);
        return json!({ MANIFEST: manifest::written(object, api(object)), WAIT_FOR: awaits });
    }
    let all = native.all().filter_map(|member| Some((member.name().to_owned(), at(object, member)?.clone())));
    Json::Object(all.collect())
}

/// What of an object is ours by its mark.
fn shape_of(object: &Json) -> Option<Shape> {
    let written = serde_json::from_str(text(object, "annotations", FIELDS)?).ok()?;
    Shape::from_json(&written)
}

/// Whether a specification gave an object as a whole.
pub(crate) fn was_whole(object: &Json) -> bool {
    matches!(shape_of(object), Some(Shape::Fields(fields)) if fields.iter().any(|(name, _)| name == MANIFEST))
}

/// What of an object is ours: by its mark, else by what would be ours when it is taken over, else all that is in its table.
pub(crate) fn ours(native: &Native, object: &Json, hoped: Option<&Shape>) -> Json {
    let mut all = present(native, object);
    match shape_of(object).as_ref().filter(|_| was_whole(object) == native.is_whole()).or(hoped) {
        Some(shape) => shape.cut(&all).unwrap_or_else(|| json!({})),
        None => {
            // Marks of others are no settings of ours.
            let annotations = match native.is_whole() {
                true => &mut all[MANIFEST]["metadata"]["annotations"],
                false => &mut all["annotations"],
            };
            if let Some(annotations) = annotations.as_object_mut() {
                annotations.retain(|name, _| !name.contains("kubernetes.io/"));
            }
            manifest::pruned(&all)
        }
    }
}

/// What an applied object came to of a configuration, in the words of its fields.
pub(crate) fn came_to(native: &Native, object: &Json, config: &Json, shape: &Shape) -> (Json, Json) {
    let wanted = fields(native, config);
    let found = shape.cut(&present(native, object)).unwrap_or_else(|| json!({}));
    (wanted, found)
}

/// Whether an object is as it was made.
pub(crate) fn untouched(native: &Native, object: &Json) -> bool {
    text(object, "annotations", DIGEST) == Some(&digest(&ours(native, object, None)))
}

/// An object in the words of its field table; `namespace` is where the session is at home, `hoped` what would be ours of an object
/// that is to be taken over.
pub(crate) fn observed(
    native: &Native,
    object: &Json,
    (target, namespace): (&Target, &str),
    hoped: Option<&Shape>,
) -> Result<Observed, String> {
    let mut config = ours(native, object, hoped);
    config[NAMESPACE] = match native.namespaced() {
        true => object["metadata"]["namespace"].clone(),
        false => json!(namespace),
    };
    config[ADDRESS] = json!(resource(object));
    if native.is_whole() {
        for (name, value) in manifest::following(native, object) {
            config[name] = value;
        }
    }
    let outputs = (native.tells)(object).into_iter();
    Ok(Observed {
        config: KnownValue::from_json(&config)?,
        outputs: KnownValue::from_json(&Json::Object(
            outputs.map(|(name, json)| (name.into(), json)).collect(),
        ))?,
        owner: owner(object, target),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::natives::{manifest, native};

    pub(crate) fn target(lineage: &str) -> Target {
        Target {
            project: "churn".into(),
            environment: "onprem".into(),
            lineage: lineage.into(),
            directory: "/p".into(),
            home: "/p/.mlp/onprem.ann".into(),
            provider: KnownValue::Null,
            program: String::new(),
            secrets: Default::default(),
            take_over: false,
        }
    }

    #[test]
    fn an_object_says_whose_it_is_and_what_of_it_is_ours() {
        let kind = native("kubernetes_config_map").unwrap();
        let config =
            json!({"address": "dataset.x", "namespace": "ml", "data": {"a": "1"}, "labels": {"t": "r"}});
        let mut object = manifest(kind, "ml", "x", &config);
        let shape = shape(kind, &config, None);
        mark(kind, &mut object, &config, &shape, &target("l1"));
        assert_eq!(owner(&object, &target("l1")), Owner::Mine);
        assert_eq!(owner(&object, &target("l2")), Owner::Foreign);
        assert_eq!(owner(&object, &target("")), Owner::Foreign);
        assert_eq!(owner(&json!({"metadata": {}}), &target("l1")), Owner::CannotTell);
        assert_eq!(resource(&object), Some("dataset.x"));
        assert_eq!(object["metadata"]["labels"]["mlp.dev/environment"], "onprem.ann");
        object["metadata"]["labels"]["other"] = json!("x");
        object["data"]["b"] = json!("2");
        let seen = observed(kind, &object, (&target("l1"), "ml"), None).unwrap();
        assert_eq!(seen.config.to_plain_json(), config);
        assert!(untouched(kind, &object));
        object["data"]["a"] = json!("3");
        assert!(!untouched(kind, &object));
        assert_eq!(
            observed(kind, &object, (&target("l1"), "ml"), None).unwrap().config.to_plain_json()["data"]["a"],
            "3"
        );
    }
}
