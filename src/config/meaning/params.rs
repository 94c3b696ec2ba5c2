//! Parameters: values that are written down must be of the type that the parameter is declared with, or has by its default.

use mlp_diag::{Diagnostic, Span};
use mlp_eval::{PlanValue, Quoted, reference_of};
use mlp_platform::Declaration;
use mlp_value::{Number, Path, Value};

use super::{Whole, names_of};
use crate::codes;

/// A parameter's type, and where it is said.
struct Typed<'v> {
    ty: &'v str,
    said: Option<Span>,
}

/// The type of a value that is there to be looked at.
fn kind_of(value: &PlanValue) -> Option<&'static str> {
    if Quoted::of(value).is_some() || reference_of(value).is_some() {
        return None;
    }
    match value {
        Value::Bool(_) => Some("bool"),
        Value::Number(_) => Some("number"),
        Value::Text(_) => Some("string"),
        Value::List(_) => Some("list"),
        Value::Object(_) => Some("map"),
        _ => None,
    }
}

fn fits(value: &PlanValue, ty: &str) -> bool {
    match (kind_of(value), ty) {
        (None, _) | (_, "any") => true,
        (Some("number"), "integer") => {
            value.as_number().is_some_and(|number| Number::to_i64(number).is_some())
        }
        (Some(kind), ty) => kind == ty,
    }
}

/// `0.1`, or `{ type = "number", default = 0.1 }`.
fn typed<'v>(
    whole: &Whole<'_, '_>,
    owner: &Declaration,
    at: &Path,
    value: &'v PlanValue,
) -> Option<Typed<'v>> {
    if let Some(ty) = value.field("type").and_then(Value::as_text) {
        return Some(Typed { ty, said: whole.place(&owner.address, &at.field("type")) });
    }
    match value.field("default") {
        Some(default) => {
            Some(Typed { ty: kind_of(default)?, said: whole.place(&owner.address, &at.field("default")) })
        }
        None => Some(Typed { ty: kind_of(value)?, said: whole.place(&owner.address, at) }),
    }
}

fn wrong(whole: &Whole<'_, '_>, place: Option<Span>, value: &PlanValue, wanted: &Typed<'_>, name: &str) {
    let is = kind_of(value).unwrap_or("value");
    let mut problem = Diagnostic::error(
        codes::WRONG_TYPE,
        format!("the parameter `{name}` is a {}, and this is a {is}", wanted.ty),
    )
    .at_opt(place, format!("a {is}"))
    .help(format!("give it a {}", wanted.ty));
    if let Some(said) = wanted.said {
        problem = problem.see(said, format!("declared as a {}", wanted.ty));
    }
    whole.report(problem);
}

/// Defaults against the types beside them.
pub(super) fn defaults(whole: &Whole<'_, '_>, owner: &Declaration) {
    for name in names_of(owner.body.field("params")) {
        let at = Path::of(&["params", name]);
        let Some(value) = owner.body.get(&at) else { continue };
        let (Some(default), Some(wanted)) = (value.field("default"), typed(whole, owner, &at, value)) else {
            continue;
        };
        if !fits(default, wanted.ty) {
            wrong(whole, whole.place(&owner.address, &at.field("default")), default, &wanted, name);
        }
    }
}

/// The values that a step gives the parameters of its component.
pub(super) fn of_step(whole: &Whole<'_, '_>, pipeline: &Declaration, step: &str) {
    let at = Path::of(&["step", step]);
    let used = pipeline.body.get(&at.field("use")).and_then(|used| whole.behind(used));
    let Some((component, _)) = used.filter(|(_, reference)| reference.path.is_empty()) else { return };
    for name in names_of(pipeline.body.get(&at.field("params"))) {
        let own = at.field("params").field(name);
        let there = Path::of(&["params", name]);
        let (Some(value), Some(declared)) = (pipeline.body.get(&own), component.body.get(&there)) else {
            continue;
        };
        let Some(wanted) = typed(whole, component, &there, declared) else { continue };
        if !fits(value, wanted.ty) {
            wrong(whole, whole.place(&pipeline.address, &own), value, &wanted, name);
        }
    }
}
