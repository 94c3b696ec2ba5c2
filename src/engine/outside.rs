//! What is told to and asked of others: outputs that other projects read, and objects that a `data` block looks up.

use std::path::{Path as FsPath, PathBuf};

use mlp_plan::OutputScope;
use mlp_platform::Platform;
use mlp_provider::{Seen, Target};
use mlp_state::{DirStore, State, Store};
use mlp_value::facts::Fact;
use mlp_value::{Address, KnownValue, Path, Value};

/// Version of the form of the file of outputs.
const FORMAT_VERSION: u32 = 1;

fn home(directory: &FsPath, environment: &str) -> PathBuf {
    directory.join(".mlp").join(environment)
}

fn file(directory: &FsPath, environment: &str) -> PathBuf {
    home(directory, environment).join("outputs.json")
}

/// Writes the outputs of an environment for other projects; of what is sensitive or not known yet, only why it is not
/// there.
///
/// # Errors
/// They cannot be written.
pub fn publish(platform: &Platform, directory: &FsPath, state: &State) -> std::io::Result<()> {
    let known = |address: &Address| state.outputs(address).map(|outputs| outputs.lift());
    let scope = OutputScope::new(&known);
    let mut outputs = serde_json::Map::new();
    for declaration in platform.declarations.values().filter(|one| one.kind == "output") {
        let written = declaration.body.field("value").cloned().unwrap_or(Value::Null);
        let at = Path::of(&["value"]);
        let hidden = declaration.sensitive.iter().any(|path| path.starts_with(&at))
            || declaration.body.field("sensitive").and_then(Value::as_bool).unwrap_or(false);
        let filled = scope.fill(&written).ok().and_then(|value| value.known().ok());
        let said = match filled {
            _ if hidden => serde_json::json!({ "withheld": "it is sensitive" }),
            Some(value) if mlp_value::has_sealed(&value) => {
                serde_json::json!({ "withheld": "it is sensitive" })
            }
            Some(value) => serde_json::json!({ "value": value.to_plain_json() }),
            None => serde_json::json!({ "withheld": "it is not known yet" }),
        };
        outputs.insert(declaration.address.name.to_string(), said);
    }
    let document = serde_json::json!({
        "format_version": FORMAT_VERSION,
        "project": platform.project.name,
        "environment": platform.environment.name,
        "version": platform.project.body.field("version").and_then(Value::as_text),
        "outputs": outputs,
    });
    let path = file(directory, &platform.environment.folder());
    let aside = path.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::create_dir_all(home(directory, &platform.environment.folder()))?;
    std::fs::write(&aside, document.to_string())?;
    std::fs::rename(&aside, &path)
}

/// Takes the outputs of an environment away that is destroyed.
pub fn withdraw(platform: &Platform, directory: &FsPath) {
    // What is gone already need not go.
    let _ = std::fs::remove_file(file(directory, &platform.environment.folder()));
}

/// The outputs of another project's environment.
pub fn outputs(directory: &FsPath, project: &str, environment: &str) -> Fact {
    let other = directory.join(project);
    if !other.is_dir() {
        return Fact::Failed(format!("there is no directory `{project}`"));
    }
    let text = match std::fs::read_to_string(file(&other, environment)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Fact::Missing,
        Err(error) => return Fact::Failed(error.to_string()),
    };
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(json) if json["format_version"] == FORMAT_VERSION => Fact::Text(text),
        Ok(_) => Fact::Failed("its outputs were written by another version of mlp".to_owned()),
        Err(error) => Fact::Failed(format!("its outputs are damaged: {error}")),
    }
}

/// Where a look-up looks.
pub struct Surroundings<'a> {
    /// The project's directory.
    pub directory: &'a FsPath,
    /// The project's name.
    pub project: &'a str,
    /// The environment's name.
    pub environment: &'a str,
    /// What its things are kept under.
    pub folder: &'a str,
}

/// What exists of a native kind, by what identifies it: `id` or `name`, and `environment` for another one than this.
pub fn look(surroundings: &Surroundings<'_>, kind: &str, query: &str) -> Fact {
    let fields: serde_json::Value = serde_json::from_str(query).unwrap_or_default();
    let text = |name: &str| fields[name].as_str();
    if kind == "local_file" {
        return look_at_file(surroundings.directory, &fields);
    }
    let known = ["id", "name", "environment"];
    let other = fields
        .as_object()
        .into_iter()
        .flat_map(|fields| fields.keys())
        .find(|name| !known.contains(&name.as_str()));
    if let Some(other) = other {
        return Fact::Failed(format!(
            "`{other}` identifies nothing; it takes `id` or `name`, and `environment`"
        ));
    }
    let provider = match crate::engine::provider(kind.split('_').next().unwrap_or_default()) {
        Ok(provider) => provider,
        Err(diagnostic) => return Fact::Failed(diagnostic.headline),
    };
    if provider.resource(kind).is_none() {
        let names: Vec<&str> = provider.resources().iter().map(|kind| kind.name.as_str()).collect();
        return Fact::Failed(format!(
            "there is nothing of the kind `{kind}`; {}",
            mlp_diag::one_of(kind, names.iter().copied())
        ));
    }
    let identity = match (text("id"), text("name")) {
        (Some(id), None) => Some(id.to_owned()),
        (None, Some(name)) => provider.identity(kind, name),
        _ => return Fact::Failed("it takes one of `id` and `name`, as text".to_owned()),
    };
    let Some(identity) = identity else { return Fact::Failed("it is found by `id` only".to_owned()) };
    let environment = text("environment").unwrap_or(surroundings.environment);
    // Another environment is looked at as everybody has it.
    let folder = if environment == surroundings.environment { surroundings.folder } else { environment };
    let home = home(surroundings.directory, folder);
    if !home.is_dir() {
        return Fact::Missing;
    }
    let state = match DirStore::new(home.join("state"), surroundings.project, folder).read() {
        Ok(loaded) => loaded.state,
        Err(diagnostic) => return Fact::Failed(diagnostic.headline),
    };
    let target = Target {
        project: surroundings.project.to_owned(),
        environment: environment.to_owned(),
        lineage: state.lineage,
        directory: surroundings.directory.display().to_string(),
        home: home.display().to_string(),
        provider: KnownValue::Null,
        program: String::new(),
        secrets: std::collections::BTreeMap::new(),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Fact::Failed(error.to_string()),
    };
    let seen = runtime.block_on(async { provider.connect(&target).await?.read(kind, &identity).await });
    match seen {
        Ok(Seen::Absent) => Fact::Missing,
        Err(error) => Fact::Failed(error.diagnostic.headline),
        Ok(Seen::Present(found)) => {
            let both = [&found.config, &found.outputs].into_iter().filter_map(Value::as_object).flatten();
            let mut all: std::collections::BTreeMap<_, _> =
                both.map(|(name, value)| (name.clone(), value.clone())).collect();
            all.insert("id".into(), KnownValue::text(&identity));
            Fact::Text(KnownValue::object(all).to_plain_json().to_string())
        }
    }
}

/// What the last apply of an environment told of a declaration; nothing when it was never applied.
pub fn remembered(platform: &Platform, directory: &FsPath, address: &str) -> Fact {
    let Ok(address) = address.parse::<Address>() else { return Fact::Missing };
    let loaded = super::depot(platform, directory).and_then(|store| store.read());
    match loaded.map(|loaded| loaded.state.outputs(&address)) {
        Err(diagnostic) => Fact::Failed(diagnostic.headline),
        Ok(None) => Fact::Missing,
        Ok(Some(outputs)) => Fact::Text(serde_json::to_string(&outputs).unwrap_or_default()),
    }
}

/// A file or directory of the project: its digest and size.
fn look_at_file(directory: &FsPath, fields: &serde_json::Value) -> Fact {
    let Some(path) = fields["path"].as_str().filter(|_| fields.as_object().is_some_and(|all| all.len() == 1))
    else {
        return Fact::Failed("it takes `path`, and nothing else".to_owned());
    };
    match crate::host::facts::digest(&directory.join(path)) {
        Fact::Digest { digest, size } => {
            let whole = directory.join(path);
            let said = serde_json::json!({
                "path": path,
                "digest": digest,
                "size": size,
                "directory": whole.is_dir(),
            });
            Fact::Text(said.to_string())
        }
        other => other,
    }
}
