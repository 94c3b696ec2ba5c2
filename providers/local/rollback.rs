//! The way back: an alias of a model goes to an earlier version and stays there, whatever later runs would do.

use std::collections::BTreeSet;

use mlp_floor::registry::{AliasMove, Registry};
use mlp_provider::{ErrorClass, ProviderError, RollbackAct, RollbackRequest, Shown};
use serde_json::json;

use crate::codes;
use crate::documents::Document;
use crate::fault::{Fallible, fault};
use crate::holds::{files, is_json};
use crate::mlp_diag::Diagnostic;
use crate::mlp_value::KnownValue;
use crate::resources::{Ground, model_name};
use crate::run::text;
use crate::time;

/// Does what is asked, and says what came of it.
pub(crate) fn rollback(ground: &Ground, request: &RollbackRequest) -> Fallible<Shown> {
    let record = ground.place.get(&request.identity)?;
    let address = record.address();
    let failed = |problem: mlp_floor::Problem| fault(&problem, address);
    let registry = Registry::open(&ground.place.registry()).map_err(failed)?;
    let name = model_name(&record.config);
    let alias = match &request.alias {
        Some(alias) => alias.clone(),
        None => meant(ground, &registry, &record, request.act)?,
    };
    let by = |default: &str| AliasMove {
        why: request.why.clone().unwrap_or_else(|| default.to_owned()),
        who: request.who.clone(),
        at: time::rfc3339(time::now_ms()),
    };
    let to = match request.act {
        RollbackAct::Release => {
            let was = registry.release(&name, &alias, &by("released")).map_err(failed)?;
            let line = if was {
                format!("{address} alias {alias} is released: the next run that passes its gate moves it")
            } else {
                format!("{address} alias {alias} was not held")
            };
            let detail = json!({ "model": address, "alias": alias, "released": was });
            return Ok(Shown { lines: vec![line], detail });
        }
        RollbackAct::Back => None,
        RollbackAct::To(version) => Some(version),
    };
    let moved = registry.rollback(&name, &alias, to, &by("rollback")).map_err(failed)?;
    let mut lines = vec![format!("{address} alias {alias} went from version {} to {}", moved.from, moved.to)];
    lines.push(format!(
        "it is held there: runs register versions and do not move it, until `mlp rollback {address} --release`"
    ));
    let endpoints = followers(ground, &name, &alias)?;
    lines.extend(endpoints.iter().map(|endpoint| format!("{endpoint} follows")));
    let detail = json!({
        "model": address, "alias": alias, "from": moved.from, "to": moved.to, "held": true, "followed_by": endpoints,
    });
    Ok(Shown { lines, detail })
}

/// The alias that is meant where none is named: the one that is held, for a release; else the one that gates lead to,
/// else the one that something serves, else the only one.
fn meant(ground: &Ground, registry: &Registry, record: &Document, act: RollbackAct) -> Fallible<String> {
    let name = model_name(&record.config);
    let all = registry.aliases(&name).map_err(|problem| fault(&problem, record.address()))?;
    let all: Vec<_> = all.into_iter().filter(|alias| alias.alias != mlp_floor::registry::LATEST).collect();
    let names: BTreeSet<String> = all.iter().map(|alias| alias.alias.clone()).collect();
    let held = all.iter().filter(|alias| alias.held && act == RollbackAct::Release);
    let gates = record.config.field("gate").and_then(KnownValue::as_object);
    let targets = gates.into_iter().flat_map(|gates| gates.values()).filter_map(|gate| text(gate, "to"));
    let mut served = BTreeSet::new();
    for alias in &names {
        if !followers(ground, &name, alias)?.is_empty() {
            served.insert(alias.clone());
        }
    }
    let choices = [
        held.map(|alias| alias.alias.clone()).collect(),
        targets.map(str::to_owned).filter(|alias| names.contains(alias)).collect(),
        served,
        names.clone(),
    ];
    let only = |choice: &BTreeSet<String>| (choice.len() == 1).then(|| choice.first().cloned()).flatten();
    choices.iter().find_map(only).ok_or_else(|| {
        let headline = if names.is_empty() {
            format!("`{}` has no alias that could go back", record.address())
        } else {
            format!("which alias of `{}`?", record.address())
        };
        let help = if names.is_empty() {
            "a run that registers a version under an alias makes one".to_owned()
        } else {
            format!("name it with `--alias`: {}", names.iter().cloned().collect::<Vec<_>>().join(", "))
        };
        let found = Diagnostic::error(codes::ROLLBACK, headline).on(record.address(), "aliases").help(help);
        ProviderError::new(ErrorClass::Invalid, found)
    })
}

/// The endpoints that serve what an alias names.
fn followers(ground: &Ground, model: &str, alias: &str) -> Fallible<Vec<String>> {
    let mut found = Vec::new();
    for folder in ["batch", "endpoints"] {
        for path in files(&ground.place.home.join(folder)).into_iter().filter(|path| is_json(path)) {
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let record = ground.place.get(&format!("{folder}/{stem}"))?;
            let names_it = |value: &KnownValue| {
                text(value, "model") == Some(model) && text(value, "alias") == Some(alias)
            };
            let mut any = false;
            record.config.walk(&mut |_, value| any |= names_it(value));
            if any && text(&record.config, "follow") != Some("plan") {
                found.push(record.address().to_owned());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Deaf, Fixture};
    use crate::runs::carry_out;

    fn request(alias: Option<&str>, act: RollbackAct) -> RollbackRequest {
        RollbackRequest {
            resource: "local_model".into(),
            identity: "models/m".into(),
            alias: alias.map(str::to_owned),
            act,
            who: "ana".into(),
            why: Some("complaints".into()),
        }
    }

    fn refused(fixture: &Fixture, request: &RollbackRequest) -> Diagnostic {
        *rollback(&fixture.ground, request).unwrap_err().diagnostic
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_cannot_go_back_is_refused_with_a_way_out() {
        let fixture = Fixture::new(json!({})).await;
        let nothing = refused(&fixture, &request(None, RollbackAct::Back));
        assert_eq!(nothing.code, codes::ROLLBACK);
        assert!(nothing.headline.contains("no alias") && nothing.help.is_some());
        carry_out(&fixture.ground, &fixture.request(), "", &Deaf).await.unwrap();
        // The gate leads to `champion`, which is meant, and which was nowhere before.
        let first = refused(&fixture, &request(None, RollbackAct::Back));
        assert_eq!((first.code.as_str(), first.subject.unwrap().address.as_str()), ("MLP0752", "model.m"));
        assert_eq!(refused(&fixture, &request(Some("latest"), RollbackAct::To(1))).code, "MLP0751");
        assert_eq!(refused(&fixture, &request(Some("other"), RollbackAct::To(1))).code, "MLP0747");
        assert_eq!(refused(&fixture, &request(None, RollbackAct::To(7))).code, "MLP0744");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_follows_is_named_and_what_is_pinned_is_not() {
        let fixture = Fixture::new(json!({})).await;
        for score in ["0.8", "0.9"] {
            fixture.score(score);
            carry_out(&fixture.ground, &fixture.request(), "", &Deaf).await.unwrap();
        }
        for (name, follow) in [("a", "auto"), ("b", "plan")] {
            let config = json!({
                "address": format!("endpoint.{name}"), "follow": follow,
                "variant": { "v": { "model": "m", "address": "model.m", "alias": "champion" } },
            });
            let config = KnownValue::from_json(&config).unwrap();
            let document = Document::new(&fixture.ground.target, "local_endpoint", config, json!(null));
            fixture.ground.place.put(&format!("endpoints/{name}"), &document).unwrap();
        }
        let told = rollback(&fixture.ground, &request(None, RollbackAct::Back)).unwrap();
        assert_eq!(told.detail["followed_by"], json!(["endpoint.a"]));
        let hold = fixture.registry().aliases("m").unwrap().into_iter().find_map(|alias| alias.hold).unwrap();
        assert_eq!((hold.who.as_str(), hold.why.as_str()), ("ana", "complaints"));
        let told = rollback(&fixture.ground, &request(None, RollbackAct::Release)).unwrap();
        assert_eq!((&told.detail["alias"], &told.detail["released"]), (&json!("champion"), &json!(true)));
        let told = rollback(&fixture.ground, &request(None, RollbackAct::Release)).unwrap();
        assert_eq!(told.detail["released"], false);
    }
}
