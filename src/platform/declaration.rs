//! A resolved specification for one environment.

use std::collections::BTreeMap;

use mlp_diag::Span;
use mlp_eval::PlanValue;
use mlp_value::{Address, Path, PathMap};
use serde::{Deserialize, Serialize};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "origin")]
pub enum Origin {
    /// Written in the declaration.
    Written {
        /// Where.
        span: Span,
    },
    /// Set by a partial block of an environment.
    Environment {
        /// Its name.
        name: String,
        /// Where.
        span: Span,
    },
    /// The kind's default.
    Default,
}

/// Where the values of one declaration came from, by path; a path without an entry has its nearest parent's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origins(pub PathMap<Origin>);

impl Origins {
    /// The origin of the value at a path.
    pub fn of(&self, path: &Path) -> Option<&Origin> {
        let mut at = path.clone();
        loop {
            if let Some(origin) = self.0.get(&at) {
                return Some(origin);
            }
            at = at.parent()?;
        }
    }
}

impl Origin {
    /// The place, where there is one.
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::Written { span } | Self::Environment { span, .. } => Some(*span),
            Self::Default => None,
        }
    }
}

/// Why one declaration needs another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EdgeKind {
    /// Needs the other's value.
    Value,
    /// Needs only its name.
    Identity,
    /// `depends_on`.
    Ordering,
}

/// An edge to another declaration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Edge {
    /// To.
    pub to: Address,
    /// Why.
    pub kind: EdgeKind,
    /// The attribute that needs it.
    pub at: Path,
}

/// One declaration, evaluated and merged for the chosen environment, defaults filled in.
///
/// Its body holds references and quoted expressions in the form of [`mlp_eval::Reference`] and [`mlp_eval::Quoted`].
#[derive(Debug, Clone, PartialEq)]
pub struct Declaration {
    /// Its address.
    pub address: Address,
    /// The kind's name.
    pub kind: &'static str,
    /// Its attributes.
    pub body: PlanValue,
    /// Paths whose values must not be shown.
    pub sensitive: Vec<Path>,
    /// Where its values came from.
    pub origins: Origins,
    /// What it needs.
    pub edges: Vec<Edge>,
    /// Kind and labels in the source.
    pub header: Span,
    /// What the conditions of its `lifecycle` name, by the path of the condition: what made one fail.
    pub because: BTreeMap<Path, Vec<Because>>,
}

/// A name in a condition, and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Because {
    /// As it is written.
    pub name: String,
    /// Its value; a hole where only the apply tells.
    pub value: PlanValue,
    /// Whether it must not be shown.
    pub sensitive: bool,
}

/// What an environment permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Belongs to one user.
    Development,
    /// The default.
    Shared,
    /// Protects stateful things.
    Production,
}

/// The environment compiled for.
#[derive(Debug, Clone, PartialEq)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// What it permits.
    pub mode: Mode,
    /// Its provider: kind and name.
    pub provider: (String, String),
    /// The provider's attributes.
    pub provider_body: PlanValue,
    /// The environment's own attributes (`sample`, `residency`).
    pub body: PlanValue,
    /// Where it is declared.
    pub header: Span,
    /// What is to be said of what it has, beside mistakes.
    pub notes: mlp_diag::Diagnostics,
    /// Whose it is, in development mode: each user has a state and things of their own.
    pub user: Option<String>,
}

impl Environment {
    /// What its things are kept under: the name, in development mode with the user.
    pub fn folder(&self) -> String {
        self.user.as_ref().map_or_else(|| self.name.clone(), |user| format!("{}.{user}", self.name))
    }
}

/// What the specification says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// Its attributes.
    pub body: PlanValue,
}

/// The specification for one environment: every stage after `config` takes this.
#[derive(Debug, Clone, PartialEq)]
pub struct Platform {
    /// The project.
    pub project: Project,
    /// The environment.
    pub environment: Environment,
    /// Declarations in the order of their addresses.
    pub declarations: BTreeMap<Address, Declaration>,
    /// Blocks of which is not known yet how many instances there are.
    pub deferred: Vec<Deferred>,
}

/// A block whose instances are known only after something else was applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Deferred {
    /// Its address, without a key.
    pub address: Address,
    /// `for_each` or `count`.
    pub attribute: String,
    /// Where it is declared.
    pub header: Span,
    /// The addresses it waits for.
    pub after: Vec<String>,
}

impl Deferred {
    /// Whether an address is one of its instances, or lies in one.
    pub fn covers(&self, address: &Address) -> bool {
        let of_it = |one: &Address| *one == self.address || one.without_key() == self.address;
        of_it(address) || address.enclosing().iter().any(of_it)
    }
}
