//! What would be applied, written for those who apply it by other means. It looks at nothing that lives, so that it says the same
//! wherever it is written.

use std::collections::BTreeMap;

use mlp_diag::{Diagnostic, Diagnostics, SourceMap, one_of};
use mlp_platform::Platform;
use mlp_provider::{Desired, Emitted, Provider};
use mlp_value::facts::{Fact, Facts, Need};
use mlp_value::{Path, ResourceId, Value, order};

use super::conditions::preconditions;
use super::lowering::lower;
use super::planning::{placed, with_places};
use super::renames::Names;
use super::vault::Vault;

/// Writes an environment in a form of its provider.
///
/// # Errors
/// The provider does not write that form, something is wrong with the specification, or a value is sensitive or known only after an
/// apply.
pub fn emit(
    platform: &Platform,
    sources: &SourceMap,
    provider: &dyn Provider,
    answer: &dyn Fn(&Need) -> Fact,
    form: &str,
) -> Result<Vec<Emitted>, Diagnostics> {
    let Some(form) = provider.forms().iter().find(|known| known.name == form) else {
        return Err(vec![no_form(provider, form)]);
    };
    placed(preconditions(platform), platform, sources)?;
    let lowering = lower(platform, provider, &Names::default(), &mut Facts::default(), answer);
    placed(lowering.diagnostics, platform, sources)?;
    let desired = in_order(lowering.desired);
    if form.objects {
        let vault = Vault::passing(platform);
        let problems: Diagnostics =
            desired.iter().filter_map(|one| unwritable(one, &vault, platform, provider)).collect();
        placed(problems, platform, sources)?;
    }
    (form.write)(platform, &desired).map_err(|problems| with_places(problems, platform, sources))
}

fn no_form(provider: &dyn Provider, form: &str) -> Diagnostic {
    let names: Vec<&str> = provider.forms().iter().map(|form| form.name).collect();
    let headline = format!("the provider `{}` does not write `{form}`", provider.kind());
    let found = Diagnostic::error("MLP0931", headline);
    match names.as_slice() {
        [] => found.note("nothing but mlp can apply what it makes").help("use `mlp plan` and `mlp apply`"),
        _ => {
            let written = provider.forms().iter().map(|form| format!("`{}`: {}", form.name, form.doc));
            written.fold(found, Diagnostic::note).help(one_of(form, names.iter().copied()))
        }
    }
}

/// What others need comes before them; else the order is that of the declarations.
fn in_order(all: Vec<Desired>) -> Vec<Desired> {
    let places: BTreeMap<&ResourceId, usize> =
        all.iter().enumerate().map(|(at, one)| (&one.id, at)).collect();
    let before = |one: &Desired| {
        let others = one.depends_on.iter().filter(|id| **id != one.id);
        others.filter_map(|id| places.get(id).copied()).collect()
    };
    let needs: order::Waits = all.iter().map(before).collect();
    // What waits for itself comes last.
    let (ordered, circle) = order::in_order(&needs);
    let mut left: Vec<Option<Desired>> = all.into_iter().map(Some).collect();
    ordered.into_iter().chain(circle).filter_map(|at| left[at].take()).collect()
}

/// Why an object cannot be written.
fn unwritable(
    one: &Desired,
    vault: &Vault,
    platform: &Platform,
    provider: &dyn Provider,
) -> Option<Diagnostic> {
    let headline = |what: &str| format!("{} cannot be written: {what}", one.id);
    if let Some(deferred) = &one.deferred {
        let found = Diagnostic::error("MLP0935", headline(&deferred.why));
        return Some(
            found
                .on(&one.id.address, "")
                .help("apply it with mlp, or leave it out with `except` in the environment"),
        );
    }
    let said = |native: &Path| {
        let declared = one.from.get(native).cloned().unwrap_or_default();
        (format!("`{native}`"), declared)
    };
    let mut sealed = one.clone();
    if let Err(problem) = vault.seal_desired(&mut sealed, platform, provider) {
        return Some(*problem);
    }
    if let Some(path) = Vault::marked(&sealed.config).first() {
        let (name, declared) = said(path);
        return Some(
            Diagnostic::error("MLP0935", headline(&format!("{name} is sensitive")))
                .on(&one.id.address, &declared)
                .help("what is written is read by everybody: let the target hold it (`secret` with `from = \"k8s:…\"`)"),
        );
    }
    let mut hole = None;
    one.config.walk(&mut |path, value| {
        if let (None, Value::Hole(found)) = (&hole, value) {
            hole = Some((path.clone(), found.after.join(", ")));
        }
    });
    let (path, after) = hole?;
    let (name, declared) = said(&path);
    Some(
        Diagnostic::error("MLP0935", headline(&format!("{name} is known only after {after} is applied")))
            .on(&one.id.address, &declared)
            .help("write the value itself, or apply it with mlp"),
    )
}
