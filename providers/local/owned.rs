//! What of an environment lies on this machine, as its records say without any state.

use std::collections::BTreeMap;
use std::fs;

use mlp_provider::Owned;

use crate::documents::Found;
use crate::fault::{Fallible, io};
use crate::mlp_value::{KnownValue, ResourceId};
use crate::resources::{Ground, RESOURCES};

/// Every object of this project and environment.
pub(crate) fn owned(ground: &Ground) -> Fallible<Vec<Owned>> {
    let mut all = Vec::new();
    for handler in RESOURCES {
        let folder = handler.folder();
        let path = ground.place.home.join(folder);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(io("read", &path, &error)),
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let records = names.filter(|name| !name.starts_with('.'));
        let mut names: Vec<String> =
            records.filter_map(|name| Some(name.strip_suffix(".json")?.into())).collect();
        names.sort();
        for name in names {
            all.extend(look(ground, handler.name(), format!("{folder}/{name}"))?);
        }
    }
    Ok(all)
}

fn look(ground: &Ground, resource: &str, identity: String) -> Fallible<Option<Owned>> {
    let resource = resource.to_owned();
    Ok(match ground.place.find(&identity)? {
        Found::Absent => None,
        // It tells nothing of itself any more but where it lies: where only this environment writes.
        Found::Broken(_) => Some(Owned {
            resource,
            identity,
            id: None,
            lineage: String::new(),
            untouched: false,
            whole: whole(),
        }),
        Found::Document(document) => {
            let target = &ground.target;
            let ours = document.project == target.project && document.environment == target.environment;
            let id = document.address().parse().ok().map(|address| ResourceId::new(address, ""));
            let untouched = document.is_untouched();
            ours.then_some(Owned {
                resource,
                identity,
                id,
                lineage: document.lineage,
                untouched,
                whole: whole(),
            })
        }
    })
}

/// How the field reads that tells of edits.
fn whole() -> BTreeMap<String, KnownValue> {
    BTreeMap::from([("intact".to_owned(), KnownValue::text("yes"))])
}
