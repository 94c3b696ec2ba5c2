//! `mlp fmt`: one way to write it.

use std::io::Read;
use std::path::{Path, PathBuf};

use mlp_diag::{Diagnostic, SourceMap};
use similar::TextDiff;

use super::exit::Exit;
use super::{Globals, report};
use crate::host::files;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files or directories; `-` formats standard input
    paths: Vec<PathBuf>,
    /// Write nothing; exit with 3 when a file is written otherwise
    #[arg(long)]
    check: bool,
    /// Show the differences
    #[arg(long)]
    diff: bool,
}

/// Formats them.
pub fn run(args: &Args, globals: &Globals) -> Exit {
    if args.paths == [PathBuf::from("-")] {
        return standard_input(globals);
    }
    let mut exit = Exit::Success;
    let start = globals.directory.clone().unwrap_or_else(|| PathBuf::from("."));
    let paths = if args.paths.is_empty() { vec![start] } else { args.paths.clone() };
    let mut found = Vec::new();
    for path in &paths {
        if let Err(diagnostic) = collect(path, &mut found) {
            exit = report::diagnostics(&[*diagnostic], &SourceMap::default(), globals);
        }
    }
    for path in found {
        match one(&path, args, globals) {
            Exit::Success => {}
            other if exit == Exit::Success || other == Exit::Error => exit = other,
            _ => {}
        }
    }
    exit
}

fn standard_input(globals: &Globals) -> Exit {
    let mut text = String::new();
    if let Err(error) = std::io::stdin().read_to_string(&mut text) {
        let problem = Diagnostic::error("MLP0910", format!("standard input cannot be read: {error}"))
            .help("give it UTF-8 text");
        return report::diagnostics(&[problem], &SourceMap::default(), globals);
    }
    match formatted("<standard input>", &text, globals) {
        Ok(text) => {
            report::data(&text);
            Exit::Success
        }
        Err(exit) => exit,
    }
}

fn formatted(name: &str, text: &str, globals: &Globals) -> Result<String, Exit> {
    mlp_syntax::format(text).map_err(|diagnostics| {
        let mut sources = SourceMap::default();
        sources.add(name, text);
        report::diagnostics(&diagnostics, &sources, globals)
    })
}

/// Every `*.mlp` and `*.mlpvars` file below a path, hidden directories left out.
fn collect(path: &Path, found: &mut Vec<PathBuf>) -> Result<(), Box<Diagnostic>> {
    if !path.is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    found.extend(files::with_ending(path, ".mlp")?);
    found.extend(files::with_ending(path, ".mlpvars")?);
    let entries = std::fs::read_dir(path).map_err(|error| {
        Box::new(
            Diagnostic::error("MLP0910", format!("`{}` cannot be read: {error}", path.display()))
                .help("check its permissions"),
        )
    })?;
    let mut directories: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            path.is_dir() && !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
        })
        .collect();
    directories.sort();
    directories.iter().try_for_each(|directory| collect(directory, found))
}

fn one(path: &Path, args: &Args, globals: &Globals) -> Exit {
    let text = match files::read_text(path) {
        Ok(text) => text,
        Err(diagnostic) => return report::diagnostics(&[*diagnostic], &SourceMap::default(), globals),
    };
    let name = path.strip_prefix(".").unwrap_or(path).display().to_string();
    let formatted = match formatted(&name, &text, globals) {
        Ok(formatted) => formatted,
        Err(exit) => return exit,
    };
    if formatted == text {
        return Exit::Success;
    }
    report::data(&format!("{name}\n"));
    if args.diff {
        let diff = TextDiff::from_lines(&text, &formatted);
        report::data(&diff.unified_diff().header(&name, &name).to_string());
    }
    if args.check {
        return Exit::Differs;
    }
    match replace(path, &formatted) {
        Ok(()) => Exit::Success,
        Err(error) => {
            let problem = Diagnostic::error("MLP0910", format!("`{name}` cannot be written: {error}"))
                .help("check its permissions");
            report::diagnostics(&[problem], &SourceMap::default(), globals)
        }
    }
}

/// Writes beside the file and renames, so that a full disk loses nothing.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let beside = path.with_extension("mlp-fmt-tmp");
    std::fs::write(&beside, text)
        .and_then(|()| std::fs::set_permissions(&beside, std::fs::metadata(path)?.permissions()))
        .and_then(|()| std::fs::rename(&beside, path))
        .inspect_err(|_| {
            let _ = std::fs::remove_file(&beside);
        })
}
