//! What lies outside the project, read into files: HTTP resources and tables of SQLite and PostgreSQL.
//!
//! [`check`] refuses what cannot be meant, without looking anywhere. [`look`] asks a source, at a bounded price, for a
//! mark that changes when its data changes. [`extract`] reads it into a file, on from where the last accepted reading
//! ended where that is possible, and changes nothing until [`Extracted::accept`].

mod glob;
mod http;
mod http_json;
mod keep;
mod merge;
mod postgres;
mod postgres_uri;
mod scrub;
mod secret;
mod spec;
mod sqlite;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_postgres;
mod wire;

use std::collections::BTreeMap;
use std::path::Path;

pub use glob::{digest as digest_files, expand, is_pattern};
pub use keep::{Extracted, Staging};
pub use secret::{Fingerprints, read as read_secret};
pub use spec::{Authorization, SourceKind, SourceSpec, TableSpec};

use crate::Problem;

/// Refuses what cannot be meant; looks nowhere.
///
/// # Errors
/// An address, name or setting that cannot be used; the problem names the attribute.
pub fn check(spec: &SourceSpec) -> Result<(), Problem> {
    spec::check(spec)
}

/// Marks of what the source holds now, by table (of a resource, by its address), got without reading it: equal marks mean
/// equal data. `project` is where relative paths begin.
///
/// # Errors
/// It cannot be reached (`MLP0720`, which may pass), refuses the credentials, or has not what is to be read.
pub fn look(spec: &SourceSpec, project: &Path) -> Result<BTreeMap<String, String>, Problem> {
    check(spec)?;
    let secret = spec.secret.as_deref().map(|from| read_secret(project, from)).transpose()?;
    let secret = secret.as_deref();
    let found = match spec.kind {
        SourceKind::Http => http::look(spec, secret).map(|mark| BTreeMap::from([(spec.uri.clone(), mark)])),
        SourceKind::Sqlite => sqlite::look(spec, project),
        SourceKind::Postgres => apart(|| postgres::look(spec, project, secret)),
    };
    found.map_err(|problem| scrub::scrub(problem, secret))
}

/// Reads the source into files of `staging`.
///
/// # Errors
/// As [`look`], and it may break off in the middle (`MLP0723`). Nothing is left behind then.
pub fn extract(spec: &SourceSpec, project: &Path, staging: &Staging) -> Result<Extracted, Problem> {
    check(spec)?;
    let secret = spec.secret.as_deref().map(|from| read_secret(project, from)).transpose()?;
    let secret = secret.as_deref();
    let mut session = staging.open(spec)?;
    let read = match spec.kind {
        SourceKind::Http => http::extract(spec, secret, &mut session),
        SourceKind::Sqlite => sqlite::extract(spec, project, &mut session),
        SourceKind::Postgres => apart(|| postgres::extract(spec, project, secret, &mut session)),
    };
    read.map_err(|problem| scrub::scrub(problem, secret))?;
    Ok(session.finish())
}

/// Whether the problem may pass by itself: the source did not answer.
#[must_use]
pub fn may_pass(problem: &Problem) -> bool {
    problem.code == wire::UNREACHABLE
}

/// Blocking work that brings a runtime of its own and so must not run on a thread of another one.
fn apart<T: Send>(work: impl FnOnce() -> Result<T, Problem> + Send) -> Result<T, Problem> {
    std::thread::scope(|scope| match scope.spawn(work).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}
