//! Encryption of what a store keeps.
//!
//! Everything is encrypted with a data key (XChaCha20-Poly1305, a nonce of chance for each text), and the data key lies beside it,
//! encrypted by `age` for the recipients or with the passphrase that the specification names. So a passphrase, which is slow
//! on purpose, is asked for once a command, and who may read changes without losing what was written: a new data key is made,
//! everything is written anew with it, and the old one goes.

use std::collections::BTreeMap;

use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use mlp_diag::{Blame, Diagnostic};

use crate::codes;

/// How an encrypted text begins: `mlp-sealed:1:<key>:<hex of nonce and text>`.
const MARK: &str = "mlp-sealed:1:";

/// Bytes of a nonce.
const NONCE: usize = 24;

/// The data keys that are open, and the one to write with; without any, texts stay as they are.
#[derive(Clone, Default)]
pub struct Crypt {
    keys: BTreeMap<String, [u8; 32]>,
    current: Option<String>,
}

impl std::fmt::Debug for Crypt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A key is never printed.
        write!(f, "Crypt({:?})", self.current)
    }
}

impl Crypt {
    /// With a data key that was opened.
    #[must_use]
    pub fn with(mut self, id: &str, key: [u8; 32]) -> Self {
        self.keys.insert(id.to_owned(), key);
        self
    }

    /// Writes with this key from now on; with none, in the clear.
    #[must_use]
    pub fn writing(mut self, id: Option<&str>) -> Self {
        self.current = id.map(str::to_owned);
        self
    }

    /// Whether what is written is encrypted.
    pub fn is_on(&self) -> bool {
        self.current.is_some()
    }

    /// A text as it is written down.
    pub(crate) fn close(&self, text: String) -> String {
        let Some((id, key)) = self.current.as_ref().and_then(|id| Some((id, self.keys.get(id)?))) else {
            return text;
        };
        let nonce = crate::random::bytes::<NONCE>();
        let cipher = XChaCha20Poly1305::new(key.into());
        // Encrypting in memory fails only where a text is longer than any machine can hold.
        let sealed = cipher.encrypt(XNonce::from_slice(&nonce), text.as_bytes()).unwrap_or_default();
        format!("{MARK}{id}:{}{}", hex(&nonce), hex(&sealed))
    }

    /// A text as it was before it was written down; `name` is where it stands.
    ///
    /// # Errors
    /// It is encrypted and its key is not open, or it was changed.
    pub(crate) fn open(&self, name: &str, text: &str) -> Result<String, Diagnostic> {
        let Some(sealed) = text.trim_end().strip_prefix(MARK) else { return Ok(text.to_owned()) };
        let (id, rest) = sealed.split_once(':').unwrap_or((sealed, ""));
        let Some(key) = self.keys.get(id) else { return Err(no_key(name)) };
        let plain = unhex(rest).filter(|bytes| bytes.len() > NONCE).and_then(|bytes| {
            let (nonce, sealed) = bytes.split_at(NONCE);
            XChaCha20Poly1305::new(key.into()).decrypt(XNonce::from_slice(nonce), sealed).ok()
        });
        plain.and_then(|plain| String::from_utf8(plain).ok()).ok_or_else(|| {
            Diagnostic::error(codes::STATE_DAMAGED, format!("{name} is damaged: it cannot be decrypted"))
                .blame(Blame::Provider)
                .note("the key is the right one, and the text was changed since it was written")
                .help("restore it from a backup, or make it anew with `mlp state rebuild`")
        })
    }
}

pub(crate) fn no_key(name: &str) -> Diagnostic {
    Diagnostic::error(codes::STATE_LOCKED, format!("{name} is encrypted, and no key that was given opens it"))
        .note("nothing was read and nothing was written")
        .help(
            "name the key in `state { encrypt = … }` and give it where mlp is started; a key that was replaced goes into `previous`",
        )
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    digits.chunks_exact(2).map(|pair| Some(value(pair[0])? * 16 + value(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_closed_is_opened_by_its_key_alone() {
        let crypt = Crypt::default().with("a", [1; 32]).writing(Some("a"));
        let closed = crypt.close("canary".into());
        assert!(!closed.contains("canary") && !closed.contains(&hex(b"canary")));
        assert_ne!(crypt.close("canary".into()), closed);
        assert_eq!(crypt.open("it", &closed).unwrap(), "canary");
        assert_eq!(crypt.open("it", "{}").unwrap(), "{}");
        assert_eq!(Crypt::default().open("it", &closed).unwrap_err().code, "MLP0606");
        assert_eq!(Crypt::default().with("a", [2; 32]).open("it", &closed).unwrap_err().code, "MLP0601");
        let both = Crypt::default().with("a", [1; 32]).with("b", [2; 32]).writing(Some("b"));
        assert_eq!(both.open("it", &closed).unwrap(), "canary");
        for at in MARK.len() + 2..closed.len() {
            let mut bytes = closed.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            assert!(crypt.open("it", &String::from_utf8(bytes).unwrap()).is_err(), "{at}");
        }
    }
}
