//! Problems of the floor and of files as errors of the contract.

use mlp_floor::Problem;
use mlp_provider::{ErrorClass, ProviderError};

use crate::codes;
use crate::mlp_diag::{Blame, Diagnostic};

pub(crate) type Fallible<T> = Result<T, ProviderError>;

/// A problem of the floor, spoken of by the address of what it happened to.
pub(crate) fn diagnostic(problem: &Problem, address: &str) -> Diagnostic {
    let mut found = Diagnostic::error(problem.code, &problem.message)
        .on(address, problem.subject.clone().unwrap_or_default())
        .blame(blame(problem.code));
    found.notes = problem.notes.clone();
    found.help = problem.help.clone();
    found
}

/// Reading, writing and starting fail because of the machine; data, steps and models because of who made them.
fn blame(code: &str) -> Blame {
    match code {
        "MLP0707" | "MLP0708" | "MLP0740" | "MLP0763" | "MLP0781" | "MLP0786" => Blame::Provider,
        _ => Blame::User,
    }
}

pub(crate) fn fault(problem: &Problem, address: &str) -> ProviderError {
    ProviderError::new(ErrorClass::Invalid, diagnostic(problem, address))
}

/// An error with a code of this room.
pub(crate) fn wrong(code: &str, headline: impl Into<String>, address: &str, path: &str) -> ProviderError {
    ProviderError::new(ErrorClass::Invalid, Diagnostic::error(code, headline).on(address, path))
}

/// The machine refuses.
pub(crate) fn io(doing: &str, path: &std::path::Path, error: &std::io::Error) -> ProviderError {
    use std::io::ErrorKind;
    let text = format!("cannot {doing} `{}`: {error}", path.display());
    let help = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room on the disk, then do it again",
        ErrorKind::PermissionDenied => "see that the directory belongs to who runs `mlp`, then do it again",
        ErrorKind::ReadOnlyFilesystem => "mount the file system so that it can be written, then do it again",
        _ => "see what is wrong with that path, then do it again",
    };
    let problem = Diagnostic::error(codes::DOCUMENT, text).blame(Blame::Provider).help(help);
    ProviderError::new(ErrorClass::Fatal, problem)
}
