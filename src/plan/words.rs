//! The words a plan is made of: what is done, to what end, and what it comes from.

use serde::{Deserialize, Serialize};

/// Why something is made anew that was asked for on the command line.
pub(crate) const BY_REQUEST: &str = "asked for with --replace";
/// How the reason begins for what was left half made.
pub(crate) const TAINTED: &str = "it is not whole: ";
/// How the reason begins for what is made anew with something else.
pub(crate) const TRIGGERED: &str = "replace_triggered_by: ";

/// What is planned for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Make what is there what is written.
    Apply,
    /// End everything.
    Destroy,
    /// Remember what is there, and change nothing.
    RefreshOnly,
}

/// What is done to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing.
    NoOp,
    /// More or fewer, in place.
    Resize,
    /// Changed in place.
    Update,
    /// Made.
    Create,
    /// Ended and made anew.
    Replace,
    /// Ended.
    Delete,
    /// Only read: what is remembered changes.
    Read,
    /// Found with our marks, and remembered from now on.
    Import,
    /// Its address changes.
    Move,
    /// No longer remembered; it stays in the target.
    Forget,
    /// It waits.
    Defer,
    /// A new immutable version beside the old ones.
    NewVersion,
}

impl Action {
    /// The sign before it: `+`, `~`, `-`, `-/+`, `<=`.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::NoOp => " ",
            Self::Resize | Self::Update => "~",
            Self::NewVersion => "+~",
            Self::Create => "+",
            Self::Replace => "-/+",
            Self::Delete => "-",
            Self::Read => "<=",
            Self::Import => "<-",
            Self::Move => "->",
            Self::Forget => ".",
            Self::Defer => "?",
        }
    }

    /// What happens, after the resource's name: "will be created".
    pub fn phrase(self) -> &'static str {
        match self {
            Self::NoOp => "stays as it is",
            Self::Resize => "will be resized in place",
            Self::Update => "will be updated in place",
            Self::NewVersion => "will get a new version",
            Self::Create => "will be created",
            Self::Replace => "must be replaced",
            Self::Delete => "will be destroyed",
            Self::Read => "will be read again",
            Self::Import => "will be taken over",
            Self::Move => "has moved",
            Self::Forget => "will no longer be remembered",
            Self::Defer => "waits",
        }
    }
}

/// Which half of a replacement a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The old one ends.
    Old,
    /// The new one is made.
    New,
}

/// How a value came to stand where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OriginKind {
    /// In the declaration.
    Written,
    /// In a partial block of an environment.
    Environment,
    /// By the kind's default.
    Default,
}

/// Where a value came from, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginText {
    /// `main.mlp:41`; empty for a default without a place.
    pub place: String,
    /// The environment whose partial block set it.
    pub environment: Option<String>,
    /// How.
    pub kind: OriginKind,
}

/// What a change of a field comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The object is new.
    New,
    /// The specification asks for something else than was applied.
    Specification,
    /// The specification no longer sets it.
    Unset,
    /// What it is computed from changes too.
    Reference,
    /// It was changed outside `mlp` and is put right.
    Outside,
    /// It was changed outside `mlp`, and the specification asks for something else again.
    Both,
    /// Found changed; what is remembered follows.
    Found,
    /// The running platform moved it, as it may.
    Event,
    /// It is remembered only; the target is not touched.
    Memory,
}

impl Cause {
    /// In words, for a person.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::New => "the object is new",
            Self::Specification => "the specification changed",
            Self::Unset => "the specification no longer sets it",
            Self::Reference => "what it is computed from changes",
            Self::Outside => "changed outside mlp",
            Self::Both => "changed outside mlp and in the specification",
            Self::Found => "found changed outside mlp",
            Self::Event => "the running platform moved it",
            Self::Memory => "remembered only; the target is not touched",
        }
    }

    /// Whether somebody changed it behind our back.
    pub fn is_outside(self) -> bool {
        matches!(self, Self::Outside | Self::Both | Self::Found)
    }
}
