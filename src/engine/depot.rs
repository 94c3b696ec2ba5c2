//! Where an environment's state is kept, as its `state` says: the store, its leases, and the keys of its encryption.

use std::collections::BTreeMap;
use std::path::Path as FsPath;
use std::sync::Arc;
use std::time::Duration;

use mlp_diag::Diagnostic;
use mlp_eval::PlanValue;
use mlp_floor::extract::read_secret;
use mlp_platform::Platform;
use mlp_state::{Depot, DirStore, Encryption, KeySource, SHORTEST_LEASE};
use mlp_value::{Value, units};

use super::home;

/// Settings of every store.
const COMMON: &[&str] = &["backend", "lease", "encrypt"];

/// What `state` says: the environment's, and the project's where that says nothing.
struct Settings<'a> {
    platform: &'a Platform,
    said: BTreeMap<&'a str, &'a PlanValue>,
}

impl<'a> Settings<'a> {
    fn of(platform: &'a Platform) -> Self {
        let both = [&platform.project.body, &platform.environment.body];
        let said = both.iter().filter_map(|body| body.field("state").and_then(Value::as_object)).flatten();
        let said = said.filter(|(_, value)| !value.is_null()).map(|(name, value)| (&**name, value)).collect();
        Self { platform, said }
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.said.get(name).and_then(|value| value.as_text())
    }

    fn wrong(&self, headline: String, help: &str) -> Diagnostic {
        Diagnostic::error("MLP0904", headline)
            .at(self.platform.environment.header, "the environment that is planned")
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
        let foreign = self.said.keys().find(|name| !COMMON.contains(name) && !own.contains(name));
        foreign.map_or(Ok(()), |name| {
            let headline = format!("`{name}` says nothing to a state in `{backend}`");
            Err(self.wrong(headline, "leave it out, or name the backend it belongs to"))
        })
    }
}

/// Opens the store of an environment; nothing is read or written yet.
///
/// # Errors
/// The backend is unknown, or a key cannot be read.
pub fn depot(platform: &Platform, directory: &FsPath) -> Result<Arc<dyn Depot>, Diagnostic> {
    let settings = Settings::of(platform);
    let encryption = encryption(&settings, directory)?;
    let lease = settings.lease()?;
    match settings.text("backend").unwrap_or("local") {
        "local" => {
            settings.only("local", &[])?;
            let folder = platform.environment.folder();
            let root = home(directory, &folder).join("state");
            let store = DirStore::new(root, &platform.project.name, &folder);
            Ok(Arc::new(store.with_lease(lease).with_encryption(encryption)))
        }
        "s3" => {
            settings.only("s3", &["bucket", "prefix", "region", "endpoint"])?;
            s3(&settings, lease, encryption)
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
fn s3(
    settings: &Settings<'_>,
    lease: Duration,
    encryption: Encryption,
) -> Result<Arc<dyn Depot>, Diagnostic> {
    let Some(bucket) = settings.text("bucket") else {
        return Err(
            settings.wrong("a state in `s3` needs a `bucket`".to_owned(), "name the bucket it is kept in")
        );
    };
    let (project, folder) = (&settings.platform.project.name, settings.platform.environment.folder());
    let prefix = settings.text("prefix").unwrap_or("mlp").trim_matches('/');
    let at = mlp_state::S3Settings {
        bucket: bucket.to_owned(),
        prefix: format!("{prefix}/{project}/{folder}"),
        region: settings.text("region").map(str::to_owned),
        endpoint: settings.text("endpoint").map(str::to_owned),
    };
    let store = mlp_state::s3_store(&at, project, &folder)?;
    Ok(Arc::new(store.with_lease(lease).with_encryption(encryption)))
}

#[cfg(not(feature = "s3"))]
fn s3(settings: &Settings<'_>, _: Duration, _: Encryption) -> Result<Arc<dyn Depot>, Diagnostic> {
    Err(settings.wrong(
        "this program was built without object storage".to_owned(),
        "build it with `--features s3`, or keep the state with `backend = \"local\"`",
    ))
}

/// The key of the fingerprints of sensitive values, the same wherever a state in a shared place is worked on: what was kept
/// there first is the one.
///
/// # Errors
/// It cannot be read or written.
pub fn share_key(depot: &dyn Depot, platform: &Platform, directory: &FsPath) -> Result<(), Diagnostic> {
    let state = home(directory, &platform.environment.folder()).join("state");
    if depot.place() == state.display().to_string() {
        return Ok(());
    }
    let path = state.join("seal.key");
    let here = std::fs::read(&path).ok();
    let there = match (depot.kept("seal.key")?, &here) {
        (None, Some(key)) => {
            depot.keep("seal.key", key)?;
            depot.kept("seal.key")?
        }
        (there, _) => there,
    };
    match there {
        Some(key) if here.as_ref() != Some(&key) => write_key(&path, &key).map_err(|error| {
            Diagnostic::error("MLP0905", format!("`{}` cannot be written: {error}", path.display()))
                .help("check the permissions of the directory")
        }),
        _ => Ok(()),
    }
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

fn encryption(settings: &Settings<'_>, directory: &FsPath) -> Result<Encryption, Diagnostic> {
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
    settings: &Settings<'_>,
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
                .at(settings.platform.environment.header, "the environment whose state is encrypted")
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
