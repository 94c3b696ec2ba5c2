//! The settings of providers and of stores of states: which there are depends on the kind.

use mlp_diag::{Diagnostic, one_of};
use mlp_platform::schema::Attribute;
use mlp_platform::{Declaration, kinds};
use mlp_value::{Path, Value};

use super::{Whole, names_of};
use crate::codes;
use crate::fit::fit;

/// Checks them.
pub(super) fn check(whole: &Whole<'_, '_>) {
    for declaration in whole.of_kind("provider") {
        let kind = declaration.address.name.split('.').next().unwrap_or_default().to_owned();
        match kinds::provider_settings(&kind) {
            Some(settings) => {
                let own = kinds::kind("provider").map_or(&[][..], |kind| kind.attributes);
                let what = format!("a provider of the kind `{kind}`");
                all(whole, declaration, &Path::default(), &what, &[settings, own]);
            }
            None => whole.unchecked(
                Some(declaration.header),
                format!("the settings of a provider of the kind `{kind}`"),
                "its kind is not one of those this program knows; a plan asks the provider itself",
            ),
        }
    }
    for declaration in whole.sound().filter(|one| matches!(one.kind, "project" | "environment" | "reference"))
    {
        state(whole, declaration);
    }
}

fn state(whole: &Whole<'_, '_>, declaration: &Declaration) {
    let at = Path::of(&["state"]);
    let Some(state) = declaration.body.get(&at) else { return };
    let backend = state.field("backend").and_then(Value::as_text).unwrap_or("local");
    let Some(settings) = kinds::backend_settings(backend) else { return };
    let own = kinds::state_settings();
    all(whole, declaration, &at, &format!("a state in `{backend}`"), &[settings, own]);
}

fn all(
    whole: &Whole<'_, '_>,
    declaration: &Declaration,
    at: &Path,
    what: &str,
    known: &[&'static [Attribute]],
) {
    let body = if at.is_root() { Some(&declaration.body) } else { declaration.body.get(at) };
    let attributes = || known.iter().copied().flatten();
    for name in names_of(body) {
        let path = at.field(name);
        let Some(attribute) = attributes().find(|attribute| attribute.name == name) else {
            let names: Vec<&str> = attributes().map(|attribute| attribute.name).collect();
            whole.report(
                Diagnostic::error(codes::UNKNOWN_ATTRIBUTE, format!("{what} has no setting `{name}`"))
                    .at_opt(whole.name_place(&declaration.address, &path), "not known here")
                    .help(match crate::slips::instead(declaration.kind, name) {
                        Some(help) => help.to_owned(),
                        None => one_of(name, names.iter().copied()),
                    }),
            );
            continue;
        };
        let Some(value) = body.and_then(|body| body.field(name)) else { continue };
        if let Err(misfit) = fit(value, &attribute.ty) {
            whole.report(
                Diagnostic::error(misfit.code, format!("`{path}` has the wrong type or value"))
                    .at_opt(whole.place(&declaration.address, &path), misfit.why)
                    .help(misfit.help),
            );
        }
    }
}
