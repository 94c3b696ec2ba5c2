//! The Kubernetes provider: the same specification in the pods of any conformant cluster.
//!
//! The declaring half is `lower` (a portable declaration → native resources) and the tables in `natives`; the doing half is
//! `session`, one engine for every kind: server-side apply under one field manager, read-back of what is ours alone, waits by
//! watch. It knows neither plans nor states nor the language's syntax, and no kind beside its table.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod ask;
mod cluster;
mod codes;
mod connect;
mod discovery;
mod emit;
mod expected;
mod fault;
mod forward;
#[cfg(test)]
mod live;
#[cfg(test)]
mod live_faults;
mod lower;
mod manifest;
mod marks;
mod names;
mod natives;
mod operators;
mod permits;
pub mod pod;
mod pods;
mod report;
mod run;
mod schema;
mod session;
mod shape;
mod support;

use std::sync::Arc;

use mlp_provider::{
    Call, CallKind, Form, LowerInput, Lowered, Provider, ProviderError, ResourceChange, ResourceKind,
    Session, Support, Target,
};
use mlp_provider::{mlp_diag, mlp_eval, mlp_platform, mlp_value};

pub use codes::CODES;

/// The Kubernetes provider. What no kind of a cluster does is done in pods by the provider of the portable floor.
pub fn provider(floor: Option<Box<dyn Provider>>) -> Box<dyn Provider> {
    let tables = natives::NATIVES.iter().map(|native| native.table());
    Box::new(Kubernetes { floor, resources: tables.chain([manifest::table()]).collect() })
}

struct Kubernetes {
    floor: Option<Box<dyn Provider>>,
    resources: Vec<ResourceKind>,
}

#[async_trait::async_trait]
impl Provider for Kubernetes {
    fn kind(&self) -> &'static str {
        "kubernetes"
    }

    fn resources(&self) -> &[ResourceKind] {
        &self.resources
    }

    fn support(&self, kind: &str) -> Support {
        support::DIALECT.support(kind)
    }

    fn lower(&self, input: &LowerInput<'_>) -> Lowered {
        lower::lower(self.floor.as_deref(), input)
    }

    fn calls(&self, change: &ResourceChange) -> Vec<Call> {
        let verb = match change.kind {
            _ if change.takes_over => session::TAKE,
            CallKind::Create | CallKind::Update | CallKind::NewVersion => "apply",
            CallKind::Delete => "delete",
        };
        vec![change.as_call(verb)]
    }

    fn identity(&self, kind: &str, name: &str) -> Option<String> {
        match kind {
            manifest::NAME => Some(name.to_owned()),
            _ => Some(format!("{}/{name}", natives::native(kind)?.word)),
        }
    }

    fn declared(
        &self,
        platform: &mlp_platform::Platform,
        kind: &str,
        address: &mlp_value::Address,
        _name: &str,
    ) -> Option<(String, Vec<(&'static str, mlp_value::KnownValue)>)> {
        if kind == manifest::NAME {
            return Some(manifest::declared(platform, address));
        }
        let native = natives::native(kind)?;
        // Without a namespace nothing is connected to: what is said of that is said there.
        let namespace = names::namespace(platform).unwrap_or_default();
        let name = names::object_name(platform, address);
        Some((names::identity(native, namespace, &name), vec![names::place(namespace)]))
    }

    fn forms(&self) -> &'static [Form] {
        emit::FORMS
    }

    async fn connect(&self, target: &Target) -> Result<Arc<dyn Session>, ProviderError> {
        let cluster = connect::connect(target).await?;
        Ok(Arc::new(session::Kubernetes::new(cluster, target)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_native_kind_can_be_named() {
        let provider = provider(None);
        for kind in provider.resources() {
            assert!(provider.identity(&kind.name, "x").is_some(), "{}", kind.name);
        }
    }

    #[test]
    fn every_portable_kind_has_an_answer() {
        let provider = provider(None);
        for kind in mlp_platform::kinds::KINDS {
            match provider.support(kind.name) {
                Support::Refused(reason) => assert!(reason.contains(kind.name), "{}: {reason}", kind.name),
                Support::Native => assert!(lower::lowers(kind.name), "{}", kind.name),
                Support::Declarative | Support::Emulated => {}
            }
        }
    }
}
