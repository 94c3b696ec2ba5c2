//! The names that a word such as `var` or `local` stands before.

use std::collections::BTreeMap;
use std::sync::Arc;

use mlp_eval::Outcome;
use mlp_syntax::{Expr, Ident};

use crate::index::Declared;

/// Names of which one is meant.
pub(super) enum Names<'n> {
    /// A few fixed words.
    Words(&'n [&'n str]),
    /// The project's variables.
    Variables(&'n BTreeMap<String, Option<Outcome>>),
    /// Those of a module's call.
    Inputs(&'n BTreeMap<String, Arc<Declared<'n>>>),
    /// Local values.
    Locals(&'n BTreeMap<String, (&'n Ident, &'n Expr)>),
}

impl Names<'_> {
    /// Whether one of them is called so.
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Self::Words(words) => words.contains(&name),
            Self::Variables(all) => all.contains_key(name),
            Self::Inputs(all) => all.contains_key(name),
            Self::Locals(all) => all.contains_key(name),
        }
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<&str> {
        match self {
            Self::Words(words) => words.to_vec(),
            Self::Variables(all) => all.keys().map(String::as_str).collect(),
            Self::Inputs(all) => all.keys().map(String::as_str).collect(),
            Self::Locals(all) => all.keys().map(String::as_str).collect(),
        }
    }
}
