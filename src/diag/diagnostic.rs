//! One problem, as data.

use serde::{Deserialize, Serialize};

use crate::Span;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Stops the command.
    Error,
    /// Worth a person's time; stops nothing.
    Warning,
    /// Good to know.
    Note,
}

/// Whose problem it is; exit codes and hints follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Blame {
    /// The specification, the command line, or the user's own code and data.
    User,
    /// A policy, check or gate said no.
    Policy,
    /// The target or the machine.
    Provider,
    /// `mlp` itself.
    Internal,
}

/// A span with what is to be said of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What; may be empty.
    pub text: String,
    /// The culprit (`true`) or where it came from.
    pub primary: bool,
}

/// An address and a path within it, for problems found where nobody knows files.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subject {
    /// For example `endpoint.churn`.
    pub address: String,
    /// For example `variant.stable.traffic`; empty for the whole declaration.
    pub path: String,
}

/// A problem with its place, reason and way out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Stable code, `MLP0412`.
    pub code: String,
    /// How bad.
    pub severity: Severity,
    /// Whose.
    pub blame: Blame,
    /// One line.
    pub headline: String,
    /// Source places; the first primary label is the place.
    pub labels: Vec<Label>,
    /// Place by address, where the detector knows no source.
    pub subject: Option<Subject>,
    /// Longer explanation.
    pub notes: Vec<String>,
    /// The way out.
    pub help: Option<String>,
}

/// What a stage found.
pub type Diagnostics = Vec<Diagnostic>;

impl Diagnostic {
    fn new(severity: Severity, code: &str, headline: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            severity,
            blame: Blame::User,
            headline: headline.into(),
            labels: Vec::new(),
            subject: None,
            notes: Vec::new(),
            help: None,
        }
    }

    /// An error the user can mend.
    pub fn error(code: &str, headline: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, headline)
    }

    /// A warning.
    pub fn warning(code: &str, headline: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, headline)
    }

    /// A note.
    pub fn note_only(code: &str, headline: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, headline)
    }

    /// Points at the culprit.
    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into(), primary: true });
        self
    }

    /// Points at the culprit where its place is known.
    #[must_use]
    pub fn at_opt(self, span: Option<Span>, text: impl Into<String>) -> Self {
        match span {
            Some(span) => self.at(span, text),
            None => self,
        }
    }

    /// Points at where it came from.
    #[must_use]
    pub fn see(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into(), primary: false });
        self
    }

    /// Points at where it came from, where that place is known.
    #[must_use]
    pub fn see_opt(self, span: Option<Span>, text: impl Into<String>) -> Self {
        match span {
            Some(span) => self.see(span, text),
            None => self,
        }
    }

    /// Names the declaration and the path in it.
    #[must_use]
    pub fn on(mut self, address: impl ToString, path: impl ToString) -> Self {
        self.subject = Some(Subject { address: address.to_string(), path: path.to_string() });
        self
    }

    /// Adds an explanation.
    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Names the way out.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// Says whose problem it is (the user's, unless said).
    #[must_use]
    pub fn blame(mut self, blame: Blame) -> Self {
        self.blame = blame;
        self
    }

    /// Whether it stops the command.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// The span of the culprit, if one is known.
    pub fn place(&self) -> Option<Span> {
        self.labels.iter().find(|label| label.primary).map(|label| label.span)
    }
}
