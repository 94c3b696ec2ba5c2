//! `dataset`: content-addressed snapshots of files.

use std::collections::BTreeMap;

use mlp_provider::{LowerInput, Lowered, OnDestroy};

use super::builder::{Builder, combined_digest, object_name};
use super::versioned::{self, Versioned};
use super::{schema_file, source, upstream};
use crate::codes;
use crate::mlp_eval::{PlanValue, reference_of};
use crate::mlp_platform::Declaration;
use crate::mlp_value::facts::{Fact, Need};
use crate::mlp_value::{Address, Path, Value};

const SERVED: &[&str] = &[
    "from",
    "storage",
    "version",
    "format",
    "schema",
    "schema.*",
    "schema.*.type",
    "schema.*.nullable",
    "schema.*.allowed",
    "schema.*.min",
    "schema.*.max",
    "schema.*.key",
    "schema.*.unique",
    "schema.*.description",
    "classification",
    "protection.encrypt",
    "protection.encrypt.key",
    "protection.mask",
    "protection.redact",
    "protection.retain",
    "protection.legal_basis",
    "sample.**",
    "quality.expect.**",
    "quality.on_failure",
];

/// Something that is read.
enum Source {
    /// A file, and the command that makes it.
    File { path: String, format: Option<String>, generate: Option<String> },
    /// A dataset of this environment, or one version of it.
    Dataset(Versioned),
}

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let mut builder = Builder::new(input, SERVED);
    let config = config(&mut builder, &[]);
    let mut desired = builder.resource("local_dataset", "datasets", true, config);
    for native in ["sources", "source_digest", "outside", "source_mark", "upstream"] {
        desired.from.insert(Path::of(&[native]), Path::of(&["from"]));
    }
    if builder.attribute("protection.retain").is_some() {
        // Data that must be kept outlives its declaration.
        desired.lifecycle.on_destroy = OnDestroy::Keep;
    }
    builder.finish(vec![desired])
}

/// The fields of the native resource. `readers` are the datasets that are made from this one and wait for its recipe.
fn config<'a>(builder: &mut Builder<'a>, readers: &[&Address]) -> BTreeMap<&'a str, PlanValue> {
    let mut config = BTreeMap::new();
    for name in ["classification", "quality"] {
        if let Some(value) = builder.attribute(name) {
            config.insert(name, value.clone());
        }
    }
    protection(builder, &mut config);
    schema(builder, &mut config);
    version(builder, &mut config);
    let environment = builder.input.platform.environment.body.field("sample");
    // What the platform itself writes is cut where it is read from.
    let environment = environment.filter(|_| builder.attribute("from").is_some());
    if let Some(sample) = builder.attribute("sample").or(environment) {
        config.insert("sample", sample.clone());
    }
    if let Some(storage) = builder.attribute("storage")
        && let Some(found) = builder.referred(storage, "storage", "storage")
    {
        config.insert("storage", Value::text(object_name(&found.address)));
    }
    let sources = sources(builder);
    format(builder, &sources, &mut config);
    if !sources.is_empty() {
        config.insert("sources", Value::list(sources.iter().map(source_value)));
        // A file that is not there yet is made by apply, and its digest is then read back.
        if let Some(digests) = digests(builder, &sources).filter(|digests| !digests.is_empty()) {
            config.insert("source_digest", Value::text(combined_digest(&digests)));
        }
        if let Some(upstream) = upstream(builder, &sources, readers) {
            config.insert("upstream", upstream);
        }
    }
    source::outside(builder, &mut config);
    config
}

fn source_value(source: &Source) -> PlanValue {
    match source {
        Source::File { path, format, generate } => {
            let mut fields = BTreeMap::from([("path", Value::text(path))]);
            for (name, value) in [("format", format), ("generate", generate)] {
                fields.extend(value.as_ref().map(|value| (name, Value::text(value))));
            }
            Value::object(fields)
        }
        Source::Dataset(versioned) => Value::object(versioned.fields()),
    }
}

/// `encrypt = { key = secret.x }` becomes where the secret is; the rest is as it is declared.
fn protection(builder: &mut Builder<'_>, config: &mut BTreeMap<&str, PlanValue>) {
    let Some(written) = builder.attribute("protection") else { return };
    let Some(fields) = written.as_object() else { return };
    let mut fields: BTreeMap<String, PlanValue> =
        fields.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    if let Some(key) = written.field("encrypt").and_then(|encrypt| encrypt.field("key"))
        && let Some(secret) = builder.referred(key, "secret", "protection.encrypt.key")
        && let Some(from) = secret.body.field("from")
    {
        fields.insert("encrypt".to_owned(), Value::object([("key", from.clone())]));
    }
    config.insert("protection", Value::object(fields));
}

fn version(builder: &mut Builder<'_>, config: &mut BTreeMap<&str, PlanValue>) {
    let version = builder.text("version").unwrap_or("content");
    if version == "tag" {
        builder.not_served("version", "`version = \"tag\"`", "use `content` or `append-only`");
    }
    config.insert("version", Value::text(version));
}

fn schema(builder: &mut Builder<'_>, config: &mut BTreeMap<&str, PlanValue>) {
    let Some(schema) = builder.attribute("schema") else { return };
    match schema_file::path_of(schema) {
        None => config.insert("schema", schema.clone()),
        Some(path) => schema_file::columns(builder, path).and_then(|found| config.insert("schema", found)),
    };
}

fn format(builder: &mut Builder<'_>, sources: &[Source], config: &mut BTreeMap<&str, PlanValue>) {
    let own = builder.text("format").map(str::to_owned);
    let theirs = sources.iter().filter_map(|source| match source {
        Source::File { format, .. } => format.clone(),
        Source::Dataset(_) => None,
    });
    for format in own.iter().cloned().chain(theirs) {
        if !matches!(format.as_str(), "csv" | "jsonl" | "parquet") {
            builder.not_served(
                "format",
                &format!("the format `{format}`"),
                "use `csv`, `jsonl` or `parquet`",
            );
            return;
        }
    }
    match own {
        Some(format) => config.insert("format", Value::text(format)),
        None if sources.is_empty() => config.insert("format", Value::text("jsonl")),
        None => None,
    };
}

fn sources(builder: &mut Builder<'_>) -> Vec<Source> {
    let Some(from) = builder.attribute("from") else { return Vec::new() };
    let items = from.as_list().unwrap_or(std::slice::from_ref(from));
    let mut found = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let path = format!("from[{index}]");
        if let Some(text) = item.as_text() {
            found.push(Source::File { path: text.to_owned(), format: None, generate: None });
            continue;
        }
        if versioned::leads_to_dataset(item) {
            found.extend(versioned::dataset(builder, item, &path).map(Source::Dataset));
            continue;
        }
        match reference_of(item) {
            Some(reference) if reference.address.kind.as_ref() != "source" => {
                builder.not_served(
                    &path,
                    &format!("a dataset made from `{reference}`"),
                    "read it from a source, a dataset or a path",
                );
            }
            _ => found.extend(builder.referred(item, "source", &path).and_then(file_source)),
        }
    }
    found
}

fn file_source(source: &Declaration) -> Option<Source> {
    if source::is_outside(source) {
        return None;
    }
    let text = |name: &str| source.body.field(name).and_then(Value::as_text).map(str::to_owned);
    let uri = text("uri")?;
    let path = uri.strip_prefix("file://").unwrap_or(&uri).to_owned();
    Some(Source::File { path, format: text("format"), generate: text("generate") })
}

/// The digests of all files; none while one is not known or has to be made first.
fn digests(builder: &mut Builder<'_>, sources: &[Source]) -> Option<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut files = 0;
    for source in sources {
        let Source::File { path, generate, .. } = source else { continue };
        files += 1;
        match builder.ask(Need::Digest(path.clone())) {
            Some(Fact::Digest { digest, .. }) => found.push((path.clone(), digest.clone())),
            Some(Fact::Missing) if generate.is_none() => builder.error(
                codes::SOURCE_MISSING,
                "from",
                format!("`{path}` does not exist"),
                "put the file there, or give its source `generate = \"...\"`, a command that makes it",
            ),
            Some(Fact::Failed(why)) => {
                builder.error(codes::SOURCE_MISSING, "from", format!("`{path}` cannot be read: {why}"), "");
            }
            _ => {}
        }
    }
    (found.len() == files).then_some(found)
}

/// The recipes of the datasets it is made from, by name; none while one is not known.
fn upstream(builder: &mut Builder<'_>, sources: &[Source], readers: &[&Address]) -> Option<PlanValue> {
    let mut recipes = BTreeMap::new();
    let own = &builder.declaration().address;
    let readers: Vec<&Address> = readers.iter().copied().chain([own]).collect();
    let mut all = true;
    for source in sources {
        let Source::Dataset(Versioned { address, pin }) = source else { continue };
        let name = object_name(address);
        if readers.contains(&address) {
            let text = format!("`{own}` is made from itself");
            builder.error(
                codes::UNRESOLVED,
                "from",
                text,
                "leave one of the datasets on the way out of `from`",
            );
            return None;
        }
        let pinned = pin.as_ref().map(|(_, which)| which.clone());
        match pinned.or_else(|| recipe_of(builder, address, &readers)) {
            Some(recipe) => {
                recipes.insert(name, Value::text(recipe));
            }
            None => all = false,
        }
    }
    (all && !recipes.is_empty()).then(|| Value::object(recipes))
}

fn recipe_of(builder: &mut Builder<'_>, address: &Address, readers: &[&Address]) -> Option<String> {
    let declaration = builder.input.platform.declarations.get(address)?;
    let input = LowerInput { declaration, ..builder.input };
    // What is wrong with it is said where it is lowered itself.
    let mut other = Builder::new(&input, SERVED);
    if other.attribute("from").is_none() {
        let environment = builder.input.platform.environment.folder();
        let record = format!(".mlp/{environment}/datasets/{}.json", object_name(address));
        return match builder.ask(Need::Text(record))? {
            Fact::Text(text) => {
                let record: serde_json::Value = serde_json::from_str(text).ok()?;
                Some(upstream::written(record["resolved"]["version"].as_str()))
            }
            _ => Some(upstream::written(None)),
        };
    }
    let fields = config(&mut other, readers);
    builder.needs.append(&mut other.needs);
    let fields = Value::object(fields).known().ok()?;
    let files = fields.field("sources").and_then(Value::as_list).unwrap_or_default();
    let digest = fields.field("source_digest").and_then(Value::as_text);
    let mark = fields.field("source_mark").and_then(Value::as_text);
    let unknown = digest.is_none() && files.iter().any(|file| file.field("path").is_some());
    if unknown || (mark.is_none() && fields.field("outside").is_some()) {
        return None;
    }
    let theirs = fields.field("upstream").map_or(serde_json::Value::Null, Value::to_plain_json);
    if theirs.is_null() && files.iter().any(|file| file.field("dataset").is_some()) {
        return None;
    }
    Some(upstream::recipe(&fields, upstream::held(digest, mark).as_deref(), &theirs))
}
