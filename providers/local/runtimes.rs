//! The environments of runtimes: what a record says of one becomes a program with its packages below the
//! environment's `runtimes`, for steps, for whoever serves what they made, and for commands of checks.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mlp_floor::launch::{Builder, LockFile, LockFormat, Runtime, RuntimeSpec};
use mlp_provider::{Event, Reporter};

use crate::fault::{Fallible, fault};
use crate::mlp_value::KnownValue;
use crate::resources::Ground;
use crate::run::text;

/// Tells a reporter of a build.
struct Telling<'a> {
    subject: &'a str,
    reporter: &'a dyn Reporter,
}

impl Builder for Telling<'_> {
    fn say(&self, text: &str) {
        self.reporter.event(Event::Progress { subject: self.subject.to_owned(), text: text.to_owned() });
    }

    fn cancelled(&self) -> bool {
        self.reporter.cancelled()
    }
}

fn on_search_path(program: &str) -> Option<PathBuf> {
    let search = std::env::var_os("PATH")?;
    std::env::split_paths(&search).map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn root(ground: &Ground) -> PathBuf {
    ground.place.home.join("runtimes")
}

/// The variables that a record says the processes of a runtime see.
pub(crate) fn variables(runtime: &KnownValue) -> BTreeMap<String, String> {
    let written = runtime.field("env").and_then(KnownValue::as_object);
    let written = written.into_iter().flat_map(|env| env.iter());
    written.filter_map(|(name, value)| Some((name.to_string(), value.as_text()?.to_owned()))).collect()
}

/// What a record says of a runtime; nothing where it knows no program.
fn spec(ground: &Ground, runtime: &KnownValue) -> Option<RuntimeSpec> {
    let lock = runtime.field("lock").and_then(|lock| {
        let format = match text(lock, "format")? {
            "uv" => LockFormat::Uv,
            "pylock" => LockFormat::Pylock,
            _ => LockFormat::Requirements,
        };
        Some(LockFile {
            path: Path::new(&ground.target.directory).join(text(lock, "path")?),
            format,
            digest: text(lock, "digest")?.to_owned(),
            // Where it is does not matter to what it makes, so that it is no part of the record.
            uv: format.needs_uv().then(|| on_search_path("uv")).flatten(),
        })
    });
    Some(RuntimeSpec {
        language: text(runtime, "language").unwrap_or("python").to_owned(),
        program: PathBuf::from(text(runtime, "program")?),
        version: text(runtime, "version").unwrap_or_default().to_owned(),
        lock,
        env: variables(runtime),
    })
}

/// The environment a record leads to, built if it is not there. This is blocking work.
///
/// # Errors
/// It cannot be built; the error speaks of the line that names the lock file.
pub(crate) fn ensure(
    ground: &Ground,
    runtime: &KnownValue,
    reporter: &dyn Reporter,
) -> Fallible<Option<Runtime>> {
    let Some(spec) = spec(ground, runtime) else { return Ok(None) };
    let place = |word: &str| runtime.field("lock").and_then(|lock| text(lock, word)).unwrap_or_default();
    let telling = Telling { subject: place("address"), reporter };
    let built = spec.ensure(&root(ground), &telling);
    built.map(Some).map_err(|problem| fault(&problem.at(place("at")), place("address")))
}

/// The environment a record leads to, for a run: its interpreter is asked whether it is still what was recorded.
///
/// # Errors
/// As [`ensure`]; the interpreter was replaced or is gone.
pub(crate) fn ready(
    ground: &Ground,
    runtime: &KnownValue,
    reporter: &dyn Reporter,
    (address, path): (&str, &str),
) -> Fallible<Option<Runtime>> {
    let built = ensure(ground, runtime, reporter)?;
    if let (Some(built), Some(spec)) = (&built, spec(ground, runtime)) {
        spec.verify(built).map_err(|problem| fault(&problem.at(path), address))?;
    }
    Ok(built)
}

/// The interpreter of a runtime as it is recorded with a version that its steps made.
pub(crate) fn interpreter(ground: &Ground, runtime: &KnownValue) -> Option<String> {
    Some(spec(ground, runtime)?.planned(&root(ground)).interpreter.display().to_string())
}

/// Whether what a record needs is there: an environment that was removed is built again by an apply.
pub(crate) fn is_built(ground: &Ground, runtime: &KnownValue) -> bool {
    spec(ground, runtime).is_none_or(|spec| spec.built(&root(ground)).is_some())
}
