//! A state as one document: what a store keeps as its snapshot, and what `mlp state pull` and `push` hand over.
//!
//! Every record has a digest of its own, and the document one over everything: an edited byte is found, and named. The
//! document has a version; older ones are brought up to date by pure functions, one for each step, and newer ones are refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use mlp_diag::{Blame, Diagnostic};
use mlp_parallel::in_parallel;
use mlp_value::ResourceId;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};

use crate::{FORMAT_VERSION, Record, State, Unfinished, codes};

/// Fewer records are read sooner than threads are started.
const WORTH: usize = 512;

/// A state with the calls whose outcome is not known, and what of a journal it holds already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    /// Token and number of the last segment that is part of it.
    pub(crate) through: (u64, u64),
    pub(crate) state: State,
    pub(crate) unfinished: Vec<Unfinished>,
}

#[derive(Serialize, Deserialize)]
struct Document {
    digest: String,
    environment: String,
    format_version: u32,
    lineage: String,
    project: String,
    records: Vec<Kept>,
    serial: u64,
    through: (u64, u64),
    unfinished: Vec<Unfinished>,
}

/// A record with the hex BLAKE3 of its text before it. The text is kept as it stands there: to look at it is to hash it.
#[derive(Serialize, Deserialize)]
struct Kept {
    digest: String,
    record: Box<RawValue>,
}

impl Document {
    /// Hex BLAKE3 of what a document says of itself, and of the digests of its records.
    fn whole(&self) -> Result<String, serde_json::Error> {
        let parts = (
            self.format_version,
            &self.project,
            &self.environment,
            &self.lineage,
            self.serial,
            self.through,
            // Names in the order of the alphabet, as versions before this had them.
            serde_json::to_value(&self.unfinished)?,
        );
        let records: Vec<&str> = self.records.iter().map(|kept| kept.digest.as_str()).collect();
        Ok(hash(&serde_json::to_string(&(parts, records))?))
    }
}

/// Brings a document of version `n` to `n + 1`; the first is that of version 1.
const UPGRADES: &[Upgrade] = &[from_1];

type Upgrade = fn(Json) -> Result<Json, String>;

fn hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// A record with its digest before it.
fn digested(record: &Json) -> Json {
    json!({ "digest": hash(&record.to_string()), "record": record })
}

/// Version 1 had all records in one object and one digest over everything.
fn from_1(old: Json) -> Result<Json, String> {
    let content = &old["content"];
    if old["digest"].as_str() != Some(&hash(&content.to_string())) {
        return Err("its content does not match its digest".to_owned());
    }
    let state = &content["state"];
    let records = state["resources"].as_object().ok_or("it has no resources")?;
    Ok(json!({
        "format_version": 2,
        // Said anew once it is up to date.
        "digest": "",
        "project": state["project"],
        "environment": state["environment"],
        "lineage": state["lineage"],
        "serial": state["serial"],
        "through": content["through"],
        "unfinished": content["unfinished"],
        "records": records.values().map(digested).collect::<Vec<_>>(),
    }))
}

/// A state as a document, with the calls whose outcome is not known.
///
/// # Errors
/// It cannot be written as JSON, which plain data always can.
pub(crate) fn print(
    through: (u64, u64),
    state: &State,
    unfinished: Vec<Unfinished>,
) -> Result<String, serde_json::Error> {
    let kept = |record: &Record| {
        let record = serde_json::value::to_raw_value(record)?;
        Ok(Kept { digest: hash(record.get()), record })
    };
    let records = state.resources.values().map(|record| kept(record));
    let mut document = Document {
        digest: String::new(),
        environment: state.environment.clone(),
        format_version: FORMAT_VERSION,
        lineage: state.lineage.clone(),
        project: state.project.clone(),
        records: records.collect::<Result<_, serde_json::Error>>()?,
        serial: state.serial,
        through,
        unfinished,
    };
    document.digest = document.whole()?;
    serde_json::to_string(&document)
}

/// Reads a document of this version or an older one; `name` is what it is called in messages.
///
/// # Errors
/// It is damaged, edited, or newer.
pub(crate) fn parse(name: &str, text: &[u8]) -> Result<Content, Diagnostic> {
    let damaged = |why: &str| {
        Diagnostic::error(codes::STATE_DAMAGED, format!("{name} is damaged: {why}"))
            .blame(Blame::Provider)
            .note("nothing was read of it and nothing was written")
            .help(
                "restore it from a backup or with `mlp state push`, or make it anew with `mlp state rebuild`",
            )
    };
    let document = match serde_json::from_slice::<Document>(text) {
        Ok(document) if document.format_version == FORMAT_VERSION => document,
        _ => upgraded(name, text, &damaged)?,
    };
    let records = in_parallel(&document.records, document.records.len() >= WORTH, verified);
    let records = records.map(|record| record.map(|record| (record.id.clone(), Arc::new(record))));
    let resources: BTreeMap<_, _> = records.collect::<Result<_, String>>().map_err(|why| damaged(&why))?;
    if document.whole().ok().as_ref() != Some(&document.digest) {
        return Err(damaged("its content does not match its digest"));
    }
    Ok(Content {
        through: document.through,
        state: State {
            format_version: FORMAT_VERSION,
            lineage: document.lineage,
            serial: document.serial,
            project: document.project,
            environment: document.environment,
            resources,
        },
        unfinished: document.unfinished,
    })
}

/// A document that is not of this version, brought up to date; or why it cannot be.
fn upgraded(name: &str, text: &[u8], damaged: &dyn Fn(&str) -> Diagnostic) -> Result<Document, Diagnostic> {
    let unreadable = |error: serde_json::Error| damaged(&error.to_string());
    let mut json: Json = serde_json::from_slice(text).map_err(unreadable)?;
    let version = json["format_version"].as_u64().ok_or_else(|| damaged("it has no format version"))?;
    if version > u64::from(FORMAT_VERSION) {
        let headline =
            format!("{name} has format version {version}, and this mlp reads up to {FORMAT_VERSION}");
        return Err(Diagnostic::error(codes::STATE_NEWER, headline).help("use the newer mlp that wrote it"));
    }
    let behind = usize::try_from(version).ok().and_then(|version| version.checked_sub(1));
    let missing =
        behind.and_then(|behind| UPGRADES.get(behind..)).ok_or_else(|| damaged("no such version"))?;
    for upgrade in missing {
        json = upgrade(json).map_err(|why| damaged(&why))?;
    }
    let mut document: Document = serde_json::from_str(&json.to_string()).map_err(unreadable)?;
    if !missing.is_empty() {
        document.digest = document.whole().map_err(unreadable)?;
    }
    Ok(document)
}

fn verified(kept: &Kept) -> Result<Record, String> {
    let text = kept.record.get();
    let called = || {
        let json: Json = serde_json::from_str(text).unwrap_or_default();
        let id = json["id"].as_str().unwrap_or("?").parse::<ResourceId>();
        id.map_or_else(|_| "a record".to_owned(), |id| format!("the record of {id}"))
    };
    let record = serde_json::from_str(text).map_err(|error| format!("{}: {error}", called()));
    if hash(text) == kept.digest || record.as_ref().is_ok_and(|record| is_rewritten(kept, record)) {
        return record;
    }
    Err(format!("{} does not match its digest", called()))
}

/// Whether a record says what its digest was made of in another order of names, or with other white space: another program
/// has had the document in its hands.
fn is_rewritten(kept: &Kept, record: &Record) -> bool {
    let says = || -> Result<bool, serde_json::Error> {
        let json: Json = serde_json::from_str(kept.record.get())?;
        let same = serde_json::to_value(record)? == json;
        // Before, names stood in the order of the alphabet.
        Ok(same
            && [serde_json::to_string(record)?, json.to_string()]
                .map(|text| hash(&text))
                .contains(&kept.digest))
    };
    says().unwrap_or_default()
}

/// A state as a document to hand over: `mlp state pull`.
///
/// # Errors
/// It cannot be written as JSON, which plain data always can.
pub fn export(state: &State, unfinished: &[Unfinished]) -> Result<String, serde_json::Error> {
    print((0, 0), state, unfinished.to_vec())
}

/// Reads what [`export`] wrote; `name` is what the document is called in messages.
///
/// # Errors
/// It is damaged, edited, or newer.
pub fn import(name: &str, text: &[u8]) -> Result<(State, Vec<Unfinished>), Diagnostic> {
    let content = parse(name, text)?;
    Ok((content.state, content.unfinished))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record;

    fn content() -> Content {
        let mut state = State::empty("churn", "dev");
        state.lineage = "x".into();
        state.put(record("model.a"));
        state.put(record("endpoint.b"));
        Content { through: (3, 4), state, unfinished: Vec::new() }
    }

    fn printed() -> String {
        let content = content();
        print(content.through, &content.state, content.unfinished).unwrap()
    }

    #[test]
    fn what_another_program_laid_out_anew_is_the_same() {
        let json: Json = serde_json::from_str(&printed()).unwrap();
        let pretty = serde_json::to_string_pretty(&json).unwrap();
        assert_eq!(parse("it", pretty.as_bytes()).unwrap(), content());
        let more = pretty.replacen("\"protect\"", "\"unknown\": 1, \"protect\"", 1);
        let said = parse("it", more.as_bytes()).unwrap_err();
        assert!(said.headline.contains("does not match its digest"), "{said:?}");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = printed();
        assert_eq!(parse("it", text.as_bytes()).unwrap(), content());
        let (state, unfinished) = import("it", export(&content().state, &[]).unwrap().as_bytes()).unwrap();
        assert_eq!((state, unfinished.len()), (content().state, 0));
    }

    #[test]
    fn every_changed_or_missing_byte_is_found() {
        let text = printed();
        for length in 0..text.len() {
            assert_eq!(parse("it", &text.as_bytes()[..length]).unwrap_err().code, "MLP0601", "{length}");
        }
        let mut found = 0;
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            found += usize::from(parse("it", &bytes).is_err());
        }
        assert_eq!(found, text.len());
        let named = parse("it", text.replacen("8090", "8091", 1).as_bytes()).unwrap_err();
        assert!(named.headline.contains("the record of"), "{named:?}");
        let newer = text.replacen("\"format_version\":2", "\"format_version\":3", 1);
        assert_eq!(parse("it", newer.as_bytes()).unwrap_err().code, "MLP0602");
        let none = text.replacen("\"format_version\":2", "\"format_version\":0", 1);
        assert_eq!(parse("it", none.as_bytes()).unwrap_err().code, "MLP0601");
    }

    #[test]
    fn every_version_so_far_is_read() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        for version in 1..=FORMAT_VERSION {
            let text = std::fs::read(folder.join(format!("v{version}/snapshot.json"))).unwrap();
            let written: Json = serde_json::from_slice(&text).unwrap();
            assert_eq!(written["format_version"], version);
            let content = parse("it", &text).unwrap();
            let ids: Vec<String> = content.state.resources.keys().map(ToString::to_string).collect();
            assert_eq!(ids, ["endpoint.b", "model.a"], "version {version}");
            assert_eq!(content.state.serial, 2);
            let edited = String::from_utf8(text).unwrap().replacen("8090", "8091", 1);
            assert_eq!(parse("it", edited.as_bytes()).unwrap_err().code, "MLP0601");
        }
        assert_eq!(UPGRADES.len(), FORMAT_VERSION as usize - 1);
    }
}
