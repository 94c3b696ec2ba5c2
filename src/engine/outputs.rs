//! Outputs: as they are told to other projects, and how a plan changes them.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path as FsPath, PathBuf};

use mlp_diag::Diagnostic;
use mlp_eval::PlanValue;
use mlp_plan::{Action, Cause, FieldChange, Mode, Moving, OutputScope, Plan};
use mlp_platform::Platform;
use mlp_provider::Provider;
use mlp_state::{Depot, State};
use mlp_value::facts::Fact;
use mlp_value::{Address, KnownValue, Path, ResourceId, Value, has_sealed};
use serde_json::{Value as Json, json};

use super::depot::{Settings, depot};
use super::home;
use super::vault::fingerprint;

/// Version of the form of the file of outputs.
const FORMAT_VERSION: u32 = 1;

/// The name under which they lie beside a state that is not in the project.
pub(super) const BESIDE: &str = "outputs.json";

/// Why a value is not among them.
const SENSITIVE: &str = "it is sensitive";
const UNKNOWN: &str = "it is not known yet";

pub(super) fn file(directory: &FsPath, environment: &str) -> PathBuf {
    home(directory, environment).join(BESIDE)
}

/// An output as the specification gives it.
struct Output {
    name: String,
    /// Nothing where it cannot be computed.
    value: Option<PlanValue>,
    hidden: bool,
}

impl Output {
    fn known(&self) -> Option<KnownValue> {
        self.value.as_ref()?.known().ok()
    }

    /// As it is told: the value, or why it is withheld.
    fn told(&self, state: &FsPath) -> Result<Json, Diagnostic> {
        Ok(match self.known() {
            Some(value) if self.hidden => {
                json!({ "withheld": SENSITIVE, "fingerprint": fingerprint(state, &value)? })
            }
            Some(value) => json!({ "value": value.to_plain_json() }),
            None if self.hidden => json!({ "withheld": SENSITIVE }),
            None => json!({ "withheld": UNKNOWN }),
        })
    }
}

/// The outputs by what is known of the declarations that they are of.
fn outputs_of(platform: &Platform, known: &dyn Fn(&Address) -> Option<PlanValue>) -> Vec<Output> {
    let scope = OutputScope::new(known);
    let declared = platform.declarations.values().filter(|one| one.kind == "output");
    let output = |declaration: &mlp_platform::Declaration| {
        let written = declaration.body.field("value").cloned().unwrap_or(Value::Null);
        let at = Path::of(&["value"]);
        let value = scope.fill(&written).ok();
        let hidden = declaration.sensitive.iter().any(|path| path.starts_with(&at))
            || declaration.body.field("sensitive").and_then(Value::as_bool).unwrap_or(false)
            || value.as_ref().is_some_and(has_sealed);
        Output { name: declaration.address.name.to_string(), value, hidden }
    };
    declared.map(output).collect()
}

fn state_directory(platform: &Platform, directory: &FsPath) -> PathBuf {
    home(directory, &platform.environment.folder()).join("state")
}

/// Writes the outputs of an environment for other projects; of what is sensitive or not known yet, only why it is not
/// there.
///
/// # Errors
/// They cannot be written.
pub fn publish(
    platform: &Platform,
    directory: &FsPath,
    depot: &dyn Depot,
    state: &State,
) -> Result<(), Diagnostic> {
    let known = |address: &Address| state.outputs(address).map(|outputs| outputs.lift());
    let beside = state_directory(platform, directory);
    let mut outputs = serde_json::Map::new();
    for output in outputs_of(platform, &known) {
        outputs.insert(output.name.clone(), output.told(&beside)?);
    }
    let document = json!({
        "format_version": FORMAT_VERSION,
        "project": platform.project.name,
        "environment": platform.environment.name,
        "version": platform.project.body.field("version").and_then(Value::as_text),
        "outputs": outputs,
    });
    let text = document.to_string();
    if !Settings::of(platform).is_default() {
        depot.keep_anew(BESIDE, text.as_bytes())?;
    }
    let path = file(directory, &platform.environment.folder());
    let aside = path.with_extension(format!("{}.tmp", std::process::id()));
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(home(directory, &platform.environment.folder()))?;
        std::fs::write(&aside, text)?;
        std::fs::rename(&aside, &path)
    };
    write().map_err(|error| {
        Diagnostic::error("MLP0925", format!("`{}` cannot be written: {error}", path.display()))
            .help("check its permissions, and apply again")
    })
}

/// Takes the outputs of an environment away that is destroyed.
///
/// # Errors
/// The store cannot be written.
pub fn withdraw(platform: &Platform, directory: &FsPath, depot: &dyn Depot) -> Result<(), Diagnostic> {
    // What is gone already need not go.
    let _ = std::fs::remove_file(file(directory, &platform.environment.folder()));
    if depot.kept(BESIDE)?.is_some() {
        depot.keep_anew(BESIDE, b"{}")?;
    }
    Ok(())
}

/// The document that was written last.
fn last(platform: &Platform, directory: &FsPath, depot: &dyn Depot) -> Result<Json, Diagnostic> {
    let here = std::fs::read(file(directory, &platform.environment.folder())).ok();
    let bytes = match here.filter(|_| Settings::of(platform).is_default()) {
        Some(here) => Some(here),
        None => depot.kept(BESIDE)?,
    };
    // What cannot be read was written by another version, and is written anew with the next apply.
    let json: Option<Json> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    Ok(json.filter(|json| json["format_version"] == FORMAT_VERSION).unwrap_or_default())
}

/// The outputs of another project's environment.
pub fn of_other(directory: &FsPath, project: &str, environment: &str) -> Fact {
    let other = directory.join(project);
    if !other.is_dir() {
        return Fact::Failed(format!("there is no directory `{project}`"));
    }
    let text = match std::fs::read_to_string(file(&other, environment)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Fact::Missing,
        Err(error) => return Fact::Failed(error.to_string()),
    };
    match serde_json::from_str::<Json>(&text) {
        Ok(json) if json["format_version"] == FORMAT_VERSION => Fact::Text(text),
        Ok(_) => Fact::Failed("its outputs were written by another version of mlp".to_owned()),
        Err(error) => Fact::Failed(format!("its outputs are damaged: {error}")),
    }
}

/// The outputs of a project whose state is not in its directory; nothing where it is.
pub fn kept_elsewhere(platform: &Platform, directory: &FsPath) -> Option<Fact> {
    if Settings::of(platform).is_default() {
        return None;
    }
    let told = depot(platform, directory).and_then(|depot| depot.kept(BESIDE));
    Some(match told {
        Err(problem) => Fact::Failed(problem.headline),
        Ok(None) => Fact::Missing,
        Ok(Some(bytes)) => match serde_json::from_slice::<Json>(&bytes) {
            Ok(json) if json["format_version"] == FORMAT_VERSION => Fact::Text(json.to_string()),
            // What was destroyed tells nothing.
            Ok(json) if json["format_version"].is_null() => Fact::Missing,
            Ok(_) => Fact::Failed("its outputs were written by another version of mlp".to_owned()),
            Err(error) => Fact::Failed(format!("its outputs are damaged: {error}")),
        },
    })
}

/// What is known when a plan is made of the outputs of what it leaves as it is; looked through when something asks, which in most
/// specifications few do.
pub(super) struct Told<'p> {
    plan: &'p Plan,
    state: &'p State,
    provider: &'p dyn Provider,
    found: OnceCell<(Moving, BTreeMap<&'p ResourceId, &'p KnownValue>)>,
}

impl<'p> Told<'p> {
    /// Of a plan over a state.
    pub(super) const fn of(plan: &'p Plan, state: &'p State, provider: &'p dyn Provider) -> Self {
        Self { plan, state, provider, found: OnceCell::new() }
    }

    /// What changes, and what was read.
    fn found(&self) -> &(Moving, BTreeMap<&'p ResourceId, &'p KnownValue>) {
        self.found.get_or_init(|| {
            let stays = |action: Action| {
                matches!(action, Action::NoOp | Action::Move | Action::Forget | Action::Delete | Action::Read)
            };
            let mut moving = Moving::default();
            for step in self.plan.steps.iter().filter(|step| !stays(step.action)) {
                moving.note(step, self.provider.resource(&step.kind));
            }
            let read = self.plan.steps.iter().filter(|step| step.action == Action::Read);
            (moving, read.filter_map(|step| Some((&step.resource, step.outputs.as_ref()?))).collect())
        })
    }

    /// As they are now; of what will be changed only what lasts is known before its step is done.
    pub(super) fn now(&self, address: &Address) -> Option<PlanValue> {
        let (moving, read) = self.found();
        let known = self.state.outputs_as(address, &|id| read.get(id).copied())?;
        moving.left(address, known.lift())
    }

    /// As they were when they were remembered.
    fn remembered(&self, address: &Address) -> Option<PlanValue> {
        self.found().0.left(address, self.state.outputs(address)?.lift())
    }
}

/// How a plan changes the outputs: each of them, also those that stay.
///
/// # Errors
/// What was told last cannot be read.
pub(super) fn changes(
    platform: &Platform,
    directory: &FsPath,
    depot: &dyn Depot,
    (mode, known): (Mode, &Told<'_>),
) -> Result<Vec<FieldChange>, Diagnostic> {
    let told = last(platform, directory, depot)?;
    let told: BTreeMap<&String, &Json> = told["outputs"].as_object().into_iter().flatten().collect();
    let (now, still) = match mode {
        Mode::Destroy => (Vec::new(), Vec::new()),
        Mode::Apply | Mode::RefreshOnly => {
            let now = outputs_of(platform, &|address| known.now(address));
            (now, outputs_of(platform, &|address| known.remembered(address)))
        }
    };
    let beside = state_directory(platform, directory);
    let mut all = Vec::new();
    for (output, still) in now.iter().zip(&still) {
        let before = told.get(&output.name).copied();
        let mut changed = change(output, before, &output.told(&beside)?);
        if change(still, before, &still.told(&beside)?).action == Action::NoOp {
            changed.cause = Cause::Event;
        }
        all.push(changed);
    }
    let gone = told.iter().filter(|(name, _)| !now.iter().any(|output| output.name == ***name));
    all.extend(gone.map(|(name, before)| FieldChange {
        action: Action::Delete,
        cause: Cause::Unset,
        ..bare(name, value_of(before), before["withheld"] == SENSITIVE)
    }));
    Ok(all)
}

fn value_of(told: &Json) -> Option<KnownValue> {
    told.get("value").and_then(|value| KnownValue::from_json(value).ok())
}

fn bare(name: &str, before: Option<KnownValue>, sensitive: bool) -> FieldChange {
    FieldChange {
        path: Path::of(&[name]),
        before: before.filter(|_| !sensitive),
        after: None,
        action: Action::NoOp,
        cause: Cause::Specification,
        reason: None,
        origin: None,
        sensitive,
    }
}

fn change(output: &Output, before: Option<&Json>, now: &Json) -> FieldChange {
    // As text and back, as what was told was.
    let now: Json = serde_json::from_str(&now.to_string()).unwrap_or_default();
    let withheld = before.is_some_and(|before| before["withheld"] == SENSITIVE);
    let action = match before {
        None => Action::Create,
        Some(before) if *before == now => Action::NoOp,
        Some(_) => Action::Update,
    };
    let after = output.value.clone().filter(|_| !output.hidden);
    FieldChange { action, after, ..bare(&output.name, before.and_then(value_of), output.hidden || withheld) }
}
