//! `--profile`: where the time of a command went.

use mlp_diag::{Diagnostic, SourceMap};

use super::exit::Exit;
use super::{Globals, report};

/// Runs a command, and writes how long its stages took where that was asked for.
pub fn around(globals: &Globals, command: impl FnOnce() -> Exit) -> Exit {
    let Some(path) = &globals.profile else { return command() };
    mlp_trace::start();
    let exit = {
        let _stage = mlp_trace::stage("command");
        command()
    };
    let Some(record) = mlp_trace::finish() else { return exit };
    match std::fs::write(path, record.to_string()) {
        Ok(()) => exit,
        Err(error) => {
            let problem = Diagnostic::error(
                "MLP0910",
                format!("the profile cannot be written to `{}`: {error}", path.display()),
            )
            .note("the command itself did its work")
            .help("name another file");
            let told = report::diagnostics(&[problem], &SourceMap::default(), globals);
            if exit == Exit::Success { told } else { exit }
        }
    }
}
