//! The lease of a state in a cluster: a Lease, so that `kubectl get leases` says who applies. What counts is what stands in its
//! annotation, swapped by the version of the whole; its own fields say the same to people and tools.

use k8s_openapi::api::coordination::v1::{Lease as Object, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ObjectMeta, PostParams};

use crate::blobs::{Fault, Tag, When};
use crate::dir_lease::parse_lease;
use crate::secrets::{STORE, fault, optional, tag, tried};

/// The lease as it is kept everywhere.
const LEASE: &str = "mlp.dev/lease";

/// The calls about one lease.
pub(crate) struct LeaseObject {
    leases: Api<Object>,
    name: String,
    mark: String,
}

impl LeaseObject {
    pub(crate) fn new(client: kube::Client, namespace: &str, (name, mark): (String, String)) -> Self {
        Self { leases: Api::namespaced(client, namespace), name, mark }
    }

    /// What it says and in which version; nothing where it was never taken.
    pub(crate) async fn get(&self) -> Result<Option<(Vec<u8>, Tag)>, Fault> {
        let found = optional(tried(|| self.leases.get(&self.name)).await)?;
        let said = |object: Object| {
            let tag = tag(&object.metadata);
            let text = object.metadata.annotations?.remove(LEASE)?;
            Some((text.into_bytes(), tag))
        };
        Ok(found.and_then(said))
    }

    /// Writes it, where it is still what was read.
    pub(crate) async fn put(&self, bytes: &[u8], when: &When) -> Result<(), Fault> {
        let mut object = self.object(bytes)?;
        let plainly = PostParams::default();
        match when {
            When::Absent => tried(|| self.leases.create(&plainly, &object)).await.map(drop).map_err(fault),
            When::Still(_) | When::Always => {
                if let When::Still(tag) = when {
                    object.metadata.resource_version = Some(tag.0.clone());
                }
                let replaced = tried(|| self.leases.replace(&self.name, &plainly, &object)).await;
                optional(replaced)?.map(drop).ok_or(Fault::Lost)
            }
        }
    }

    fn object(&self, bytes: &[u8]) -> Result<Object, Fault> {
        let lease = parse_lease(&self.name, bytes).map_err(|error| Fault::Failed(error.headline))?;
        let renewed = lease.expires.saturating_sub(lease.length);
        let time = i64::try_from(renewed).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
        let held = lease.holder.is_some();
        let text = String::from_utf8_lossy(bytes).into_owned();
        Ok(Object {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                labels: Some([(STORE.to_owned(), self.mark.clone())].into()),
                annotations: Some([(LEASE.to_owned(), text)].into()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: lease.holder.as_ref().map(ToString::to_string),
                lease_duration_seconds: i32::try_from(lease.length).ok().filter(|length| held && *length > 0),
                renew_time: time.filter(|_| held).map(MicroTime),
                lease_transitions: i32::try_from(lease.token).ok(),
                ..LeaseSpec::default()
            }),
        })
    }
}
