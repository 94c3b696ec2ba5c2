//! The files of a project.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mlp_config::called;
use mlp_diag::{Diagnostic, Diagnostics, FileId, SourceMap, Span};
use mlp_syntax::Tree;

/// Largest file that is read, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// How deep directories of modules may lie in each other; deeper are those that links lead round in.
const DEEPEST: usize = 64;

/// The parsed files of a project.
#[derive(Debug, Default)]
pub struct Sources {
    /// Text of everything that was read.
    pub map: SourceMap,
    /// Trees of the `*.mlp` files.
    pub trees: Vec<Tree>,
    /// Trees of the modules that are called, by directory.
    pub modules: BTreeMap<String, Vec<Tree>>,
    /// What is wrong with the text.
    pub diagnostics: Diagnostics,
}

/// Reads a text file; says what is wrong in words.
///
/// # Errors
/// Missing, unreadable, too large, or not UTF-8.
pub fn read_text(path: &Path) -> Result<String, Box<Diagnostic>> {
    let name = path.display();
    String::from_utf8(read_bytes(path)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        unreadable(format!("`{name}` is not UTF-8 (line {line}, byte {at})"), "save it as UTF-8")
    })
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, Box<Diagnostic>> {
    let name = path.display();
    let size = std::fs::metadata(path)
        .map_err(|error| {
            unreadable(format!("`{name}` cannot be read: {error}"), "check the path and its permissions")
        })?
        .len();
    if size > LARGEST {
        return Err(unreadable(format!("`{name}` is larger than 16 MiB"), "split it into several files"));
    }
    std::fs::read(path)
        .map_err(|error| unreadable(format!("`{name}` cannot be read: {error}"), "check its permissions"))
}

fn unreadable(headline: String, help: &str) -> Box<Diagnostic> {
    Box::new(Diagnostic::error("MLP0910", headline).help(help.to_owned()))
}

/// The files of a directory with an ending, by name.
///
/// # Errors
/// The directory cannot be read.
pub fn with_ending(directory: &Path, ending: &str) -> Result<Vec<PathBuf>, Box<Diagnostic>> {
    let entries = std::fs::read_dir(directory).map_err(|error| {
        Box::new(
            Diagnostic::error("MLP0910", format!("`{}` cannot be read: {error}", directory.display()))
                .help("name a project's directory with -C"),
        )
    })?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.is_file() && path.to_string_lossy().ends_with(ending))
        .collect();
    files.sort();
    Ok(files)
}

/// Reads and parses every `*.mlp` file of a directory.
pub fn read_project(directory: &Path) -> Sources {
    let mut sources = Sources::default();
    let files = match with_ending(directory, ".mlp") {
        Ok(files) => files,
        Err(diagnostic) => {
            sources.diagnostics.push(*diagnostic);
            return sources;
        }
    };
    if files.is_empty() {
        sources.diagnostics.push(
            Diagnostic::error("MLP0911", format!("there are no *.mlp files in `{}`", directory.display()))
                .help("name a project's directory with -C, or begin one with `mlp init`"),
        );
    }
    read_all(&mut sources, files, "");
    for path in with_ending(directory, ".mlp.json").unwrap_or_default() {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        sources.diagnostics.push(
            Diagnostic::warning("MLP0911", format!("`{name}` is not read: a specification is no JSON"))
                .help("write it in a `*.mlp` file; values of variables may be JSON, in `*.mlpvars.json`"),
        );
    }
    read_modules(directory, &mut sources);
    sources
}

/// Reads and parses files, whose names have `before` in front of them.
fn read_all(sources: &mut Sources, paths: Vec<PathBuf>, before: &str) {
    let mut read: Vec<(Option<FileId>, Diagnostics)> = Vec::new();
    for path in paths {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        read.push(read_one(&mut sources.map, &path, format!("{before}{name}")));
    }
    let files: Vec<(FileId, &str)> =
        read.iter().filter_map(|(file, _)| Some(((*file)?, sources.map.text((*file)?)))).collect();
    let mut parsed = mlp_syntax::parse_all(&files).into_iter();
    for (file, mut problems) in read {
        sources.diagnostics.append(&mut problems);
        match file.and_then(|_| parsed.next()) {
            Some((tree, mut problems)) => {
                sources.trees.push(tree);
                sources.diagnostics.append(&mut problems);
            }
            // Nobody knows what it declares.
            None => sources.trees.push(Tree { lost: true, ..Tree::default() }),
        }
    }
}

/// Reads one file; gives its number, unless it cannot be read.
fn read_one(map: &mut SourceMap, path: &Path, name: String) -> (Option<FileId>, Diagnostics) {
    let bytes = match read_bytes(path) {
        Ok(bytes) => bytes,
        Err(diagnostic) => return (None, vec![*diagnostic]),
    };
    let text = String::from_utf8_lossy(&bytes);
    let file = map.add(name, text.as_ref());
    let mut problems = Diagnostics::new();
    if let Err(error) = std::str::from_utf8(&bytes) {
        let at = error.valid_up_to();
        problems.push(
            Diagnostic::error("MLP0910", "the file is not UTF-8")
                .at(Span::new(file, at, at + char::REPLACEMENT_CHARACTER.len_utf8()), "this is no character")
                .help("save it as UTF-8"),
        );
    }
    (Some(file), problems)
}

/// Reads the directories of the modules that are called, and of those that these call.
fn read_modules(directory: &Path, sources: &mut Sources) {
    let trees: Vec<&Tree> = sources.trees.iter().collect();
    let mut open: Vec<String> = called(".", &trees).into_iter().collect();
    while let Some(module) = open.pop() {
        if module == "." || sources.modules.contains_key(&module) {
            continue;
        }
        // A directory that is not there is spoken of where it is named. So is one that
        // lies deeper than any that was meant.
        let place = directory.join(&module);
        if module.split('/').count() > DEEPEST {
            continue;
        }
        let files = with_ending(&place, ".mlp").unwrap_or_default();
        let mut of_it = Sources { map: std::mem::take(&mut sources.map), ..Sources::default() };
        read_all(&mut of_it, files, &format!("{module}/"));
        sources.map = of_it.map;
        sources.diagnostics.append(&mut of_it.diagnostics);
        open.extend(called(&module, &of_it.trees.iter().collect::<Vec<_>>()));
        if !of_it.trees.is_empty() {
            sources.modules.insert(module, of_it.trees);
        }
    }
}
