//! The records that are mounted, in the order in which one needs the other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mlp_provider::ErrorClass;

use super::{Find, io};
use crate::codes;
use crate::fault::{Fallible, fault, helped};
use crate::lower::floor::record::{FORMAT, changed, fields};
use crate::mlp_value::{Address, KnownValue};

/// A resource of the floor.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) kind: String,
    pub(super) identity: String,
    pub(super) address: Address,
    pub(super) config: KnownValue,
    /// Of what its ConfigMap says.
    pub(super) digest: String,
    after: BTreeSet<String>,
}

/// All of them, each after those it needs.
pub(super) fn read(folder: &Path, find: Find<'_>) -> Fallible<Vec<Record>> {
    let mut open = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| io("read", folder, &error))?.flatten() {
        open.push(record(&entries(&entry.path())?, find)?);
    }
    open.sort_by(|a, b| a.identity.cmp(&b.identity));
    let mut ordered: Vec<Record> = Vec::new();
    while !open.is_empty() {
        let waits =
            |record: &Record| open.iter().any(|other| record.after.contains(&other.address.to_string()));
        // A circle cannot be declared; what is left of one goes as it stands.
        let next = open.iter().position(|record| !waits(record)).unwrap_or(0);
        ordered.push(open.remove(next));
    }
    Ok(ordered)
}

fn entries(folder: &Path) -> Fallible<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(|error| io("read", folder, &error))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        // The node's own, by which it changes all of them at once.
        if !name.starts_with("..") {
            let text =
                std::fs::read_to_string(entry.path()).map_err(|error| io("read", &entry.path(), &error))?;
            all.insert(name, text);
        }
    }
    Ok(all)
}

fn record(entries: &BTreeMap<String, String>, find: Find<'_>) -> Fallible<Record> {
    let text = |name: &str| entries.get(name).cloned().unwrap_or_default();
    let wrong = |why: String| fault(ErrorClass::Invalid, codes::IN_POD, why);
    if text("format") != FORMAT {
        let headline = format!(
            "the mlp of the image reads records of format {FORMAT}, and this one is `{}`",
            text("format")
        );
        return Err(helped(wrong(headline), "build the image with the mlp that applies"));
    }
    let address = text("address");
    let address: Address = address.parse().map_err(|_| wrong(format!("`{address}` is no address")))?;
    let config = fields(entries).map_err(|why| wrong(format!("the record of `{address}`: {why}")))?;
    let config = found(&config, find).map_err(|why| wrong(format!("`{address}`: {why}")))?;
    let whole: String = entries.iter().map(|(name, text)| format!("{name}={text}\n")).collect();
    Ok(Record {
        kind: text("kind"),
        identity: text("identity"),
        address,
        config,
        digest: blake3::hash(whole.as_bytes()).to_hex().to_string(),
        after: text("after").split_whitespace().map(str::to_owned).collect(),
    })
}

/// With the programs of this image in the place of their names.
fn found(config: &KnownValue, find: Find<'_>) -> Result<KnownValue, String> {
    let wrong = std::cell::RefCell::new(None);
    let config = changed(config, &|object| {
        let Some(name) = object.get("program").and_then(KnownValue::as_text).map(str::to_owned) else {
            return;
        };
        if name.starts_with('/') || !object.contains_key("language") {
            return;
        }
        let constraint = object.get("constraint").and_then(KnownValue::as_text).map(str::to_owned);
        match find(&name, constraint.as_deref()) {
            Ok((path, version)) => {
                object.insert("program".to_owned(), KnownValue::text(path));
                object.insert("version".to_owned(), KnownValue::text(version));
            }
            Err(why) => drop(wrong.borrow_mut().replace(why)),
        }
    });
    match wrong.into_inner() {
        Some(why) => Err(why),
        None => Ok(config),
    }
}
