//! Everything that is known of a model: versions with their metrics and lineage, aliases with their history and holds, and
//! what gates decided.

use mlp_floor::registry::{Act, Alias, AliasChange, Decision, ModelVersion, Outcome, Registry};
use mlp_provider::{ShowQuery, Shown};
use serde_json::{Value as Json, json};

use crate::codes;
use crate::documents::Document;
use crate::fault::{Fallible, fault, wrong};
use crate::resources::{Ground, model_name};
use crate::run::scalars;

/// Decisions that are shown.
const DECISIONS: u32 = 20;

/// What is known of a model.
pub(crate) fn model(ground: &Ground, query: &ShowQuery) -> Fallible<Shown> {
    let record = &ground.place.get(&query.identity)?;
    if query.compare.is_some() {
        let text = format!("the versions of `{}` are not compared row by row", record.address());
        let mut error = wrong(codes::NO_VERSION, text, record.address(), "");
        error.diagnostic.help =
            Some("leave `--compare` out: their metrics stand beside each other".to_owned());
        return Err(error);
    }
    let failed = |problem: mlp_floor::Problem| fault(&problem, record.address());
    let registry = Registry::open(&ground.place.registry()).map_err(failed)?;
    let name = model_name(&record.config);
    let versions = registry.versions(&name).map_err(failed)?;
    let aliases = registry.aliases(&name).map_err(failed)?;
    let decisions = registry.decisions(&name, DECISIONS).map_err(failed)?;
    let mut lines = vec![record.address().to_owned()];
    for (word, value) in card(record) {
        lines.push(format!("  {word}: {value}"));
    }
    lines.push("  versions:".to_owned());
    if versions.is_empty() {
        lines.push("    none yet: run a pipeline that registers one".to_owned());
    }
    for version in versions.iter().rev() {
        lines.extend(version_lines(version, &aliases));
    }
    let mut histories = serde_json::Map::new();
    lines.extend((!aliases.is_empty()).then(|| "  aliases:".to_owned()));
    for alias in &aliases {
        lines.push(format!("    {} → version {}{}", alias.alias, alias.version, held(alias)));
        let history = registry.alias_history(&name, &alias.alias).map_err(failed)?;
        lines.extend(history.iter().rev().map(|change| format!("      {}", change_line(change))));
        histories.insert(alias.alias.clone(), json!({ "now": alias, "history": history }));
    }
    lines.extend((!decisions.is_empty()).then(|| "  decisions of gates:".to_owned()));
    lines.extend(decisions.iter().map(|decision| format!("    {}", decision_line(decision))));
    let detail = json!({
        "address": record.address(),
        "card": record.config.field("card").map_or(Json::Null, crate::mlp_value::KnownValue::to_plain_json),
        "versions": versions,
        "aliases": histories,
        "decisions": decisions,
    });
    Ok(Shown { lines, detail })
}

fn card(record: &Document) -> Vec<(String, String)> {
    let fields = record.config.field("card").and_then(crate::mlp_value::KnownValue::as_object);
    let shown = |value: &crate::mlp_value::KnownValue| {
        value.as_text().map_or_else(|| value.to_plain_json().to_string(), str::to_owned)
    };
    fields
        .into_iter()
        .flat_map(|fields| fields.iter())
        .filter(|(_, value)| !value.is_null())
        .map(|(word, value)| (word.replace('_', " "), shown(value)))
        .collect()
}

fn version_lines(version: &ModelVersion, aliases: &[Alias]) -> Vec<String> {
    let named: Vec<&str> = aliases
        .iter()
        .filter(|alias| alias.version == version.number)
        .map(|alias| alias.alias.as_str())
        .collect();
    let names = if named.is_empty() { String::new() } else { format!(" ({})", named.join(", ")) };
    let metrics = version.metrics.as_object().map(scalars).unwrap_or_default();
    let metrics: Vec<String> = metrics.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
    let mut lines =
        vec![format!("    {}{names}  {}  {}", version.number, version.created_at, metrics.join(", "))];
    let mut made = Vec::new();
    made.extend(version.run.as_ref().map(|run| format!("run {run}")));
    made.extend(
        version.lineage.get("pipeline").and_then(Json::as_str).map(|pipeline| format!("of {pipeline}")),
    );
    let datasets = version.lineage.get("datasets").and_then(Json::as_object);
    for (dataset, digest) in datasets.into_iter().flatten() {
        made.push(format!("{dataset} {}", short(digest.as_str().unwrap_or_default())));
    }
    let code = version.lineage.get("code").and_then(Json::as_object);
    let mut digests: Vec<&str> =
        code.into_iter().flat_map(|code| code.values()).filter_map(Json::as_str).collect();
    digests.sort_unstable();
    digests.dedup();
    made.extend(digests.into_iter().map(|digest| format!("code {}", short(digest))));
    made.extend(
        version
            .lineage
            .get("commit")
            .and_then(Json::as_str)
            .map(|commit| format!("commit {}", short(commit))),
    );
    if !made.is_empty() {
        lines.push(format!("      from {}", made.join(", ")));
    }
    if !version.tags.is_empty() {
        let tags: Vec<String> = version.tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
        lines.push(format!("      tags {}", tags.join(", ")));
    }
    lines
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

/// `, held since … by …: …`, or nothing.
pub(crate) fn held(alias: &Alias) -> String {
    match (&alias.hold, alias.held) {
        (_, false) => String::new(),
        (None, true) => ", held".to_owned(),
        (Some(hold), true) => format!(", held since {} by {} ({})", hold.at, hold.who, hold.why),
    }
}

fn change_line(change: &AliasChange) -> String {
    let version = |number: Option<u32>| number.map_or("none".to_owned(), |number| number.to_string());
    let what = match change.act {
        Act::Move => format!("{} → {}", version(change.from), version(change.to)),
        Act::Rollback => format!("back {} → {}, held", version(change.from), version(change.to)),
        Act::Hold => format!("held at {}", version(change.to)),
        Act::Release => format!("released at {}", version(change.to)),
    };
    format!("{}  {what}  {} ({})", change.at, change.who, change.why)
}

/// One line about a decision.
pub(crate) fn decision_line(decision: &Decision) -> String {
    let came = match decision.outcome {
        Outcome::Passed => "let through",
        Outcome::Refused => "refused",
        Outcome::Held => "would let through (the alias is held)",
        Outcome::Undecided => "could not judge",
    };
    format!(
        "{}  gate {} {came} version {} for {}: {}",
        decision.at,
        decision.gate,
        decision.version,
        decision.alias,
        decision.conditions.join(", ")
    )
}
