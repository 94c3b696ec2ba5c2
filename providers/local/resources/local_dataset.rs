//! `local_dataset`: content-addressed snapshots of files.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mlp_floor::Integrity;
use mlp_floor::data::{Format, Snapshot, SnapshotRequest, SourceData, Store};
use mlp_floor::extract;
use mlp_provider::{ErrorClass, Event, Field, ProviderError, Removal, Reporter, ResourceKind};
use serde_json::{Value as Json, json};

use super::{Ground, Handler, Native, Observation, removal, seen, with_common};
use crate::codes;
use crate::dataset::{self, Wanted};
use crate::documents::Document;
use crate::fault::{Fallible, fault, io, wrong};
use crate::lower::{combined_digest, held, recipe, written};
use crate::mlp_value::KnownValue;
use crate::run::text;
use crate::sources::{Fetched, fetch};

pub(super) struct Dataset;

fn address_of(config: &KnownValue) -> &str {
    text(config, "address").unwrap_or_default()
}

impl Native for Dataset {
    fn name(&self) -> &'static str {
        "local_dataset"
    }

    fn kind(&self) -> ResourceKind {
        let fields = with_common(vec![
            Field::optional("sources", "The files it is read from.").new_version("it is read from elsewhere"),
            Field::new(
                "source_digest",
                mlp_provider::Presence::ServerDefault,
                mlp_provider::Change::Update,
                "What the files hold.",
            )
            .new_version("the data changed")
            .advances(),
            Field::optional("outside", "What it is read from outside the project.")
                .new_version("it is read from elsewhere"),
            Field::new(
                "source_mark",
                mlp_provider::Presence::ServerDefault,
                mlp_provider::Change::Update,
                "A mark of what lies outside the project, as the plan saw it.",
            )
            .new_version("the data changed")
            .advances(),
            Field::new(
                "upstream",
                mlp_provider::Presence::ServerDefault,
                mlp_provider::Change::Update,
                "What decides the content of the datasets it is made from.",
            )
            .new_version("what it is made from changed")
            .advances(),
            Field::optional("format", "The format of its versions.").new_version("the format changed"),
            Field::optional("schema", "Its columns.").new_version("the schema changed"),
            Field::optional("quality", "What is expected of every version."),
            Field::optional("sample", "How much of it is kept.").new_version("other rows are kept"),
            Field::optional("protection", "What is masked, redacted and encrypted.")
                .new_version("other values are protected"),
            Field::optional("classification", "What is sensitive about it."),
            Field::required("version", "What makes a version of it."),
            Field::optional("storage", "Where its versions are kept.")
                .replaces("its versions are kept elsewhere"),
        ]);
        ResourceKind::new(self.name(), "Content-addressed snapshots of files.", fields).stateful()
    }

    fn folder(&self) -> &'static str {
        "datasets"
    }
}

impl Handler for Dataset {
    fn realise(
        &self,
        ground: &Ground,
        before: Option<&Document>,
        config: &KnownValue,
        reporter: &dyn Reporter,
    ) -> Fallible<Json> {
        let address = address_of(config);
        let mut read = read(ground, config, reporter)?;
        let fetched = if read.waits { Fetched::default() } else { fetch(ground, config, reporter)? };
        read.sources.extend(fetched.sources());
        if read.sources.is_empty() || read.waits {
            let kept = before.map(|before| before.resolved.clone()).filter(Json::is_object);
            let mut kept = kept.unwrap_or_else(|| json!({ "version": null, "rows": 0, "bytes": 0 }));
            kept["source_digest"] = json!(read.digest);
            kept["upstream"] = read.upstream;
            return Ok(kept);
        }
        let planned = text(config, "source_digest");
        if planned.is_some() && planned != read.digest.as_deref() {
            return Err(changed(address, "the data"));
        }
        let mut request = dataset::request(config, read.sources)?;
        if text(config, "version") == Some("append-only") {
            request.append_to = before.and_then(dataset::version_of).map(str::to_owned);
            request.only_new = true;
        }
        let store = ground.place.store(config);
        let made = store.snapshot(&request).map_err(|problem| fault(&problem, address))?;
        let tell = |text: String| reporter.event(Event::Progress { subject: address.to_owned(), text });
        made.warnings.iter().for_each(|warning| tell(warning.message.clone()));
        if let Some(text) = in_the_clear(&store, &request).map_err(|problem| fault(&problem, address))? {
            tell(text);
        }
        let mut resolved = resolved(&made);
        resolved["source_digest"] = json!(read.digest);
        resolved["source_mark"] = json!(fetched.mark);
        resolved["upstream"] = read.upstream;
        fetched.accept(address)?;
        Ok(resolved)
    }

    fn observe(&self, ground: &Ground, document: &Document) -> Fallible<Observation> {
        let mut seen = seen("yes");
        for field in ["source_digest", "source_mark"] {
            if let Some(found) = document.resolved.get(field).and_then(Json::as_str) {
                seen.computed.insert(field, KnownValue::text(found));
            }
        }
        if let Some(upstream) = document.resolved.get("upstream").filter(|upstream| upstream.is_object()) {
            let upstream = KnownValue::from_json(upstream).unwrap_or(KnownValue::Null);
            seen.computed.insert("upstream", upstream);
        }
        let Some(version) = document.resolved.get("version").and_then(Json::as_str) else { return Ok(seen) };
        let failed = |problem: mlp_floor::Problem| fault(&problem, document.address());
        let store = ground.place.store(&document.config);
        let intact = match store.verify(version).map_err(failed)? {
            Integrity::Intact if store.manifest(&dataset::name_of(&document.config), version).is_err() => {
                "its description is missing"
            }
            Integrity::Intact => "yes",
            Integrity::Missing => "its data is missing",
            Integrity::Damaged { .. } => "its data was edited",
        };
        seen.computed.insert("intact", KnownValue::text(intact));
        seen.outputs.insert("version", KnownValue::text(version));
        for name in ["rows", "bytes"] {
            let number = document.resolved.get(name).and_then(Json::as_i64).unwrap_or(0);
            seen.outputs.insert(name, KnownValue::int(number));
        }
        Ok(seen)
    }

    fn remove(&self, ground: &Ground, document: &Document) -> Fallible<()> {
        let failed = |problem: mlp_floor::Problem| fault(&problem, document.address());
        let (store, name) = (ground.place.store(&document.config), dataset::name_of(&document.config));
        for version in store.versions(&name).map_err(failed)? {
            store.remove(&name, &version.digest).map_err(failed)?;
        }
        crate::sources::forget(ground, &document.config)
    }

    fn removal(&self, ground: &Ground, document: &Document) -> Fallible<Option<Removal>> {
        let failed = |problem: mlp_floor::Problem| fault(&problem, document.address());
        let (store, name) = (ground.place.store(&document.config), dataset::name_of(&document.config));
        let versions = store.versions(&name).map_err(failed)?.len();
        Ok(removal(versions, "version", store.size(&name).map_err(failed)?))
    }
}

/// What a record says of the version it leads to.
pub(crate) fn resolved(made: &Snapshot) -> Json {
    let manifest = &made.manifest;
    json!({ "version": manifest.digest, "rows": manifest.rows, "bytes": manifest.bytes })
}

/// What a version is read from.
struct Read {
    sources: Vec<SourceData>,
    /// Of what the files hold; none where there are none.
    digest: Option<String>,
    /// What decides the content of the datasets it is made from, by their names.
    upstream: Json,
    /// Whether one of them has no version yet.
    waits: bool,
}

fn read(ground: &Ground, config: &KnownValue, reporter: &dyn Reporter) -> Fallible<Read> {
    let files = generate(ground, config, reporter)?;
    let digests = digests(Path::new(&ground.target.directory), &files)?;
    let mut found = Read {
        sources: Vec::new(),
        digest: (!digests.is_empty()).then(|| combined_digest(&digests)),
        upstream: Json::Null,
        waits: false,
    };
    let mut files = files.into_iter();
    for source in config.field("sources").and_then(KnownValue::as_list).unwrap_or_default() {
        match text(source, "dataset") {
            Some(name) => found.dataset(ground, config, (name, source), reporter)?,
            None => {
                let format = text(source, "format").and_then(Format::named);
                let Some((name, path)) = files.next() else { continue };
                if !extract::is_pattern(&name) || path.exists() {
                    found.sources.push(SourceData::new(path, format));
                    continue;
                }
                let project = Path::new(&ground.target.directory);
                let named = extract::expand(project, &name).map_err(|error| io("list", project, &error))?;
                let named = named.into_iter().map(|file| SourceData::new(project.join(file), format));
                found.sources.extend(named);
            }
        }
    }
    // People know their files by where they are in the project.
    let project = Path::new(&ground.target.directory);
    found.sources = found.sources.into_iter().map(|source| source.in_directory(project)).collect();
    Ok(found)
}

impl Read {
    /// Reads a dataset that this one is made from.
    fn dataset(
        &mut self,
        ground: &Ground,
        config: &KnownValue,
        (name, source): (&str, &KnownValue),
        reporter: &dyn Reporter,
    ) -> Fallible<()> {
        let document = dataset::get(&ground.place, name)?;
        let version = dataset::version(&ground.place, &document, &Wanted::of(source))?;
        let pinned = text(source, "version").or_else(|| text(source, "at")).map(str::to_owned);
        let recipe = pinned.unwrap_or_else(|| recipe_of(&document));
        let planned = config.field("upstream").and_then(|upstream| text(upstream, name));
        if planned.is_some_and(|planned| planned != recipe) {
            return Err(changed(address_of(config), &format!("`{}`", document.address())));
        }
        if !self.upstream.is_object() {
            self.upstream = json!({});
        }
        self.upstream[name] = Json::from(recipe);
        let Some(version) = version else {
            self.waits = true;
            let text = format!("waits for `{}`, which has no version yet", document.address());
            reporter.event(Event::Progress { subject: address_of(config).to_owned(), text });
            return Ok(());
        };
        let store = ground.place.store(&document.config);
        let source = store.source(&dataset::name_of(&document.config), &version);
        self.sources.push(source.map_err(|problem| fault(&problem, document.address()))?);
        Ok(())
    }
}

/// What decides the content of a dataset, from its record.
fn recipe_of(document: &Document) -> String {
    if ["sources", "outside"].iter().all(|field| document.config.field(field).is_none()) {
        return written(dataset::version_of(document));
    }
    let resolved = |name: &str| document.resolved.get(name).and_then(Json::as_str);
    let held = held(resolved("source_digest"), resolved("source_mark"));
    recipe(&document.config, held.as_deref(), document.resolved.get("upstream").unwrap_or(&Json::Null))
}

fn changed(address: &str, what: &str) -> ProviderError {
    let text = format!("{what} of `{address}` changed since the plan was made");
    let mut error = wrong(codes::CHANGED, text, address, "from");
    error.class = ErrorClass::Conflict;
    error.diagnostic.help = Some("plan again".to_owned());
    error
}

/// Whoever asks for encryption should know of earlier versions that are not encrypted.
fn in_the_clear(store: &Store, request: &SnapshotRequest) -> Result<Option<String>, mlp_floor::Problem> {
    if !request.encrypt {
        return Ok(None);
    }
    let count = store.versions(&request.name)?.iter().filter(|one| one.sealed.is_none()).count();
    Ok((count > 0).then(|| format!("{count} earlier versions are kept as they were made, not encrypted")))
}

/// The files of the sources; those that are missing are made first.
fn generate(
    ground: &Ground,
    config: &KnownValue,
    reporter: &dyn Reporter,
) -> Fallible<Vec<(String, PathBuf)>> {
    let project = Path::new(&ground.target.directory);
    let mut found = Vec::new();
    for source in config.field("sources").and_then(KnownValue::as_list).unwrap_or_default() {
        let Some(name) = text(source, "path") else { continue };
        let path = project.join(name);
        if let (false, Some(command)) = (path.exists(), text(source, "generate")) {
            reporter.event(Event::Started { subject: name.to_owned() });
            run_command(project, command, address_of(config))?;
            reporter.event(Event::Finished {
                subject: name.to_owned(),
                text: "generated".to_owned(),
                good: true,
            });
        }
        if !path.exists() && !extract::is_pattern(name) {
            let mut error =
                wrong(codes::SOURCE_MISSING, format!("`{name}` does not exist"), address_of(config), "from");
            error.diagnostic.help =
                Some("put the file there, or correct the command that makes it".to_owned());
            return Err(error);
        }
        found.push((name.to_owned(), path));
    }
    Ok(found)
}

fn run_command(project: &Path, command: &str, address: &str) -> Fallible<()> {
    let output =
        Command::new("/bin/sh").arg("-c").arg(command).current_dir(project).stdin(Stdio::null()).output();
    let output = output.map_err(|error| io("start the command in", project, &error))?;
    if output.status.success() {
        return Ok(());
    }
    let mut error =
        wrong(codes::GENERATE, format!("`{command}` failed ({})", output.status), address, "from");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<&str> = log.lines().collect();
    error.diagnostic.notes =
        lines.iter().skip(lines.len().saturating_sub(10)).map(ToString::to_string).collect();
    Err(error)
}

/// The digests of the files and patterns that are named, as the plan asks for them.
fn digests(project: &Path, paths: &[(String, PathBuf)]) -> Fallible<Vec<(String, String)>> {
    let digest = |(name, path): &(String, PathBuf)| {
        let digest = if extract::is_pattern(name) && !path.exists() {
            extract::digest_files(project, name).map(Option::unwrap_or_default)
        } else {
            mlp_floor::digest::digest_path(path)
        };
        Ok((name.clone(), digest.map_err(|error| io("read", path, &error))?))
    };
    paths.iter().map(digest).collect()
}
