//! What would be applied, written for those who apply it by other means: nothing is asked of the cluster.

use std::collections::BTreeMap;

use mlp_provider::{Desired, Emitted, Form};
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use crate::codes;
use crate::mlp_diag::{Diagnostic, Diagnostics};
use crate::mlp_platform::Platform;
use crate::natives::{Native, manifest, native};
use crate::{marks, names, permits};

/// The forms, in the order of their names.
pub(crate) const FORMS: &[Form] = &[
    Form {
        name: "rbac",
        doc: "the role that applying it needs, and its service account",
        objects: false,
        write: rbac,
    },
    Form { name: "yaml", doc: "the objects, a file for each declaration", objects: true, write: yaml },
];

fn rbac(platform: &Platform, desired: &[Desired]) -> Result<Vec<Emitted>, Diagnostics> {
    let namespace = namespace(platform)?;
    let kinds: BTreeMap<&str, &'static Native> =
        desired.iter().filter_map(|one| native(&one.kind)).map(|native| (native.word, native)).collect();
    let kinds: Vec<&'static Native> = kinds.into_values().collect();
    let name = names::of_environment(platform);
    // The pod that answers for a registry is asked by a program that is started in it.
    let asks = desired.iter().any(|one| one.id.address.kind.as_ref() == "registry");
    Ok(vec![file("rbac.yaml".to_owned(), &permits::role(&kinds, asks, namespace, &name))?])
}

fn yaml(platform: &Platform, desired: &[Desired]) -> Result<Vec<Emitted>, Diagnostics> {
    let namespace = namespace(platform)?;
    // Files in the order in which their first objects can be applied.
    let (mut files, mut places) = (Vec::<(String, Vec<Json>)>::new(), BTreeMap::new());
    for one in desired {
        let Some((native, place)) = native(&one.kind).zip(names::parts(&one.identity, namespace)) else {
            continue;
        };
        let config = one.config.to_plain_json_with(&mut |_| Json::Null);
        let mut object = manifest(native, place.0, place.1, &config);
        marks::name(&mut object, &config, platform);
        let at = *places.entry(&one.id.address).or_insert(files.len());
        if at == files.len() {
            files.push((format!("{}.yaml", names::label(&one.id.address.to_string())), Vec::new()));
        }
        files[at].1.push(object);
    }
    files.into_iter().map(|(path, objects)| file(path, &objects)).collect()
}

fn namespace(platform: &Platform) -> Result<&str, Diagnostics> {
    names::namespace(platform).ok_or_else(|| {
        vec![
            Diagnostic::error(codes::SETTINGS, "the provider names no namespace")
                .help("set `namespace` in the `provider \"kubernetes\"` block: what is written has to say where it goes"),
        ]
    })
}

fn file(path: String, objects: &[Json]) -> Result<Emitted, Diagnostics> {
    let mut text = String::new();
    for object in objects {
        let one = serde_saphyr::to_string(&Plain(object)).map_err(|error| {
            vec![Diagnostic::error(codes::VALUE, format!("{path} cannot be written as YAML: {error}"))]
        })?;
        text.push_str("---\n");
        text.push_str(&one);
        if !text.ends_with('\n') {
            text.push('\n');
        }
    }
    Ok(Emitted { path, text, comment: "# " })
}

/// JSON whose numbers are numbers to every serialiser: where they keep all their digits, serde_json hands them on as a map of its own.
struct Plain<'j>(&'j Json);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(whole), ..) => serializer.serialize_i64(whole),
                (_, Some(whole), _) => serializer.serialize_u64(whole),
                (.., Some(float)) => serializer.serialize_f64(float),
                _ => Err(S::Error::custom(format!("{number} is too large"))),
            },
            Json::Array(items) => serializer.collect_seq(items.iter().map(Plain)),
            Json::Object(items) => {
                serializer.collect_map(items.iter().map(|(name, item)| (name, Plain(item))))
            }
            other => other.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_numbers_and_texts_that_look_like_them_are_texts() {
        let object = json!({ "a": 8080, "b": -0.5, "c": "8080", "d": "on", "e": [1, "2026-01-31"], "f": null, "g": "x: y" });
        let written = file("x.yaml".into(), &[object]).unwrap().text;
        let wanted = ["a: 8080\n", "b: -0.5\n", "d: \"on\"\n"];
        for line in wanted {
            assert!(written.contains(line), "{line}{written}");
        }
        assert!(!written.contains("c: 8080"), "{written}");
    }
}
