//! Exit codes: a script can tell what happened.

use mlp_diag::{Blame, Diagnostic};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Well.
    Success = 0,
    /// With an error.
    Error = 1,
    /// There are changes, and `-detailed-exitcode` asked.
    Changes = 2,
    /// `fmt --check` found files that are written otherwise.
    Differs = 3,
    /// Somebody else holds the lease.
    LeaseHeld = 10,
    /// A policy, check or gate said no.
    Denied = 11,
    /// The plan was made for another state or specification.
    Stale = 12,
    /// The person declined.
    Declined = 13,
    /// It was cancelled.
    Cancelled = 14,
    /// Some of it was applied.
    Partly = 15,
}

/// The code of the lease that somebody else holds.
const LEASE_HELD: &str = "MLP0610";

impl Exit {
    /// The exit that follows from what went wrong.
    pub fn of(diagnostics: &[Diagnostic]) -> Self {
        let mut errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).peekable();
        if errors.peek().is_none() {
            return Self::Success;
        }
        if diagnostics.iter().any(|diagnostic| diagnostic.code == LEASE_HELD) {
            return Self::LeaseHeld;
        }
        if errors.all(|diagnostic| diagnostic.blame == Blame::Policy) { Self::Denied } else { Self::Error }
    }
}
