//! Accelerator phrases against the catalogue: what nobody knows, and what may mean several things, is said at its place.

use std::collections::BTreeMap;

use mlp_catalog::{Catalog, Phrase, Problem};
use mlp_diag::{Diagnostic, one_of};
use mlp_eval::PlanValue;
use mlp_platform::{Declaration, Origin};
use mlp_value::{Address, Path, Step, Value};

use crate::codes;
use crate::evaluator::Evaluator;

/// A project's own catalogue.
pub const OWN_CATALOG: &str = "catalog.csv";

/// The attribute that holds a phrase, wherever hardware is asked for.
const PHRASE: &str = "accelerator";

/// Checks every phrase of every declaration.
pub(crate) fn check(evaluator: &Evaluator<'_>, declarations: &BTreeMap<Address, Declaration>) {
    let mut phrases: Vec<(&Declaration, Path, &PlanValue)> = Vec::new();
    for declaration in declarations.values().filter(|one| !is_open(one)) {
        declaration.body.walk(&mut |path, value| {
            let named = matches!(path.steps().last(), Some(Step::Field(name)) if &**name == PHRASE);
            if named && value.as_object().is_some() {
                phrases.push((declaration, path.clone(), value));
            }
        });
    }
    if phrases.is_empty() {
        return;
    }
    let Some(catalog) = evaluator.catalog() else { return };
    for (declaration, path, value) in phrases {
        check_one(evaluator, &catalog, declaration, &path, value);
    }
}

/// Whether a kind takes any attribute: what its fields mean is its provider's to say.
fn is_open(declaration: &Declaration) -> bool {
    mlp_platform::kinds::kind(declaration.kind).is_some_and(|kind| kind.open)
}

/// The phrase that a value is; what is not known yet is left out of it.
pub(crate) fn phrase_of(value: &PlanValue) -> Phrase {
    let text = |name: &str| value.field(name).and_then(Value::as_text).map(str::to_owned);
    let names = match value.field("name") {
        Some(Value::List(items)) => {
            items.iter().filter_map(|item| item.as_text().map(str::to_owned)).collect()
        }
        Some(Value::Text(name)) => vec![name.to_string()],
        _ => Vec::new(),
    };
    let count = value.field("count").and_then(Value::as_number).and_then(mlp_value::Number::to_i64);
    Phrase {
        names,
        count: count.and_then(|count| u64::try_from(count).ok()),
        slice: text("slice"),
        memory: text("memory"),
        form: text("form"),
        topology: text("topology"),
    }
}

fn check_one(
    evaluator: &Evaluator<'_>,
    catalog: &Catalog,
    declaration: &Declaration,
    path: &Path,
    value: &PlanValue,
) {
    // A name that is missing, or known only later, was spoken of before or cannot be yet.
    if value.field("name").is_none_or(PlanValue::has_holes) {
        return;
    }
    let phrase = phrase_of(value);
    let (choices, problems) = catalog.resolve(&phrase);
    let place = |path: &Path| declaration.origins.of(path).and_then(Origin::span);
    for problem in problems {
        let at = if value.field(problem.at).is_some() { path.field(problem.at) } else { path.clone() };
        let help = help(catalog, &phrase, &problem);
        let said = match problem.passing {
            true => Diagnostic::warning(codes::CATALOG, format!("{}: it is never chosen", problem.why)),
            false => Diagnostic::error(codes::CATALOG, problem.why),
        };
        evaluator.report(said.at_opt(place(&at), "").on(&declaration.address, &at).help(help));
    }
    let hosts = choices.iter().find_map(|choice| choice.hosts);
    let beside = path.parent().map(|parent| parent.field("nodes"));
    if let (Some(hosts), Some(beside)) = (hosts, beside)
        && declaration.body.get(&beside).is_some_and(|nodes| !nodes.is_null())
    {
        evaluator.report(
            Diagnostic::error(codes::CATALOG, "the nodes of a topology are derived, and not written")
                .at_opt(place(&beside), format!("{hosts} follow from the topology"))
                .on(&declaration.address, &beside)
                .help("take `nodes` out"),
        );
    }
}

pub(crate) fn help(catalog: &Catalog, phrase: &Phrase, problem: &Problem) -> String {
    match &problem.help {
        Some(help) => help.clone(),
        None => {
            let written = problem.index.and_then(|index| phrase.names.get(index)).map_or("", String::as_str);
            let names = catalog.names();
            // As others write it: `NVIDIA_TESLA_T4`, `nvidia-h100-80gb`.
            let parts = || written.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
            let within = names.iter().find(|name| parts().any(|part| part == name.to_lowercase()));
            let help =
                match within.filter(|_| mlp_diag::did_you_mean(written, names.iter().copied()).is_none()) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => one_of(written, names.iter().copied()),
                };
            let end = if help.ends_with('?') { "" } else { ";" };
            format!("{help}{end} `mlp catalog` lists them all")
        }
    }
}
