//! What would be applied, written for those who apply it by other means.

use mlp_diag::Diagnostics;
use mlp_platform::Platform;
use serde::{Deserialize, Serialize};

use crate::Desired;

/// A form in which a provider writes.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// Its name, `yaml`.
    pub name: &'static str,
    /// What is written, in half a sentence.
    pub doc: &'static str,
    /// Whether the objects themselves are written, so that none may wait and every value has to be known.
    pub objects: bool,
    /// Writes what would be applied; what others need comes before them; pure.
    pub write: fn(&Platform, &[Desired]) -> Result<Vec<Emitted>, Diagnostics>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emitted {
    /// Its name below the folder it is written to.
    pub path: String,
    /// What stands in it.
    pub text: String,
    /// What a line of comment begins with.
    #[serde(skip)]
    pub comment: &'static str,
}
