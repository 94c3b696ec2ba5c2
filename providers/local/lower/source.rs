//! `source`: files of the project, and what lies outside it and is read by the floor; datasets read them.

use std::collections::BTreeMap;

use mlp_floor::extract::{self, Authorization, SourceKind, SourceSpec, TableSpec};
use mlp_provider::{LowerInput, Lowered};

use super::builder::{Builder, combined_digest};
use crate::codes;
use crate::mlp_diag::Diagnostic;
use crate::mlp_eval::{PlanValue, Reference, reference_of};
use crate::mlp_platform::Declaration;
use crate::mlp_value::facts::{Fact, Need, Refusal};
use crate::mlp_value::{KnownValue, Value, units};

const SERVED: &[&str] = &[
    "kind",
    "uri",
    "format",
    "mode",
    "generate",
    "catalog.**",
    "secret",
    "auth",
    "headers.**",
    "timeout",
    "tables",
    "tables.*.cursor",
    "tables.*.key",
    "tables.*.query",
];

/// What each kind has beside `kind`, `uri`, `mode` and `catalog`.
const OF_KIND: &[(&str, &[&str])] = &[
    ("file", &["format", "generate"]),
    ("http", &["format", "secret", "auth", "headers", "timeout"]),
    ("postgres", &["secret", "tables", "timeout"]),
    ("sqlite", &["tables", "timeout"]),
];

/// Attributes that not every kind has.
const PARTICULAR: &[&str] = &["format", "generate", "secret", "auth", "headers", "tables", "timeout"];

pub(super) fn lower(input: &LowerInput<'_>) -> Lowered {
    let mut builder = Builder::new(input, SERVED);
    let kind = builder.text("kind").unwrap_or_default();
    match OF_KIND.iter().find(|(name, _)| *name == kind) {
        Some((_, attributes)) => {
            for name in PARTICULAR.iter().filter(|name| !attributes.contains(name)) {
                if builder.attribute(name).is_some_and(|value| !value.is_null()) {
                    let text = format!("a source of kind `{kind}` has no `{name}`");
                    builder.error(codes::VALUE, name, text, "leave it out");
                }
            }
        }
        None => builder.not_served(
            "kind",
            &format!("a source of kind `{kind}`"),
            "use `file`, `http`, `sqlite` or `postgres`; what else there is, export to a file",
        ),
    }
    if builder.attribute("auth").is_some_and(|auth| !auth.is_null()) && builder.attribute("secret").is_none()
    {
        let text = "`auth` says how a secret is shown, and there is none";
        builder.error(codes::VALUE, "auth", text, "name a `secret`, or leave `auth` out");
    }
    if let Some(mode) = builder.text("mode").filter(|mode| *mode != "batch") {
        builder.not_served("mode", &format!("the mode `{mode}`"), "use `mode = \"batch\"`");
    }
    if let Some(spec) = spec_of(&builder, builder.declaration()) {
        match extract::check(&spec) {
            Ok(()) => look(&mut builder, &spec),
            Err(problem) => {
                let address = builder.declaration().address.to_string();
                builder.diagnostics.push(crate::fault::diagnostic(&problem, &address));
            }
        }
    }
    builder.finish(Vec::new())
}

/// Says what looking at the source found wrong. A source that does not answer now is no mistake of the specification:
/// the plan goes on without knowing whether its data changed.
fn look(builder: &mut Builder<'_>, spec: &SourceSpec) {
    match builder.ask(need(spec)) {
        // A secret that is not there is said where it is declared.
        Some(Fact::Refused(why)) if spec.secret.is_some() && why.at == "from" => {}
        Some(Fact::Refused(why)) => {
            let found = refusal(why).on(&builder.declaration().address, why.at.as_str());
            builder.diagnostics.push(found);
        }
        Some(Fact::Failed(why)) => builder.error(codes::VALUE, "", why.clone(), ""),
        _ => {}
    }
}

fn refusal(why: &Refusal) -> Diagnostic {
    let found = if why.passing {
        Diagnostic::warning(&why.code, &why.text).note("the plan takes it that its data did not change")
    } else {
        Diagnostic::error(&why.code, &why.text)
    };
    let found = why.notes.iter().fold(found, |found, note| found.note(note));
    found.help(&why.help)
}

fn need(spec: &SourceSpec) -> Need {
    Need::Source(serde_json::to_string(spec).unwrap_or_default())
}

/// What looking at the source gave, by table; none where it was not looked at or does not answer.
fn marks(builder: &mut Builder<'_>, spec: &SourceSpec) -> Option<BTreeMap<String, String>> {
    extract::check(spec).ok()?;
    match builder.ask(need(spec)) {
        Some(Fact::Text(json)) => serde_json::from_str(json).ok(),
        _ => None,
    }
}

/// What the floor reads for a source that is no file; none while one of its attributes is not known.
fn spec_of(builder: &Builder<'_>, source: &Declaration) -> Option<SourceSpec> {
    let text = |name: &str| source.body.field(name).and_then(Value::as_text).map(str::to_owned);
    let kind = match text("kind")?.as_str() {
        "http" => SourceKind::Http,
        "sqlite" => SourceKind::Sqlite,
        "postgres" => SourceKind::Postgres,
        _ => return None,
    };
    let secret = source.body.field("secret").and_then(reference_of);
    let secret = secret.and_then(|reference| builder.follow(&reference, "secret"));
    let headers = source.body.field("headers").and_then(Value::as_object);
    Some(SourceSpec {
        kind,
        uri: text("uri")?,
        format: text("format"),
        secret: secret.and_then(|secret| secret.body.field("from")?.as_text().map(str::to_owned)),
        auth: match text("auth").as_deref() {
            Some("basic") => Some(Authorization::Basic),
            Some(_) => Some(Authorization::Bearer),
            None => None,
        },
        headers: headers
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.to_string(), value.as_text()?.to_owned())))
            .collect(),
        timeout_seconds: text("timeout")
            .and_then(|text| units::duration(&text).ok())
            .map(|timeout| timeout.as_secs().max(1)),
        tables: source.body.field("tables").map(tables).unwrap_or_default(),
    })
}

fn tables(value: &PlanValue) -> Vec<TableSpec> {
    if let Some(names) = value.as_list() {
        let names = names.iter().filter_map(Value::as_text);
        return names.map(|name| TableSpec { name: name.to_owned(), ..TableSpec::default() }).collect();
    }
    let tables = value.as_object().into_iter().flatten();
    let table = |(name, fields): (&std::sync::Arc<str>, &PlanValue)| {
        let text = |field: &str| fields.field(field).and_then(Value::as_text).map(str::to_owned);
        let key = fields.field("key").and_then(Value::as_list).unwrap_or_default();
        TableSpec {
            name: name.to_string(),
            cursor: text("cursor"),
            key: key.iter().filter_map(|name| name.as_text().map(str::to_owned)).collect(),
            query: text("query"),
        }
    };
    tables.map(table).collect()
}

/// Whether a dataset reads this declaration through the floor and not as a file of the project.
pub(super) fn is_outside(source: &Declaration) -> bool {
    source.body.field("kind").and_then(Value::as_text).is_some_and(|kind| kind != "file")
}

/// Adds to a dataset's fields what it reads from outside the project, with a mark of what that holds.
pub(super) fn outside(builder: &mut Builder<'_>, config: &mut BTreeMap<&str, PlanValue>) {
    let Some(from) = builder.attribute("from") else { return };
    let mut specs: Vec<(String, SourceSpec)> = Vec::new();
    let mut held = Some(Vec::new());
    for (index, item) in from.as_list().unwrap_or(std::slice::from_ref(from)).iter().enumerate() {
        let Some(reference) = reference_of(item) else { continue };
        let Some(source) = builder.follow(&reference, "source").filter(|source| is_outside(source)) else {
            continue;
        };
        let Some(spec) = spec_of(builder, source) else { continue };
        let marks = marks(builder, &spec);
        let Some(chosen) = chosen(builder, spec, &reference, &format!("from[{index}]")) else { continue };
        let address = reference.address.to_string();
        let label = chosen.tables.first().map_or(&chosen.uri, |table| &table.name);
        let mark = marks.and_then(|marks| marks.get(label).cloned());
        held = held.zip(mark).map(|(mut held, mark)| {
            held.push((format!("{address} {label}"), mark));
            held
        });
        // Tables of one source are read in one transaction.
        match specs.last_mut().filter(|(last, _)| *last == address) {
            Some((_, last)) if !chosen.tables.is_empty() => last.tables.extend(chosen.tables),
            _ => specs.push((address, chosen)),
        }
    }
    if specs.is_empty() {
        return;
    }
    if builder.attribute("format").is_none() && !config.contains_key("sources") {
        config.insert("format", Value::text(format_of(&specs[0].1)));
    }
    if let Some(held) = held {
        config.insert("source_mark", Value::text(combined_digest(&held)));
    }
    let values = specs.iter().filter_map(|(address, spec)| {
        let mut json = serde_json::to_value(spec).ok()?;
        json["source"] = serde_json::Value::from(address.as_str());
        KnownValue::from_json(&json).ok().map(|value| value.lift())
    });
    config.insert("outside", Value::list(values));
}

/// The format in which its rows arrive.
fn format_of(spec: &SourceSpec) -> String {
    let ending = || spec.uri.split(['?', '#']).next()?.rsplit_once('.').map(|(_, ending)| ending.to_owned());
    let format = match spec.kind {
        SourceKind::Http => spec.format.clone().or_else(ending).unwrap_or_default(),
        SourceKind::Sqlite | SourceKind::Postgres => String::new(),
    };
    if matches!(format.as_str(), "csv" | "parquet") { format } else { "jsonl".to_owned() }
}

/// The source with the one table that is meant: the one that is named, the only one, or the one with the dataset's name.
fn chosen(
    builder: &mut Builder<'_>,
    spec: SourceSpec,
    reference: &Reference,
    path: &str,
) -> Option<SourceSpec> {
    if spec.kind == SourceKind::Http {
        return Some(spec);
    }
    let own = builder.declaration().address.name.to_string();
    let wanted = match (reference.member(), spec.tables.as_slice()) {
        (Some(("table", name)), _) => name.to_owned(),
        (_, [only]) => only.name.clone(),
        _ => own.clone(),
    };
    let found = spec.tables.iter().find(|table| table.name == wanted).cloned();
    if found.is_none() && !spec.tables.is_empty() {
        let names: Vec<&str> = spec.tables.iter().map(|table| table.name.as_str()).collect();
        builder.error(
            codes::UNRESOLVED,
            path,
            format!("`{}` has several tables, and none is named `{own}`", reference.address),
            &format!("say which: `{}.table.{}`", reference.address, names[0]),
        );
    }
    Some(SourceSpec { tables: vec![found?], ..spec })
}
