//! `mlp graph`: what flows from where to where.

use mlp_diag::{Diagnostic, Diagnostics};
use mlp_platform::Platform;

use super::exit::Exit;
use super::project::{Project, VariableArgs};
use super::{Globals, report};
use crate::graph::{Graph, Selection, dot, json, mermaid, svg};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How it is written
    #[arg(long, value_enum, default_value_t = Format::Dot)]
    format: Format,
    /// Only what lies in this module: `features`, or `a.b` for one in another
    #[arg(long, value_name = "NAME")]
    module: Option<String>,
    /// What supports the flow of data too: runtimes, components, storage, teams and the like
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    variables: VariableArgs,
}

/// The forms of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// The language of Graphviz
    Dot,
    /// The language of Mermaid, for Markdown
    Mermaid,
    /// A picture
    Svg,
    /// Data
    Json,
}

/// Draws the graph of an environment; without one, of all environments together.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let project = Project::read(globals, &args.variables);
    let environments = match &globals.environment {
        Some(name) => vec![name.clone()],
        None => project.environments(),
    };
    let mut problems: Diagnostics = project.diagnostics.clone();
    let mut platforms: Vec<Platform> = Vec::new();
    for environment in &environments {
        let (platform, found) = project.resolve(environment);
        platforms.extend(platform);
        for one in found {
            if !problems.contains(&one) {
                problems.push(one);
            }
        }
    }
    if platforms.is_empty() && problems.is_empty() {
        problems.push(
            Diagnostic::error("MLP0913", "the specification declares no environment")
                .help("add `environment \"local\" { provider = provider.local.here }`"),
        );
    }
    if problems.iter().any(Diagnostic::is_error) {
        return report::diagnostics(&problems, &project.sources, globals);
    }
    let selection = Selection { all: args.all, module: args.module.clone() };
    let graph = Graph::of(&platforms, &selection);
    if let Some(module) = args.module.as_ref().filter(|_| graph.nodes.is_empty()) {
        let nothing = Diagnostic::error("MLP0932", format!("there is nothing in a module `{module}`"))
            .help("name a `module` block by its label, with those around it in front: `a.b`");
        return report::diagnostics(&[nothing], &project.sources, globals);
    }
    let format = if globals.json { Format::Json } else { args.format };
    let title = platforms.first().map(|platform| platform.project.name.clone()).unwrap_or_default();
    report::data(&match format {
        Format::Dot => dot(&graph),
        Format::Mermaid => mermaid(&graph),
        Format::Svg => svg(&graph, &title),
        Format::Json => format!("{}\n", json(&graph, report::FORMAT_VERSION)),
    });
    Exit::Success
}
