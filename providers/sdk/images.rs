//! Which images are built of a specification, and of what: what lowerings and the builder of images agree on.
//!
//! A runtime that names a `base` has no image yet: one is built of the base, its locked packages and the code of everything that
//! runs in it. A record of what was built says of what; a plan compares it with what is there now.

use std::collections::{BTreeMap, BTreeSet};

use mlp_eval::{PlanValue, reference_of};
use mlp_platform::{Declaration, Platform};
use mlp_value::facts::{Fact, Need};
use mlp_value::{Address, Value};
use serde::{Deserialize, Serialize};

/// Where the project's directory lies in an image; of it, the code of what runs there.
const CODE: &str = "/mlp/code";
/// Counted up when the same inputs would give another kind of image.
const KIND: &str = "1";

/// An image to be built for a runtime.
#[derive(Debug, Clone)]
pub struct ImageSource<'p> {
    /// The runtime.
    pub runtime: &'p Declaration,
    /// The image it is built on.
    pub base: &'p str,
    /// The directories that are put into it, from the project's: of the code that runs in it, and of files that sources read.
    pub code: BTreeSet<String>,
}

/// What is noted of an image that was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// Where it is, by digest.
    pub reference: String,
    /// What it was built of, by [`ImageSource::inputs`].
    pub inputs: String,
}

/// What an image would be built of now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageInputs {
    /// Something is not known yet, and was asked for.
    Open,
    /// An attribute of the runtime leads nowhere.
    Wrong {
        /// The attribute.
        at: &'static str,
        /// Why, in a sentence.
        why: String,
    },
    /// A digest of all of it.
    Known(String),
}

/// Where a directory of code lies in an image: the image shows the project as it is.
#[must_use]
pub fn code_place(code: &str) -> String {
    let words: Vec<&str> = code.split('/').filter(|word| !matches!(*word, "" | ".")).collect();
    if words.is_empty() { CODE.to_owned() } else { format!("{CODE}/{}", words.join("/")) }
}

/// The images that an environment needs built: of its runtimes with a `base`, those that something runs in.
#[must_use]
pub fn image_sources(platform: &Platform) -> Vec<ImageSource<'_>> {
    let mut code: BTreeMap<Address, BTreeSet<String>> = BTreeMap::new();
    for declaration in platform.declarations.values() {
        for (runtime, folder) in uses(platform, declaration) {
            code.entry(runtime).or_default().insert(folder);
        }
    }
    let files: BTreeSet<String> = platform.declarations.values().filter_map(files_of).collect();
    code.into_iter()
        .filter_map(|(address, mut code)| {
            let runtime = platform.declarations.get(&address)?;
            code.extend(files.iter().cloned());
            // The project's directory has all the others in it.
            if code.contains(".") {
                code.retain(|folder| folder == ".");
            }
            Some(ImageSource { runtime, base: set(&runtime.body, "base")?.as_text()?, code })
        })
        .collect()
}

fn set<'v>(body: &'v PlanValue, word: &str) -> Option<&'v PlanValue> {
    body.field(word).filter(|value| !value.is_null())
}

/// The directory of the files that a source of the project reads.
fn files_of(declaration: &Declaration) -> Option<String> {
    let of_files = set(&declaration.body, "kind").is_none_or(|kind| kind.as_text() == Some("file"));
    let uri = set(&declaration.body, "uri")?.as_text()?;
    if declaration.kind != "source" || !of_files || uri.starts_with('/') || uri.contains("://") {
        return None;
    }
    // Of a pattern what stands before the first sign that stands for others.
    let plain = &uri[..uri.find(['*', '?', '[', '{']).unwrap_or(uri.len())];
    Some(plain.rsplit_once('/').map_or(".", |(folder, _)| folder).to_owned())
}

/// The runtimes of a declaration, each with the code that runs in it; without `code` that is the project's.
fn uses(platform: &Platform, declaration: &Declaration) -> Vec<(Address, String)> {
    let body = &declaration.body;
    let component = |of: &PlanValue, word: &str| {
        let found = platform.declarations.get(&reference_of(set(of, word)?)?.address)?;
        (found.kind == "component").then_some(&found.body)
    };
    let pair = |bodies: &[Option<&PlanValue>]| {
        let first = |word: &str| bodies.iter().flatten().find_map(|body| set(body, word));
        let runtime = reference_of(first("runtime")?)?.address;
        Some((runtime, first("code").and_then(Value::as_text).unwrap_or(".").to_owned()))
    };
    match declaration.kind {
        "pipeline" => {
            let steps =
                set(body, "step").and_then(Value::as_object).into_iter().flat_map(|steps| steps.values());
            let steps =
                steps.filter_map(|step| pair(&[Some(step), component(step, "use"), set(body, "defaults")]));
            steps.collect()
        }
        "endpoint" => pair(&[Some(body), component(body, "serve")]).into_iter().collect(),
        "check" | "model" => pair(&[Some(body)]).into_iter().collect(),
        _ => Vec::new(),
    }
}

impl ImageSource<'_> {
    /// An attribute of the runtime that is a text.
    #[must_use]
    pub fn text(&self, word: &str) -> Option<&str> {
        set(&self.runtime.body, word)?.as_text()
    }

    /// What an image would be built of now, of what `ask` knows of the project's files.
    pub fn inputs<'f>(&self, ask: &mut dyn FnMut(Need) -> Option<&'f Fact>) -> ImageInputs {
        let mut parts = vec![KIND.to_owned(), self.base.to_owned()];
        parts.extend(["language", "version"].map(|word| self.text(word).unwrap_or_default().to_owned()));
        let lock = self.text("lock").map(|path| ("lock", path.to_owned(), Need::Digest(path.to_owned())));
        let code = self.code.iter().map(|path| ("base", path.clone(), Need::Tree(path.clone())));
        let mut open = false;
        for (at, path, need) in lock.into_iter().chain(code) {
            let outside = path.starts_with('/') || path.split('/').any(|word| word == "..");
            if outside {
                let why = format!("`{path}` lies outside the project, and an image holds what is in it");
                return ImageInputs::Wrong { at, why };
            }
            match ask(need) {
                Some(Fact::Digest { digest, .. }) => parts.extend([path, digest.clone()]),
                None => open = true,
                Some(Fact::Failed(why)) => {
                    return ImageInputs::Wrong { at, why: format!("`{path}` cannot be read: {why}") };
                }
                Some(_) => {
                    let what = if at == "lock" { "file" } else { "directory" };
                    return ImageInputs::Wrong { at, why: format!("there is no {what} `{path}`") };
                }
            }
        }
        if open { ImageInputs::Open } else { ImageInputs::Known(digest(&parts)) }
    }
}

fn digest(parts: &[String]) -> String {
    let mut all = blake3::Hasher::new();
    for part in parts {
        all.update(&(part.len() as u64).to_le_bytes());
        all.update(part.as_bytes());
    }
    format!("blake3:{}", all.finalize().to_hex())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_lies_in_an_image_as_in_the_project() {
        for (code, place) in
            [(".", "/mlp/code"), ("src", "/mlp/code/src"), ("./src/train/", "/mlp/code/src/train")]
        {
            assert_eq!(code_place(code), place);
        }
    }
}
