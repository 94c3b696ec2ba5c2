//! What a plan carries so that it can be shown and judged with nothing beside it: the lines of the specification it speaks
//! of, the values of variables, its warnings as they were shown.

use std::collections::BTreeMap;

use mlp_diag::{SourceMap, Style, render_json, render_text};
use mlp_plan::{Given, Notice, Plan};
use mlp_platform::Platform;
use mlp_value::Value;

use super::vault::Vault;

/// Columns of the warnings that are carried.
const WIDTH: usize = 110;

/// Fills in what the plan carries. Nothing that must not be written down is among it.
pub fn carry(plan: &mut Plan, platform: &Platform, sources: &SourceMap, vault: &Vault) {
    plan.context.variables = variables(platform);
    plan.context.lines = lines(plan, sources, vault);
    let style = Style { color: false, width: WIDTH };
    plan.context.notices = plan
        .warnings
        .iter()
        .map(|warning| {
            let mut clean = warning.clone();
            vault.scrub(&mut clean);
            Notice {
                code: clean.code.clone(),
                headline: clean.headline.clone(),
                text: vault.scrubbed(render_text(&clean, sources, style).trim_end()),
                detail: render_json(&clean, sources),
            }
        })
        .collect();
}

fn variables(platform: &Platform) -> BTreeMap<String, Given> {
    let declared = platform.declarations.values().filter(|one| one.kind == "variable");
    let given = declared.map(|one| {
        // The value of a sensitive variable is not part of its declaration.
        let found = one.body.as_object().and_then(|items| items.get("value"));
        let value = found.and_then(|value| value.known().ok()).unwrap_or(Value::Null);
        (one.address.name.to_string(), Given { value, sensitive: found.is_none() })
    });
    given.collect()
}

/// The lines that the places in a plan lead to.
fn lines(plan: &Plan, sources: &SourceMap, vault: &Vault) -> BTreeMap<String, String> {
    let files: BTreeMap<&str, Vec<&str>> =
        sources.files().map(|(_, name, text)| (name, text.lines().collect())).collect();
    let line = |place: &str| {
        let (name, number) = place.rsplit_once(':')?;
        let at = number.parse::<usize>().ok()?.checked_sub(1)?;
        Some((place.to_owned(), vault.scrubbed(files.get(name)?.get(at)?.trim())))
    };
    let changes = plan.steps.iter().flat_map(|step| &step.changes);
    let shown = changes.filter(|change| !change.sensitive);
    let of_fields = shown.filter_map(|change| change.origin.as_ref().map(|origin| origin.place.as_str()));
    let of_steps = plan.steps.iter().filter_map(|step| step.place.as_deref());
    of_fields.chain(of_steps).filter(|place| !place.is_empty()).filter_map(line).collect()
}
