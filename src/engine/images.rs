//! The images of an environment: which there have to be, where they go, and what is noted of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mlp_diag::{Blame, Diagnostic, Diagnostics};
use mlp_eval::reference_of;
use mlp_image::{Built, Destination, Folder, Problem, Recipe, Store};
use mlp_platform::{Declaration, Platform};
use mlp_provider::{ImageInputs, ImageSource, code_place, image_sources};
use mlp_value::Value;
use mlp_value::facts::{Fact, Facts, Need, Needs};

use crate::host::lock;

/// What a command wants beyond what the specification says.
#[derive(Debug, Default, Clone)]
pub struct Wish {
    /// Runtimes by address; all when empty.
    pub only: Vec<String>,
    /// What it is for, where that is not as before or as here.
    pub platform: Option<mlp_image::Platform>,
    /// The program that is put into it, where it is not the one that runs.
    pub program: Option<PathBuf>,
    /// A directory instead of a registry.
    pub directory: Option<PathBuf>,
    /// Whether the name of the base is looked up anew.
    pub upgrade: bool,
}

/// An image to be built.
pub struct Task<'p> {
    source: ImageSource<'p>,
    inputs: String,
    recorded: Option<lock::Image>,
}

impl Task<'_> {
    /// The address of its runtime.
    pub fn runtime(&self) -> String {
        self.source.runtime.address.to_string()
    }

    /// Whether what was built is what would be built now.
    pub fn is_done(&self) -> bool {
        self.recorded.as_ref().is_some_and(|image| image.inputs == self.inputs)
    }

    /// Its name below a registry: of the project and the runtime, in the letters that registries have.
    fn name(&self, project: &str) -> String {
        let runtime = self.runtime();
        let plain = |text: &str| {
            let mut found = String::new();
            for c in text.chars().map(|c| c.to_ascii_lowercase()) {
                match c {
                    'a'..='z' | '0'..='9' => found.push(c),
                    _ if found.is_empty() || found.ends_with('-') => {}
                    _ => found.push('-'),
                }
            }
            found.trim_end_matches('-').to_owned()
        };
        format!("{}/{}", plain(project), plain(runtime.trim_start_matches("runtime.")))
    }
}

/// The images that an environment needs; `answer` is the host.
///
/// # Errors
/// What one would be made of is not there, or what was built cannot be read.
pub fn tasks<'p>(
    platform: &'p Platform,
    directory: &Path,
    answer: &dyn Fn(&Need) -> Fact,
) -> Result<Vec<Task<'p>>, Diagnostics> {
    let mut recorded = lock::images(directory).map_err(|problem| vec![*problem])?;
    let mut found = Vec::new();
    let mut problems = Diagnostics::new();
    for source in image_sources(platform) {
        match inputs(&source, answer) {
            Ok(inputs) => {
                let key = key(platform, source.runtime);
                found.push(Task { recorded: recorded.remove(&key), inputs, source });
            }
            Err(problem) => problems.push(*problem),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

fn key(platform: &Platform, runtime: &Declaration) -> (String, String) {
    (platform.environment.folder(), runtime.address.to_string())
}

fn inputs(source: &ImageSource<'_>, answer: &dyn Fn(&Need) -> Fact) -> Result<String, Box<Diagnostic>> {
    let mut facts = Facts::default();
    loop {
        let mut needs = Needs::new();
        match source.inputs(&mut |need| facts.ask(need, &mut needs)) {
            ImageInputs::Known(inputs) => return Ok(inputs),
            ImageInputs::Wrong { at, why } => {
                let found = Diagnostic::error("MLP0960", why).on(&source.runtime.address, at);
                return Err(Box::new(found.help("name what is in the project")));
            }
            ImageInputs::Open => {}
        }
        for need in needs {
            let fact = answer(&need);
            facts.insert(need, fact);
        }
    }
}

/// Those of the tasks that a wish names.
///
/// # Errors
/// It names one that there is not, or a directory for several.
pub fn chosen<'p>(tasks: Vec<Task<'p>>, wish: &Wish) -> Result<Vec<Task<'p>>, Box<Diagnostic>> {
    let names: Vec<String> = tasks.iter().map(Task::runtime).collect();
    for name in &wish.only {
        if !names.contains(name) {
            let headline = format!("no image is built for `{name}`");
            return Err(Box::new(
                Diagnostic::error("MLP0960", headline)
                    .note("images are built for runtimes with a `base` in which something of the environment runs")
                    .help(mlp_diag::one_of(name, names.iter().map(String::as_str))),
            ));
        }
    }
    let found: Vec<Task<'_>> = tasks
        .into_iter()
        .filter(|task| wish.only.is_empty() || wish.only.contains(&task.runtime()))
        .collect();
    if wish.directory.is_some() && found.len() > 1 {
        let headline = format!("{} images do not go into one directory", found.len());
        let help = format!("name one runtime: {}", names.join(", "));
        return Err(Box::new(Diagnostic::error("MLP0960", headline).help(help)));
    }
    Ok(found)
}

/// Builds one image and notes it; `say` hears what goes on.
///
/// # Errors
/// It is not said where it goes, or it cannot be built.
pub async fn build(
    task: &Task<'_>,
    wish: &Wish,
    (platform, directory): (&Platform, &Path),
    answer: &dyn Fn(&Need) -> Fact,
    say: &dyn Fn(&str),
) -> Result<Built, Box<Diagnostic>> {
    let store = Store::of_user().map_err(|problem| told(&problem, task))?;
    let to = match &wish.directory {
        Some(folder) => Destination::Directory(folder.clone()),
        None => Destination::Repository(repository(task, platform)?),
    };
    let program = match &wish.program {
        Some(program) => program.clone(),
        None => std::env::current_exe().map_err(|error| {
            let headline = format!("the running program cannot be found: {error}");
            Box::new(Diagnostic::error("MLP0960", headline).help("name one with --program"))
        })?,
    };
    let recipe = recipe(task, wish, (platform, directory), &program)?;
    let folder = platform.environment.folder();
    let hex = task.inputs.trim_start_matches("blake3:");
    let tag = format!("{folder}-{}", hex.get(..12).unwrap_or(hex));
    let built =
        mlp_image::build(&recipe, &to, &tag, &store, say).await.map_err(|problem| told(&problem, task))?;
    if inputs(&task.source, answer)? != task.inputs {
        let headline = format!("what the image of {} is made of changed while it was built", task.runtime());
        return Err(Box::new(
            Diagnostic::error("MLP0960", headline)
                .on(&task.source.runtime.address, "base")
                .help("build again when the files are at rest; nothing was noted"),
        ));
    }
    if let Some(reference) = &built.reference {
        note(task, (platform, directory), reference, &built)?;
    }
    Ok(built)
}

/// Remembers where the image is; what was noted for runtimes that are gone from the environment goes.
fn note(
    task: &Task<'_>,
    (platform, directory): (&Platform, &Path),
    reference: &str,
    built: &Built,
) -> Result<(), Box<Diagnostic>> {
    let image = lock::Image {
        reference: reference.to_owned(),
        inputs: task.inputs.clone(),
        base: task.source.base.to_owned(),
        base_digest: built.base.clone(),
        platform: built.platform.clone(),
    };
    let folder = platform.environment.folder();
    let there: BTreeSet<String> =
        image_sources(platform).iter().map(|source| source.runtime.address.to_string()).collect();
    let new = lock::Images::from([(key(platform, task.source.runtime), image)]);
    lock::record(directory, new, |(environment, runtime)| *environment != folder || there.contains(runtime))
}

fn recipe<'r>(
    task: &'r Task<'_>,
    wish: &Wish,
    (platform, directory): (&Platform, &'r Path),
    program: &'r Path,
) -> Result<Recipe<'r>, Box<Diagnostic>> {
    let source = &task.source;
    let before = task.recorded.as_ref();
    let as_before = || before.and_then(|image| image.platform.parse().ok());
    let Some(target) = wish.platform.or_else(as_before).or_else(mlp_image::Platform::here) else {
        let headline = "images are not built for machines like this one";
        return Err(Box::new(
            Diagnostic::error("MLP0960", headline).help("name a platform: --platform linux/amd64"),
        ));
    };
    let pinned = before.filter(|image| image.base == source.base && !wish.upgrade);
    let folders = source.code.iter().map(|code| Folder { code: code.clone(), place: code_place(code) });
    let labels = [
        ("dev.mlp.project", platform.project.name.to_string()),
        ("dev.mlp.environment", platform.environment.folder()),
        ("dev.mlp.runtime", task.runtime()),
        ("dev.mlp.inputs", task.inputs.clone()),
    ];
    Ok(Recipe {
        project: directory,
        base: source.base,
        pinned: pinned.map(|image| image.base_digest.as_str()),
        platform: target,
        version: source.text("version"),
        lock: source.text("lock"),
        folders: folders.collect(),
        program,
        labels: BTreeMap::from(labels.map(|(name, value)| (name.to_owned(), value))),
        plain: registries(platform).filter_map(|registry| plain(&registry.1)).collect(),
        epoch: epoch()?,
    })
}

/// The moment that everything in an image has: `SOURCE_DATE_EPOCH`, by default the first there is.
fn epoch() -> Result<u32, Box<Diagnostic>> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH") else { return Ok(0) };
    text.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| {
        let headline = format!("SOURCE_DATE_EPOCH is `{}`, which is no number of seconds", text.display());
        Box::new(Diagnostic::error("MLP0960", headline).help("unset it, or set it to seconds since 1970"))
    })
}

/// The registries of images with their places.
fn registries(platform: &Platform) -> impl Iterator<Item = (&Declaration, String)> {
    let of_images = |one: &&Declaration| {
        one.kind == "registry" && one.body.field("kind").and_then(Value::as_text) == Some("image")
    };
    platform.declarations.values().filter(of_images).filter_map(|registry| {
        let uri = registry.body.field("uri").and_then(Value::as_text)?;
        Some((registry, uri.trim_end_matches('/').to_owned()))
    })
}

/// The host of a registry that is spoken with in plain HTTP because its place says so.
fn plain(uri: &str) -> Option<String> {
    let rest = uri.strip_prefix("http://")?;
    Some(rest.split('/').next().unwrap_or(rest).to_owned())
}

/// Where an image goes: into the registry its runtime names, or the only one there is.
fn repository(task: &Task<'_>, platform: &Platform) -> Result<String, Box<Diagnostic>> {
    let runtime = task.source.runtime;
    let named = runtime.body.field("registry").filter(|value| !value.is_null()).and_then(reference_of);
    let all: Vec<(&Declaration, String)> = registries(platform).collect();
    let found: Vec<&(&Declaration, String)> = match &named {
        Some(named) => all.iter().filter(|(registry, _)| registry.address == named.address).collect(),
        None => all.iter().collect(),
    };
    let wrong = |headline: String, help: &str| {
        let at = if named.is_some() { "registry" } else { "base" };
        Err(Box::new(Diagnostic::error("MLP0960", headline).on(&runtime.address, at).help(help.to_owned())))
    };
    match (found.as_slice(), &named) {
        ([(_, uri)], _) => {
            let bare = uri.trim_start_matches("http://").trim_start_matches("https://");
            Ok(format!("{bare}/{}", task.name(&platform.project.name)))
        }
        ([], Some(named)) => wrong(
            format!("`{named}` is no registry of images with a place"),
            "declare it with `kind = \"image\"` and `uri = \"registry.example/team\"`",
        ),
        ([], None) => wrong(
            format!("it is not said where the image of {} goes", runtime.address),
            "add `registry \"images\" { kind = \"image\" … uri = \"registry.example/team\" }`, or write it into a directory with --out",
        ),
        (several, _) => {
            let names: Vec<String> =
                several.iter().map(|(registry, _)| registry.address.to_string()).collect();
            wrong(
                format!("it is not said into which registry the image of {} goes", runtime.address),
                &format!("write `registry = {}` there; there are {}", names[0], names.join(", ")),
            )
        }
    }
}

/// What is said of a runtime whose image cannot be built.
fn told(problem: &Problem, task: &Task<'_>) -> Box<Diagnostic> {
    let at = match problem.code {
        "MLP0881" | "MLP0882" => "lock",
        _ => "base",
    };
    let mut found = Diagnostic::error(problem.code, &problem.message).on(&task.source.runtime.address, at);
    if matches!(problem.code, "MLP0883" | "MLP0884") {
        found = found.blame(Blame::Provider);
    }
    found.notes.clone_from(&problem.notes);
    found.help.clone_from(&problem.help);
    Box::new(found)
}
