//! `mlp completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use super::exit::Exit;
use super::{Globals, report};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub fn run(args: &Args, _globals: &Globals) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "mlp", &mut script);
    report::data(&String::from_utf8_lossy(&script));
    Exit::Success
}
