//! What an expression is evaluated in, and what comes out.

use std::sync::Arc;

use mlp_diag::{Diagnostic, Span};
use mlp_value::{Type, Value};

use crate::convert::convert_typed;
use crate::typed::{Typed, natural};
use crate::{PlanValue, Reference, Traversal, TraversalStep};

/// Why a scope answers nothing about hardware.
const NO_CATALOG: &str = "the catalogue of hardware is read when the plan is made, and this is only known, or only looked at, later";

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

    /// The bytes of a file of the project, whatever they mean; `None` when they are not known yet.
    ///
    /// # Errors
    /// The file is missing or cannot be read, or files cannot be read in this scope.
    fn read_bytes(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(self.read_file(path)?.map(String::into_bytes))
    }

    /// Whether a file of the project exists; `None` when it is not known yet.
    ///
    /// # Errors
    /// It cannot be found out, or files cannot be read in this scope.
    fn file_exists(&self, path: &str) -> Result<Option<bool>, String> {
        Err(format!("`{path}` cannot be looked for: files cannot be read here"))
    }

    /// The files below a directory of the project, as paths from it with `/`; `None` when they are not known yet.
    ///
    /// # Errors
    /// They cannot be listed, or files cannot be read in this scope.
    fn list_files(&self, path: &str) -> Result<Option<Vec<String>>, String> {
        Err(format!("`{path}` cannot be listed: files cannot be listed here"))
    }

    /// What the catalogue of hardware offers for a phrase or a declaration, less what `narrowed` leaves out; `None` while the
    /// catalogue is not read yet.
    ///
    /// # Errors
    /// Which of the two is wrong, from 0, and why; or that there is no catalogue in this scope.
    fn offers(&self, of: &PlanValue, narrowed: &PlanValue) -> Result<Option<PlanValue>, (usize, String)> {
        let _ = (of, narrowed);
        Err((0, NO_CATALOG.to_owned()))
    }

    /// What an hour of it costs; null when nobody knows, `None` while the catalogue is not read yet.
    ///
    /// # Errors
    /// As [`Scope::offers`].
    fn price(&self, of: &PlanValue, narrowed: &PlanValue) -> Result<Option<PlanValue>, (usize, String)> {
        let _ = (of, narrowed);
        Err((0, NO_CATALOG.to_owned()))
    }

    /// Whether what `resolve` said is a mistake in the specification, which `try` and `can` do not hide.
    fn is_mistake(&self, problem: &Diagnostic) -> bool {
        let _ = problem;
        false
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
    /// Whether it must not be kept, in a plan or a state.
    pub ephemeral: bool,
    /// Its type, where that is more than the value shows by itself (see [`Outcome::ty`]).
    pub ty: Option<Arc<Type>>,
}

impl Resolved {
    /// An outcome found behind so many steps of a traversal.
    pub fn of(outcome: Outcome, consumed: usize) -> Self {
        let Outcome { value, sensitive, ephemeral, ty } = outcome;
        Self { value, consumed, sensitive, ephemeral, ty }
    }

    /// A value that shows its type by itself and may be kept.
    pub fn plain(value: PlanValue, consumed: usize, sensitive: bool) -> Self {
        Self { value, consumed, sensitive, ephemeral: false, ty: None }
    }
}

/// What an expression came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The value, with holes for what is not known yet.
    pub value: PlanValue,
    /// Whether it must not be shown: something in it came from a sensitive value.
    pub sensitive: bool,
    /// Whether it must not be kept, in a plan or a state: something in it came from an ephemeral value.
    pub ephemeral: bool,
    /// Its type, where that is more than the value shows by itself: that a list is a list or a set and not a tuple, that an object
    /// is a map, what type a null has.
    pub ty: Option<Arc<Type>>,
}

impl Outcome {
    /// A value that may be shown and kept.
    pub fn plain(value: PlanValue) -> Self {
        Self::marked(value, Marks::default())
    }

    /// A value with marks.
    pub fn marked(value: PlanValue, marks: Marks) -> Self {
        Self { value, sensitive: marks.sensitive, ephemeral: marks.ephemeral, ty: None }
    }

    /// The same value, known to be of a type.
    #[must_use]
    pub fn of_type(mut self, ty: &Type) -> Self {
        self.ty = crate::typed::noted(&self.value, ty);
        self
    }

    /// The same value converted to a type, with its marks.
    ///
    /// # Errors
    /// What was expected, what was found, and where inside the value.
    pub fn convert(&self, ty: &Type) -> Result<Self, String> {
        let typed = convert_typed(&Typed::from(self.clone()), ty)?;
        Ok(Self { value: typed.value, ty: typed.ty, ..*self })
    }

    /// What must not be done with it.
    pub fn marks(&self) -> Marks {
        Marks { sensitive: self.sensitive, ephemeral: self.ephemeral }
    }

    /// Its type: as Terraform would name it, a list in brackets being a tuple.
    pub fn type_of(&self) -> Type {
        self.ty.as_deref().cloned().unwrap_or_else(|| natural(&self.value))
    }
}

/// What must not be done with a value; values that combine join their marks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks {
    /// It must not be shown.
    pub sensitive: bool,
    /// It must not be kept.
    pub ephemeral: bool,
}

impl std::ops::BitOr for Marks {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self { sensitive: self.sensitive || other.sensitive, ephemeral: self.ephemeral || other.ephemeral }
    }
}

impl std::ops::BitOrAssign for Marks {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

impl Default for Outcome {
    fn default() -> Self {
        Self::plain(Value::Null)
    }
}
