//! The data keys of a store: which there are, and who opens them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use mlp_diag::{Blame, Diagnostic};
use serde::{Deserialize, Serialize};

use crate::crypt::{Crypt, hex, no_key, unhex};
use crate::{codes, random, wrap};

/// Version of the form of the list of keys.
const KEYS_VERSION: u32 = 1;

/// What opens and closes data keys: `age` recipients with the identities that open, or a passphrase.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KeySource {
    /// Public keys, `age1…`.
    pub recipients: Vec<String>,
    /// The content of identity files, as `age-keygen` writes them.
    pub identities: Vec<String>,
    /// A passphrase.
    pub passphrase: Option<String>,
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Secrets are never printed.
        write!(f, "KeySource({:?})", self.recipients)
    }
}

/// How a store is encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encryption {
    /// What it is to be encrypted with; in the clear where there is none.
    pub current: Option<KeySource>,
    /// What it may be encrypted with still.
    pub previous: Vec<KeySource>,
}

/// The list of data keys as it lies in a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Keys {
    format_version: u32,
    /// The one that is written with; in the clear where there is none.
    current: Option<String>,
    keys: Vec<Wrapped>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Wrapped {
    id: String,
    /// Whom it is encrypted for; empty where it is a passphrase.
    recipients: Vec<String>,
    /// An armoured age file.
    key: String,
}

/// Keys that were opened.
#[derive(Debug, Clone, Default)]
pub(crate) struct Opened {
    pub(crate) crypt: Crypt,
    /// Who may open is no longer what was asked for: everything is to be written anew with another key.
    pub(crate) stale: bool,
}

/// The list of keys as it was last read, and what it opened: a passphrase is slow on purpose.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cache(Arc<Mutex<Option<Last>>>);

#[derive(Debug)]
struct Last {
    /// The bytes of the list; nothing where there was none.
    of: Option<Vec<u8>>,
    opened: Opened,
}

impl Cache {
    /// What that list opens: what it opened last, or what `open` finds out.
    pub(crate) fn opened(
        &self,
        list: Option<Vec<u8>>,
        open: impl FnOnce() -> Result<Opened, Diagnostic>,
    ) -> Result<Opened, Diagnostic> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = &*last
            && last.of == list
        {
            return Ok(last.opened.clone());
        }
        let opened = open()?;
        *last = Some(Last { of: list, opened: opened.clone() });
        Ok(opened)
    }
}

impl Keys {
    pub(crate) fn parse(name: &str, bytes: &[u8]) -> Result<Self, Diagnostic> {
        let keys: Self = serde_json::from_slice(bytes).map_err(|error| {
            Diagnostic::error(codes::STATE_DAMAGED, format!("{name} is damaged: {error}"))
                .blame(Blame::Provider)
                .note(
                    "it holds the keys of the state, encrypted; without it nothing of the state can be read",
                )
                .help("restore it from a backup, or begin anew with `mlp state rebuild` in another place")
        })?;
        if keys.format_version > KEYS_VERSION {
            let headline = format!(
                "{name} has format version {}, and this mlp reads up to {KEYS_VERSION}",
                keys.format_version
            );
            return Err(
                Diagnostic::error(codes::STATE_NEWER, headline).help("use the newer mlp that wrote it")
            );
        }
        Ok(keys)
    }

    /// The list once everything is written with the current key; an empty one where nothing is encrypted any more.
    pub(crate) fn settled(mut self) -> Self {
        self.keys.retain(|key| Some(&key.id) == self.current.as_ref());
        self
    }
}

impl Encryption {
    /// Opens what can be opened of a store's keys.
    pub(crate) fn open(&self, name: &str, keys: Option<&Keys>) -> Result<Opened, Diagnostic> {
        let Some(keys) = keys else {
            return Ok(Opened { crypt: Crypt::default(), stale: self.current.is_some() });
        };
        let mut opened = Opened::default();
        let mut by_current = false;
        for wrapped in &keys.keys {
            let sources = self.current.iter().chain(&self.previous).enumerate();
            for (at, source) in sources {
                let Some(key) = wrap::unwrap(source, &wrapped.key)? else { continue };
                let key = unhex(&key).and_then(|key| key.try_into().ok()).ok_or_else(|| no_key(name))?;
                opened.crypt = opened.crypt.with(&wrapped.id, key);
                let wanted = self.current.as_ref().filter(|_| at == 0).map(sorted);
                if keys.current.as_ref() == Some(&wrapped.id) {
                    by_current = wanted.is_some_and(|wanted| wanted == wrapped.recipients);
                }
                break;
            }
        }
        opened.stale = match (&self.current, &keys.current) {
            (Some(_), Some(_)) => !by_current || keys.keys.len() > 1,
            (None, None) => !keys.keys.is_empty(),
            // Nothing is said of keys: what is encrypted is refused where it is read, and not written in the clear.
            (None, Some(_)) => !self.previous.is_empty(),
            (Some(_), None) => true,
        };
        opened.crypt = opened.crypt.writing(keys.current.as_deref());
        Ok(opened)
    }

    /// A list with a new data key for those who are to open it from now on, and the keys it writes with.
    pub(crate) fn rotated(&self, keys: Option<Keys>, crypt: &Crypt) -> Result<(Keys, Crypt), Diagnostic> {
        let mut keys = keys.unwrap_or(Keys { format_version: KEYS_VERSION, current: None, keys: Vec::new() });
        let Some(source) = &self.current else {
            keys.current = None;
            return Ok((keys, crypt.clone().writing(None)));
        };
        let (id, key) = (hex(&random::bytes::<4>()), random::bytes::<32>());
        let wrapped = wrap::wrap(source, &hex(&key))?;
        keys.keys.push(Wrapped { id: id.clone(), recipients: sorted(source), key: wrapped });
        keys.current = Some(id.clone());
        Ok((keys, crypt.clone().with(&id, key).writing(Some(&id))))
    }
}

fn sorted(source: &KeySource) -> Vec<String> {
    let mut recipients = source.recipients.clone();
    recipients.sort();
    recipients.dedup();
    recipients
}
