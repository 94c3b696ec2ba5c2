//! The specification of each apply, kept beside the state, so that one can go back to it.
//!
//! Kept are the files that the specification was read from and the code that it names: text, by content, each once. Data is not
//! kept, nor a file in which a sensitive value stands; of those the digest is remembered, and going back asks for them.

use std::collections::BTreeMap;
use std::path::{Path as FsPath, PathBuf};

use mlp_diag::{Diagnostic, SourceMap};
use mlp_platform::Platform;
use mlp_state::Depot;
use mlp_value::facts::{Facts, Need};
use serde::{Deserialize, Serialize};

use super::vault::Vault;
use crate::host::files;

/// Version of the form of the list of files.
const FORMAT_VERSION: u32 = 1;

/// Larger files are named and not kept.
const LARGEST: u64 = 4 << 20;

/// What a plan was made of: the texts it read, and the places of the rest.
#[derive(Debug, Default)]
pub struct Made {
    texts: BTreeMap<String, String>,
    paths: Vec<PathBuf>,
    /// Values of variables, as JSON text; those that must not be written down only by name.
    variables: BTreeMap<String, String>,
}

/// A file of a kept specification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Hex BLAKE3.
    pub digest: String,
    /// Why it was not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
}

/// The specification of one apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    format_version: u32,
    /// The apply.
    pub apply: String,
    /// Its files by path.
    pub files: BTreeMap<String, File>,
    /// Values of variables, as JSON text.
    pub variables: BTreeMap<String, String>,
}

impl Made {
    /// What a plan is made of: `facts` tells what else was read of the project.
    pub fn of(platform: &Platform, sources: &SourceMap, facts: &Facts) -> Self {
        let mut made = Self::default();
        for (_, name, text) in sources.files().filter(|(_, name, _)| is_of_it(name)) {
            made.texts.insert(name.to_owned(), text.to_owned());
        }
        for (need, _) in facts.iter() {
            if let Need::Text(path) | Need::Tree(path) = need
                && !path.starts_with(".mlp/")
            {
                made.paths.push(path.into());
            }
        }
        for declaration in platform.declarations.values().filter(|one| one.kind == "variable") {
            let hidden = !declaration.sensitive.is_empty();
            let value = declaration.body.field("value").and_then(|value| value.known().ok());
            let text = match value {
                _ if hidden => "(sensitive)".to_owned(),
                Some(value) => value.to_plain_json().to_string(),
                None => continue,
            };
            made.variables.insert(declaration.address.name.to_string(), text);
        }
        made
    }

    /// Keeps it for an apply.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn keep(
        &self,
        depot: &dyn Depot,
        directory: &FsPath,
        vault: &Vault,
        apply: &str,
    ) -> Result<(), Diagnostic> {
        let mut kept = Kept {
            format_version: FORMAT_VERSION,
            apply: apply.to_owned(),
            files: BTreeMap::new(),
            variables: self.variables.clone(),
        };
        for (name, text) in &self.texts {
            kept.add(depot, vault, name.clone(), text.as_bytes())?;
        }
        for path in &self.paths {
            for file in below(&directory.join(path)) {
                // What lies outside the project is not of it.
                let Ok(name) = file.strip_prefix(directory) else { continue };
                let Ok(bytes) = std::fs::read(&file) else { continue };
                kept.add(depot, vault, name.to_string_lossy().into_owned(), &bytes)?;
            }
        }
        // A list is plain data, which JSON always holds.
        let text = serde_json::to_vec(&kept).unwrap_or_default();
        depot.keep(&list_name(apply), &text)
    }
}

impl Kept {
    fn add(
        &mut self,
        depot: &dyn Depot,
        vault: &Vault,
        name: String,
        bytes: &[u8],
    ) -> Result<(), Diagnostic> {
        let digest = blake3::hash(bytes).to_hex().to_string();
        let withheld = if bytes.len() as u64 > LARGEST {
            Some("it is larger than 4 MiB".to_owned())
        } else if vault.is_told_by(&String::from_utf8_lossy(bytes)) {
            Some("a sensitive value stands in it".to_owned())
        } else {
            depot.keep(&file_name(&digest), bytes)?;
            None
        };
        self.files.insert(name, File { digest, withheld });
        Ok(())
    }

    /// The specification of an apply, where it was kept.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn read(depot: &dyn Depot, apply: &str) -> Result<Option<Self>, Diagnostic> {
        let Some(bytes) = depot.kept(&list_name(apply))? else { return Ok(None) };
        let damaged = |why: String| {
            Diagnostic::error("MLP0955", format!("the specification of apply {apply} cannot be read: {why}"))
                .help("go back to another apply, or to the commit that `mlp history` names")
        };
        let kept: Self = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if kept.format_version > FORMAT_VERSION {
            return Err(damaged("it was written by a newer mlp".to_owned()));
        }
        Ok(Some(kept))
    }
}

fn list_name(apply: &str) -> String {
    let digest = blake3::hash(apply.as_bytes()).to_hex();
    format!("spec-{}", digest.get(..16).unwrap_or_default())
}

fn file_name(digest: &str) -> String {
    format!("file-{digest}")
}

/// The files of a directory as code is read: less what is ignored; or the file itself.
fn below(path: &FsPath) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let found = mlp_floor::launch::scan_code(path, path);
    // What cannot be read was said while it was planned.
    found.map(|found| found.files.into_keys().map(|name| path.join(name)).collect()).unwrap_or_default()
}

/// What going back does to the files of a project.
#[derive(Debug, Default, Serialize)]
pub struct Return {
    /// Files that get other content.
    pub written: Vec<String>,
    /// Files of the specification that were not there then.
    pub removed: Vec<String>,
    /// Values of variables then.
    pub variables: BTreeMap<String, String>,
    #[serde(skip)]
    contents: BTreeMap<String, Vec<u8>>,
}

/// Finds out what going back to an apply would do; nothing is touched.
///
/// # Errors
/// Its specification was not kept whole, or files of now would be lost.
pub fn plan_return(
    depot: &dyn Depot,
    directory: &FsPath,
    apply: &str,
    force: bool,
) -> Result<Return, Diagnostic> {
    let Some(kept) = Kept::read(depot, apply)? else {
        return Err(Diagnostic::error("MLP0955", format!("the specification of apply {apply} was not kept"))
            .note("only what `mlp apply` and `mlp up` carried out has one")
            .help("go back to another apply, or check out the commit that `mlp history` names"));
    };
    let mut back = Return { variables: kept.variables.clone(), ..Return::default() };
    for (name, file) in &kept.files {
        let now = std::fs::read(directory.join(name)).ok();
        if now.as_ref().is_some_and(|bytes| *blake3::hash(bytes).to_hex() == *file.digest) {
            continue;
        }
        let content = match &file.withheld {
            None => depot.kept(&file_name(&file.digest))?,
            Some(_) => None,
        };
        let Some(content) = content else {
            let why = file.withheld.as_deref().unwrap_or("it is gone from the store");
            return Err(Diagnostic::error(
                "MLP0955",
                format!("`{name}` of apply {apply} was not kept: {why}"),
            )
            .help(format!(
                "bring that file back yourself (its BLAKE3 is {}), then do this again",
                file.digest
            )));
        };
        if let Some(now) = now {
            safe(depot, name, &now, force)?;
        }
        back.written.push(name.clone());
        back.contents.insert(name.clone(), content);
    }
    let ends = |ending: &str| files::with_ending(directory, ending).map_err(|problem| *problem);
    for path in [ends(".mlp")?, ends(".mlpvars")?, ends(".mlpvars.json")?].concat() {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if is_of_it(&name) && !kept.files.contains_key(&name) {
            safe(depot, &name, &std::fs::read(&path).unwrap_or_default(), force)?;
            back.removed.push(name);
        }
    }
    Ok(back)
}

/// Whether a text that was read is a file of the project, and no value from the command line or a file from elsewhere.
fn is_of_it(name: &str) -> bool {
    !name.starts_with('<') && (name.ends_with(".mlp") || mlp_config::is_automatic(name))
}

/// Refuses to overwrite what no apply kept.
fn safe(depot: &dyn Depot, name: &str, now: &[u8], force: bool) -> Result<(), Diagnostic> {
    let digest = blake3::hash(now).to_hex();
    if force || depot.kept(&file_name(&digest))?.is_some() {
        return Ok(());
    }
    Err(Diagnostic::error("MLP0956", format!("`{name}` has changes that no apply kept"))
        .note("going back would overwrite it")
        .help("commit or copy it first, or say `--force`"))
}

/// Goes back.
///
/// # Errors
/// A file cannot be written.
pub fn carry_out(back: &Return, directory: &FsPath) -> Result<(), Diagnostic> {
    let fail = |name: &str, error: &std::io::Error| {
        Diagnostic::error("MLP0955", format!("`{name}` cannot be written: {error}"))
            .help("check its permissions and do this again")
    };
    for (name, content) in &back.contents {
        let path = directory.join(name);
        let write = || {
            path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            std::fs::write(&path, content)
        };
        write().map_err(|error| fail(name, &error))?;
    }
    for name in &back.removed {
        std::fs::remove_file(directory.join(name)).map_err(|error| fail(name, &error))?;
    }
    Ok(())
}
