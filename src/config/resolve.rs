//! From trees to the platform of one environment.

use std::collections::BTreeMap;
use std::sync::Arc;

use mlp_diag::{Diagnostic, Diagnostics, Severity, SourceMap, Span, one_of};
use mlp_eval::{PlanValue, reference_of};
use mlp_platform::{Declaration, Edge, EdgeKind, Environment, Mode, Origin, Origins, Platform, Project};
use mlp_syntax::{ExprKind, Tree};
use mlp_value::facts::{Facts, Needs};
use mlp_value::{Address, Path, Value};

use crate::broken;
use crate::check::{identity_edges, missing};
use crate::codes;
use crate::evaluator::{Evaluator, Instance, PlanValueOrNull, Surroundings};
use crate::index::{EnvironmentBlock, Index};
use crate::inherit::inherit;
use crate::instances::Repeat;
use crate::modules::{Module, Opener};
use crate::offers::Market;
use crate::partial::merged;
use crate::source::{Entry, Source};
use crate::spread::{rebase_paths, spread};
use crate::values::variables;
use crate::variables::{Assignment, VariableStory};
use crate::{accelerators, circles, in_parallel, meaning, once, select, standards};

/// What a specification is resolved from.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The trees of all files.
    pub trees: &'a [&'a Tree],
    /// Their text.
    pub sources: &'a SourceMap,
    /// The environment's name.
    pub environment: &'a str,
    /// Values of variables from outside, the later wins.
    pub assignments: &'a [Assignment],
    /// What `path.root` is.
    pub root: &'a str,
    /// The files of the modules that are called, and of those that these call.
    pub modules: &'a [Module<'a>],
}

/// The best result, what is wrong, and what it would like to know.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resolution {
    /// The platform; `None` when there is no project or no such environment.
    pub platform: Option<Platform>,
    /// What is wrong.
    pub diagnostics: Diagnostics,
    /// What nothing is declared to check by: no mistakes, but worth knowing for who wants everything checked.
    pub unchecked: Diagnostics,
    /// Open questions; with any open, the result is not final.
    pub needs: Needs,
    /// Where the values of variables come from.
    pub variables: Vec<VariableStory>,
}

/// Resolves the specification for one environment.
pub fn resolve(inputs: &Inputs<'_>, facts: &Facts) -> Resolution {
    let indexing = mlp_trace::stage("index");
    let mut diagnostics = Diagnostics::new();
    let mut index = Index::of(inputs.trees, &mut diagnostics);
    let declared = std::mem::take(&mut index.declared);
    let mut indexes = BTreeMap::new();
    for module in inputs.modules {
        indexes.insert(module.directory.clone(), Index::of(&module.trees, &mut diagnostics));
    }
    let Some(environment) = index.environments.get(inputs.environment) else {
        diagnostics.push(unknown_environment(inputs.environment, &index));
        broken::drop_consequences(inputs, &mut diagnostics);
        return Resolution { diagnostics, ..Resolution::default() };
    };
    let (declared, elsewhere) = merged(&index, declared, environment, &mut diagnostics);
    drop(indexing);
    let _evaluating = mlp_trace::stage("evaluate");
    let text_of = |span: Span| {
        let text = inputs.sources.text(span.file);
        text.get(span.start as usize..span.end as usize).unwrap_or_default().to_owned()
    };
    let surroundings = Surroundings {
        environment: inputs.environment.to_owned(),
        mode: literal_text(environment.declared.parts.get("mode")).unwrap_or_else(|| "shared".into()),
        residency: PlanValueOrNull::default(),
        root: inputs.root.to_owned(),
        market: Market::of(&environment.declared.parts, declared.values()),
    };
    let mut evaluator = Evaluator::new(surroundings, &index.locals, facts, &text_of);
    let unknown = diagnostics.iter().filter(|one| one.code == codes::UNKNOWN_ATTRIBUTE);
    evaluator.misspelt = unknown.filter_map(Diagnostic::place).collect();
    evaluator.misspelt.sort_by_key(|span| (span.file, span.start));
    evaluator.unread = index.unread.clone();
    for inner in indexes.values() {
        evaluator.unread.extend(inner.unread.iter().cloned());
    }
    evaluator.diagnostics.replace(diagnostics);
    evaluator.environments = index.environments.keys().cloned().collect();
    evaluator.elsewhere = elsewhere;
    evaluator.given_variables = environment.declared.parts.get("variables").cloned();
    let all = indexes.values().chain([&index]);
    evaluator.nameless = all.flat_map(|index| index.nameless.iter().cloned()).collect();
    let mut stories = variables(&mut evaluator, &declared, environment, inputs.assignments);
    stories.extend(Opener::new(&mut evaluator, &indexes).run(declared));
    let platform = match evaluator.overflown {
        true => None,
        false => build(&mut evaluator, environment, inputs.environment),
    };
    broken::unused(&evaluator);
    let mut diagnostics = evaluator.diagnostics.into_inner();
    broken::drop_consequences(inputs, &mut diagnostics);
    once::join(inputs, &mut diagnostics);
    // What only follows from a mistake already reported is not reported again.
    if diagnostics.iter().any(Diagnostic::is_error) {
        diagnostics.retain(|diagnostic| diagnostic.severity != mlp_diag::Severity::Note);
    }
    let unchecked = evaluator.unchecked.into_inner();
    let needs = evaluator.needs.into_inner();
    Resolution { platform, diagnostics, unchecked, needs, variables: stories }
}

fn unknown_environment(name: &str, index: &Index<'_>) -> Diagnostic {
    if index.environments.is_empty() {
        return Diagnostic::error(codes::UNKNOWN_ENVIRONMENT, "the specification declares no environment")
            .help("add `environment \"local\" { provider = provider.local.here }` and `provider \"local\" \"here\" {}`");
    }
    let names = index.environments.keys().map(String::as_str);
    Diagnostic::error(codes::UNKNOWN_ENVIRONMENT, format!("there is no environment `{name}`"))
        .help(one_of(name, names.collect::<Vec<_>>().iter().copied()))
}

pub(crate) fn literal_text(entry: Option<&Entry<'_>>) -> Option<String> {
    match entry.map(|entry| &entry.source) {
        Some(Source::Expr(mlp_syntax::Expr { kind: ExprKind::Text(text), .. }, _)) => Some(text.clone()),
        _ => None,
    }
}

/// Attributes that are used up while loading.
const CONSUMED: &[&str] = &["for_each", "count", "validation"];

fn declaration<'t>(evaluator: &Evaluator<'t>, instance: &Instance<'t>) -> Declaration {
    let kind = instance.declared.kind;
    let mut body: Vec<(&str, PlanValue)> = Vec::new();
    let mut sensitive = Vec::new();
    let mut origins = vec![(Path::default(), Origin::Written { span: instance.declared.header })];
    let mut edges = Vec::new();
    let mut because = BTreeMap::new();
    // The default of a variable was computed where its value was decided.
    let used_up = |name: &str| CONSUMED.contains(&name) || (kind.name == "variable" && name == "default");
    for schema in kind.all_attributes().filter(|schema| !used_up(schema.name)) {
        let given = instance.declared.parts.contains_key(schema.name);
        if schema.required && !given {
            // Most likely it is the one whose name is misspelt, and that was said.
            if evaluator.has_misspelt(&instance.declared.spans) {
                continue;
            }
            evaluator.report(missing(schema, schema.name, instance.declared.header));
            continue;
        }
        match evaluator.attribute(instance, schema, None) {
            Err(diagnostic) => evaluator.report(diagnostic),
            Ok(None) => {}
            Ok(Some(found)) => {
                let at = Path::of(&[schema.name]);
                identity_edges(&found.value, &at, &mut edges);
                edges.extend(found.edges.iter().cloned());
                sensitive.extend(found.sensitive.iter().cloned());
                origins.extend(found.origins.iter().cloned());
                because.extend(found.because.clone());
                body.push((schema.name, found.value.clone()));
            }
        }
    }
    evaluator.give_away(instance);
    if kind.open {
        open_parts(evaluator, instance, &mut body, &mut sensitive, &mut origins);
    }
    let mut body = PlanValue::object(body);
    rebase_paths(evaluator, instance, &mut body);
    // What is known only after another was applied comes after it, however the value came here.
    body.walk(&mut |path, inner| {
        if let Value::Hole(hole) = inner {
            let after = hole.after.iter().filter_map(|text| text.parse::<Address>().ok());
            edges.extend(after.filter(|to| *to != instance.address).map(|to| Edge {
                to,
                kind: EdgeKind::Value,
                at: path.clone(),
            }));
        }
        if kind.open
            && let Some(reference) = reference_of(inner)
        {
            edges.push(Edge { to: reference.address, kind: EdgeKind::Identity, at: path.clone() });
        }
    });
    Declaration {
        address: instance.address.clone(),
        kind: kind.name,
        body,
        sensitive,
        origins: Origins(origins.into_iter().collect()),
        edges,
        header: instance.declared.header,
        because,
    }
}

/// Attributes beyond the schema, of kinds that take any.
fn open_parts<'t, 'i>(
    evaluator: &Evaluator<'t>,
    instance: &'i Instance<'t>,
    body: &mut Vec<(&'i str, PlanValue)>,
    sensitive: &mut Vec<Path>,
    origins: &mut Vec<(Path, Origin)>,
) {
    // Those of a module's call are its inputs, which are evaluated where they are used.
    let kind = instance.declared.kind;
    if kind.name == "module" {
        return;
    }
    for (name, entry) in instance.declared.parts.iter().filter(|(name, _)| kind.attribute(name).is_none()) {
        match evaluator.open_attribute(instance, name, None) {
            Err(diagnostic) => evaluator.report(diagnostic),
            Ok(None) => {}
            Ok(Some(outcome)) => {
                let path = Path::of(&[name]);
                if outcome.sensitive {
                    sensitive.push(path.clone());
                }
                origins.push((path, Origin::Written { span: entry.source.span() }));
                body.push((name, outcome.value));
            }
        }
    }
}

fn build<'t>(
    evaluator: &mut Evaluator<'t>,
    environment: &EnvironmentBlock<'t>,
    name: &str,
) -> Option<Platform> {
    let own = Instance {
        number: evaluator.number(),
        address: environment.declared.address.clone(),
        declared: Arc::new(environment.declared.clone()),
        repeat: Repeat::None,
        room: 0,
    };
    let environment = declaration(evaluator, &own);
    evaluator.surroundings.residency =
        PlanValueOrNull(environment.body.field("residency").cloned().unwrap_or(PlanValue::Null));
    let mut declarations: BTreeMap<Address, Declaration> = in_parallel::declarations(evaluator, declaration)
        .into_iter()
        .map(|declaration| (declaration.address.clone(), declaration))
        .collect();
    for declaration in declarations.values_mut().filter(|one| one.kind == "variable") {
        let known = evaluator.variables.get(&*declaration.address.name).cloned().flatten();
        if let (Some(outcome), Value::Object(items)) =
            (known.filter(|it| !it.sensitive && !it.ephemeral), &mut declaration.body)
        {
            std::sync::Arc::make_mut(items).insert("value".into(), outcome.value);
        }
    }
    accelerators::check(evaluator, &declarations);
    // The environment is one of them while they are looked at together.
    let here = environment.address.clone();
    evaluator.instances.insert(here.clone(), own);
    declarations.insert(here.clone(), environment);
    let mut diagnostics = Diagnostics::new();
    meaning::check(evaluator, &declarations, &mut diagnostics);
    circles::check(&declarations, &mut diagnostics);
    let environment = declarations.remove(&here)?;
    diagnostics.into_iter().for_each(|diagnostic| evaluator.report(diagnostic));
    let Some((address, project)) = declarations
        .iter()
        .find(|(address, _)| &*address.kind == "project")
        .map(|(a, p)| (a.clone(), p.clone()))
    else {
        let severity = if evaluator.unread.is_empty() { Severity::Error } else { Severity::Note };
        evaluator.report(Diagnostic {
            severity,
            ..Diagnostic::error(codes::NO_PROJECT, "the specification has no `project` block")
                .help("add `project \"name\" { mlp_version = \"~> 0.1\" }`")
        });
        return None;
    };
    version(evaluator, &project);
    let places = |address: &Address, path: &Path| meaning::place(evaluator, address, path);
    let selected = select::select(&environment, &mut declarations, &places);
    selected.problems.into_iter().for_each(|problem| evaluator.report(problem));
    spread(&mut declarations);
    standards::prune(&evaluator.packs, &mut declarations);
    inherit(&mut declarations, &project, &environment);
    let provider = environment.body.field("provider").and_then(reference_of)?;
    let provider_body =
        declarations.get(&provider.address).map_or(PlanValue::Null, |found| found.body.clone());
    let (kind, label) = provider.address.name.split_once('.')?;
    let mode = match environment.body.field("mode").and_then(Value::as_text) {
        Some("development") => Mode::Development,
        Some("production") => Mode::Production,
        _ => Mode::Shared,
    };
    Some(Platform {
        project: Project { name: address.name.to_string(), body: project.body },
        environment: Environment {
            name: name.to_owned(),
            mode,
            provider: (kind.to_owned(), label.to_owned()),
            provider_body,
            body: environment.body,
            header: environment.header,
            user: None,
            notes: selected.notes,
        },
        declarations,
        deferred: evaluator.deferred.values().cloned().collect(),
    })
}

/// The first edition of the language.
const EDITION: (u64, u64) = (0, 1);

fn version(evaluator: &Evaluator<'_>, project: &Declaration) {
    let Some(wanted) = project.body.field("mlp_version").and_then(Value::as_text) else { return };
    let number = wanted.trim_start_matches(['~', '>', '=', '^', ' ']);
    let mut words = number.split('.').map(|word| word.trim().parse::<u64>().ok());
    if (words.next().flatten(), words.next().flatten()) == (Some(EDITION.0), Some(EDITION.1)) {
        return;
    }
    let span = project.origins.of(&Path::of(&["mlp_version"])).and_then(Origin::span);
    evaluator.report(
        Diagnostic::error(codes::VERSION, format!("this specification asks for the language `{wanted}`"))
            .at_opt(span, "")
            .note(format!("this program knows edition {}.{}", EDITION.0, EDITION.1))
            .help("use a program of that edition, or write `mlp_version = \"~> 0.1\"`"),
    );
}
