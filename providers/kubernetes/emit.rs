//! What would be applied, written for those who apply it by other means: nothing is asked of the cluster.

use std::collections::BTreeMap;

use mlp_provider::{Desired, Emitted, Form};
use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::Value as Json;

use crate::codes;
use crate::discovery::{self, Kind};
use crate::manifest::{self, Said};
use crate::mlp_diag::{Diagnostic, Diagnostics};
use crate::mlp_platform::Platform;
use crate::natives::{self, Native, native};
use crate::{marks, names, operators, permits};

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
    let found = desired.iter().filter_map(|one| {
        let place = names::parts(&one.identity, namespace)?.0.to_owned();
        Some((kind_of(one)?, place))
    });
    let kinds: BTreeMap<(&str, String), &'static Native> =
        found.map(|(native, place)| ((native.word, place), native)).collect();
    let kinds: Vec<(&'static Native, &str)> =
        kinds.iter().map(|((_, place), native)| (*native, place.as_str())).collect();
    let name = names::of_environment(platform);
    // The pod that answers for a registry is asked by a program that is started in it.
    let asks = desired.iter().any(|one| one.id.address.kind.as_ref() == "registry");
    let also = permits::Also { state: state(platform), asks };
    Ok(vec![file("rbac.yaml".to_owned(), &permits::role(&kinds, &also, namespace, &name))?])
}

fn yaml(platform: &Platform, desired: &[Desired]) -> Result<Vec<Emitted>, Diagnostics> {
    let namespace = namespace(platform)?;
    // Files in the order in which their first objects can be applied.
    let (mut files, mut places) = (Vec::<(String, Vec<Json>)>::new(), BTreeMap::new());
    for one in desired {
        let Some((native, place)) = kind_of(one).zip(names::parts(&one.identity, namespace)) else {
            continue;
        };
        versioned(one)?;
        let config = one.config.to_plain_json_with(&mut |_| Json::Null);
        let mut object = natives::manifest(native, place.0, place.1, &config);
        marks::name(&mut object, &config, platform);
        let at = *places.entry(&one.id.address).or_insert(files.len());
        if at == files.len() {
            files.push((format!("{}.yaml", names::label(&one.id.address.to_string())), Vec::new()));
        }
        files[at].1.push(object);
    }
    files.into_iter().map(|(path, objects)| file(path, &objects)).collect()
}

/// The namespace of the state, where that lies in a cluster.
fn state(platform: &Platform) -> Option<&str> {
    let said = |name: &str| {
        let both = [&platform.environment.body, &platform.project.body];
        both.into_iter().find_map(|body| body.field("state")?.field(name)?.as_text())
    };
    said("backend").filter(|backend| *backend == "kubernetes").and_then(|_| said("namespace"))
}

/// What an object is, as far as that can be told without the cluster.
fn kind_of(desired: &Desired) -> Option<&'static Native> {
    if desired.kind != manifest::NAME {
        return native(&desired.kind);
    }
    let said = Said::of(desired.config.field(manifest::MANIFEST)?)?;
    let Kind { group, kind } = said.kind();
    let namespaced = operators::namespaced(&group, &kind);
    Some(discovery::kept(said.api, &kind, &operators::plural(&kind), namespaced))
}

/// Refuses what does not say in which version it is written: only a cluster could.
fn versioned(desired: &Desired) -> Result<(), Diagnostics> {
    let said = desired.config.field(manifest::MANIFEST).and_then(Said::of);
    match said {
        Some(said) if discovery::asked_version(said.api).is_none() => {
            let headline = format!("`apiVersion = \"{}\"` leaves the version to the cluster", said.api);
            let found =
                Diagnostic::error(codes::VALUE, headline).on(&desired.id.address, "manifest.apiVersion");
            let example = format!("write it with its version to have it written: \"{}/v1\"", said.api);
            Err(vec![found.note("nothing is asked of a cluster when objects are written").help(example)])
        }
        _ => Ok(()),
    }
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
