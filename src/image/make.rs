//! One image from its recipe.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mlp_floor::Problem;
use mlp_floor::launch::fits;
use serde::Serialize;

use crate::base::{Base, Descriptor};
pub use crate::code::Folder;
use crate::config::{Added, config, manifest};
use crate::layer::Packed;
use crate::look::Look;
use crate::packages::{self, For};
use crate::platform::Platform;
use crate::registry::{Registry, reference};
use crate::requirements;
use crate::store::{Blob, Store, sha256};
use crate::{code, codes, layout, program};

/// What an image is made of.
#[derive(Debug)]
pub struct Recipe<'a> {
    /// The project's directory.
    pub project: &'a Path,
    /// The base image as it is written.
    pub base: &'a str,
    /// The digest that the base's name stood for in an earlier build.
    pub pinned: Option<&'a str>,
    /// What it is for.
    pub platform: Platform,
    /// The demand on the version of the language.
    pub version: Option<&'a str>,
    /// The lock file, from the project's directory.
    pub lock: Option<&'a str>,
    /// The code.
    pub folders: Vec<Folder>,
    /// The program that is put into it.
    pub program: &'a Path,
    /// What it says of itself.
    pub labels: BTreeMap<String, String>,
    /// Registries that are spoken with in plain HTTP although they are on other machines.
    pub plain: BTreeSet<String>,
    /// Every moment in it, in seconds since 1970.
    pub epoch: u32,
}

/// Where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A repository of a registry.
    Repository(String),
    /// A directory.
    Directory(PathBuf),
}

/// A part of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// What it is: `base`, `packages`, `code`, `program`.
    pub what: &'static str,
    /// In words of a person.
    pub detail: String,
    /// Compressed bytes.
    pub size: u64,
    /// Whether it was there from an earlier build.
    pub cached: bool,
}

/// A finished image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Built {
    /// The digest of its manifest.
    pub digest: String,
    /// Where it can be pulled from, by digest; nothing for one in a directory.
    pub reference: Option<String>,
    /// What it is for.
    pub platform: String,
    /// The digest that the base's name stood for.
    pub base: String,
    /// Its parts.
    pub parts: Vec<Part>,
    /// Compressed bytes of all layers.
    pub size: u64,
    /// Bytes that had to be sent.
    pub pushed: u64,
}

/// Builds an image and brings it to its destination under a tag; `say` hears what goes on.
///
/// # Errors
/// Something it is made of is not there or does not fit, the registry refuses or does not answer, or the disk is full.
pub async fn build(
    recipe: &Recipe<'_>,
    to: &Destination,
    tag: &str,
    store: &Store,
    say: &dyn Fn(&str),
) -> Result<Built, Problem> {
    let target = match to {
        Destination::Repository(name) => Some(Registry::new(reference(name)?, &recipe.plain)?),
        Destination::Directory(folder) => layout::check(folder).map(|()| None)?,
    };
    if let Some(target) = &target {
        target.may_push().await?;
    }
    let base = Base::find(recipe.base, recipe.pinned, recipe.platform, &recipe.plain, store).await?;
    let (look, known) = base.look(store, say).await?;
    let layers = layers(recipe, &look, store, say)?;
    let parts = parts(&base, known, &layers);
    let image = Image::of(recipe, &base, &layers);
    let pushed = match (&target, to) {
        (Some(target), _) => image.push(&base, target, tag, store, say).await?,
        (None, Destination::Directory(folder)) => {
            image.write(&base, folder, (recipe.platform, tag), store, say).await?;
            0
        }
        (None, Destination::Repository(_)) => 0,
    };
    Ok(Built {
        reference: target.map(|target| format!("{}@{}", target.repository(), image.digest)),
        digest: image.digest,
        platform: recipe.platform.to_string(),
        base: base.digest,
        size: parts.iter().map(|part| part.size).sum(),
        parts,
        pushed,
    })
}

/// A layer that is added, with what is said of it.
struct Made {
    packed: Packed,
    what: &'static str,
    detail: String,
}

fn layers(recipe: &Recipe<'_>, look: &Look, store: &Store, say: &dyn Fn(&str)) -> Result<Vec<Made>, Problem> {
    let epoch = u64::from(recipe.epoch);
    let mut made = Vec::new();
    version(recipe, look)?;
    if let Some(lock) = recipe.lock {
        let read = requirements::read(lock, &requirements::text(recipe.project, lock)?)?;
        let python = look.python.as_ref().ok_or_else(|| no_python(recipe))?;
        let image = For { python, look, platform: recipe.platform, lock };
        let found = packages::build(&read, &image, store, epoch, say)?;
        let fetched = if found.fetched > 0 { format!(", {} fetched", found.fetched) } else { String::new() };
        let detail = format!("{} for python {}{fetched}", count(found.count, "wheel"), python.version);
        made.push(Made { packed: found.layer, what: "packages", detail });
    }
    say("packing the program");
    let packed = program::build(recipe.program, look, recipe.platform, store, epoch)?;
    let name = recipe.program.file_name().map(|name| name.to_string_lossy().into_owned());
    made.push(Made { packed, what: "program", detail: name.unwrap_or_default() });
    // What changes most lies on top: the layers below stay as they are.
    if !recipe.folders.is_empty() {
        let (packed, _) = code::build(recipe.project, &recipe.folders, store, epoch)?;
        let names: Vec<&str> = recipe.folders.iter().map(|folder| folder.code.as_str()).collect();
        made.push(Made { packed, what: "code", detail: names.join(", ") });
    }
    Ok(made)
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn no_python(recipe: &Recipe<'_>) -> Problem {
    Problem::new(
        codes::BASE,
        format!("there is no python3 on the search path of the base image `{}`", recipe.base),
    )
    .help("take a base image with the python that the packages are for, as `python:3.12-slim`")
}

fn version(recipe: &Recipe<'_>, look: &Look) -> Result<(), Problem> {
    let Some(wanted) = recipe.version else { return Ok(()) };
    let python = look.python.as_ref().ok_or_else(|| no_python(recipe))?;
    if fits(&python.version, wanted) == Some(true) {
        return Ok(());
    }
    let headline =
        format!("the base image `{}` has python {}, and `{wanted}` is needed", recipe.base, python.version);
    Err(Problem::new(codes::BASE, headline).help("take a base image that has it, or change `version`"))
}

fn parts(base: &Base, known: bool, layers: &[Made]) -> Vec<Part> {
    let below = Part {
        what: "base",
        detail: base.name.clone(),
        size: base.layers.iter().map(|layer| layer.size).sum(),
        cached: known,
    };
    let above = layers.iter().map(|made| Part {
        what: made.what,
        detail: made.detail.clone(),
        size: made.packed.blob.size,
        cached: made.packed.cached,
    });
    std::iter::once(below).chain(above).collect()
}

/// The documents and layers of an image.
struct Image {
    config: Vec<u8>,
    manifest: Vec<u8>,
    digest: String,
    own: Vec<Blob>,
}

impl Image {
    fn of(recipe: &Recipe<'_>, base: &Base, layers: &[Made]) -> Self {
        let comment =
            |made: &Made| format!("{}: {}", made.what, made.detail.split(", ").next().unwrap_or_default());
        let comments: Vec<String> = layers.iter().map(comment).collect();
        let added: Vec<Added<'_>> = layers
            .iter()
            .zip(&comments)
            .map(|(made, what)| Added { diff_id: &made.packed.diff_id, what })
            .collect();
        let has_packages = layers.iter().any(|made| made.what == "packages");
        let config = config(base, &added, &recipe.labels, has_packages, i64::from(recipe.epoch));
        let above = layers.iter().map(|made| Descriptor {
            media_type: "application/vnd.oci.image.layer.v1.tar+gzip".to_owned(),
            digest: made.packed.blob.digest.clone(),
            size: made.packed.blob.size,
        });
        let all: Vec<Descriptor> = base.layers.iter().cloned().chain(above).collect();
        let manifest = manifest(base, (&sha256(&config), config.len()), &all);
        let own = layers.iter().map(|made| made.packed.blob.clone()).collect();
        Self { digest: sha256(&manifest), config, manifest, own }
    }

    /// Brings it to a registry; gives how many bytes had to be sent.
    async fn push(
        &self,
        base: &Base,
        to: &Registry,
        tag: &str,
        store: &Store,
        say: &dyn Fn(&str),
    ) -> Result<u64, Problem> {
        let mut sent = 0;
        for layer in &base.layers {
            if to.has(&layer.digest).await?
                || (to.is_of(&base.registry) && to.mount(&base.registry, &layer.digest).await)
            {
                continue;
            }
            let blob = base.registry.fetch(&layer.digest, store).await?;
            sent += send(to, &blob, say).await?;
        }
        let config = self.kept(store)?;
        for blob in self.own.iter().chain([&config]) {
            if !to.has(&blob.digest).await? {
                sent += send(to, blob, say).await?;
            }
        }
        to.push_manifest(&self.manifest, tag).await?;
        Ok(sent)
    }

    /// The configuration as a blob.
    fn kept(&self, store: &Store) -> Result<Blob, Problem> {
        let mut file = store.begin()?;
        let path = file.path().to_owned();
        std::io::Write::write_all(&mut file, &self.config)
            .map_err(|error| crate::store::unwritten(&path, &error))?;
        store.keep(file, &sha256(&self.config))
    }

    async fn write(
        &self,
        base: &Base,
        folder: &Path,
        about: (Platform, &str),
        store: &Store,
        say: &dyn Fn(&str),
    ) -> Result<(), Problem> {
        let mut blobs = self.own.clone();
        for layer in &base.layers {
            blobs.push(base.registry.fetch(&layer.digest, store).await?);
        }
        say(&format!("writing {}", folder.display()));
        layout::write(folder, &blobs, [&self.config, &self.manifest], about)
    }
}

async fn send(to: &Registry, blob: &Blob, say: &dyn Fn(&str)) -> Result<u64, Problem> {
    say(&format!("pushing {} MB to {}", blob.size.div_ceil(1_000_000), to.repository()));
    to.push(blob).await?;
    Ok(blob.size)
}
