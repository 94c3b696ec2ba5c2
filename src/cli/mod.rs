//! Talk with a person: one file a command, listed once in [`Command`]; a test checks that list and folder agree.

mod apply;
mod background;
mod catalog;
mod completions;
mod console;
mod destroy;
mod drift;
mod emit;
pub mod exit;
mod explain;
mod fmt;
mod forward;
mod gc;
mod graph;
mod history;
mod image;
mod in_pod;
mod init;
mod logs;
mod lsp;
mod output;
mod plan;
mod plan_file;
mod profile;
pub(crate) mod project;
mod release;
mod report;
mod rollback;
mod run;
mod runs;
mod schema;
mod show;
mod state;
mod state_place;
mod status;
mod up;
mod validate;
mod variable_args;
mod version;

use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};

use exit::Exit;

/// Compiles one specification of an ML platform into what runs, plans the difference, and applies it.
#[derive(Debug, Parser)]
#[command(name = "mlp", version, propagate_version = true, max_term_width = 110)]
struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Globals {
    /// The project's directory
    #[arg(short = 'C', long = "directory", global = true, value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// The environment
    #[arg(short = 'e', long = "env", global = true, value_name = "NAME")]
    pub environment: Option<String>,
    /// JSON on standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// No colours
    #[arg(long, global = true)]
    pub no_color: bool,
    /// Writes how long each stage took, as a trace that Chrome and Perfetto open
    #[arg(long, global = true, value_name = "FILE")]
    pub profile: Option<PathBuf>,
}

/// The list of commands.
#[derive(Debug, Subcommand)]
enum Command {
    /// Begin a project; in one that is there, pin what lies outside it and see where states are
    Init(init::Args),
    /// Check language and types for every environment
    Validate(validate::Args),
    /// Show what would change
    Plan(plan::Args),
    /// Show what was changed outside
    Drift(drift::Args),
    /// Make it so
    Apply(apply::Args),
    /// End and delete what was made
    Destroy(destroy::Args),
    /// Apply, run the pipelines that fill what is missing, apply again
    Up(up::Args),
    /// Run a pipeline or a batch endpoint once
    Run(run::Args),
    /// The runs there have been
    Runs(runs::Args),
    /// Take an alias of a model back to an earlier version, and hold it there
    Rollback(rollback::Args),
    /// What runs, where and how
    Status(status::Args),
    /// Logs of a run, a step or a replica
    Logs(logs::Args),
    /// Lead a port of this machine to an endpoint in its target
    Forward(forward::Args),
    /// Let a version that a rollout took out be tried again
    Release(release::Args),
    /// Show the state, a plan file, or all that is known of a dataset or model
    Show(show::Args),
    /// Print the values of outputs
    Output(output::Args),
    /// What is remembered, and what may be done to the memory itself
    State(state::Args),
    /// The applies there have been, and the way back to one
    History(history::Args),
    /// Remove what nothing needs any more
    Gc(gc::Args),
    /// List machines with accelerators, and what they cost
    Catalog(catalog::Args),
    /// Write what would be applied as files, for those who apply it by other means
    Emit(emit::Args),
    /// Build the images that runtimes need
    Image(image::Args),
    /// Format files
    Fmt(fmt::Args),
    /// What a code or a name means
    Explain(explain::Args),
    /// Compute expressions in the light of an environment
    Console(console::Args),
    /// Draw what flows from where to where
    Graph(graph::Args),
    /// Print the JSON Schema of the language
    Schema(schema::Args),
    /// Serve an editor
    Lsp(lsp::Args),
    /// Version and what was built in
    Version(version::Args),
    /// Completion for a shell
    Completions(completions::Args),
    /// Work that outlives a command
    #[command(hide = true)]
    Background(background::Args),
    /// Work in a pod of a cluster
    #[command(hide = true)]
    InPod(in_pod::Args),
}

impl Command {
    fn run(self, globals: &Globals) -> Exit {
        match self {
            Self::Init(args) => init::run(&args, globals),
            Self::Validate(args) => validate::run(&args, globals),
            Self::Plan(args) => plan::run(&args, globals),
            Self::Emit(args) => emit::run(&args, globals),
            Self::Drift(args) => drift::run(&args, globals),
            Self::Apply(args) => apply::run(&args, globals),
            Self::Destroy(args) => destroy::run(&args, globals),
            Self::Up(args) => up::run(&args, globals),
            Self::Run(args) => run::run(&args, globals),
            Self::Runs(args) => runs::run(&args, globals),
            Self::Rollback(args) => rollback::run(&args, globals),
            Self::Status(args) => status::run(&args, globals),
            Self::Logs(args) => logs::run(&args, globals),
            Self::Forward(args) => forward::run(&args, globals),
            Self::Release(args) => release::run(&args, globals),
            Self::Show(args) => show::run(&args, globals),
            Self::Output(args) => output::run(&args, globals),
            Self::State(args) => state::run(&args, globals),
            Self::History(args) => history::run(&args, globals),
            Self::Gc(args) => gc::run(&args, globals),
            Self::Catalog(args) => catalog::run(&args, globals),
            Self::Image(args) => image::run(&args, globals),
            Self::Fmt(args) => fmt::run(&args, globals),
            Self::Explain(args) => explain::run(&args, globals),
            Self::Console(args) => console::run(&args, globals),
            Self::Graph(args) => graph::run(&args, globals),
            Self::Schema(args) => schema::run(&args, globals),
            Self::Lsp(args) => lsp::run(&args, globals),
            Self::Version(args) => version::run(&args, globals),
            Self::Completions(args) => completions::run(&args, globals),
            Self::Background(args) => background::run(&args, globals),
            Self::InPod(args) => in_pod::run(&args, globals),
        }
    }
}

/// The whole program.
pub fn main() -> Exit {
    let arguments = two_dashes(std::env::args().collect());
    match Cli::try_parse_from(arguments) {
        Ok(cli) => profile::around(&cli.globals, || cli.command.run(&cli.globals)),
        Err(error) => {
            // A reader that went away is no error of ours.
            let _ = error.print();
            if error.use_stderr() { Exit::Error } else { Exit::Success }
        }
    }
}

/// `-auto-approve` means `--auto-approve`, as Terraform's users write it.
fn two_dashes(arguments: Vec<String>) -> Vec<String> {
    // To know all options takes longer than most commands do: it is asked for only where it tells something.
    let one_dash = |word: &String| word.len() > 2 && word.starts_with('-') && !word.starts_with("--");
    if !arguments.iter().any(one_dash) {
        return arguments;
    }
    let command = Cli::command();
    let mut known: Vec<String> = Vec::new();
    let mut letters: Vec<char> = vec!['h', 'V'];
    let below = |command| std::iter::once(command).chain(clap::Command::get_subcommands(command));
    let all = below(&command).flat_map(below);
    all.for_each(|command| {
        known.extend(command.get_arguments().filter_map(|a| a.get_long().map(str::to_owned)));
        letters.extend(command.get_arguments().filter_map(clap::Arg::get_short));
    });
    // A slip such as `-envv` is told as one, instead of being read as `-e nvv`; `-estaging` is like no flag, and stays.
    let means_long = |name: &str| {
        known.iter().any(|long| long == name)
            || !name.starts_with(letters.as_slice())
            || name.len() > 3 && mlp_diag::did_you_mean(name, known.iter().map(String::as_str)).is_some()
    };
    let mut rest_is_data = false;
    arguments
        .into_iter()
        .map(|argument| {
            rest_is_data |= argument == "--";
            let name = argument.strip_prefix('-').map(|rest| rest.split('=').next().unwrap_or(rest));
            match name {
                Some(name) if !rest_is_data && is_word(name) && means_long(name) => format!("-{argument}"),
                _ => argument,
            }
        })
        .collect()
}

/// Two letters or more, as flags have: no number, and not a second dash.
fn is_word(name: &str) -> bool {
    name.len() > 1 && name.starts_with(|c: char| c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_dash_is_as_good_as_two() {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            two_dashes(words(&["mlp", "apply", "-auto-approve", "-e", "local", "-var=a=1", "--", "-json"])),
            words(&["mlp", "apply", "--auto-approve", "-e", "local", "--var=a=1", "--", "-json"])
        );
        for (written, read) in [
            ("-envv", "--envv"),
            ("-paralelism=3", "--paralelism=3"),
            ("-xyz", "--xyz"),
            ("-estaging", "-estaging"),
            ("-Cdocs", "-Cdocs"),
            ("-1", "-1"),
            ("-", "-"),
            ("-h", "-h"),
        ] {
            assert_eq!(two_dashes(words(&["mlp", "plan", written])), words(&["mlp", "plan", read]));
        }
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_is_a_file() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli");
        for command in Cli::command().get_subcommands() {
            let file = format!("{folder}/{}.rs", command.get_name().replace('-', "_"));
            assert!(std::path::Path::new(&file).is_file(), "{file}");
        }
    }
}
