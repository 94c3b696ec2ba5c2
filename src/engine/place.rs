//! Where the state of an environment was last, beside where the specification says it is: a state that stays behind unseen
//! would be planned as nothing at all, and everything would be created a second time.

use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use mlp_diag::{Diagnostic, Diagnostics};
use mlp_platform::Platform;
use mlp_state::{Depot, Elsewhere, Encryption, Holder, Move, Moved, Place, move_state};
use mlp_value::KnownValue;
use serde_json::{Value as Json, json};

use super::depot::{Settings, encryption, key_here, opened, opened_with, share_key};
use super::remember::{Act, Remembered, rewrite};
use super::{home, outputs};

/// Version of the form of the record.
const FORMAT_VERSION: u32 = 1;

/// How a state stands to what the specification says of its place.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// It is there, or there is none yet.
    Here,
    /// It is there, and is to be encrypted otherwise than it is.
    OtherKeys {
        /// Whether it is to be encrypted at all.
        encrypted: bool,
    },
    /// It is in another place; this says where.
    Elsewhere(Box<Diagnostic>),
}

fn record(directory: &FsPath, folder: &str) -> PathBuf {
    home(directory, folder).join("backend.json")
}

/// The settings under which the state was worked with last from here.
fn recorded(settings: &Settings, directory: &FsPath) -> Result<Option<Settings>, Diagnostic> {
    let path = record(directory, &settings.folder);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(&path, &error.to_string())),
    };
    let json: Json = serde_json::from_str(&text).map_err(|error| unusable(&path, &error.to_string()))?;
    if json["format_version"] != FORMAT_VERSION {
        return Err(unusable(&path, "another version of mlp wrote it"));
    }
    let said = KnownValue::from_json(&json["state"]).map_err(|why| unusable(&path, &why))?;
    let project = json["project"].as_str().unwrap_or(&settings.project);
    Ok(Some(Settings::said(project, &settings.folder, &said)))
}

fn unusable(path: &FsPath, why: &str) -> Diagnostic {
    Diagnostic::error("MLP0927", format!("`{}` cannot be used: {why}", path.display()))
        .note("it says where the state of this environment was last")
        .help("`mlp init -reconfigure` writes it anew, for the place that the specification names")
}

fn write_record(settings: &Settings, directory: &FsPath) -> Result<(), Diagnostic> {
    let path = record(directory, &settings.folder);
    // What is not known yet is not where a state was: the settings are known wherever one is opened.
    let Some(state) = settings.to_json() else { return Ok(()) };
    let text = json!({ "format_version": FORMAT_VERSION, "project": settings.project, "state": state });
    let text = format!("{text:#}\n");
    if std::fs::read_to_string(&path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    let aside = path.with_extension(format!("{}.tmp", std::process::id()));
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(home(directory, &settings.folder))?;
        std::fs::write(&aside, &text)?;
        std::fs::rename(&aside, &path)
    };
    write().map_err(|error| unusable(&path, &error.to_string()))
}

/// A store to read a state from, wherever it is: with its own keys and with those that are named now.
fn reader(from: &Settings, now: &Settings, directory: &FsPath) -> Result<Arc<dyn Depot>, Diagnostic> {
    let mut keys = Encryption::default();
    let mut missing = None;
    for settings in [from, now] {
        match encryption(settings, directory) {
            Ok(found) => keys.previous.extend(found.current.into_iter().chain(found.previous)),
            Err(problem) => missing = Some(problem),
        }
    }
    match missing {
        // Perhaps the key that is there is the one that is needed.
        Some(problem) if keys.previous.is_empty() => Err(problem),
        _ => opened_with(from, directory, keys),
    }
}

/// The place that has the state, where that is not the one that is named.
fn left_behind(settings: &Settings, directory: &FsPath) -> Result<Option<Settings>, Diagnostic> {
    let last = match recorded(settings, directory)? {
        Some(last) => last,
        None if settings.is_default() => return Ok(None),
        None => settings.default_of(),
    };
    let name = settings.name(directory);
    if last.name(directory) == name {
        return Ok(None);
    }
    let holds = |depot: &dyn Depot| -> Result<bool, Diagnostic> {
        if depot.lease()?.moved.is_some_and(|to| to.place == name) {
            return Ok(false);
        }
        let loaded = depot.read_behind()?;
        Ok(!loaded.state.resources.is_empty() || !loaded.unfinished.is_empty())
    };
    match reader(&last, settings, directory).and_then(|depot| holds(&*depot)) {
        Ok(true) => Ok(Some(last)),
        Ok(false) => Ok(None),
        Err(problem) => {
            Err(refusal(settings, &last, directory).note(format!("it cannot be read: {}", problem.headline)))
        }
    }
}

fn refusal(settings: &Settings, last: &Settings, directory: &FsPath) -> Diagnostic {
    let headline = format!(
        "the state of `{}` is in {}, and the specification names {}",
        settings.folder,
        last.name(directory),
        settings.name(directory)
    );
    Diagnostic::error("MLP0927", headline)
        .note("planned from the place that is named, everything would be created a second time")
        .help("`mlp init -migrate-state` moves it there; or write `state` as it was; `mlp init -reconfigure` goes on with what is in the named place and leaves the other")
}

/// Refuses to go on with a place while the state is in another; remembers which it is.
pub(super) fn same_place(settings: &Settings, directory: &FsPath) -> Result<(), Diagnostic> {
    if let Some(last) = left_behind(settings, directory)? {
        return Err(refusal(settings, &last, directory));
    }
    if !settings.is_default() || settings.has_keys() || record(directory, &settings.folder).exists() {
        // Where nothing can be written, nothing is applied either: who only looks need not write.
        let _ = write_record(settings, directory);
    }
    Ok(())
}

/// What opens the place that a mark tells of, as it is seen from here.
fn of_mark(mark: &Elsewhere, settings: &Settings, directory: &FsPath) -> Result<Settings, Diagnostic> {
    let said = serde_json::from_str(&mark.settings).ok().and_then(|json| KnownValue::from_json(&json).ok());
    let there = said.map(|said| Settings::said(&settings.project, &settings.folder, &said));
    there.filter(|there| there.name(directory) == mark.place).ok_or_else(|| {
        Diagnostic::error(
            "MLP0927",
            format!("the other place of the state, {}, is not to be reached from here", mark.place),
        )
        .note(format!("{} began to move it on {}", mark.who, mark.when))
        .help("run `mlp init -migrate-state` where that was begun")
    })
}

/// How the state of an environment stands to what the specification says.
///
/// # Errors
/// The state cannot be read.
pub fn standing(platform: &Platform, directory: &FsPath) -> Result<Standing, Diagnostic> {
    let settings = known(platform)?;
    if let Some(last) = left_behind(&settings, directory)? {
        return Ok(Standing::Elsewhere(Box::new(refusal(&settings, &last, directory))));
    }
    let depot = opened(&settings, directory)?;
    match depot.read() {
        Err(problem) if problem.code == "MLP0607" => Ok(Standing::Elsewhere(Box::new(problem))),
        Err(problem) => Err(problem),
        Ok(_) if depot.wants_new_key()? => Ok(Standing::OtherKeys { encrypted: settings.has_keys() }),
        Ok(_) => Ok(Standing::Here),
    }
}

fn known(platform: &Platform) -> Result<Settings, Diagnostic> {
    let settings = Settings::of(platform);
    match settings.to_json() {
        Some(_) => Ok(settings),
        None => Err(settings.wrong(
            "`state` is not known before the specification is resolved".to_owned(),
            "write it of constants and variables",
        )),
    }
}

/// What came of a migration.
#[derive(Debug, Clone)]
pub enum Migrated {
    /// There was nothing to do.
    Nothing,
    /// It was written anew where it is.
    Rewritten(Remembered),
    /// It was moved.
    Moved {
        /// From where.
        from: String,
        /// To where.
        to: String,
        /// What.
        what: Moved,
        /// Whether it is encrypted there.
        encrypted: bool,
    },
}

/// Brings the state to where the specification says it is, encrypted as it says.
///
/// # Errors
/// A lease is held, another state is in the way, or a store cannot be read or written: then the state counts where it did.
pub fn migrate(platform: &Platform, directory: &FsPath, act: &Act) -> Result<Migrated, Diagnostics> {
    let one = |diagnostic: Diagnostic| vec![diagnostic];
    let settings = known(platform).map_err(one)?;
    let to = opened(&settings, directory).map_err(one)?;
    let from = source(&settings, &*to, directory, act).map_err(one)?;
    let Some(from) = from else {
        return match standing(platform, directory).map_err(one)? {
            Standing::OtherKeys { .. } => rewrite(&*to, act).map(Migrated::Rewritten).map_err(one),
            _ => {
                same_place(&settings, directory).map_err(one)?;
                Ok(Migrated::Nothing)
            }
        };
    };
    let beside = if from.is_default() { beside(platform, directory) } else { Vec::new() };
    let what = moved(&from, (&settings, &*to), directory, act, &beside).map_err(one)?;
    write_record(&settings, directory).map_err(one)?;
    share_key(&*to, platform, directory).map_err(one)?;
    Ok(Migrated::Moved {
        from: from.name(directory),
        to: settings.name(directory),
        what,
        encrypted: to.is_encrypted(),
    })
}

/// What lies in the project beside a state that is there.
fn beside(platform: &Platform, directory: &FsPath) -> Vec<(String, Vec<u8>)> {
    let outputs = std::fs::read(outputs::file(directory, &platform.environment.folder())).ok();
    let both = [("seal.key", key_here(platform, directory)), (outputs::BESIDE, outputs)];
    both.into_iter().filter_map(|(name, bytes)| Some((name.to_owned(), bytes?))).collect()
}

/// Where the state comes from: where it was last, or where a mark in the place that is named says it is.
fn source(
    settings: &Settings,
    to: &dyn Depot,
    directory: &FsPath,
    act: &Act,
) -> Result<Option<Settings>, Diagnostic> {
    let lease = to.lease()?;
    if let Some(mark) = &lease.arriving {
        return of_mark(mark, settings, directory).map(Some);
    }
    if let Some(last) = left_behind(settings, directory)? {
        return Ok(Some(last));
    }
    let Some(mark) = &lease.moved else { return Ok(None) };
    let there = of_mark(mark, settings, directory)?;
    let depot = reader(&there, settings, directory)?;
    if depot.lease()?.arriving.is_some_and(|from| from.place == settings.name(directory)) {
        // It never quite arrived there: that is finished first, and then it is brought back.
        moved(settings, (&there, &*depot), directory, act, &[])?;
    }
    Ok(Some(there))
}

fn moved(
    from: &Settings,
    (to, depot): (&Settings, &dyn Depot),
    directory: &FsPath,
    act: &Act,
    beside: &[(String, Vec<u8>)],
) -> Result<Moved, Diagnostic> {
    let there = reader(from, to, directory)?;
    let text = |settings: &Settings| settings.to_json().unwrap_or_default().to_string();
    let (from_name, to_name) = (from.name(directory), to.name(directory));
    let (from_settings, to_settings) = (text(from), text(to));
    move_state(&Move {
        from: Place { depot: &*there, name: &from_name, settings: &from_settings },
        to: Place { depot, name: &to_name, settings: &to_settings },
        beside,
        holder: &Holder::of(&act.user),
        who: &act.who,
        command: &act.command,
        commit: act.commit.clone(),
    })
}

/// Goes on with the place that the specification names, whatever is in the other.
///
/// # Errors
/// The place cannot be read, or has no whole state.
pub fn reconfigure(platform: &Platform, directory: &FsPath) -> Result<(), Diagnostic> {
    let settings = known(platform)?;
    opened(&settings, directory)?.read()?;
    write_record(&settings, directory)
}
