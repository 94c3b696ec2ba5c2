//! What all sources say when they fail.

use std::time::Duration;

use crate::Problem;

/// It does not answer; this may pass.
pub(super) const UNREACHABLE: &str = "MLP0720";
/// It refuses the credentials.
pub(super) const DENIED: &str = "MLP0721";
/// It has not what is to be read.
pub(super) const ABSENT: &str = "MLP0722";
/// It went away in the middle.
pub(super) const BROKE_OFF: &str = "MLP0723";
/// What it gives is not what was declared.
pub(super) const NOT_DATA: &str = "MLP0724";
/// Its address or a setting cannot be used.
pub(super) const SETTING: &str = "MLP0725";
/// A secret cannot be read.
pub(super) const SECRET: &str = "MLP0726";
/// What is kept of it cannot be written or read.
pub(super) const KEPT: &str = "MLP0727";

/// How long one attempt to connect may take.
pub(super) const CONNECT: Duration = Duration::from_secs(10);
/// How long a source may be silent, where its specification says nothing.
pub(super) const SILENCE: Duration = Duration::from_secs(60);
/// How long a look-up may take.
pub(super) const LOOK: Duration = Duration::from_secs(10);

/// A failure with everything its causes say.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = inner.source();
    }
    text
}

/// A name between double quotes, as SQL has it; `a.b` is a name in a schema.
pub(super) fn quoted(name: &str) -> String {
    let parts: Vec<String> = name.split('.').map(quoted_word).collect();
    parts.join(".")
}

/// One word between double quotes.
pub(super) fn quoted_word(word: &str) -> String {
    format!("\"{}\"", word.replace('"', "\"\""))
}

/// The problem of something that is not there.
pub(super) fn absent(text: String, at: impl Into<String>, help: &str) -> Problem {
    Problem::new(ABSENT, text).at(at).help(help)
}
