//! Every declaration to native resources, asking the host for facts until nothing new is needed.

use super::native::{joined, native, overridden, unserved};
use super::renames::Names;
use mlp_diag::{Diagnostic, Diagnostics, SourceMap, Span};
use mlp_parallel::in_parallel;
use mlp_platform::{Declaration, Origin, Platform};
use mlp_provider::{Desired, LowerInput, Provider, Support};
use mlp_value::Path;
use mlp_value::facts::{Fact, Facts, Need, Needs};

/// Fewer declarations are lowered sooner than threads are started.
const WORTH: usize = 512;
/// Rounds of questions after which a provider that always asks more is given up.
const MOST_ROUNDS: usize = 20;

/// The native resources of a platform.
#[derive(Debug, Default)]
pub struct Lowering {
    /// In the order of their declarations.
    pub desired: Vec<Desired>,
    /// What is wrong.
    pub diagnostics: Diagnostics,
}

/// Lowers a platform; `answer` is the host.
pub fn lower(
    platform: &Platform,
    provider: &dyn Provider,
    names: &Names,
    facts: &mut Facts,
    answer: &dyn Fn(&Need) -> Fact,
) -> Lowering {
    let _stage = mlp_trace::stage("lower");
    let there = match names.there(platform) {
        Ok(there) => there,
        Err(diagnostics) => return Lowering { diagnostics, ..Lowering::default() },
    };
    let mut lowering = rounds(&there, provider, facts, answer);
    lowering.desired.iter_mut().for_each(|one| names.here(one));
    names.said_here(&mut lowering.diagnostics);
    lowering.diagnostics.extend(joined(platform, &mut lowering.desired));
    lowering
}

fn rounds(
    platform: &Platform,
    provider: &dyn Provider,
    facts: &mut Facts,
    answer: &dyn Fn(&Need) -> Fact,
) -> Lowering {
    for _ in 0..MOST_ROUNDS {
        let (lowering, needs) = once(platform, provider, facts);
        if needs.is_empty() {
            return lowering;
        }
        for need in needs {
            let fact = answer(&need);
            facts.insert(need, fact);
        }
    }
    let mut lowering = once(platform, provider, facts).0;
    lowering.diagnostics.push(
        Diagnostic::error("MLP0902", "the provider keeps asking for more facts")
            .blame(mlp_diag::Blame::Internal)
            .help("this is a mistake in mlp; please report it with the specification"),
    );
    lowering
}

fn once(platform: &Platform, provider: &dyn Provider, facts: &Facts) -> (Lowering, Needs) {
    let declarations: Vec<&Declaration> = platform.declarations.values().collect();
    let one = |declaration: &&Declaration| declared(platform, provider, facts, declaration);
    let mut all = Lowering::default();
    let mut needs = Needs::new();
    for (mut lowering, mut asked) in in_parallel(&declarations, declarations.len() >= WORTH, one) {
        all.desired.append(&mut lowering.desired);
        all.diagnostics.append(&mut lowering.diagnostics);
        needs.append(&mut asked);
    }
    (all, needs)
}

/// What becomes of one declaration, and what is asked for it.
fn declared(
    platform: &Platform,
    provider: &dyn Provider,
    facts: &Facts,
    declaration: &Declaration,
) -> (Lowering, Needs) {
    let mut lowering = Lowering::default();
    if let Support::Refused(reason) = provider.support(declaration.kind) {
        lowering.diagnostics.push(
            Diagnostic::error(
                "MLP0903",
                format!("`{}` cannot be served by provider `{}`", declaration.address, provider.kind()),
            )
            .on(&declaration.address, "")
            .note(reason)
            .help(format!(
                "leave it out of this environment: `except = [{}]` in environment \"{}\", or `environments` here; or choose another provider",
                declaration.address, platform.environment.name
            )),
        );
        return (lowering, Needs::new());
    }
    lowering.diagnostics.extend(unserved(platform, provider, declaration));
    if declaration.kind == "resource" {
        match native(platform, provider, declaration) {
            Ok(one) => lowering.desired.push(one),
            Err(mut problems) => lowering.diagnostics.append(&mut problems),
        }
    }
    let mut lowered = provider.lower(&LowerInput { platform, declaration, facts });
    let mut problems = overridden(declaration, provider, &mut lowered.desired);
    lowering.diagnostics.append(&mut problems);
    lowering.desired.append(&mut lowered.desired);
    lowering.diagnostics.append(&mut lowered.diagnostics);
    (lowering, lowered.needs)
}

/// Where the native field came from, through the lowering's table and the declaration's origins.
pub(crate) fn origin<'p>(platform: &'p Platform, desired: &Desired, native: &Path) -> Option<&'p Origin> {
    let mut at = native.clone();
    let mut below: Vec<mlp_value::Step> = Vec::new();
    let path = loop {
        if let Some(path) = desired.from.get(&at) {
            // What lies below a mapped path lies below the declaration's path by the same names.
            let mut path = path.clone();
            below.iter().rev().for_each(|step| path.push(step.clone()));
            break path;
        }
        below.extend(at.pop());
        if at.is_root() {
            return None;
        }
    };
    platform.declarations.get(&desired.id.address)?.origins.of(&path)
}

/// Gives a diagnostic that speaks of an address and a path the place in the source.
pub fn place(diagnostic: &mut Diagnostic, platform: &Platform, sources: &SourceMap) {
    if !diagnostic.labels.is_empty() {
        return;
    }
    let Some(subject) = &diagnostic.subject else { return };
    let Ok(address) = subject.address.parse() else { return };
    let Some(declaration) = platform.declarations.get(&address) else { return };
    let path: Path = subject.path.parse().unwrap_or_default();
    let span = written(declaration, &path, sources).unwrap_or(declaration.header);
    *diagnostic = diagnostic.clone().at(span, "");
}

/// Where what lies at a path is written. What lies inside of a value that was taken as one is looked for in its text.
fn written(declaration: &Declaration, path: &Path, sources: &SourceMap) -> Option<Span> {
    let origins = &declaration.origins.0;
    let (mut at, mut below) = (path.clone(), Vec::new());
    let span = loop {
        if let Some(origin) = origins.get(&at) {
            break origin.span()?;
        }
        below.insert(0, at.pop()?);
    };
    let text = sources.text(span.file).get(span.start as usize..span.end as usize)?;
    let Some(expr) = (!below.is_empty()).then(|| mlp_syntax::parse_expression(span.file, text)) else {
        return Some(span);
    };
    let Ok(expr) = expr else { return Some(span) };
    let offset = span.start as usize;
    while !below.is_empty() {
        let inner = below.iter().cloned().fold(Path::default(), |mut path, step| {
            path.push(step);
            path
        });
        if let Some(found) = mlp_config::inner_span(&expr, &inner) {
            let (start, end) = (found.start as usize + offset, found.end as usize + offset);
            return Some(Span::new(span.file, start, end));
        }
        below.pop();
    }
    Some(span)
}
