//! Plan files: encrypted where the state is, for the same people.

use std::path::Path as FsPath;

use mlp_diag::Diagnostic;
use mlp_platform::Platform;
use mlp_state::{Encryption, is_wrapped, unwrap, wrap};

use super::depot::key_sources;

/// A plan as it is written to a file.
///
/// # Errors
/// A key cannot be read.
pub fn closed(text: String, platform: &Platform, directory: &FsPath) -> Result<String, Diagnostic> {
    match key_sources(platform, directory)?.current {
        Some(source) => wrap(&source, &text),
        None => Ok(text),
    }
}

/// A plan as it was before it was written; `keys` finds out what opens it, where that is needed.
///
/// # Errors
/// It is encrypted, and no key opens it.
pub fn opened(
    name: &str,
    text: String,
    keys: impl FnOnce() -> Result<Encryption, Diagnostic>,
) -> Result<String, Diagnostic> {
    if !is_wrapped(&text) {
        return Ok(text);
    }
    let keys = keys()?;
    for source in keys.current.iter().chain(&keys.previous) {
        if let Some(plain) = unwrap(source, &text)? {
            return Ok(plain);
        }
    }
    Err(Diagnostic::error("MLP0959", format!("`{name}` is encrypted, and no key that was given opens it"))
        .help("read it in the project whose state it belongs to, with `-C` and `-e`, where `encrypt` names the key"))
}
