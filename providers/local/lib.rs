//! The local provider: the whole platform on one machine, with nothing but processes and files.
//!
//! The declaring half is `lower` (a portable declaration → native resources) and the field tables in `resources`; the
//! doing half is `session`, `run` and `supervisor`, which put the portable floor to work. It knows neither plans nor
//! states nor the language's syntax.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod batch;
mod checks;
mod codes;
mod collect;
mod dataset;
mod declare;
mod describe;
mod documents;
mod fault;
#[cfg(test)]
mod fixture;
mod forms;
mod gate;
mod holds;
mod lower;
mod owned;
mod publish;
mod register;
mod resources;
mod retention;
mod rollback;
mod run;
mod runs;
mod runtimes;
mod session;
mod show;
mod sources;
mod status;
mod steps;
mod supervisor;
mod support;
mod time;
mod triggers;

use std::sync::Arc;

use mlp_provider::{
    Call, CallKind, LowerInput, Lowered, Provider, ProviderError, ResourceChange, ResourceKind, Session,
    Support, Target,
};
use mlp_provider::{mlp_diag, mlp_eval, mlp_platform, mlp_value};

pub use codes::CODES;
pub use supervisor::{keep_endpoint, leave, supervise};

/// What the host answers [`mlp_value::facts::Need::Tree`] with: the digest of a code directory less what is ignored.
///
/// # Errors
/// Says what cannot be read.
pub fn code_digest(project: &std::path::Path, directory: &std::path::Path) -> Result<String, String> {
    mlp_floor::launch::scan_code(project, directory)
        .map(|code| code.digest)
        .map_err(|problem| problem.to_string())
}

/// What the host answers [`mlp_value::facts::Need::Digest`] with: the digest of a file or of every file of a directory.
///
/// # Errors
/// It cannot be read.
pub fn path_digest(path: &std::path::Path) -> std::io::Result<String> {
    mlp_floor::digest::digest_path(path)
}

/// Whether a version fits `>=3.8, <4`, `~> 3.10` or `3.11`; `None` when that is no constraint.
#[must_use]
pub fn version_fits(version: &str, constraint: &str) -> Option<bool> {
    mlp_floor::launch::fits(version, constraint)
}

/// The local provider.
pub fn provider() -> Box<dyn Provider> {
    Box::new(Local { resources: resources::natives().map(|native| native.kind()).collect() })
}

struct Local {
    resources: Vec<ResourceKind>,
}

#[async_trait::async_trait]
impl Provider for Local {
    fn kind(&self) -> &'static str {
        "local"
    }

    fn resources(&self) -> &[ResourceKind] {
        &self.resources
    }

    fn support(&self, kind: &str) -> Support {
        support::DIALECT.support(kind)
    }

    fn lower(&self, input: &LowerInput<'_>) -> Lowered {
        lower::lower(input)
    }

    fn calls(&self, change: &ResourceChange) -> Vec<Call> {
        let verb = match change.kind {
            CallKind::Create => "create",
            CallKind::Update => "update",
            CallKind::NewVersion => "new_version",
            CallKind::Delete => "delete",
        };
        vec![change.as_call(verb)]
    }

    fn natives(&self, kind: &str) -> &'static [&'static str] {
        declare::natives(kind)
    }

    fn declare(&self, native: &str, config: &mlp_value::KnownValue) -> Option<mlp_provider::Declared> {
        declare::declare(native, config)
    }

    fn identity(&self, kind: &str, name: &str) -> Option<String> {
        let folder = resources::natives().find(|native| native.name() == kind)?.folder();
        Some(format!("{folder}/{name}"))
    }

    async fn connect(&self, target: &Target) -> Result<Arc<dyn Session>, ProviderError> {
        Ok(Arc::new(session::Local::open(target)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_native_kind_can_be_named() {
        let provider = provider();
        for kind in provider.resources() {
            assert!(provider.identity(&kind.name, "x").is_some(), "{}", kind.name);
        }
    }

    #[test]
    fn every_portable_kind_has_an_answer() {
        let provider = provider();
        for kind in mlp_platform::kinds::KINDS {
            match provider.support(kind.name) {
                Support::Refused(reason) => assert!(reason.contains(kind.name), "{}: {reason}", kind.name),
                Support::Native => assert!(lower::lowers(kind.name), "{}", kind.name),
                Support::Declarative | Support::Emulated => {}
            }
        }
    }
}
