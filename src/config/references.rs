//! Names that a declaration owns: every `model.x.alias.y`, `step.x.out` must be one of those it declares.

use std::collections::BTreeMap;

use mlp_diag::{Diagnostic, Diagnostics, one_of};
use mlp_eval::{PlanValue, Reference, reference_of};
use mlp_platform::Declaration;
use mlp_platform::kinds;
use mlp_platform::schema::Member;
use mlp_value::{Address, Path};

use crate::codes;

/// The alias every new version gets.
const LATEST: &str = "latest";

/// Checks every reference of every declaration.
pub(crate) fn check(declarations: &BTreeMap<Address, Declaration>, diagnostics: &mut Diagnostics) {
    for declaration in declarations.values() {
        declaration.body.walk(&mut |path, value| {
            if let Some(reference) = reference_of(value)
                && let Some(problem) = problem(declarations, &reference)
            {
                let span = declaration.origins.of(path).and_then(mlp_platform::Origin::span);
                diagnostics.push(problem.at_opt(span, "referred to here").on(&declaration.address, path));
            }
        });
    }
}

fn problem(declarations: &BTreeMap<Address, Declaration>, reference: &Reference) -> Option<Diagnostic> {
    let target = declarations.get(&reference.address)?;
    let kind = kinds::kind(&reference.address.kind)?;
    let (word, name) = match reference.path.as_slice() {
        [] => return None,
        [word] => (word, None),
        [word, name, ..] => (word, Some(name)),
    };
    let member: &Member = kind.members.iter().find(|member| member.word == word)?;
    if member.names_from.is_empty() {
        return None;
    }
    let names = names(&target.body, member.names_from);
    let Some(name) = name else {
        return Some(
            Diagnostic::error(codes::MEMBER, format!("`{reference}` names no {word}"))
                .help(one_of("", names.iter().map(String::as_str))),
        );
    };
    let implied = member.word == "alias" && name == LATEST;
    if !implied && !names.contains(name) {
        return Some(
            Diagnostic::error(codes::MEMBER, format!("`{}` has no {word} `{name}`", reference.address))
                .see(target.header, "declared here")
                .help(one_of(name, names.iter().map(String::as_str))),
        );
    }
    if member.is == "artifact" { artifact(declarations, target, reference, name) } else { None }
}

/// The output a step hands on, where the step or its component declares them.
fn artifact(
    declarations: &BTreeMap<Address, Declaration>,
    pipeline: &Declaration,
    reference: &Reference,
    step: &str,
) -> Option<Diagnostic> {
    let output = reference.path.get(2)?;
    let step_body = pipeline.body.get(&Path::of(&["step", step]))?;
    let own = step_body.field("outputs");
    let component = step_body.field("use").and_then(reference_of).filter(|used| used.path.is_empty());
    let used = component
        .and_then(|used| declarations.get(&used.address))
        .and_then(|found| found.body.field("outputs"));
    let declared = own.or(used)?.as_object()?;
    if declared.contains_key(output.as_str()) {
        return None;
    }
    let names: Vec<&str> = declared.keys().map(AsRef::as_ref).collect();
    Some(
        Diagnostic::error(
            codes::MEMBER,
            format!("step `{step}` of `{}` has no output `{output}`", pipeline.address),
        )
        .help(one_of(output, names.iter().copied())),
    )
}

/// The keys of a map, or the items of a list of names.
fn names(body: &PlanValue, from: &str) -> Vec<String> {
    let Some(value) = from.parse::<Path>().ok().and_then(|path| body.get(&path).cloned()) else {
        return Vec::new();
    };
    match (&value.as_object(), value.as_list()) {
        (Some(items), _) => items.keys().map(ToString::to_string).collect(),
        (None, Some(items)) => items.iter().filter_map(|item| item.as_text().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}
