//! `mlp lsp`: what editors talk to.

use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mlp_diag::{Diagnostic, SourceMap};
use mlp_value::facts::{Fact, Need};

use super::exit::Exit;
use super::{Globals, project, report};
use crate::host::files;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Speak over standard input and output, which is the only way there is
    #[arg(long)]
    stdio: bool,
}

/// A project's directory, for the server.
struct Directory(PathBuf);

impl mlp_lsp::Host for Directory {
    fn read(&self, path: &str) -> Option<String> {
        files::read_text(&self.0.join(path)).ok()
    }

    fn names(&self, directory: &str, ending: &str) -> Vec<String> {
        let found = files::with_ending(&self.0.join(directory), ending).unwrap_or_default();
        found.iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect()
    }

    fn was_applied(&self) -> bool {
        self.0.join(".mlp").is_dir()
    }

    fn answer(&self, environment: &str, need: &Need) -> Fact {
        project::answer_beside(&self.0, environment, need)
    }
}

/// Serves until the editor says goodbye.
pub fn run(_args: &Args, globals: &Globals) -> Exit {
    let make = |directory: &Path| -> Arc<dyn mlp_lsp::Host> { Arc::new(Directory(directory.to_owned())) };
    let (input, output) = (BufReader::new(std::io::stdin()), BufWriter::new(std::io::stdout()));
    match mlp_lsp::serve(input, output, Box::new(make)) {
        Ok(true) => Exit::Success,
        Ok(false) => Exit::Error,
        Err(error) => {
            let problem =
                Diagnostic::error("MLP0940", format!("the conversation with the editor broke off: {error}"))
                    .blame(mlp_diag::Blame::Provider)
                    .help("start it again; editors do that by themselves");
            report::diagnostics(&[problem], &SourceMap::default(), globals)
        }
    }
}
