//! Where an environment's state is kept, as its `state` says: the store, its leases, and the keys of its encryption.

use std::collections::BTreeMap;
use std::path::{Component, Path as FsPath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mlp_diag::{Diagnostic, Span};
use mlp_eval::PlanValue;
use mlp_floor::extract::read_secret;
use mlp_platform::Platform;
use mlp_state::{Depot, DirStore, Encryption, KeySource, SHORTEST_LEASE};
use mlp_value::{KnownValue, Value, units};

use super::home;

/// Settings of every store.
const COMMON: &[&str] = &["backend", "lease", "encrypt"];

/// What `state` says: the environment's, and the project's where that says nothing.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) project: String,
    /// What the environment's things are kept under.
    pub(super) folder: String,
    header: Option<Span>,
    said: BTreeMap<String, PlanValue>,
}

impl Settings {
    pub(super) fn of(platform: &Platform) -> Self {
        let both = [&platform.project.body, &platform.environment.body];
        let said = both.iter().filter_map(|body| body.field("state").and_then(Value::as_object)).flatten();
        let said = said.filter(|(_, value)| !value.is_null());
        Self {
            project: platform.project.name.clone(),
            folder: platform.environment.folder(),
            header: Some(platform.environment.header),
            said: said.map(|(name, value)| (name.to_string(), value.clone())).collect(),
        }
    }

    /// The same environment's, as somebody said it elsewhere.
    pub(super) fn said(project: &str, folder: &str, said: &KnownValue) -> Self {
        let each = said.as_object().into_iter().flatten();
        Self {
            project: project.to_owned(),
            folder: folder.to_owned(),
            header: None,
            said: each.map(|(name, value)| (name.to_string(), value.lift())).collect(),
        }
    }

    /// Where the state is when nothing is said, with these keys.
    pub(super) fn default_of(&self) -> Self {
        let said = self.said.iter().filter(|(name, _)| *name == "encrypt");
        Self { said: said.map(|(name, value)| (name.clone(), value.clone())).collect(), ..self.clone() }
    }

    /// As JSON; nothing where something of it is not known.
    pub(super) fn to_json(&self) -> Option<serde_json::Value> {
        let known = |(name, value): (&String, &PlanValue)| Some((name.clone(), value.known().ok()?));
        let all: Option<BTreeMap<_, _>> = self.said.iter().map(known).collect();
        Some(all?.iter().map(|(name, value)| (name.clone(), value.to_plain_json())).collect())
    }

    /// What tells this store from every other, for people too.
    pub(super) fn name(&self, directory: &FsPath) -> String {
        match self.backend() {
            "s3" => {
                let bucket = self.text("bucket").unwrap_or_default();
                let at = self.text("endpoint").map(|endpoint| format!(" at {endpoint}"));
                format!("s3://{bucket}/{}{}", self.prefix(), at.unwrap_or_default())
            }
            "kubernetes" => {
                let namespace = self.text("namespace").unwrap_or_default();
                let at = self.text("context").map(|context| format!(" of {context}"));
                format!("secrets of {namespace}{} ({})", at.unwrap_or_default(), self.prefix())
            }
            _ => self.root(directory).display().to_string(),
        }
    }

    /// Whether it is where it is when nothing is said.
    pub(super) fn is_default(&self) -> bool {
        self.backend() == "local" && self.text("path").is_none()
    }

    /// Whether keys are named.
    pub(super) fn has_keys(&self) -> bool {
        self.said.contains_key("encrypt")
    }

    fn backend(&self) -> &str {
        self.text("backend").unwrap_or("local")
    }

    fn prefix(&self) -> String {
        let prefix = self.text("prefix").unwrap_or("mlp").trim_matches('/');
        format!("{prefix}/{}/{}", self.project, self.folder)
    }

    fn root(&self, directory: &FsPath) -> PathBuf {
        match self.text("path") {
            Some(path) => plain(&directory.join(path)).join(&self.project).join(&self.folder),
            None => home(directory, &self.folder).join("state"),
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.said.get(name).and_then(|value| value.as_text())
    }

    pub(super) fn wrong(&self, headline: String, help: &str) -> Diagnostic {
        Diagnostic::error("MLP0904", headline)
            .at_opt(self.header, "the environment that is planned")
            .help(help)
    }

    fn lease(&self) -> Result<Duration, Diagnostic> {
        let Some(text) = self.text("lease") else { return Ok(mlp_state::LEASE_LENGTH) };
        let length = units::duration(text)
            .map_err(|why| self.wrong(format!("`lease = \"{text}\"`: {why}"), "write `lease = \"60s\"`"))?;
        if length < SHORTEST_LEASE {
            let headline = format!("a lease of {text} is too short: a busy disk would lose it");
            return Err(self.wrong(headline, "write at least `lease = \"2s\"`"));
        }
        Ok(length)
    }

    /// Refuses settings that the store does not know.
    fn only(&self, backend: &str, own: &[&str]) -> Result<(), Diagnostic> {
        let foreign =
            self.said.keys().find(|name| !COMMON.contains(&name.as_str()) && !own.contains(&name.as_str()));
        foreign.map_or(Ok(()), |name| {
            let headline = format!("`{name}` says nothing to a state in `{backend}`");
            Err(self.wrong(headline, "leave it out, or name the backend it belongs to"))
        })
    }
}

/// A path without `.` and `..`, by its words alone: it is called the same before it is there and after.
fn plain(path: &FsPath) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

/// Opens the store of an environment; nothing is read or written of the state yet.
///
/// # Errors
/// The backend is unknown, a key cannot be read, or the state is in another place than the specification says.
pub fn depot(platform: &Platform, directory: &FsPath) -> Result<Arc<dyn Depot>, Diagnostic> {
    let settings = Settings::of(platform);
    let depot = opened(&settings, directory)?;
    super::place::same_place(&settings, directory)?;
    Ok(depot)
}

/// Opens the store that these settings tell of, wherever the state is.
pub(super) fn opened(settings: &Settings, directory: &FsPath) -> Result<Arc<dyn Depot>, Diagnostic> {
    opened_with(settings, directory, encryption(settings, directory)?)
}

/// The same with keys of somebody's own.
pub(super) fn opened_with(
    settings: &Settings,
    directory: &FsPath,
    encryption: Encryption,
) -> Result<Arc<dyn Depot>, Diagnostic> {
    let lease = settings.lease()?;
    match settings.backend() {
        "local" => {
            settings.only("local", &["path"])?;
            let store = DirStore::new(settings.root(directory), &settings.project, &settings.folder);
            Ok(Arc::new(store.with_lease(lease).with_encryption(encryption)))
        }
        "s3" => {
            settings.only("s3", &["bucket", "prefix", "region", "endpoint"])?;
            s3(settings, lease, encryption)
        }
        "kubernetes" => {
            settings.only("kubernetes", &["context", "kubeconfig", "namespace", "prefix"])?;
            cluster(settings, directory, lease, encryption)
        }
        other => {
            let headline = format!("this program cannot keep state in `{other}`");
            Err(settings.wrong(
                headline,
                "leave `state` out to keep it under `.mlp/`, or write `backend = \"local\"`",
            ))
        }
    }
}

#[cfg(feature = "s3")]
fn s3(settings: &Settings, lease: Duration, encryption: Encryption) -> Result<Arc<dyn Depot>, Diagnostic> {
    let Some(bucket) = settings.text("bucket") else {
        return Err(
            settings.wrong("a state in `s3` needs a `bucket`".to_owned(), "name the bucket it is kept in")
        );
    };
    let at = mlp_state::S3Settings {
        bucket: bucket.to_owned(),
        prefix: settings.prefix(),
        region: settings.text("region").map(str::to_owned),
        endpoint: settings.text("endpoint").map(str::to_owned),
    };
    let store = mlp_state::s3_store(&at, &settings.project, &settings.folder)?;
    Ok(Arc::new(store.with_lease(lease).with_encryption(encryption)))
}

#[cfg(not(feature = "s3"))]
fn s3(settings: &Settings, _: Duration, _: Encryption) -> Result<Arc<dyn Depot>, Diagnostic> {
    Err(settings.wrong(
        "this program was built without object storage".to_owned(),
        "build it with `--features s3`, or keep the state with `backend = \"local\"`",
    ))
}

#[cfg(feature = "kubernetes")]
fn cluster(
    settings: &Settings,
    directory: &FsPath,
    lease: Duration,
    encryption: Encryption,
) -> Result<Arc<dyn Depot>, Diagnostic> {
    let Some(namespace) = settings.text("namespace") else {
        return Err(settings.wrong(
            "a state in `kubernetes` needs a `namespace`".to_owned(),
            "name the one it is kept in: that of a context changes with the context",
        ));
    };
    let at = mlp_state::ClusterSettings {
        context: settings.text("context").map(str::to_owned),
        kubeconfig: settings.text("kubeconfig").map(str::to_owned),
        namespace: namespace.to_owned(),
        prefix: settings.prefix(),
    };
    let store = mlp_state::cluster_store(&at, directory, &settings.project, &settings.folder)?;
    Ok(Arc::new(store.with_lease(lease).with_encryption(encryption)))
}

#[cfg(not(feature = "kubernetes"))]
fn cluster(
    settings: &Settings,
    _: &FsPath,
    _: Duration,
    _: Encryption,
) -> Result<Arc<dyn Depot>, Diagnostic> {
    Err(settings.wrong(
        "this program was built without clusters".to_owned(),
        "build it with `--features kubernetes`, or keep the state with `backend = \"local\"`",
    ))
}

/// The key of the fingerprints of sensitive values, the same wherever a state in a shared place is worked on: what was kept
/// there first is the one.
///
/// # Errors
/// It cannot be read or written.
pub fn share_key(depot: &dyn Depot, platform: &Platform, directory: &FsPath) -> Result<(), Diagnostic> {
    if Settings::of(platform).is_default() {
        return match depot.kept("seal.key")? {
            // It came with a state that was moved here.
            Some(key) => lay(platform, directory, &key),
            None => Ok(()),
        };
    }
    let here = key_here(platform, directory);
    let there = match (depot.kept("seal.key")?, &here) {
        (None, Some(key)) => {
            depot.keep("seal.key", key)?;
            depot.kept("seal.key")?
        }
        (there, _) => there,
    };
    there.map_or(Ok(()), |key| lay(platform, directory, &key))
}

/// The key as it lies in the project.
pub(super) fn key_here(platform: &Platform, directory: &FsPath) -> Option<Vec<u8>> {
    std::fs::read(home(directory, &platform.environment.folder()).join("state").join("seal.key")).ok()
}

/// Lays the key where it is used, unless it is there.
fn lay(platform: &Platform, directory: &FsPath, key: &[u8]) -> Result<(), Diagnostic> {
    if key_here(platform, directory).is_some_and(|here| here == key) {
        return Ok(());
    }
    let path = home(directory, &platform.environment.folder()).join("state").join("seal.key");
    write_key(&path, key).map_err(|error| {
        Diagnostic::error("MLP0905", format!("`{}` cannot be written: {error}", path.display()))
            .help("check the permissions of the directory")
    })
}

fn write_key(path: &FsPath, key: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(key)?;
    file.sync_data()
}

/// The keys that the specification names, read from where they are.
pub fn key_sources(platform: &Platform, directory: &FsPath) -> Result<Encryption, Diagnostic> {
    encryption(&Settings::of(platform), directory)
}

pub(super) fn encryption(settings: &Settings, directory: &FsPath) -> Result<Encryption, Diagnostic> {
    let Some(said) = settings.said.get("encrypt") else { return Ok(Encryption::default()) };
    let current = key_source(settings, said, directory)?;
    let before = said.field("previous").and_then(Value::as_list).unwrap_or_default();
    let mut previous = Vec::new();
    for one in before {
        previous.extend(key_source(settings, one, directory)?);
    }
    if current.is_none() && previous.is_empty() {
        return Err(settings.wrong(
            "`encrypt` names no key".to_owned(),
            "write `passphrase = \"env:NAME\"`, or `recipients = [\"age1…\"]` with `identity = \"file:PATH\"`",
        ));
    }
    Ok(Encryption { current, previous })
}

fn key_source(
    settings: &Settings,
    said: &PlanValue,
    directory: &FsPath,
) -> Result<Option<KeySource>, Diagnostic> {
    let list = |name: &str| -> Vec<String> {
        let text = |value: &PlanValue| value.as_text().map(str::to_owned);
        match said.field(name) {
            Some(Value::List(items)) => items.iter().filter_map(text).collect(),
            Some(value) => text(value).into_iter().collect(),
            None => Vec::new(),
        }
    };
    let secret = |from: &String| {
        read_secret(directory, from).map_err(|problem| {
            Diagnostic::error("MLP0950", format!("the key of the state is not there: {}", problem.message))
                .at_opt(settings.header, "the environment whose state is encrypted")
                .note("nothing was read of the state and nothing was written")
                .help(problem.help.unwrap_or_else(|| "give it where mlp is started".to_owned()))
        })
    };
    let (recipients, identities) = (list("recipients"), list("identity"));
    let passphrase = list("passphrase").first().map(secret).transpose()?;
    if passphrase.is_some() && !(recipients.is_empty() && identities.is_empty()) {
        return Err(settings.wrong(
            "a state is encrypted for recipients or with a passphrase, not both".to_owned(),
            "keep one of `passphrase` and `recipients`",
        ));
    }
    if !recipients.is_empty() && identities.is_empty() {
        return Err(settings.wrong(
            "`recipients` without `identity`: what is written could not be read again".to_owned(),
            "add `identity = \"file:PATH\"`, the secret key of one of the recipients",
        ));
    }
    if passphrase.is_none() && identities.is_empty() {
        return Ok(None);
    }
    let identities = identities.iter().map(secret).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(KeySource { recipients, identities, passphrase }))
}
