//! Values that must not be written down: marks stand for them in plans, journals and states, and they are put back just
//! before a call is made.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::path::Path as FsPath;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mlp_diag::Diagnostic;
use mlp_eval::PlanValue;
use mlp_platform::Platform;
use mlp_provider::{Desired, Equality, Provider};
use mlp_state::State;
use mlp_value::{KnownValue, Path, Step, Value, fingerprint_of, has_sealed, sealed};

/// Text shorter than this is sealed only where it stands alone: inside other text it may be there by chance.
const TELLING: usize = 4;

/// What stands for a value that must not be shown.
const SHOWN: &str = "(sensitive)";

/// The values that must not be written down, and the key of their fingerprints.
pub struct Vault {
    key: [u8; 32],
    texts: BTreeSet<String>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// By fingerprint.
    values: BTreeMap<String, KnownValue>,
    /// Paths that are sealed whatever stands there, by identity.
    paths: BTreeMap<String, BTreeSet<Path>>,
}

impl Vault {
    /// The values that the specification calls sensitive, under the key that is kept beside the state.
    ///
    /// # Errors
    /// The key cannot be read or made.
    pub fn open(
        platform: &Platform,
        state: &FsPath,
        provider: &dyn Provider,
        memory: &State,
    ) -> Result<Self, Box<Diagnostic>> {
        let (texts, mut needed) = sensitive(platform);
        needed |= provider.resources().iter().any(|kind| !secret_fields(provider, &kind.name).is_empty())
            || memory.resources.values().any(|record| has_sealed(&record.applied));
        let key = if needed { key(state)? } else { [0; 32] };
        let vault = Self { key, texts, inner: Mutex::default() };
        for record in memory.resources.values() {
            vault.guard(&record.identity, Self::marked(&record.applied));
            vault.guard(&record.identity, secret_fields(provider, &record.kind));
        }
        Ok(vault)
    }

    /// One that is not kept: it tells what is sensitive, and its marks say nothing to others.
    pub fn passing(platform: &Platform) -> Self {
        Self { key: [0; 32], texts: sensitive(platform).0, inner: Mutex::default() }
    }

    /// Puts marks into what is wanted; refuses a value that is sensitive and not known before the apply.
    pub fn seal_desired(
        &self,
        desired: &mut Desired,
        platform: &Platform,
        provider: &dyn Provider,
    ) -> Result<(), Box<Diagnostic>> {
        let hidden: &[Path] = platform
            .declarations
            .get(&desired.id.address)
            .map_or(&[], |declaration| declaration.sensitive.as_slice());
        let mut paths = secret_fields(provider, &desired.kind);
        let below = |declared: &Path| hidden.iter().any(|path| declared.starts_with(path));
        paths.extend(
            desired.from.iter().filter(|(_, declared)| below(declared)).map(|(native, _)| native.clone()),
        );
        if self.leaks(&desired.config) {
            let headline =
                format!("{} joins a sensitive value with one that is known only after apply", desired.id);
            return Err(Box::new(
                Diagnostic::error("MLP0906", headline)
                    .on(&desired.id.address, hidden.first().map(ToString::to_string).unwrap_or_default())
                    .note("what is computed during the apply is kept in the plan, where no sensitive value may be")
                    .help("give the two to separate attributes, or take the value from a `secret`"),
            ));
        }
        desired.config = self.seal_at(&desired.config, &paths);
        self.guard(&desired.identity, Self::marked(&desired.config));
        self.guard(&desired.identity, secret_fields(provider, &desired.kind));
        Ok(())
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on these paths of an object are sealed.
    pub fn guard(&self, identity: &str, paths: impl IntoIterator<Item = Path>) {
        self.inner().paths.entry(identity.to_owned()).or_default().extend(paths);
    }

    /// The paths of a value at which marks stand.
    pub fn marked<H>(value: &Value<H>) -> Vec<Path> {
        let mut found = Vec::new();
        value.walk(&mut |path, inner| found.extend(fingerprint_of(inner).map(|_| path.clone())));
        found
    }

    fn put<H: Clone>(&self, value: &Value<H>) -> Value<H> {
        // A value that is not known yet holds nothing to be hidden but its residual, which is looked at elsewhere.
        let Ok(known) = value.known() else { return value.clone() };
        if fingerprint_of(&known).is_some() || known.is_null() {
            return value.clone();
        }
        let json = known.to_plain_json().to_string();
        let digest = blake3::keyed_hash(&self.key, json.as_bytes()).to_hex();
        let fingerprint = digest.get(..32).unwrap_or_default();
        self.inner().values.insert(fingerprint.to_owned(), known);
        sealed(fingerprint)
    }

    fn tells(&self, text: &str) -> bool {
        self.texts.iter().any(|secret| {
            text == secret
                || secret.len() >= TELLING
                    && (text.contains(secret.as_str()) || text.contains(&escaped(secret)))
        })
    }

    /// Whether a text shows something that must not be written down.
    pub fn is_told_by(&self, text: &str) -> bool {
        self.tells(text)
    }

    /// The value with marks for everything in it that must not be written down.
    pub fn seal<H: Clone>(&self, value: &Value<H>) -> Value<H> {
        if self.texts.is_empty() {
            return value.clone();
        }
        match value {
            Value::Text(text) if self.tells(text) => self.put(value),
            Value::Number(number) => {
                let text = number.to_string();
                if text.len() >= TELLING && self.texts.contains(&text) {
                    self.put(value)
                } else {
                    value.clone()
                }
            }
            Value::List(items) => Value::list(items.iter().map(|item| self.seal(item))),
            Value::Object(items) if items.keys().any(|name| self.tells(name)) => self.put(value),
            Value::Object(items) => {
                Value::object(items.iter().map(|(name, item)| (name.as_ref(), self.seal(item))))
            }
            other => other.clone(),
        }
    }

    /// The same with marks at these paths too.
    pub fn seal_at<'p, H: Clone>(
        &self,
        value: &Value<H>,
        paths: impl IntoIterator<Item = &'p Path>,
    ) -> Value<H> {
        let mut all = self.seal(value);
        for path in paths {
            self.at(&mut all, path.steps());
        }
        all
    }

    fn at<H: Clone>(&self, value: &mut Value<H>, steps: &[Step]) {
        let [first, rest @ ..] = steps else {
            *value = self.put(value);
            return;
        };
        match (value, first) {
            (Value::Object(items), Step::Field(name)) => {
                if let Some(inner) = std::sync::Arc::make_mut(items).get_mut(name) {
                    self.at(inner, rest);
                }
            }
            (Value::List(items), Step::Index(index)) => {
                if let Some(inner) = std::sync::Arc::make_mut(items).get_mut(*index) {
                    self.at(inner, rest);
                }
            }
            _ => {}
        }
    }

    /// What was read of an object, sealed.
    pub fn seal_read(&self, identity: &str, value: &KnownValue) -> KnownValue {
        let paths = self.inner().paths.get(identity).cloned().unwrap_or_default();
        self.seal_at(value, &paths)
    }

    /// The value with what its marks stand for.
    ///
    /// # Errors
    /// The fingerprint of a value that is not known.
    pub fn unseal(&self, value: &PlanValue) -> Result<PlanValue, String> {
        // Most values have no mark: they stay the value they are, and share what they hold.
        if Self::marked(value).is_empty() {
            return Ok(value.clone());
        }
        self.opened(value)
    }

    fn opened(&self, value: &PlanValue) -> Result<PlanValue, String> {
        if let Some(fingerprint) = fingerprint_of(value) {
            let found = self.inner().values.get(fingerprint).map(KnownValue::lift);
            return found.ok_or_else(|| fingerprint.to_owned());
        }
        Ok(match value {
            Value::List(items) => {
                Value::list(items.iter().map(|item| self.opened(item)).collect::<Result<Vec<_>, _>>()?)
            }
            Value::Object(items) => {
                let opened = items.iter().map(|(name, item)| Ok((name.as_ref(), self.opened(item)?)));
                Value::object(opened.collect::<Result<Vec<_>, String>>()?)
            }
            other => other.clone(),
        })
    }

    /// Whether a residual holds something that must not be written down.
    pub fn leaks(&self, value: &PlanValue) -> bool {
        if self.texts.is_empty() {
            return false;
        }
        let mut found = false;
        value.walk(&mut |_, inner| {
            if let Value::Hole(hole) = inner {
                found |= serde_json::to_string(&hole.residual).is_ok_and(|text| self.tells(&text));
            }
        });
        found
    }

    /// Text without what must not be shown.
    pub fn scrubbed(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for secret in self.texts.iter().filter(|secret| secret.len() >= TELLING) {
            for form in [secret.clone(), escaped(secret)] {
                if clean.contains(&form) {
                    clean = clean.replace(&form, SHOWN);
                }
            }
        }
        clean
    }

    /// A message without what must not be shown, as a target may echo it.
    pub fn scrub(&self, diagnostic: &mut Diagnostic) {
        let clean = |text: &mut String| *text = self.scrubbed(text);
        clean(&mut diagnostic.headline);
        diagnostic.notes.iter_mut().for_each(clean);
        diagnostic.labels.iter_mut().map(|label| &mut label.text).for_each(clean);
        diagnostic.help.iter_mut().for_each(clean);
    }
}

/// Every text and number that the specification calls sensitive, and whether it calls anything so.
fn sensitive(platform: &Platform) -> (BTreeSet<String>, bool) {
    let (mut texts, mut any) = (BTreeSet::new(), false);
    for declaration in platform.declarations.values() {
        for path in &declaration.sensitive {
            any = true;
            declaration.body.get(path).into_iter().for_each(|value| leaves(value, &mut texts));
        }
    }
    (texts, any)
}

fn secret_fields(provider: &dyn Provider, kind: &str) -> Vec<Path> {
    let fields = provider.resource(kind).map(|kind| kind.fields.as_slice()).unwrap_or_default();
    // What is a fingerprint already is no secret, and is told from others by the key in it.
    let bare = |field: &&mlp_provider::Field| field.secret && field.equality != Equality::Fingerprint;
    fields.iter().filter(bare).map(|field| Path::of(&[&field.name])).collect()
}

fn escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.trim_matches('"').to_owned()
}

/// Every text and number below a value.
fn leaves(value: &PlanValue, found: &mut BTreeSet<String>) {
    value.walk(&mut |_, inner| match inner {
        Value::Text(text) if !text.is_empty() => {
            found.insert(text.to_string());
        }
        Value::Number(number) => {
            found.insert(number.to_string());
        }
        _ => {}
    });
}

/// The fingerprint of a value under the key that lies beside a state.
///
/// # Errors
/// The key cannot be read or made.
pub fn fingerprint(state: &FsPath, value: &KnownValue) -> Result<String, Diagnostic> {
    let key = key(state).map_err(|problem| *problem)?;
    let digest = blake3::keyed_hash(&key, value.to_plain_json().to_string().as_bytes()).to_hex();
    Ok(digest.get(..32).unwrap_or_default().to_owned())
}

/// The key of the fingerprints; made once, with the first plan.
fn key(state: &FsPath) -> Result<[u8; 32], Box<Diagnostic>> {
    let path = state.join("seal.key");
    let fail = |error: std::io::Error| {
        Box::new(
            Diagnostic::error("MLP0905", format!("`{}` cannot be used: {error}", path.display()))
                .note("it is the key of the fingerprints that stand for sensitive values")
                .help("check the permissions of the directory; a key that is damaged may be deleted"),
        )
    };
    if let Some(key) = read_key(&path).map_err(fail)? {
        return Ok(key);
    }
    std::fs::create_dir_all(state).map_err(fail)?;
    let mut key = [0; 32];
    std::fs::File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut key)).map_err(fail)?;
    // Written aside and linked: whoever comes second finds a whole key or none.
    let aside = state.join(format!(".seal.key.{}", std::process::id()));
    write_key(&aside, &key).map_err(fail)?;
    let linked = std::fs::hard_link(&aside, &path);
    let _ = std::fs::remove_file(&aside);
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(fail(error)),
        _ => read_key(&path).map_err(fail)?.ok_or_else(|| fail(std::io::Error::other("it is gone again"))),
    }
}

fn write_key(path: &FsPath, key: &[u8; 32]) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(key)?;
    file.sync_data()
}

fn read_key(path: &FsPath) -> std::io::Result<Option<[u8; 32]>> {
    match std::fs::read(path) {
        Ok(bytes) => bytes.try_into().map(Some).map_err(|_| std::io::Error::other("it is not a key")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(secrets: &[&str]) -> Vault {
        Vault {
            key: [7; 32],
            texts: secrets.iter().map(ToString::to_string).collect(),
            inner: Mutex::default(),
        }
    }

    #[test]
    fn what_is_sealed_is_found_again_and_nothing_else_is_sealed() {
        let vault = vault(&["canary", "42"]);
        let plain = PlanValue::object([
            ("url", PlanValue::text("x://u:canary@h")),
            ("ports", PlanValue::list([PlanValue::int(42), PlanValue::text("42"), PlanValue::text("1420")])),
        ]);
        let hidden = vault.seal(&plain);
        let text = serde_json::to_string(&hidden).unwrap();
        assert!(!text.contains("canary") && text.contains("1420"), "{text}");
        assert_eq!(Vault::marked(&hidden).len(), 2, "{text}");
        assert_eq!(vault.unseal(&hidden).unwrap(), plain);
        assert_eq!(vault.seal(&hidden), hidden);
        assert!(Vault { key: [8; 32], ..self::vault(&["canary"]) }.unseal(&hidden).is_err());
    }

    #[test]
    fn a_guarded_path_is_sealed_whatever_stands_there() {
        let vault = vault(&[]);
        vault.guard("a", [Path::of(&["on"])]);
        let read = vault.seal_read("a", &KnownValue::object([("on", KnownValue::Bool(true))]));
        assert!(fingerprint_of(read.field("on").unwrap()).is_some());
        assert!(!serde_json::to_string(&vault.seal_read("b", &KnownValue::text("x"))).unwrap().contains("$"));
    }

    #[test]
    fn a_key_is_made_once_and_belongs_to_its_owner() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let first = key(directory.path()).unwrap();
        assert_eq!(key(directory.path()).unwrap(), first);
        let mode = std::fs::metadata(directory.path().join("seal.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
