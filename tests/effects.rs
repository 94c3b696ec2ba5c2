//! Every accepted attribute does something, or is refused: for each attribute of each kind that the local provider lowers, the
//! specification is lowered without it and with it, and either what is made differs or a diagnostic says so.
//!
//! The attributes are walked from the schemas, so that a new one is asked the same question by itself. What shows its effect
//! elsewhere, or has none by its nature, is listed below with its reason; an entry that nothing needs any more fails.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "effects/samples.rs"]
mod samples;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use mlp_config::{Inputs, resolve};
use mlp_diag::{Diagnostics, SourceMap};
use mlp_platform::kinds::{COMMON, KINDS};
use mlp_platform::schema::{Attribute, Kind, Ty};
use mlp_provider::{Desired, LowerInput, Provider, Support};
use mlp_value::facts::{Fact, Facts, Need};
use samples::{NOTHING, SUBJECTS, WORLD, sample};

/// What comes of a specification.
#[derive(Debug, PartialEq)]
struct Made {
    desired: Vec<Desired>,
    said: Vec<String>,
}

fn answer(need: &Need) -> Fact {
    let digest = |text: &str| Fact::Digest { digest: format!("{:0>64}", text.len()), size: 1 };
    match need {
        Need::Text(path) if path.ends_with(".csv") => Fact::Missing,
        Need::Text(path) if path.ends_with(".json") => Fact::Text("{\"inputs\": [], \"outputs\": []}".into()),
        Need::Text(path) => Fact::Text(format!("text of {path}\n")),
        Need::Digest(path) | Need::Tree(path) => digest(path),
        Need::Env(_) => Fact::Text("value".into()),
        Need::Secret(from) => Fact::Text(format!("fingerprint of {from}")),
        Need::Program(name) => Fact::Program { path: format!("/bin/{name}"), version: "3.12.1".into() },
        Need::Machine => Fact::Machine { cores: 64, memory: 1 << 40, gpus: vec!["H100".into(); 8] },
        Need::Bytes(_)
        | Need::Files(_)
        | Need::Source(_)
        | Need::Look { .. }
        | Need::Image { .. }
        | Need::Remembered(_)
        | Need::Outputs { .. } => Fact::Missing,
    }
}

/// Resolves and lowers; what is wrong with the text itself is no answer.
fn made(provider: &dyn Provider, text: &str) -> Result<Made, Diagnostics> {
    let mut sources = SourceMap::default();
    let file = sources.add("main.mlp", text);
    let (tree, diagnostics) = mlp_syntax::parse(file, text);
    if !diagnostics.is_empty() {
        return Err(diagnostics);
    }
    let trees = [&tree];
    let inputs = Inputs {
        trees: &trees,
        sources: &sources,
        environment: "local",
        assignments: &[],
        root: ".",
        modules: &[],
    };
    let mut facts = Facts::default();
    for _ in 0..10 {
        let found = resolve(&inputs, &facts);
        if found.diagnostics.iter().any(|one| one.is_error()) {
            return Err(found.diagnostics);
        }
        let platform = found.platform.expect("there is a platform");
        let mut needs = found.needs;
        let mut all = Made { desired: Vec::new(), said: Vec::new() };
        for declaration in platform.declarations.values() {
            let lowered = provider.lower(&LowerInput { platform: &platform, declaration, facts: &facts });
            needs.extend(lowered.needs);
            all.desired.extend(lowered.desired);
            all.said
                .extend(lowered.diagnostics.into_iter().map(|one| format!("{} {}", one.code, one.headline)));
        }
        if needs.is_empty() {
            return Ok(all);
        }
        needs.into_iter().for_each(|need| facts.insert(need.clone(), answer(&need)));
    }
    panic!("it never stops asking");
}

/// An attribute by the way to it, and the values that are tried.
struct Asked {
    path: String,
    /// The text of the outermost attribute with the inner one left out, and with each of its values.
    without: Option<String>,
    with: Vec<String>,
}

/// Every attribute that can be reached from a type, each as a text for the outermost.
fn inner(ty: &'static Ty, path: &str, wrap: &dyn Fn(&str) -> String, all: &mut Vec<Asked>) {
    match ty {
        Ty::List(item) => inner(item, path, &|value| wrap(&format!("[{value}]")), all),
        Ty::Map(item) => inner(item, path, &|value| wrap(&format!("{{ k = {value} }}")), all),
        Ty::OneOf(options) => options.iter().for_each(|option| inner(option, path, wrap, all)),
        Ty::Object(attributes) | Ty::Open(attributes) | Ty::MaybeLabelled(attributes) => {
            within(attributes, path, wrap, all);
        }
        Ty::Labelled(attributes) => {
            within(attributes, path, &|value| wrap(&format!("{{ x = {value} }}")), all)
        }
        _ => {}
    }
}

fn within(attributes: &'static [Attribute], path: &str, wrap: &dyn Fn(&str) -> String, all: &mut Vec<Asked>) {
    for attribute in attributes {
        let own = format!("{path}.{}", attribute.name);
        let others: String = attributes
            .iter()
            .filter(|other| other.name != attribute.name && samples::needed(path, other, attribute))
            .filter_map(|other| {
                Some(format!(
                    "{} = {}, ",
                    other.name,
                    sample(&format!("{path}.{}", other.name), &other.ty).first()?
                ))
            })
            .collect();
        let values = sample(&own, &attribute.ty);
        let with = values.iter().map(|value| wrap(&format!("{{ {others}{} = {value} }}", attribute.name)));
        let without = (!attribute.required).then(|| wrap(&format!("{{ {others} }}")));
        all.push(Asked { path: own.clone(), without, with: with.collect() });
        let name = attribute.name;
        inner(&attribute.ty, &own, &|value| wrap(&format!("{{ {others}{name} = {value} }}")), all);
    }
}

/// Those of the kind, and those of every block, whose paths begin with `common`.
fn asked(kind: &'static Kind) -> Vec<(&'static Attribute, Asked)> {
    let mut all = Vec::new();
    let common: &[Attribute] = if kind.common { COMMON } else { &[] };
    let own = kind.attributes.iter().map(|attribute| (kind.name, attribute));
    for (name, attribute) in own.chain(common.iter().map(|attribute| ("common", attribute))) {
        let path = format!("{name}.{}", attribute.name);
        let with = sample(&path, &attribute.ty);
        all.push((attribute, Asked { path: path.clone(), without: None, with }));
        let mut deeper = Vec::new();
        inner(&attribute.ty, &path, &|value| value.to_owned(), &mut deeper);
        all.extend(deeper.into_iter().map(|one| (attribute, one)));
    }
    all
}

/// The specification with a subject that has one more attribute.
fn specification(subject: &str, attribute: &str, value: Option<&str>) -> String {
    let line = value.map(|value| format!("{attribute} = {value}")).unwrap_or_default();
    // What the subject has of its own gives way.
    let kept: Vec<&str> = subject
        .lines()
        .filter(|one| value.is_none() || !one.trim_start().starts_with(&format!("{attribute} = ")))
        .collect();
    // The project and the environment are of the world itself.
    match subject.strip_prefix("in ") {
        Some(header) => WORLD.replace(&format!("{header} {{"), &format!("{header} {{\n{line}\n")),
        None => format!("{WORLD}\n{}", kept.join("\n").replace("@@", &line)),
    }
}

/// Why an attribute can be taken without a word and without an effect; nothing when it cannot.
fn idle(provider: &dyn Provider, subject: &str, attribute: &Attribute, one: &Asked) -> Option<String> {
    let before = match made(provider, &specification(subject, attribute.name, one.without.as_deref())) {
        Ok(before) => before,
        // The smallest form without it may be wrong in itself: then the subject as it is.
        Err(_) => {
            made(provider, &specification(subject, attribute.name, None)).expect("the subject is valid")
        }
    };
    // What refuses the attribute that this one lies in refuses this one.
    let plain = made(provider, &specification(subject, attribute.name, None)).expect("the subject is valid");
    let refused = |after: &Made| after.said.iter().any(|said| !plain.said.contains(said));
    if one.with.is_empty() {
        return Some("there is no sample of a value".to_owned());
    }
    let mut wrong = None;
    for value in &one.with {
        match made(provider, &specification(subject, attribute.name, Some(value))) {
            Ok(after) if after != before || refused(&after) => return None,
            Ok(_) => {}
            Err(diagnostics) => wrong = Some(format!("{}: {}", diagnostics[0].code, diagnostics[0].headline)),
        }
    }
    Some(wrong.map_or_else(
        || format!("no effect: {}", one.with.join(" | ")),
        |why| format!("a wrong sample: {why}"),
    ))
}

/// Attributes that say something to people where nothing is made.
const TO_PEOPLE: &[&str] = &["common.description", "common.owner", "common.labels"];

/// Whether a kind becomes no object of its own.
fn is_declared_only(provider: &dyn Provider, kind: &Kind) -> bool {
    matches!(provider.support(kind.name), Support::Declarative)
}

/// Whether a pattern means a path: `a.**` all below `a` and itself, `**.b` all that end so.
fn is_meant(pattern: &str, path: &str) -> bool {
    let below =
        |whole: &str| path == whole || path.strip_prefix(whole).is_some_and(|rest| rest.starts_with('.'));
    pattern == path
        || pattern.strip_suffix(".**").is_some_and(below)
        || pattern.strip_prefix("**").is_some_and(|end| path.ends_with(end))
}

#[test]
fn every_attribute_has_an_effect_or_is_refused() {
    let provider = mlp_local::provider();
    let mut used = BTreeSet::new();
    let mut failures = String::new();
    let mut count = 0;
    for kind in KINDS {
        // A kind that is refused as a whole refuses each of its attributes.
        if let Support::Refused(reason) = provider.support(kind.name) {
            assert!(reason.contains(kind.name), "{reason}");
            continue;
        }
        let subjects: Vec<&str> =
            SUBJECTS.iter().filter(|(name, _)| *name == kind.name).map(|(_, subject)| *subject).collect();
        if subjects.is_empty() {
            let exempt = NOTHING.iter().position(|(path, _)| *path == format!("{}.**", kind.name));
            match exempt {
                Some(index) => drop(used.insert(index)),
                None => drop(writeln!(failures, "{}: no subject", kind.name)),
            }
            continue;
        }
        for (attribute, one) in asked(kind) {
            count += 1;
            // In one of the subjects it shows.
            let found: Vec<Option<String>> =
                subjects.iter().map(|subject| idle(&*provider, subject, attribute, &one)).collect();
            let Some(why) = found.into_iter().collect::<Option<Vec<String>>>() else { continue };
            let why = why.join("; ");
            if one.path.starts_with("common.")
                && is_declared_only(&*provider, kind)
                && TO_PEOPLE.contains(&one.path.as_str())
            {
                continue;
            }
            match NOTHING.iter().position(|(path, _)| is_meant(path, &one.path)) {
                Some(index) => drop(used.insert(index)),
                None => drop(writeln!(failures, "{} of {}: {why}", one.path, kind.name)),
            }
        }
    }
    let lines = failures.lines().count();
    assert!(failures.is_empty(), "{lines} of {count} attributes are idle:\n{failures}");
    let stale: Vec<_> = NOTHING.iter().enumerate().filter(|(index, _)| !used.contains(index)).collect();
    assert!(stale.is_empty(), "nothing needs these any more: {stale:?}");
    assert!(count > 200, "only {count} attributes: the walk has lost its way");
}
