//! `mlp emit`: what would be applied, as files, for those who apply it by other means.

use std::path::{Path, PathBuf};

use mlp_diag::Diagnostic;
use mlp_provider::Emitted;

use super::exit::Exit;
use super::project::{Compiled, Project, VariableArgs};
use super::{Globals, report};
use crate::engine::emit;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The form: `yaml`, or `rbac` for the permissions that applying it needs
    #[arg(value_name = "FORM", required_unless_present = "to", conflicts_with = "to")]
    form: Option<String>,
    /// The same
    #[arg(long, value_name = "FORM")]
    to: Option<String>,
    /// Write files into a folder; those of an earlier time that are not written any more are removed
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    variables: VariableArgs,
}

/// Writes.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    let compiled = match Project::read(globals, &args.variables).compile(globals) {
        Ok(compiled) => compiled,
        Err((diagnostics, sources)) => return report::diagnostics(&diagnostics, &sources, globals),
    };
    let form = args.form.as_deref().or(args.to.as_deref()).unwrap_or_default();
    let answer = compiled.answer();
    let written = emit(&compiled.platform, &compiled.sources, &*compiled.provider, &answer, form);
    let written = written.and_then(|files| match &args.out {
        Some(folder) => write(&compiled, folder, &files).map_err(|problem| vec![*problem]).map(|()| files),
        None => Ok(files),
    });
    match written {
        Err(diagnostics) => report::diagnostics(&diagnostics, &compiled.sources, globals),
        Ok(files) => {
            show(&files, args.out.as_deref(), globals);
            Exit::Success
        }
    }
}

fn show(files: &[Emitted], folder: Option<&Path>, globals: &Globals) {
    if globals.json {
        let document = serde_json::json!({ "format_version": report::FORMAT_VERSION, "files": files });
        return report::data(&format!("{document}\n"));
    }
    match folder {
        None => files.iter().for_each(|file| report::data(&file.text)),
        Some(folder) => report::talk(&format!("{} written to {}", count(files.len()), folder.display())),
    }
}

fn count(files: usize) -> String {
    format!("{files} file{}", if files == 1 { "" } else { "s" })
}

/// What the first line of our files says, behind the sign of a comment.
fn head(compiled: &Compiled) -> String {
    let (project, environment) = (&compiled.platform.project.name, compiled.platform.environment.folder());
    format!("written by `mlp emit` for {project} in {environment}: changes are lost")
}

fn write(compiled: &Compiled, folder: &Path, files: &[Emitted]) -> Result<(), Box<Diagnostic>> {
    let failed = |what: &str, path: &Path, error: &std::io::Error| {
        let headline = format!("cannot {what} `{}`: {error}", path.display());
        Box::new(
            Diagnostic::error("MLP0937", headline).help("see that the folder is there and may be written"),
        )
    };
    std::fs::create_dir_all(folder).map_err(|error| failed("make", folder, &error))?;
    let head = head(compiled);
    let is_ours = |path: &Path| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().next().is_some_and(|line| line.ends_with(&head))
    };
    let foreign: Vec<String> = files
        .iter()
        .map(|file| folder.join(&file.path))
        .filter(|path| path.exists() && !is_ours(path))
        .map(|path| path.display().to_string())
        .collect();
    if !foreign.is_empty() {
        let headline =
            format!("{} would be overwritten, and was not written by this command", foreign.join(", "));
        return Err(Box::new(
            Diagnostic::error("MLP0937", headline)
                .help("name another folder, or move the file away; nothing was written"),
        ));
    }
    let there = std::fs::read_dir(folder).map_err(|error| failed("read", folder, &error))?;
    for path in there.flatten().map(|entry| entry.path()).filter(|path| path.is_file()) {
        let stays = files.iter().any(|file| folder.join(&file.path) == path);
        if !stays && is_ours(&path) {
            std::fs::remove_file(&path).map_err(|error| failed("remove", &path, &error))?;
        }
    }
    for file in files {
        let path = folder.join(&file.path);
        let text = format!("{}{head}\n{}", file.comment, file.text);
        std::fs::write(&path, text).map_err(|error| failed("write", &path, &error))?;
    }
    Ok(())
}
