//! What an expression is evaluated in, and what comes out.

use mlp_diag::{Diagnostic, Span};

use crate::{PlanValue, Reference, Traversal, TraversalStep};

/// Gives names their meaning. The interpreter knows only the names that the expression itself binds.
pub trait Scope {
    /// The value of a name and as many of its steps as the scope understands; the interpreter applies the rest.
    ///
    /// # Errors
    /// The name means nothing here, or what it means cannot be computed.
    fn resolve(&self, traversal: &Traversal, span: Option<Span>) -> Result<Resolved, Diagnostic>;

    /// What lies behind a reference: the value after as many of the steps as the scope understands; `None` where it knows no
    /// declarations, and the reference is a value like any other.
    ///
    /// # Errors
    /// The steps name nothing of the declaration.
    fn behind(
        &self,
        reference: &Reference,
        steps: &[TraversalStep],
        span: Option<Span>,
    ) -> Result<Option<Resolved>, Diagnostic> {
        let _ = (reference, steps, span);
        Ok(None)
    }

    /// The text of a file of the project; `None` when it is not known yet and evaluation will be repeated once it is.
    ///
    /// # Errors
    /// The file is missing or cannot be read, or files cannot be read in this scope.
    fn read_file(&self, path: &str) -> Result<Option<String>, String> {
        Err(format!("`{path}` cannot be read: files cannot be read here"))
    }

    /// Whether a file of the project exists; `None` when it is not known yet.
    ///
    /// # Errors
    /// It cannot be found out, or files cannot be read in this scope.
    fn file_exists(&self, path: &str) -> Result<Option<bool>, String> {
        Err(format!("`{path}` cannot be looked for: files cannot be read here"))
    }

    /// The time as RFC 3339 text, for `timestamp()`; `None` before the apply.
    fn now(&self) -> Option<String> {
        None
    }

    /// A new random UUID, for `uuid()`; `None` before the apply.
    fn new_uuid(&self) -> Option<String> {
        None
    }
}

/// What a scope found for a traversal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The value after the steps consumed.
    pub value: PlanValue,
    /// How many steps of the traversal the scope has used.
    pub consumed: usize,
    /// Whether it must not be shown.
    pub sensitive: bool,
}

/// What an expression came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The value, with holes for what is not known yet.
    pub value: PlanValue,
    /// Whether it must not be shown: something in it came from a sensitive value.
    pub sensitive: bool,
}

impl Outcome {
    /// A value that may be shown.
    pub fn plain(value: PlanValue) -> Self {
        Self { value, sensitive: false }
    }
}
