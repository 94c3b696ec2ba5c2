//! `mlp.lock`: digests of what is used and lies outside the project, so that nothing there changes unnoticed; and the images that were
//! built of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mlp_diag::{Diagnostic, Diagnostics, SourceMap, Span};
use mlp_syntax::{ExprKind, Tree};

/// The name of the file.
pub const LOCK: &str = "mlp.lock";

/// What an entry of the file is: a directory that modules and standards are read from.
const ENTRY: &str = "directory";
/// An entry for an image that was built, by environment and runtime.
const IMAGE: &str = "image";

/// The digests by directory, relative to the project's.
pub type Digests = BTreeMap<String, String>;

/// Whether a directory lies outside the project.
pub fn is_outside(directory: &str) -> bool {
    directory == ".." || directory.starts_with("../")
}

/// Directories that belong to nobody's specification.
const PASSED_OVER: &[&str] = &[".git", ".mlp", ".terraform", "__pycache__"];

/// The digests of those directories as they are.
///
/// # Errors
/// One cannot be read.
pub fn digests<'d>(
    root: &Path,
    directories: impl Iterator<Item = &'d String>,
) -> Result<Digests, Diagnostic> {
    let mut found = Digests::new();
    for directory in directories.filter(|directory| is_outside(directory)) {
        let digest = digest(&root.join(directory)).map_err(|error| {
            Diagnostic::error("MLP0936", format!("`{directory}` cannot be read: {error}"))
                .help("check its permissions")
        })?;
        found.insert(directory.clone(), digest);
    }
    Ok(found)
}

/// The digest of all files of a directory by their names, which a link outside it is not followed for.
fn digest(directory: &Path) -> std::io::Result<String> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(place) = open.pop() {
        for entry in std::fs::read_dir(&place)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() && !PASSED_OVER.iter().any(|name| entry.file_name() == *name) {
                open.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    let mut all = blake3::Hasher::new();
    for file in files {
        let name = file.strip_prefix(directory).unwrap_or(&file).to_string_lossy().into_owned();
        all.update(&(name.len() as u64).to_le_bytes());
        all.update(name.as_bytes());
        let mut one = blake3::Hasher::new();
        std::io::copy(&mut std::fs::File::open(&file)?, &mut one)?;
        all.update(one.finalize().as_bytes());
    }
    Ok(format!("blake3:{}", all.finalize().to_hex()))
}

/// An image that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Where it is, by digest.
    pub reference: String,
    /// What it was built of.
    pub inputs: String,
    /// The base as it was written.
    pub base: String,
    /// What the base's name stood for.
    pub base_digest: String,
    /// What it is for.
    pub platform: String,
}

/// Images by environment and runtime.
pub type Images = BTreeMap<(String, String), Image>;

/// The images that the file of a project names.
///
/// # Errors
/// It cannot be read.
pub fn images(root: &Path) -> Result<Images, Box<Diagnostic>> {
    let tree = match whole(root)? {
        Some(tree) => tree,
        None => return Ok(Images::new()),
    };
    let images = tree.body.blocks.iter().filter(|block| block.kind.name == IMAGE).filter_map(|block| {
        let [environment, runtime] = block.labels.as_slice() else { return None };
        let word = |name: &str| {
            let attribute = block.body.attributes.iter().find(|attribute| attribute.name.name == name)?;
            let ExprKind::Text(text) = &attribute.expr.kind else { return None };
            Some(text.clone())
        };
        let image = Image {
            reference: word("reference")?,
            inputs: word("inputs")?,
            base: word("base")?,
            base_digest: word("base_digest")?,
            platform: word("platform")?,
        };
        Some(((environment.name.clone(), runtime.name.clone()), image))
    });
    Ok(images.collect())
}

/// The file as a tree; nothing where there is none.
fn whole(root: &Path) -> Result<Option<Tree>, Box<Diagnostic>> {
    let path = root.join(LOCK);
    if !path.is_file() {
        return Ok(None);
    }
    let text = super::files::read_text(&path)?;
    let mut sources = SourceMap::default();
    let (tree, problems) = mlp_syntax::parse(sources.add(LOCK, text.as_str()), &text);
    match problems.iter().find(|problem| problem.is_error()) {
        None => Ok(Some(tree)),
        Some(problem) => Err(Box::new(
            Diagnostic::error("MLP0936", format!("{LOCK} cannot be read: {}", problem.headline)).help(
                "take it back from version control, or remove it and run `mlp init` and `mlp image build`",
            ),
        )),
    }
}

/// Notes images beside what the file says already; images of runtimes that `kept` does not know any more go.
///
/// # Errors
/// It cannot be read or written.
#[cfg(any(feature = "image", test))]
pub fn record(
    root: &Path,
    new: Images,
    kept: impl Fn(&(String, String)) -> bool,
) -> Result<(), Box<Diagnostic>> {
    let mut images = images(root)?;
    images.retain(|key, _| kept(key));
    images.extend(new);
    let digests = whole(root)?.map(|tree| read(&tree)).unwrap_or_default();
    let digests = digests.into_iter().map(|(directory, (digest, _))| (directory, digest)).collect();
    let path = root.join(LOCK);
    let text = text(&digests, &images);
    if std::fs::read_to_string(&path).unwrap_or_default() == text {
        return Ok(());
    }
    // Whole or not at all: a plan that reads meanwhile reads the old one.
    let new = root.join(format!(".{LOCK}.{}", std::process::id()));
    std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &path)).map_err(|error| {
        let _ = std::fs::remove_file(&new);
        Box::new(
            Diagnostic::error("MLP0910", format!("`{}` cannot be written: {error}", path.display()))
                .help("check its permissions; it remembers which images were built"),
        )
    })
}

/// The file as it should be; empty when nothing lies outside and nothing was built.
pub fn text(digests: &Digests, images: &Images) -> String {
    if digests.is_empty() && images.is_empty() {
        return String::new();
    }
    let mut text =
        "# Written by `mlp init`, which makes it anew with -upgrade, and `mlp image build`. Keep it under version control.\n"
            .to_owned();
    for (directory, digest) in digests {
        text += &format!("\n{ENTRY} \"{directory}\" {{\n  digest = \"{digest}\"\n}}\n");
    }
    for ((environment, runtime), image) in images {
        let Image { reference, inputs, base, base_digest, platform } = image;
        text += &format!(
            "\n{IMAGE} \"{environment}\" \"{}\" {{\n  reference   = \"{reference}\"\n  inputs      = \"{inputs}\"\n  base        = \"{base}\"\n  \
             base_digest = \"{base_digest}\"\n  platform    = \"{platform}\"\n}}\n",
            runtime.replace('\\', "\\\\").replace('"', "\\\"")
        );
    }
    text
}

/// What the file says, each digest with its place.
fn read(tree: &Tree) -> BTreeMap<String, (String, Span)> {
    let entries = tree.body.blocks.iter().filter(|block| block.kind.name == ENTRY).filter_map(|block| {
        let digest = block.body.attributes.iter().find(|attribute| attribute.name.name == "digest")?;
        let ExprKind::Text(text) = &digest.expr.kind else { return None };
        Some((block.labels.first()?.name.clone(), (text.clone(), digest.expr.span)))
    });
    entries.collect()
}

/// Compares what lies outside with what the file pins.
pub fn check<'d>(
    root: &Path,
    directories: impl Iterator<Item = &'d String>,
    sources: &mut SourceMap,
    diagnostics: &mut Diagnostics,
) {
    let found = match digests(root, directories) {
        Ok(found) => found,
        Err(problem) => return diagnostics.push(problem),
    };
    if found.is_empty() {
        return;
    }
    let path = root.join(LOCK);
    let mut pinned = BTreeMap::new();
    if path.is_file() {
        match super::files::read_text(&path) {
            Err(problem) => diagnostics.push(*problem),
            Ok(text) => {
                let file = sources.add(LOCK, text.as_str());
                let (tree, mut problems) = mlp_syntax::parse(file, &text);
                diagnostics.append(&mut problems);
                pinned = read(&tree);
            }
        }
    }
    for (directory, digest) in found {
        match pinned.get(&directory) {
            Some((known, _)) if *known == digest => {}
            Some((_, span)) => diagnostics.push(
                Diagnostic::error("MLP0936", format!("`{directory}` is not what {LOCK} pins"))
                    .at(*span, "another content")
                    .note("it lies outside the project, so that its history does not show what changed")
                    .help("look at what changed there; if it is meant, pin it anew with `mlp init -upgrade`"),
            ),
            None => diagnostics.push(
                Diagnostic::warning(
                    "MLP0936",
                    format!("`{directory}` lies outside the project and is not pinned"),
                )
                .note("what changes there changes this project unnoticed")
                .help(format!("run `mlp init`, which writes its digest to {LOCK}")),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_outside_is_pinned_and_a_change_is_seen() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("project");
        for (name, text) in [("project/main.mlp", ""), ("shared/main.mlp", "storage \"s\" {}\n")] {
            let path = place.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let directories = ["../shared".to_owned(), "modules/a".to_owned()];
        let check = || {
            let (mut sources, mut found) = (SourceMap::default(), Diagnostics::new());
            super::check(&root, directories.iter(), &mut sources, &mut found);
            found.iter().map(|one| (one.is_error(), one.headline.clone())).collect::<Vec<_>>()
        };
        assert_eq!(check(), [(false, "`../shared` lies outside the project and is not pinned".to_owned())]);
        let pinned = text(&digests(&root, directories.iter()).unwrap(), &Images::new());
        assert_eq!(mlp_syntax::format(&pinned).unwrap(), pinned);
        std::fs::write(root.join(LOCK), pinned).unwrap();
        assert_eq!(check(), []);
        std::fs::write(place.path().join("shared/main.mlp"), "storage \"t\" {}\n").unwrap();
        assert_eq!(check(), [(true, "`../shared` is not what mlp.lock pins".to_owned())]);
    }
    #[test]
    fn images_stand_beside_what_is_pinned() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        let pinned = Digests::from([("../shared".to_owned(), "blake3:a".to_owned())]);
        std::fs::write(root.join(LOCK), text(&pinned, &Images::new())).unwrap();
        let image = |reference: &str| Image {
            reference: reference.into(),
            inputs: "blake3:b".into(),
            base: "python:3.12".into(),
            base_digest: "sha256:c".into(),
            platform: "linux/amd64".into(),
        };
        let key = |environment: &str| (environment.to_owned(), "runtime.py[\"a\"]".to_owned());
        record(root, Images::from([(key("onprem"), image("r/a@sha256:1"))]), |_| true).unwrap();
        record(root, Images::from([(key("live"), image("r/a@sha256:2"))]), |_| true).unwrap();
        let found = images(root).unwrap();
        assert_eq!(found[&key("onprem")], image("r/a@sha256:1"));
        assert_eq!(found.len(), 2);
        let written = std::fs::read_to_string(root.join(LOCK)).unwrap();
        assert!(written.contains("directory \"../shared\""), "{written}");
        assert_eq!(mlp_syntax::format(&written).unwrap(), written);
        record(root, Images::new(), |key| key.0 == "live").unwrap();
        assert_eq!(images(root).unwrap().len(), 1);
        std::fs::write(root.join(LOCK), "image \"a\" {").unwrap();
        assert!(images(root).is_err());
    }
}
