//! What a function of the floor says when it refuses or fails.

use std::fmt;
use std::path::Path;

use serde::Serialize;

/// A refusal or failure: a stable code, one sentence, and what helps the reader to act on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The stable code (`MLP0701`), listed in [`crate::codes::CODES`].
    pub code: &'static str,
    /// One sentence that says what is wrong.
    pub message: String,
    /// Facts that explain the message, one a line.
    pub notes: Vec<String>,
    /// What to do about it.
    pub help: Option<String>,
    /// The attribute the problem is about (`quality.positive`), relative to the block of the caller.
    pub subject: Option<String>,
}

impl Problem {
    /// A problem with a code of [`crate::codes::CODES`] and a message.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), notes: Vec::new(), help: None, subject: None }
    }

    /// A problem of the operating system with a path: what was tried, and why it failed.
    #[must_use]
    pub fn io(code: &'static str, doing: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::new(code, format!("cannot {doing} `{}`: {error}", path.display()))
    }

    /// Adds a fact.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds several facts.
    #[must_use]
    pub fn with_notes(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.notes.extend(notes);
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Names the attribute it is about.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.subject = Some(path.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        for note in &self.notes {
            write!(f, "\n  {note}")?;
        }
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_everything_it_knows() {
        let problem = Problem::new("MLP0701", "no rows").note("in a.csv").help("add rows").at("from");
        assert_eq!(problem.to_string(), "MLP0701: no rows\n  in a.csv\n  help: add rows");
        assert_eq!(problem.subject.as_deref(), Some("from"));
    }
}
