//! What an object carries that says whose it is, and what of it is ours.

use mlp_provider::{Observed, Owner, Target};
use serde_json::{Map, Value as Json, json};

use crate::mlp_platform::Platform;
use crate::mlp_value::KnownValue;
use crate::names::label;
use crate::natives::{ADDRESS, NAMESPACE, Native, at};
use crate::shape::Shape;

const PROJECT: &str = "mlp.dev/project";
const ENVIRONMENT: &str = "mlp.dev/environment";
const LINEAGE: &str = "mlp.dev/lineage";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const RESOURCE: &str = "mlp.dev/resource";
const FIELDS: &str = "mlp.dev/fields";
const DIGEST: &str = "mlp.dev/digest";

/// The environment with its user, as its home is called.
fn environment(target: &Target) -> &str {
    target.home.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(&target.environment)
}

/// The labels by which objects of an environment are found.
pub(crate) fn selector(target: &Target) -> String {
    format!("{PROJECT}={},{ENVIRONMENT}={}", label(&target.project), label(environment(target)))
}

/// What of a configuration is put into the object.
fn fields(config: &Json) -> Json {
    let Some(items) = config.as_object() else { return json!({}) };
    let ours = |(name, value): &(&String, &Json)| *name != ADDRESS && *name != NAMESPACE && !value.is_null();
    Json::Object(items.iter().filter(ours).map(|(name, value)| (name.clone(), value.clone())).collect())
}

fn digest(fields: &Json) -> String {
    // Numbers and the order of names are those of our own values, whoever wrote the JSON.
    let plain = KnownValue::from_json(fields).ok().and_then(|value| serde_json::to_string(&value).ok());
    blake3::hash(plain.unwrap_or_default().as_bytes()).to_hex().to_string()
}

/// Puts our marks on an object that is made of a configuration.
pub(crate) fn mark(object: &mut Json, config: &Json, target: &Target) {
    let fields = fields(config);
    let shape = Shape::of(&fields, "", "spec");
    let labels = [
        (PROJECT, label(&target.project)),
        (ENVIRONMENT, label(environment(target))),
        (LINEAGE, label(&target.lineage)),
        (MANAGED_BY, "mlp".to_owned()),
    ];
    let resource = config[ADDRESS].as_str().unwrap_or_default().to_owned();
    let annotations =
        [(RESOURCE, resource), (FIELDS, shape.to_json().to_string()), (DIGEST, digest(&fields))];
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

/// The fields of an object that are in its table.
fn present(native: &Native, object: &Json) -> Json {
    let all = native.all().filter_map(|member| Some((member.name().to_owned(), at(object, member)?.clone())));
    Json::Object(all.collect())
}

/// What of an object is ours; without a mark, all that is in its table.
pub(crate) fn ours(native: &Native, object: &Json) -> Json {
    let mut all = present(native, object);
    let written = text(object, "annotations", FIELDS).and_then(|text| serde_json::from_str(text).ok());
    let shape = written.as_ref().and_then(Shape::from_json);
    match shape {
        Some(shape) => shape.cut(&all).unwrap_or_else(|| json!({})),
        None => {
            // Marks of others are no settings of ours.
            if let Some(annotations) = all["annotations"].as_object_mut() {
                annotations.retain(|name, _| !name.contains("kubernetes.io/"));
            }
            all
        }
    }
}

/// What an applied object came to of a configuration, in the words of its fields.
pub(crate) fn came_to(native: &Native, object: &Json, config: &Json) -> (Json, Json) {
    let wanted = fields(config);
    let found = Shape::of(&wanted, "", "spec").cut(&present(native, object)).unwrap_or_else(|| json!({}));
    (wanted, found)
}

/// Whether an object is as it was made.
pub(crate) fn untouched(native: &Native, object: &Json) -> bool {
    text(object, "annotations", DIGEST) == Some(&digest(&ours(native, object)))
}

/// An object in the words of its field table.
pub(crate) fn observed(native: &Native, object: &Json, target: &Target) -> Result<Observed, String> {
    let mut config = ours(native, object);
    config[NAMESPACE] = object["metadata"]["namespace"].clone();
    config[ADDRESS] = json!(resource(object));
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
        mark(&mut object, &config, &target("l1"));
        assert_eq!(owner(&object, &target("l1")), Owner::Mine);
        assert_eq!(owner(&object, &target("l2")), Owner::Foreign);
        assert_eq!(owner(&object, &target("")), Owner::Foreign);
        assert_eq!(owner(&json!({"metadata": {}}), &target("l1")), Owner::CannotTell);
        assert_eq!(resource(&object), Some("dataset.x"));
        assert_eq!(object["metadata"]["labels"]["mlp.dev/environment"], "onprem.ann");
        object["metadata"]["labels"]["other"] = json!("x");
        object["data"]["b"] = json!("2");
        let seen = observed(kind, &object, &target("l1")).unwrap();
        assert_eq!(seen.config.to_plain_json(), config);
        assert!(untouched(kind, &object));
        object["data"]["a"] = json!("3");
        assert!(!untouched(kind, &object));
        assert_eq!(observed(kind, &object, &target("l1")).unwrap().config.to_plain_json()["data"]["a"], "3");
    }
}
