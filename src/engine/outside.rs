//! What is asked of what lies outside the specification: objects that a `data` block looks up, and what was told before.

use std::path::Path as FsPath;

use mlp_diag::Diagnostic;
use mlp_platform::Platform;
use mlp_provider::{Seen, Target};
use mlp_state::State;
use mlp_value::facts::Fact;
use mlp_value::{Address, KnownValue, Value};

/// Where a look-up looks.
pub struct Surroundings<'a> {
    /// The project's directory.
    pub directory: &'a FsPath,
    /// The project's name.
    pub project: &'a str,
    /// The environment's name.
    pub environment: &'a str,
    /// What an environment's things are kept under, and its state; nothing where there is no such environment.
    pub state: &'a StateOf<'a>,
}

/// Finds what an environment's things are kept under, and its state.
pub type StateOf<'a> = dyn Fn(&str) -> Option<Result<(String, State), Diagnostic>> + 'a;

/// The state of an environment, wherever it keeps it.
///
/// # Errors
/// It cannot be reached, or its key is not there.
pub fn state_of(platform: &Platform, directory: &FsPath) -> Result<State, Diagnostic> {
    super::depot(platform, directory).and_then(|depot| depot.read()).map(|loaded| loaded.state)
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
    let (folder, state) = match (surroundings.state)(environment) {
        Some(Ok(found)) => found,
        Some(Err(diagnostic)) => {
            return Fact::Failed(format!("{}{}", diagnostic.headline, way_out(&diagnostic)));
        }
        None => return Fact::Missing,
    };
    let home = super::home(surroundings.directory, &folder);
    if !home.is_dir() {
        return Fact::Missing;
    }
    let target = Target {
        project: surroundings.project.to_owned(),
        environment: environment.to_owned(),
        lineage: state.lineage,
        directory: surroundings.directory.display().to_string(),
        home: home.display().to_string(),
        provider: KnownValue::Null,
        program: String::new(),
        secrets: std::collections::BTreeMap::new(),
        take_over: false,
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

fn way_out(diagnostic: &Diagnostic) -> String {
    diagnostic.help.iter().map(|help| format!("; {help}")).collect()
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
