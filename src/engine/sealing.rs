//! A session whose objects are seen with marks instead of what must not be written down, and changed with the values.

use std::sync::Arc;

use mlp_diag::{Diagnostic, Diagnostics};
use mlp_provider::{
    Call, Desired, ErrorClass, LogQuery, Owned, ProviderError, Ready, Removal, Reporter, RunRequest,
    RunSummary, Seen, Session, StatusEntry,
};
use mlp_value::{KnownValue, ResourceId};

use super::vault::Vault;

/// A session behind a vault.
pub struct Sealing {
    /// The target.
    pub inner: Arc<dyn Session>,
    /// What must not be written down.
    pub vault: Arc<Vault>,
}

impl Sealing {
    /// A call with the values instead of their marks.
    fn unsealed(&self, call: &Call) -> Result<Call, ProviderError> {
        let body = self.vault.unseal(&call.body).map_err(|_| {
            let headline =
                format!("a sensitive value of `{}` is not what it was when this was planned", call.identity);
            ProviderError::new(
                ErrorClass::Invalid,
                Diagnostic::error("MLP0917", headline).help("plan again with the values as they are now"),
            )
        })?;
        Ok(Call { body, ..call.clone() })
    }

    fn scrubbed(&self, mut error: ProviderError) -> ProviderError {
        self.vault.scrub(&mut error.diagnostic);
        error
    }
}

#[async_trait::async_trait]
impl Session for Sealing {
    async fn expect(&self, wanted: &[(&Desired, Option<&str>)]) -> Result<Diagnostics, ProviderError> {
        self.inner.expect(wanted).await.map_err(|error| self.scrubbed(error))
    }

    async fn read(&self, resource: &str, identity: &str) -> Result<Seen, ProviderError> {
        let seen = self.inner.read(resource, identity).await.map_err(|error| self.scrubbed(error))?;
        Ok(match seen {
            Seen::Absent => Seen::Absent,
            Seen::Present(mut found) => {
                found.config = self.vault.seal_read(identity, &found.config);
                found.outputs = self.vault.seal(&found.outputs);
                Seen::Present(found)
            }
        })
    }

    async fn perform(&self, call: &Call, reporter: &dyn Reporter) -> Result<(), ProviderError> {
        let call = self.unsealed(call)?;
        self.inner.perform(&call, reporter).await.map_err(|error| self.scrubbed(error))
    }

    fn place(&self) -> Option<String> {
        self.inner.place()
    }

    fn rehearses(&self) -> bool {
        self.inner.rehearses()
    }

    async fn rehearse(&self, call: &Call) -> Result<(), ProviderError> {
        let call = self.unsealed(call)?;
        self.inner.rehearse(&call).await.map_err(|error| self.scrubbed(error))
    }

    async fn refused(&self, calls: &[(&ResourceId, &Call)]) -> Result<Diagnostics, ProviderError> {
        // Who may do what says nothing of values.
        self.inner.refused(calls).await
    }

    /// What is remembered keeps its marks: nothing leaves the state.
    async fn remember(
        &self,
        call: &Call,
        before: Option<&KnownValue>,
        key: &str,
    ) -> Result<KnownValue, ProviderError> {
        self.inner.remember(call, before, key).await.map_err(|error| self.scrubbed(error))
    }

    async fn ready(&self, resource: &str, identity: &str) -> Result<Ready, ProviderError> {
        self.inner.ready(resource, identity).await.map_err(|error| self.scrubbed(error))
    }

    async fn removal(&self, resource: &str, identity: &str) -> Result<Option<Removal>, ProviderError> {
        self.inner.removal(resource, identity).await
    }

    async fn deferred(&self, desired: &Desired) -> Result<bool, ProviderError> {
        self.inner.deferred(desired).await
    }

    async fn run(&self, request: &RunRequest, reporter: &dyn Reporter) -> Result<RunSummary, ProviderError> {
        self.inner.run(request, reporter).await
    }

    async fn status(
        &self,
        resources: &[(ResourceId, String, String)],
    ) -> Result<Vec<StatusEntry>, ProviderError> {
        self.inner.status(resources).await
    }

    async fn logs(&self, query: &LogQuery, reporter: &dyn Reporter) -> Result<(), ProviderError> {
        self.inner.logs(query, reporter).await
    }

    async fn owned(&self) -> Result<Option<Vec<Owned>>, ProviderError> {
        self.inner.owned().await
    }

    async fn close_environment(&self) -> Result<Vec<String>, ProviderError> {
        self.inner.close_environment().await
    }
}
