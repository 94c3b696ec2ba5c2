//! `dataset`: content-addressed snapshots of files.

use std::collections::BTreeMap;

use mlp_provider::{LowerInput, Lowered, OnDestroy};

use super::builder::{Builder, combined_digest, object_name};
use crate::codes;
use crate::mlp_eval::{PlanValue, reference_of};
use crate::mlp_value::facts::{Fact, Need};
use crate::mlp_value::{Path, Value};

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
    "protection.mask",
    "protection.redact",
    "protection.retain",
    "protection.legal_basis",
    "sample.**",
    "quality.expect.**",
    "quality.on_failure",
];

/// A file that is read, and the command that makes it.
struct Source {
    path: String,
    format: Option<String>,
    generate: Option<String>,
}

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let mut builder = Builder::new(input, SERVED);
    let mut config = BTreeMap::new();
    for name in ["classification", "protection", "quality"] {
        if let Some(value) = builder.attribute(name) {
            config.insert(name, value.clone());
        }
    }
    schema(&mut builder, &mut config);
    version(&mut builder, &mut config);
    let environment = input.platform.environment.body.field("sample");
    if let Some(sample) = builder.attribute("sample").or(environment) {
        config.insert("sample", sample.clone());
    }
    if let Some(storage) = builder.attribute("storage")
        && let Some(found) = builder.referred(storage, "storage", "storage")
    {
        config.insert("storage", Value::text(object_name(&found.address)));
    }
    let sources = sources(&mut builder);
    format(&mut builder, &sources, &mut config);
    let digests = digests(&mut builder, &sources);
    if !sources.is_empty() {
        config.insert("sources", Value::list(sources.iter().map(source_value)));
        // A file that is not there yet is made by apply, and its digest is then read back.
        if let Some(digests) = digests {
            config.insert("source_digest", Value::text(combined_digest(&digests)));
        }
    }
    super::source::outside(&mut builder, &mut config);
    let mut desired = builder.resource("local_dataset", "datasets", true, config);
    for native in ["sources", "source_digest", "outside", "source_mark"] {
        desired.from.insert(Path::of(&[native]), Path::of(&["from"]));
    }
    if builder.attribute("protection.retain").is_some() {
        // Data that must be kept outlives its declaration.
        desired.lifecycle.on_destroy = OnDestroy::Keep;
    }
    builder.finish(vec![desired])
}

fn source_value(source: &Source) -> PlanValue {
    let mut fields = BTreeMap::from([("path", Value::text(&source.path))]);
    if let Some(generate) = &source.generate {
        fields.insert("generate", Value::text(generate));
    }
    Value::object(fields)
}

fn version<'a>(builder: &mut Builder<'a>, config: &mut BTreeMap<&str, PlanValue>) {
    let version = builder.text("version").unwrap_or("content");
    match version {
        "content" | "snapshot" => {}
        "append-only" if builder.attribute("from").is_none() => {}
        "append-only" => builder.not_served(
            "version",
            "an append-only dataset that is read from files",
            "use `version = \"content\"`",
        ),
        other => builder.not_served(
            "version",
            &format!("`version = \"{other}\"`"),
            "use `content` or `append-only`",
        ),
    }
    config.insert("version", Value::text(version));
}

fn schema(builder: &mut Builder<'_>, config: &mut BTreeMap<&str, PlanValue>) {
    let Some(schema) = builder.attribute("schema") else { return };
    if schema.as_object().is_none() {
        builder.not_served(
            "schema",
            "a schema in a file",
            "write the columns in place: `schema = { id = \"string\" }`",
        );
        return;
    }
    config.insert("schema", schema.clone());
}

fn format(builder: &mut Builder<'_>, sources: &[Source], config: &mut BTreeMap<&str, PlanValue>) {
    let own = builder.text("format").map(str::to_owned);
    let declared: Vec<String> =
        own.iter().cloned().chain(sources.iter().filter_map(|source| source.format.clone())).collect();
    for format in &declared {
        if format != "csv" && format != "jsonl" {
            builder.not_served("format", &format!("the format `{format}`"), "use `csv` or `jsonl`");
            return;
        }
    }
    if declared.windows(2).any(|pair| pair[0] != pair[1]) {
        builder.not_served(
            "format",
            "a version in another format than its sources",
            "keep the format of the sources",
        );
    }
    if let Some(format) = declared.first() {
        config.insert("format", Value::text(format));
    } else if sources.is_empty() {
        // Where it is read from outside the project, that says it better.
        config.insert("format", Value::text("jsonl"));
    }
}

fn sources(builder: &mut Builder<'_>) -> Vec<Source> {
    let Some(from) = builder.attribute("from") else { return Vec::new() };
    let items = from.as_list().unwrap_or(std::slice::from_ref(from));
    let mut found = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let path = format!("from[{index}]");
        if let Some(text) = item.as_text() {
            found.push(Source { path: text.to_owned(), format: None, generate: None });
            continue;
        }
        match reference_of(item) {
            Some(reference) if reference.address.kind.as_ref() != "source" => {
                builder.not_served(
                    &path,
                    &format!("a dataset made from `{reference}`"),
                    "read it from a source, or from a path",
                );
            }
            _ => found.extend(builder.referred(item, "source", &path).and_then(file_source)),
        }
    }
    found
}

fn file_source(source: &crate::mlp_platform::Declaration) -> Option<Source> {
    if super::source::is_outside(source) {
        return None;
    }
    let text = |name: &str| source.body.field(name).and_then(Value::as_text).map(str::to_owned);
    let uri = text("uri")?;
    let path = uri.strip_prefix("file://").unwrap_or(&uri).to_owned();
    Some(Source { path, format: text("format"), generate: text("generate") })
}

/// The digests of all sources; none while one is not known or has to be made first.
fn digests(builder: &mut Builder<'_>, sources: &[Source]) -> Option<Vec<(String, String)>> {
    let mut found = Vec::new();
    for source in sources {
        match builder.ask(Need::Digest(source.path.clone())) {
            Some(Fact::Digest { digest, .. }) => found.push((source.path.clone(), digest.clone())),
            Some(Fact::Missing) if source.generate.is_none() => builder.error(
                codes::SOURCE_MISSING,
                "from",
                format!("`{}` does not exist", source.path),
                "put the file there, or give its source `generate = \"...\"`, a command that makes it",
            ),
            Some(Fact::Failed(why)) => {
                builder.error(
                    codes::SOURCE_MISSING,
                    "from",
                    format!("`{}` cannot be read: {why}", source.path),
                    "",
                );
            }
            _ => {}
        }
    }
    (found.len() == sources.len()).then_some(found)
}
