//! From a directory to the platform of one environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mlp_config::{
    Assignment, Given, Inputs, Module, Resolution, Undeclared, VALUE_FILES, VariableStory, assignments,
    environments, read_unasked, resolve, values_tree,
};
use mlp_diag::{Diagnostic, Diagnostics, SourceMap};
use mlp_eval::PlanValue;
use mlp_platform::{Mode, Platform};
use mlp_provider::Provider;
use mlp_syntax::{Attribute, Block, Body, Expr, ExprKind, Ident, Tree};
use mlp_value::Address;
use mlp_value::facts::{Fact, Facts, Need};

use super::Globals;
pub use super::variable_args::VariableArgs;
use super::variable_args::Word;
use crate::engine::{outputs, outside};
use crate::host::{facts, files, lock, who};

/// Rounds of questions after which resolving is given up.
const MOST_ROUNDS: usize = 20;

/// A project as it was read.
#[derive(Debug)]
pub struct Project {
    /// Its directory, absolute.
    pub directory: PathBuf,
    /// Its files.
    pub sources: SourceMap,
    trees: Vec<Tree>,
    modules: BTreeMap<String, Vec<Tree>>,
    assignments: Vec<Assignment>,
    /// What is wrong with the text.
    pub diagnostics: Diagnostics,
}

/// A project resolved for one environment.
pub struct Compiled {
    /// Its directory.
    pub directory: PathBuf,
    /// Its files.
    pub sources: SourceMap,
    /// What it says.
    pub platform: Platform,
    /// The provider of the environment.
    pub provider: Box<dyn Provider>,
    /// What is worth a word and stops nothing.
    pub warnings: Diagnostics,
}

impl Compiled {
    /// Answers questions about this project.
    pub fn answer(&self) -> impl Fn(&Need) -> Fact + Sync + use<> {
        let directory = self.directory.clone();
        let home = crate::engine::home(&directory, &self.platform.environment.folder());
        move |need: &Need| facts::answer(&directory, &home, need)
    }
}

impl Project {
    /// Reads the project of the command line.
    pub fn read(globals: &Globals, variables: &VariableArgs) -> Self {
        let _stage = mlp_trace::stage("read");
        let asked = globals.directory.clone().unwrap_or_else(|| PathBuf::from("."));
        let directory = std::fs::canonicalize(&asked).unwrap_or(asked);
        let found = files::read_project(&directory);
        let mut project = Self {
            directory,
            sources: found.map,
            trees: found.trees,
            modules: found.modules,
            assignments: Vec::new(),
            diagnostics: found.diagnostics,
        };
        lock::check(
            &project.directory,
            project.modules.keys(),
            &mut project.sources,
            &mut project.diagnostics,
        );
        project.read_environment_variables();
        project.read_variable_files();
        for word in &variables.words {
            match word {
                Word::File(path) => project.read_variables(path),
                Word::Value(text) => project.read_argument(text),
            }
        }
        project
    }

    /// Reads the files of values that are read without being named.
    fn read_variable_files(&mut self) {
        let mut all: Vec<PathBuf> = Vec::new();
        for ending in VALUE_FILES {
            match files::with_ending(&self.directory, ending) {
                Ok(paths) => all.extend(paths),
                Err(diagnostic) => self.push_once(*diagnostic),
            }
        }
        let names: Vec<String> =
            all.iter().filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect();
        for name in read_unasked(names.iter().map(String::as_str)) {
            self.read_variables(&self.directory.join(name));
        }
    }

    fn push_once(&mut self, diagnostic: Diagnostic) {
        if !self.diagnostics.contains(&diagnostic) {
            self.diagnostics.push(diagnostic);
        }
    }

    fn read_variables(&mut self, path: &Path) {
        match files::read_text(path) {
            Err(diagnostic) => self.push_once(*diagnostic),
            Ok(text) => {
                let name =
                    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                let file = self.sources.add(name.as_str(), text.as_str());
                let (tree, mut diagnostics) = values_tree(&name, file, &text);
                self.diagnostics.append(&mut diagnostics);
                let found = assignments(&tree, &name, &mut self.diagnostics);
                self.assignments.extend(found);
            }
        }
    }

    fn read_environment_variables(&mut self) {
        let mut found: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter_map(|(name, value)| Some((name.strip_prefix("MLP_VAR_")?.to_owned(), value)))
            .collect();
        found.sort();
        for (name, value) in found {
            let from = format!("MLP_VAR_{name}");
            self.assign(&name, &value, from, Undeclared::Nothing);
        }
    }

    fn read_argument(&mut self, text: &str) {
        match text.split_once('=') {
            Some((name, value)) => {
                self.assign(name.trim(), value, "-var".to_owned(), Undeclared::Error);
            }
            None => self.push_once(
                Diagnostic::error("MLP0912", format!("`-var {text}` names no value"))
                    .help("write `-var name=value`"),
            ),
        }
    }

    /// A value given as text; the variable's type says how it is read.
    fn assign(&mut self, name: &str, text: &str, from: String, undeclared: Undeclared) {
        let file = self.sources.add(format!("<{from}>"), text);
        let span = mlp_diag::Span::new(file, 0, text.len());
        let given = Given::Text(text.to_owned());
        self.assignments.push(Assignment {
            name: name.to_owned(),
            given,
            span,
            name_span: span,
            from,
            undeclared,
        });
    }

    /// Whether there is nothing to check.
    pub fn is_empty(&self) -> bool {
        self.trees.is_empty()
    }

    /// The environments it declares.
    pub fn environments(&self) -> Vec<String> {
        environments(&self.trees.iter().collect::<Vec<_>>())
    }

    /// Resolves it for an environment: the platform where there is one, and what is wrong.
    pub fn resolve(&self, environment: &str) -> (Option<Platform>, Diagnostics) {
        let found = self.resolution(environment);
        (found.platform, found.diagnostics)
    }

    /// Where the values of variables come from in an environment.
    pub fn variables(&self, environment: &str) -> Vec<VariableStory> {
        self.resolution(environment).variables
    }

    /// Everything that comes of resolving it for an environment.
    pub fn resolution(&self, environment: &str) -> Resolution {
        let trees: Vec<&Tree> = self.trees.iter().collect();
        self.resolve_trees(&trees, &self.sources, environment)
    }

    fn resolve_trees(&self, trees: &[&Tree], sources: &SourceMap, environment: &str) -> Resolution {
        let _stage = mlp_trace::stage_of("resolve", || environment.to_owned());
        let modules: Vec<Module<'_>> = self
            .modules
            .iter()
            .map(|(directory, trees)| Module { directory: directory.clone(), trees: trees.iter().collect() })
            .collect();
        let inputs = Inputs {
            trees,
            sources,
            environment,
            assignments: &self.assignments,
            root: ".",
            modules: &modules,
        };
        let mut known = Facts::default();
        let mut resolution = resolve(&inputs, &known);
        for _ in 0..MOST_ROUNDS {
            if resolution.needs.is_empty() {
                break;
            }
            let platform = resolution.platform.take().map(of_user);
            for need in &resolution.needs {
                let fact = match (need, &platform) {
                    (Need::Remembered(address), Some(platform)) => {
                        outside::remembered(platform, &self.directory, address)
                    }
                    (Need::Look { kind, query }, _) => self.look(trees, sources, environment, (kind, query)),
                    _ => self.answer(need, environment),
                };
                known.insert(need.clone(), fact);
            }
            resolution = resolve(&inputs, &known);
        }
        resolution.platform = resolution.platform.map(of_user);
        resolution
    }

    /// The names of its own `locals`.
    pub fn locals(&self) -> Vec<String> {
        let blocks = self.trees.iter().flat_map(|tree| &tree.body.blocks);
        let attributes =
            blocks.filter(|block| block.kind.name == "locals").flat_map(|block| &block.body.attributes);
        attributes.map(|attribute| attribute.name.name.clone()).collect()
    }

    /// The addresses it declares at its top level.
    pub fn addresses(&self) -> Vec<String> {
        let blocks = self.trees.iter().flat_map(|tree| &tree.body.blocks);
        let shared = blocks
            .filter(|block| mlp_platform::kinds::kind(&block.kind.name).is_some_and(|kind| kind.common));
        let mut found: Vec<String> = shared
            .map(|block| {
                let words = block.labels.iter().map(|label| label.name.as_str());
                // A native resource is named by its type.
                let kind = Some(block.kind.name.as_str()).filter(|kind| *kind != "resource");
                kind.into_iter().chain(words).collect::<Vec<_>>().join(".")
            })
            .collect();
        found.sort();
        found
    }

    /// Computes an expression as if it stood in an output of the project.
    ///
    /// # Errors
    /// What is wrong with it; what is wrong with the rest of the project only where that leaves it without a value.
    pub fn compute(&self, environment: &str, text: &str) -> Result<Computed, (Diagnostics, SourceMap)> {
        let mut sources = self.sources.clone();
        let file = sources.add("<console>", text);
        let expr = match mlp_syntax::parse_expression(file, text) {
            Ok(expr) => expr,
            Err(problems) => return Err((problems, sources)),
        };
        let asked =
            Tree { body: Body { blocks: vec![output_of(expr)], ..Body::default() }, ..Tree::default() };
        let trees: Vec<&Tree> = self.trees.iter().chain([&asked]).collect();
        let Resolution { platform, diagnostics: problems, .. } =
            self.resolve_trees(&trees, &sources, environment);
        let of_it = |one: &&Diagnostic| one.place().is_some_and(|span| span.file == file);
        let own: Diagnostics = problems.iter().filter(of_it).cloned().collect();
        let address = Address::new("output", ASKED);
        let value = platform.as_ref().and_then(|platform| {
            let declaration = platform.declarations.get(&address)?;
            let path = mlp_value::Path::of(&["value"]);
            let below = declaration.sensitive.iter().filter(|one| one.starts_with(&path));
            let hidden =
                below.map(|one| one.steps()[1..].iter().cloned().fold(mlp_value::Path::default(), joined));
            Some((declaration.body.get(&path)?.clone(), hidden.collect::<Vec<_>>()))
        });
        match (platform, value) {
            (Some(platform), Some((value, hidden))) if !own.iter().any(Diagnostic::is_error) => {
                let sensitive = hidden.iter().any(mlp_value::Path::is_root);
                Ok(Computed { platform, value, hidden, sensitive })
            }
            _ if own.is_empty() => Err((problems, sources)),
            _ => Err((own, sources)),
        }
    }

    /// Looks something up in this or another environment; its state is where that environment keeps it.
    fn look(
        &self,
        trees: &[&Tree],
        sources: &SourceMap,
        environment: &str,
        (kind, query): (&str, &str),
    ) -> Fact {
        let state = |other: &str| {
            let platform = self.outline(trees, sources, other);
            // Another environment is looked at as everybody has it.
            let platform = if other == environment { platform.map(of_user) } else { platform };
            match platform {
                Some(platform) => {
                    let folder = platform.environment.folder();
                    Some(outside::state_of(&platform, &self.directory).map(|state| (folder, state)))
                }
                None if self.environments().iter().any(|one| one == other) => {
                    let headline = format!("environment `{other}` cannot be resolved");
                    let problem = Diagnostic::error("MLP0913", headline);
                    Some(Err(problem.help(format!("`mlp validate -e {other}` says what is wrong with it"))))
                }
                None => None,
            }
        };
        let surroundings = outside::Surroundings {
            directory: &self.directory,
            project: &self.name(),
            environment,
            state: &state,
        };
        outside::look(&surroundings, kind, query)
    }

    /// The platform of an environment for what is done to its state: also where the rest of it cannot be resolved, as long as
    /// the state is not where it is looked for, unless it has to be `whole`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn platform_of_state(&self, environment: &str, whole: bool) -> Result<Platform, Diagnostics> {
        let Resolution { platform, diagnostics, .. } = self.resolution(environment);
        if whole && self.diagnostics.iter().chain(&diagnostics).any(Diagnostic::is_error) {
            return Err(self.diagnostics.iter().cloned().chain(diagnostics).collect());
        }
        let trees: Vec<&Tree> = self.trees.iter().collect();
        let outline = || self.outline(&trees, &self.sources, environment).map(of_user);
        platform.or_else(outline).ok_or(diagnostics)
    }

    /// The platform as far as it is known without asking anything: what says where a state is.
    fn outline(&self, trees: &[&Tree], sources: &SourceMap, environment: &str) -> Option<Platform> {
        let modules: Vec<Module<'_>> = self
            .modules
            .iter()
            .map(|(directory, trees)| Module { directory: directory.clone(), trees: trees.iter().collect() })
            .collect();
        let assignments = &self.assignments;
        let inputs = Inputs { trees, sources, environment, assignments, root: ".", modules: &modules };
        resolve(&inputs, &Facts::default()).platform
    }

    fn name(&self) -> String {
        let blocks = self.trees.iter().flat_map(|tree| &tree.body.blocks);
        let mut projects = blocks.filter(|block| block.kind.name == "project");
        projects.find_map(|block| Some(block.labels.first()?.name.clone())).unwrap_or_default()
    }

    /// The outputs of another project: where its specification keeps its state elsewhere, from there.
    fn outputs_of(directory: &Path, project: &str, environment: &str) -> Fact {
        let other = directory.join(project);
        if files::with_ending(&other, ".mlp").is_ok_and(|files| !files.is_empty()) {
            let globals = Globals { directory: Some(other), ..Globals::default() };
            let other = Self::read(&globals, &VariableArgs::default());
            let trees: Vec<&Tree> = other.trees.iter().collect();
            let platform = other.outline(&trees, &other.sources, environment);
            if let Some(fact) =
                platform.and_then(|platform| outputs::kept_elsewhere(&platform, &other.directory))
            {
                return fact;
            }
        }
        outputs::of_other(directory, project, environment)
    }

    /// Answers a question of an environment's resolution.
    fn answer(&self, need: &Need, environment: &str) -> Fact {
        answer_of(&self.directory, &self.trees, environment, need)
    }

    /// Resolves it for the environment of the command line and finds its provider.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn compile(self, globals: &Globals) -> Result<Compiled, (Diagnostics, SourceMap)> {
        let environment = match self.choose(globals) {
            Ok(environment) => environment,
            Err(diagnostic) => {
                let mut all = self.diagnostics;
                if all.is_empty() {
                    all.push(*diagnostic);
                }
                return Err((all, self.sources));
            }
        };
        let (platform, mut diagnostics) = self.resolve(&environment);
        let mut all = self.diagnostics;
        all.append(&mut diagnostics);
        let failed = all.iter().any(Diagnostic::is_error);
        let Some(platform) = platform.filter(|_| !failed) else { return Err((all, self.sources)) };
        match crate::engine::provider(&platform.environment.provider.0) {
            Ok(provider) => {
                let (directory, sources) = (self.directory, self.sources);
                Ok(Compiled { directory, sources, platform, provider, warnings: all })
            }
            Err(diagnostic) => Err((
                vec![diagnostic.at(platform.environment.header, "the environment that is planned")],
                self.sources,
            )),
        }
    }

    /// The environment: the one named, or the only one there is.
    pub fn choose(&self, globals: &Globals) -> Result<String, Box<Diagnostic>> {
        if let Some(name) = &globals.environment {
            return Ok(name.clone());
        }
        match self.environments().as_slice() {
            [only] => Ok(only.clone()),
            [] => Err(Box::new(
                Diagnostic::error("MLP0913", "the specification declares no environment")
                    .help("add `environment \"local\" { provider = provider.local.here }`"),
            )),
            several => Err(Box::new(
                Diagnostic::error("MLP0913", "which environment?")
                    .note("there is no hidden current one")
                    .help(format!(
                        "name one of them: {}",
                        several.iter().map(|name| format!("-e {name}")).collect::<Vec<_>>().join(", ")
                    )),
            )),
        }
    }
}

/// An expression that was computed.
#[derive(Debug)]
pub struct Computed {
    /// The environment it was computed in.
    pub platform: Platform,
    /// Its value.
    pub value: PlanValue,
    /// What in it must not be shown.
    pub hidden: Vec<mlp_value::Path>,
    /// Whether all of it must not be shown.
    pub sensitive: bool,
}

/// The name of the output that an expression of the console stands in.
const ASKED: &str = "_console";

fn output_of(expr: Expr) -> Block {
    let span = expr.span;
    let ident = |name: &str| Ident { name: name.to_owned(), span };
    let value = Attribute { name: ident("value"), expr, span };
    let body = Body { attributes: vec![value], blocks: Vec::new() };
    Block { kind: ident("output"), labels: vec![ident(ASKED)], body, header: span, span }
}

fn joined(mut path: mlp_value::Path, step: mlp_value::Step) -> mlp_value::Path {
    path.push(step);
    path
}

/// Answers a question of an environment's resolution to who has the directory only.
pub fn answer_beside(directory: &Path, environment: &str, need: &Need) -> Fact {
    match need {
        Need::Look { kind, query } => {
            let globals = Globals { directory: Some(directory.to_owned()), ..Globals::default() };
            let project = Project::read(&globals, &VariableArgs::default());
            let trees: Vec<&Tree> = project.trees.iter().collect();
            project.look(&trees, &project.sources, environment, (kind, query))
        }
        Need::Secret(_) => answer_of(directory, &files::read_project(directory).trees, environment, need),
        _ => answer_of(directory, &[], environment, need),
    }
}

/// A platform in development belongs to the user.
fn of_user(mut platform: Platform) -> Platform {
    if platform.environment.mode == Mode::Development {
        platform.environment.user = Some(who::folder());
    }
    platform
}

/// What an environment's things are kept under, before it is resolved: its mode is known when it is read.
fn folder_of(trees: &[Tree], environment: &str) -> String {
    let blocks = trees.iter().flat_map(|tree| &tree.body.blocks);
    let mut named = blocks.filter(|block| {
        block.kind.name == "environment" && block.labels.first().is_some_and(|one| *one.name == *environment)
    });
    let development = named.any(|block| {
        block.body.attributes.iter().any(|attribute| {
            *attribute.name.name == *"mode"
                && matches!(&attribute.expr.kind, ExprKind::Text(text) if text == "development")
        })
    });
    if development { format!("{environment}.{}", who::folder()) } else { environment.to_owned() }
}

fn answer_of(directory: &Path, trees: &[Tree], environment: &str, need: &Need) -> Fact {
    let folder = folder_of(trees, environment);
    match need {
        Need::Outputs { project, environment } => Project::outputs_of(directory, project, environment),
        other => facts::answer(directory, &crate::engine::home(directory, &folder), other),
    }
}
