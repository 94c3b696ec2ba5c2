//! Plan files, and the forms in which a plan is shown.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use mlp_diag::Diagnostic;
use mlp_plan::{Plan, RenderOptions, render_html, render_json, render_markdown, render_text};
use mlp_state::Encryption;

use super::Globals;
use super::project::{Compiled, Project, VariableArgs};
use crate::engine::{key_sources, plan_file as sealed};
use crate::host::terminal;

/// How a plan is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For a terminal
    #[default]
    Text,
    /// For programs, in the shape of Terraform's `show -json`
    Json,
    /// For a pull request
    Markdown,
    /// One page with everything in it
    Html,
}

/// How to show a plan, from the command line.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Showing {
    /// The form in which the plan is shown
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Show what was shortened
    #[arg(long)]
    pub verbose: bool,
}

impl Showing {
    /// The form; `--json` is one of them.
    pub fn format(&self, globals: &Globals) -> Format {
        if globals.json && self.format == Format::Text { Format::Json } else { self.format }
    }

    /// The plan in that form.
    ///
    /// # Errors
    /// It cannot be drawn, which would be a mistake of this program.
    pub fn draw(&self, plan: &Plan, globals: &Globals) -> Result<String, Box<Diagnostic>> {
        let _stage = mlp_trace::stage("draw");
        let internal = |why: String| {
            Box::new(
                Diagnostic::error("MLP0970", why)
                    .blame(mlp_diag::Blame::Internal)
                    .help("show it as text, and report this with the plan file"),
            )
        };
        Ok(match self.format(globals) {
            Format::Json => format!("{}\n", render_json(plan)),
            Format::Markdown => render_markdown(plan).map_err(internal)?,
            Format::Html => render_html(plan).map_err(internal)?,
            Format::Text => {
                let style = terminal::stdout_style(globals.no_color);
                let options = RenderOptions { color: style.color, width: style.width, verbose: self.verbose };
                render_text(plan, options)
            }
        })
    }
}

/// Reads a plan file.
///
/// # Errors
/// It cannot be read, is no plan, or was edited.
pub fn read(path: &Path, globals: &Globals) -> Result<Plan, Box<Diagnostic>> {
    let name = path.display();
    let bytes = std::fs::read(path).map_err(|error| {
        Box::new(
            Diagnostic::error("MLP0910", format!("`{name}` cannot be read: {error}"))
                .help("name a file that `mlp plan -out` wrote"),
        )
    })?;
    let text = String::from_utf8(bytes).map_err(|_| "this is no plan: it is not UTF-8".to_owned());
    let text = match text {
        Ok(text) => Ok(sealed::opened(&name.to_string(), text, || keys(globals)).map_err(Box::new)?),
        Err(why) => Err(why),
    };
    text.and_then(|text| Plan::from_json(&text)).map_err(|why| {
        Box::new(
            Diagnostic::error("MLP0916", format!("`{name}`: {why}"))
                .help("write it anew with `mlp plan -out`"),
        )
    })
}

/// The keys of the project around, for a plan file that is encrypted.
fn keys(globals: &Globals) -> Result<Encryption, Diagnostic> {
    let compiled = Project::read(globals, &VariableArgs::default()).compile(globals);
    compiled
        .map_or_else(|_| Ok(Encryption::default()), |found| key_sources(&found.platform, &found.directory))
}

/// Writes a plan file, whole or not at all, for nobody else to read.
///
/// # Errors
/// It cannot be written.
pub fn write(path: &Path, plan: &Plan, compiled: &Compiled) -> Result<(), Box<Diagnostic>> {
    let aside = aside(path);
    let text = plan.to_file().map_err(std::io::Error::other);
    let text = text.and_then(|bytes| String::from_utf8(bytes).map_err(std::io::Error::other));
    let text = match text {
        Ok(text) => Ok(sealed::closed(text, &compiled.platform, &compiled.directory).map_err(Box::new)?),
        Err(error) => Err(error),
    };
    let written = text.and_then(|text| {
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(text.as_bytes())?;
        file.sync_data()?;
        std::fs::rename(&aside, path)
    });
    written.map_err(|error| {
        // What is left of a file that could not be written is of no use to anybody.
        let _ = std::fs::remove_file(&aside);
        Box::new(
            Diagnostic::error(
                "MLP0915",
                format!("the plan cannot be written to `{}`: {error}", path.display()),
            )
            .help("name another file"),
        )
    })
}

fn aside(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}
