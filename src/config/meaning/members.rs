//! Names that a declaration owns: every `model.x.alias.y`, `step.x.out` must be one of those it declares, and what stands behind
//! them something that they tell.

use mlp_diag::{Diagnostic, Span, one_of};
use mlp_eval::{Expr, Node, PlanValue, Reference, reference_of};
use mlp_platform::schema::Member;
use mlp_platform::{Declaration, kinds};
use mlp_value::{Path, Value};

use super::{Whole, names_of};
use crate::codes;

/// The alias every new version gets.
const LATEST: &str = "latest";

/// Checks every reference of every declaration, those in expressions kept for later included.
pub(super) fn check(whole: &Whole<'_, '_>) {
    for declaration in whole.sound() {
        declaration.body.walk(&mut |path, value| {
            if let Some(reference) = reference_of(value) {
                let place = || whole.place(&declaration.address, path);
                told(whole, declaration, path, &reference, &place);
            }
        });
    }
    for (declaration, quoted) in whole.quoted() {
        in_expression(&quoted.expr, &mut |reference, span| {
            told(whole, declaration, &quoted.at, reference, &|| span);
        });
    }
}

/// Every reference in an expression that is kept for later.
pub(super) fn in_expression(expr: &Expr, visit: &mut dyn FnMut(&Reference, Option<Span>)) {
    if let Node::Literal { value } = &expr.node
        && let Some(reference) = reference_of(value)
    {
        visit(&reference, expr.span);
    }
    expr.children(&mut |child| in_expression(child, visit));
}

fn told(
    whole: &Whole<'_, '_>,
    declaration: &Declaration,
    path: &Path,
    reference: &Reference,
    place: &dyn Fn() -> Option<Span>,
) {
    if let Some(problem) = problem(whole, reference) {
        whole.report(problem.at_opt(place(), "referred to here").on(&declaration.address, path));
    }
}

/// What is wrong with a reference to something that a declaration owns.
pub(super) fn problem(whole: &Whole<'_, '_>, reference: &Reference) -> Option<Diagnostic> {
    let target = whole.get(&reference.address)?;
    let kind = kinds::kind(&reference.address.kind)?;
    let (word, name) = match reference.path.as_slice() {
        [] => return None,
        [word] => (word, None),
        [word, name, ..] => (word, Some(name)),
    };
    let member: &Member = kind.members.iter().find(|member| member.word == word)?;
    let Some(name) = name else {
        // `check.x.passed` is whole.
        if member.is == "fact" {
            return None;
        }
        return Some(
            Diagnostic::error(codes::MEMBER, format!("`{reference}` names no {word}"))
                .help(one_of("", names(target, member))),
        );
    };
    if member.word == "version" && kind.name == "model" && name.parse::<u64>().is_err() {
        let address = &reference.address;
        return Some(
            Diagnostic::error(codes::MEMBER, format!("`{address}` has no version `{name}`"))
                .note("versions of a model are numbers")
                .help(format!("write `{address}.version[7]`; the newest is `{address}.alias.{LATEST}`")),
        );
    }
    let implied = member.names_from.is_empty() || (member.word == "alias" && name == LATEST);
    if !implied && !has(target, member, name) {
        return Some(
            Diagnostic::error(codes::MEMBER, format!("`{}` has no {word} `{name}`", reference.address))
                .see(target.header, "declared here")
                .help(one_of(name, names(target, member))),
        );
    }
    if member.is == "artifact" {
        return artifact(whole, target, reference, name);
    }
    let behind = reference.path.get(2)?;
    if member.facts.contains(&"*") {
        return None;
    }
    let gone = member.facts.contains(&behind.as_str()) && reference.path.len() == 3;
    if gone {
        return None;
    }
    let way_out = match member.facts {
        [] => format!("write `{}.{word}.{name}`", reference.address),
        facts => one_of(behind, facts.iter().copied()),
    };
    let wrong = reference.path.get(3).filter(|_| member.facts.contains(&behind.as_str())).unwrap_or(behind);
    Some(
        Diagnostic::error(codes::MEMBER, format!("a {word} of `{}` tells no `{wrong}`", reference.address))
            .help(way_out),
    )
}

/// Whether a declaration has a member of that name: each of thousands of steps may be asked for.
fn has(declaration: &Declaration, member: &Member, name: &str) -> bool {
    let path = member.names_from.parse::<Path>().ok();
    match path.and_then(|path| declaration.body.get(&path)) {
        Some(Value::Object(items)) => items.contains_key(name),
        other => names_of(other).contains(&name),
    }
}

/// The names of the members that a declaration has.
pub(super) fn names<'v>(declaration: &'v Declaration, member: &Member) -> Vec<&'v str> {
    let path = member.names_from.parse::<Path>().ok();
    names_of(path.and_then(|path| declaration.body.get(&path)))
}

/// The outputs that a step hands on: its own, or those of the component it uses; `None` where neither says.
pub(super) fn outputs<'a>(
    whole: &Whole<'a, '_>,
    pipeline: &'a Declaration,
    step: &str,
) -> Option<(&'a Declaration, Path, &'a PlanValue)> {
    let at = Path::of(&["step", step]);
    let body = pipeline.body.get(&at)?;
    let component = body.field("use").and_then(|value| whole.behind(value));
    if let Some((component, reference)) = component
        && reference.path.is_empty()
        && let Some(outputs) = component.body.field("outputs")
    {
        return Some((component, Path::of(&["outputs"]), outputs));
    }
    Some((pipeline, at.field("outputs"), body.field("outputs")?))
}

/// The output a step hands on, and the metric in it, where they are declared.
fn artifact(
    whole: &Whole<'_, '_>,
    pipeline: &Declaration,
    reference: &Reference,
    step: &str,
) -> Option<Diagnostic> {
    let output = reference.path.get(2)?;
    let pipeline = whole.get(&pipeline.address)?;
    let (owner, at, declared) = outputs(whole, pipeline, step)?;
    let names = names_of(Some(declared));
    if !names.contains(&output.as_str()) {
        return Some(
            Diagnostic::error(
                codes::MEMBER,
                format!("step `{step}` of `{}` has no output `{output}`", pipeline.address),
            )
            .see(whole.name_place(&owner.address, &at).unwrap_or(owner.header), "what it hands on")
            .help(one_of(output, names.iter().copied())),
        );
    }
    let metric = reference.path.get(3)?;
    let metrics = declared.field(output).and_then(|output| output.field("names"))?;
    let metrics: Vec<&str> = metrics.as_list()?.iter().filter_map(Value::as_text).collect();
    if metrics.contains(&metric.as_str()) {
        return None;
    }
    let names_at = at.field(output).field("names");
    Some(
        Diagnostic::error(codes::METRIC, format!("`{output}` of step `{step}` holds no metric `{metric}`"))
            .see(whole.place(&owner.address, &names_at).unwrap_or(owner.header), "what it holds")
            .help(one_of(metric, metrics.iter().copied())),
    )
}
