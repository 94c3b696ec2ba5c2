//! From a directory to the platform of one environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mlp_config::{Assignment, Inputs, Module, assignments, environments, resolve};
use mlp_diag::{Diagnostic, Diagnostics, SourceMap};
use mlp_eval::PlanValue;
use mlp_platform::{Mode, Platform};
use mlp_provider::Provider;
use mlp_syntax::{Attribute, Block, Body, Expr, ExprKind, Ident, Tree};
use mlp_value::Address;
use mlp_value::facts::{Fact, Facts, Need};

use super::Globals;
use crate::engine::outside;
use crate::host::{facts, files, who};

/// Rounds of questions after which resolving is given up.
const MOST_ROUNDS: usize = 20;

/// Values of variables given on the command line.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct VariableArgs {
    /// Value of a variable, `name=value`; wins over everything else
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub var: Vec<String>,
    /// File of values, read after every *.auto.mlpvars
    #[arg(long = "var-file", value_name = "FILE")]
    pub var_file: Vec<PathBuf>,
}

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
        project.read_environment_variables();
        match files::with_ending(&project.directory, ".auto.mlpvars") {
            Ok(paths) => paths.iter().for_each(|path| project.read_variables(path)),
            Err(diagnostic) => project.push_once(*diagnostic),
        }
        for path in &variables.var_file {
            project.read_variables(path);
        }
        for text in &variables.var {
            project.read_argument(text);
        }
        project
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
                let (tree, mut diagnostics) = mlp_syntax::parse(file, &text);
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
            self.assign(&name, &value, from, false);
        }
    }

    fn read_argument(&mut self, text: &str) {
        match text.split_once('=') {
            Some((name, value)) => self.assign(name.trim(), value, "-var".to_owned(), true),
            None => self.push_once(
                Diagnostic::error("MLP0912", format!("`-var {text}` names no value"))
                    .help("write `-var name=value`"),
            ),
        }
    }

    /// A value given as text: an expression where it is one, else the text itself.
    fn assign(&mut self, name: &str, text: &str, from: String, must_exist: bool) {
        let file = self.sources.add(format!("<{from}>"), text);
        let is_expression = text.starts_with(['[', '{', '"'])
            || text.parse::<f64>().is_ok()
            || matches!(text, "true" | "false" | "null");
        let whole = mlp_diag::Span::new(file, 0, text.len());
        let expr = match mlp_syntax::parse_expression(file, text) {
            Ok(expr) if is_expression => expr,
            _ => Expr { kind: ExprKind::Text(text.to_owned()), span: whole },
        };
        self.assignments.push(Assignment { name: name.to_owned(), expr, from, literal: true, must_exist });
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
        let trees: Vec<&Tree> = self.trees.iter().collect();
        self.resolve_trees(&trees, &self.sources, environment)
    }

    fn resolve_trees(
        &self,
        trees: &[&Tree],
        sources: &SourceMap,
        environment: &str,
    ) -> (Option<Platform>, Diagnostics) {
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
            for need in &resolution.needs {
                known.insert(need.clone(), self.answer(need, environment));
            }
            resolution = resolve(&inputs, &known);
        }
        let mut platform = resolution.platform;
        if let Some(platform) = &mut platform
            && platform.environment.mode == Mode::Development
        {
            platform.environment.user = Some(who::folder());
        }
        (platform, resolution.diagnostics)
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
        let (platform, problems) = self.resolve_trees(&trees, &sources, environment);
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
                Ok(Compiled { directory: self.directory, sources: self.sources, platform, provider })
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
        Need::Look { .. } | Need::Secret(_) => {
            answer_of(directory, &files::read_project(directory).trees, environment, need)
        }
        _ => answer_of(directory, &[], environment, need),
    }
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
    let Need::Look { kind, query } = need else {
        let home = crate::engine::home(directory, &folder);
        return facts::answer(directory, &home, need);
    };
    let blocks = trees.iter().flat_map(|tree| &tree.body.blocks);
    let mut projects = blocks.filter(|block| block.kind.name == "project");
    let project = projects.find_map(|block| Some(block.labels.first()?.name.as_str())).unwrap_or_default();
    let surroundings = outside::Surroundings { directory, project, environment, folder: &folder };
    outside::look(&surroundings, kind, query)
}
