//! What the whole project means, in every environment: diagnostics and values.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mlp_config::{Inputs, Resolution, environments, resolve};
use mlp_diag::{Diagnostic, Diagnostics, SourceMap};
use mlp_platform::Platform;
use mlp_value::facts::Facts;

use crate::Host;
use crate::project::Project;

/// Rounds of questions after which resolving is given up.
const MOST_ROUNDS: usize = 20;

/// What was found out, and of which state of the text.
#[derive(Debug, Default)]
pub(crate) struct Analysis {
    /// Which state of the text.
    pub(crate) version: u64,
    /// The project as it was.
    pub(crate) project: Project,
    /// What is wrong.
    pub(crate) diagnostics: Diagnostics,
    /// The environments that could be resolved.
    pub(crate) platforms: BTreeMap<String, Platform>,
}

/// What was answered already, by environment.
#[derive(Debug, Default)]
pub(crate) struct Answers(Mutex<BTreeMap<String, Arc<Facts>>>);

impl Answers {
    /// Forgets everything: a file was saved or changed outside.
    pub(crate) fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn of(&self, environment: &str) -> Arc<Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(environment).cloned().unwrap_or_default()
    }

    fn keep(&self, environment: &str, facts: Arc<Facts>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(environment.to_owned(), facts);
    }
}

/// Resolves a project for every environment; `None` when `newest` has gone on meanwhile.
pub(crate) fn analyse(
    project: Project,
    version: u64,
    host: &dyn Host,
    answers: &Answers,
    newest: &AtomicU64,
) -> Option<Analysis> {
    let mut diagnostics: Diagnostics =
        project.files.iter().flat_map(|file| file.problems().cloned()).collect();
    let (sources, found, platforms) = {
        let sources = project.sources();
        let assignments = project.assignments(&mut diagnostics);
        let trees = project.root_trees();
        let modules = project.modules();
        let mut names = environments(&trees);
        if names.is_empty() {
            names.push(String::new());
        }
        let one = |environment: &String| {
            if newest.load(Ordering::Relaxed) != version {
                return None;
            }
            let inputs = Inputs {
                trees: &trees,
                sources: &sources,
                environment,
                assignments: &assignments,
                root: ".",
                modules: &modules,
            };
            Some(resolved(&inputs, host, answers))
        };
        let mut found = Diagnostics::new();
        let mut platforms = BTreeMap::new();
        for (environment, resolution) in in_parallel(&names, one)? {
            found.extend(resolution.diagnostics);
            platforms.extend(resolution.platform.map(|platform| (environment, platform)));
        }
        (sources, found, platforms)
    };
    drop::<SourceMap>(sources);
    let mut seen: HashSet<Diagnostic> = HashSet::new();
    for one in found {
        if seen.insert(one.clone()) {
            diagnostics.push(one);
        }
    }
    Some(Analysis { version, project, diagnostics, platforms })
}

/// One environment after the other, on as many threads as the machine has for it.
fn in_parallel(
    names: &[String],
    one: impl Fn(&String) -> Option<Resolution> + Sync,
) -> Option<Vec<(String, Resolution)>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(names.len()).max(1);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            // Deep nesting needs the stack that the program itself has.
            let work = || {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let Some(resolution) = one(name) else { break };
                    found.lock().unwrap_or_else(PoisonError::into_inner).push((name.clone(), resolution));
                }
            };
            let started = std::thread::Builder::new().stack_size(crate::STACK).spawn_scoped(scope, work);
            if started.is_err() {
                work();
            }
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by(|left, right| left.0.cmp(&right.0));
    (found.len() == names.len()).then_some(found)
}

fn resolved(inputs: &Inputs<'_>, host: &dyn Host, answers: &Answers) -> Resolution {
    let mut known = answers.of(inputs.environment);
    let mut resolution = resolve(inputs, &known);
    for _ in 0..MOST_ROUNDS {
        if resolution.needs.is_empty() {
            break;
        }
        for need in &resolution.needs {
            Arc::make_mut(&mut known).insert(need.clone(), host.answer(inputs.environment, need));
        }
        resolution = resolve(inputs, &known);
    }
    answers.keep(inputs.environment, known);
    resolution
}

/// The place of a diagnostic: the file's number and the bytes; what has no place stands at the beginning of the first file.
pub(crate) fn place(diagnostic: &Diagnostic) -> (u32, std::ops::Range<usize>) {
    match diagnostic.place() {
        Some(span) => (span.file.0, span.start as usize..span.end as usize),
        None => (0, 0..0),
    }
}
