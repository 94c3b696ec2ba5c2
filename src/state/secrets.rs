//! Objects in a Kubernetes cluster: each a Secret, compressed, in as many parts as its size asks for; the lease is a Lease.
//!
//! An object is the Secret under the name that follows from its own, swapped by its `resourceVersion`. What does not fit into one
//! lies in parts beside it, each written under a new name before the Secret that names them: who reads finds all of the old or all
//! of the new.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, PostParams};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use mlp_diag::Diagnostic;

use crate::aside::Aside;
use crate::blobs::{Blobs, Fault, Tag, When};
use crate::cluster_lease::LeaseObject;
use crate::crypt::hex;
use crate::{BlobStore, codes, random};

/// Bytes of one part: a Secret holds a mebibyte, written as base64 with all that is around it.
const PART: usize = 700 * 1024;
/// The object that is a Lease and no Secret.
const LEASE: &str = "lease.json";
/// Tries of a call whose failure passes, and the first pause between them.
const TRIES: u32 = 6;
const PAUSE: Duration = Duration::from_millis(100);
/// Objects in one page of a list.
const PAGE: u32 = 500;

/// Which state a Secret belongs to.
pub(crate) const STORE: &str = "mlp.dev/state";
/// What the object is called that a Secret holds.
const NAME: &str = "mlp.dev/name";
/// The Secret of which another is a part.
const PART_OF: &str = "mlp.dev/part-of";
/// The parts of an object beside its own Secret.
const PARTS: &str = "mlp.dev/parts";
/// The one field.
const BYTES: &str = "bytes.gz";

/// Where the objects are.
#[derive(Debug, Clone, Default)]
pub struct ClusterSettings {
    /// The context of the kubeconfig; without it the current one, and inside a pod the cluster of that pod.
    pub context: Option<String>,
    /// The kubeconfig, where it is not the usual one.
    pub kubeconfig: Option<String>,
    /// The namespace.
    pub namespace: String,
    /// What tells this state from others of the namespace: `mlp/churn/onprem`.
    pub prefix: String,
}

struct Secrets {
    client: kube::Client,
    aside: Aside,
    settings: ClusterSettings,
    /// The cluster, for people.
    server: String,
    /// Which state this is, as labels and names say it.
    mark: String,
}

/// The store of an environment in a cluster; nothing is read or written yet.
///
/// # Errors
/// There is no such context, or its settings cannot be used.
pub fn cluster_store(
    settings: &ClusterSettings,
    directory: &Path,
    project: &str,
    environment: &str,
) -> Result<BlobStore, Diagnostic> {
    let wrong = |why: String| {
        Diagnostic::error(codes::STATE_UNREADABLE, format!("the state cannot be kept in a cluster: {why}"))
            .help("name a `context` that the kubeconfig has, or the file itself with `kubeconfig`")
    };
    let aside = Aside::new().map_err(|error| wrong(error.to_string()))?;
    let (context, kubeconfig) = (settings.context.clone(), settings.kubeconfig.clone());
    let kubeconfig = kubeconfig.map(|path| directory.join(path));
    let made = aside.wait(async move {
        let config = config(context, kubeconfig).await?;
        let server = config.cluster_url.to_string();
        let client = kube::Client::try_from(config).map_err(|error| error.to_string())?;
        Ok((client, server))
    });
    let (client, server) = made.unwrap_or_else(|| Err("nothing answered".to_owned())).map_err(wrong)?;
    let mark = hex(blake3::hash(settings.prefix.as_bytes()).as_bytes().get(..10).unwrap_or_default());
    let blobs = Secrets { client, aside, settings: settings.clone(), server, mark };
    Ok(BlobStore::new(Arc::new(blobs), project, environment))
}

/// A context that is named is the one that is used.
async fn config(context: Option<String>, file: Option<std::path::PathBuf>) -> Result<Config, String> {
    let read = match &file {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let found = match read {
        Ok(found) => found,
        Err(error) if context.is_some() || file.is_some() => return Err(error.to_string()),
        // Where there is no file it may be a pod that we are in.
        Err(error) => {
            return Config::incluster().map_err(|inside| format!("{error}, and this is no pod: {inside}"));
        }
    };
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    Config::from_custom_kubeconfig(found, &options).await.map_err(|error| error.to_string())
}

/// Makes a call until it is answered, or its failure is none that passes. That a call was carried out whose answer was lost is
/// found by whoever swaps: what is there is what was to be written.
pub(crate) async fn tried<T, F: Future<Output = Result<T, kube::Error>>>(
    call: impl Fn() -> F,
) -> Result<T, kube::Error> {
    let mut turn = 0;
    loop {
        let answer = call().await;
        let passes = match &answer {
            Err(kube::Error::Api(status)) => status.code == 429 || status.code >= 500,
            Err(kube::Error::HyperError(_) | kube::Error::Service(_)) => true,
            _ => false,
        };
        if !passes || turn == TRIES {
            return answer;
        }
        tokio::time::sleep(PAUSE * 2_u32.pow(turn)).await;
        turn += 1;
    }
}

/// What a call failed with, where nobody came first.
pub(crate) fn fault(error: kube::Error) -> Fault {
    match error {
        kube::Error::Api(status) if status.code == 409 => Fault::Lost,
        kube::Error::Api(status) if status.code == 403 => {
            Fault::Failed(format!("{}; the role that `mlp emit rbac` writes permits it", status.message))
        }
        kube::Error::Api(status) => Fault::Failed(status.message.clone()),
        other => Fault::Failed(other.to_string()),
    }
}

/// Nothing, where there is none.
pub(crate) fn optional<T>(answer: Result<T, kube::Error>) -> Result<Option<T>, Fault> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(fault(error)),
    }
}

fn packed(bytes: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    let packed = packer.write_all(bytes).and_then(|()| packer.finish());
    packed.map_err(|error| Fault::Failed(error.to_string()))
}

fn unpacked(bytes: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut all = Vec::new();
    let read = GzDecoder::new(bytes).read_to_end(&mut all);
    read.map(|_| all).map_err(|error| Fault::Failed(format!("it is damaged: {error}")))
}

fn said<'s>(secret: &'s Secret, name: &str) -> Option<&'s str> {
    secret.metadata.annotations.as_ref()?.get(name).map(String::as_str)
}

fn bytes_of(secret: &Secret) -> &[u8] {
    secret.data.as_ref().and_then(|data| data.get(BYTES)).map_or(&[], |bytes| bytes.0.as_slice())
}

pub(crate) fn tag(metadata: &ObjectMeta) -> Tag {
    Tag(metadata.resource_version.clone().unwrap_or_default())
}

/// The calls about one state, as tasks of their own take them along.
#[derive(Clone)]
struct Calls {
    secrets: Api<Secret>,
    mark: String,
}

impl Calls {
    /// The name of the Secret of an object.
    fn secret(&self, name: &str) -> String {
        let digest = blake3::hash(name.as_bytes());
        format!("mlp-state-{}-{}", self.mark, hex(digest.as_bytes().get(..10).unwrap_or_default()))
    }

    async fn find(&self, secret: &str) -> Result<Option<Secret>, Fault> {
        optional(tried(|| self.secrets.get(secret)).await)
    }

    /// All of an object; nothing where one wrote it anew while it was read.
    async fn whole(&self, head: &Secret) -> Result<Option<Vec<u8>>, Fault> {
        let mut all = bytes_of(head).to_vec();
        for part in said(head, PARTS).into_iter().flat_map(str::split_whitespace) {
            match self.find(part).await? {
                Some(part) => all.extend_from_slice(bytes_of(&part)),
                None => return Ok(None),
            }
        }
        unpacked(&all).map(Some)
    }

    async fn get(&self, name: &str) -> Result<Option<(Vec<u8>, Tag)>, Fault> {
        for _ in 0..TRIES {
            let Some(head) = self.find(&self.secret(name)).await? else { return Ok(None) };
            if let Some(bytes) = self.whole(&head).await? {
                return Ok(Some((bytes, tag(&head.metadata))));
            }
        }
        Err(Fault::Failed("a part of it is not there".to_owned()))
    }

    fn made(&self, secret: String, bytes: &[u8]) -> Secret {
        let labels = [(STORE, &*self.mark), ("app.kubernetes.io/managed-by", "mlp")];
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Secret {
            metadata: ObjectMeta {
                name: Some(secret),
                labels: Some(labels.into_iter().collect()),
                ..ObjectMeta::default()
            },
            data: Some([(BYTES.to_owned(), ByteString(bytes.to_vec()))].into_iter().collect()),
            type_: Some("mlp.dev/state".to_owned()),
            ..Secret::default()
        }
    }

    async fn put(&self, name: &str, bytes: &[u8], when: &When) -> Result<(), Fault> {
        let packed = packed(bytes)?;
        let (first, rest) = packed.split_at(packed.len().min(PART));
        let own = self.secret(name);
        let before = match when {
            When::Absent => Vec::new(),
            When::Still(_) | When::Always => self.parts_of(&own).await?,
        };
        let mut parts = Vec::new();
        for bytes in rest.chunks(PART) {
            let part = format!("{own}-{}", hex(&random::bytes::<6>()));
            let mut secret = self.made(part.clone(), bytes);
            let labels = secret.metadata.labels.get_or_insert_default();
            labels.insert(PART_OF.to_owned(), own.clone());
            self.create(&secret).await?;
            parts.push(part);
        }
        let mut head = self.made(own.clone(), first);
        let texts = [(NAME, name.to_owned()), (PARTS, parts.join(" "))];
        let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
        head.metadata.annotations = Some(texts.map(|(name, text)| (name.to_owned(), text)).collect());
        let written = self.put_head(&own, head, when).await;
        // What nothing names any more: the parts of before, or those that were written for nothing.
        self.remove(if written.is_ok() { &before } else { &parts }).await;
        written
    }

    async fn parts_of(&self, own: &str) -> Result<Vec<String>, Fault> {
        let head = self.find(own).await?;
        let named = head.as_ref().and_then(|head| said(head, PARTS)).unwrap_or_default();
        Ok(named.split_whitespace().map(str::to_owned).collect())
    }

    async fn remove(&self, parts: &[String]) {
        for name in parts {
            let _ignored_by_readers = self.secrets.delete(name, &DeleteParams::default()).await;
        }
    }

    async fn create(&self, secret: &Secret) -> Result<(), Fault> {
        let plainly = PostParams::default();
        tried(|| self.secrets.create(&plainly, secret)).await.map(drop).map_err(fault)
    }

    async fn put_head(&self, own: &str, mut head: Secret, when: &When) -> Result<(), Fault> {
        if *when == When::Absent {
            return self.create(&head).await;
        }
        if let When::Still(tag) = when {
            head.metadata.resource_version = Some(tag.0.clone());
        }
        let plainly = PostParams::default();
        let replace = || self.secrets.replace(own, &plainly, &head);
        match (optional(tried(replace).await)?, when) {
            (Some(_), _) => Ok(()),
            (None, When::Always) => self.create(&head).await,
            (None, _) => Err(Fault::Lost),
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, Fault> {
        let mut names = Vec::new();
        let mut page = ListParams::default().labels(&format!("{STORE}={},!{PART_OF}", self.mark)).limit(PAGE);
        loop {
            let found = tried(|| self.secrets.list_metadata(&page)).await.map_err(fault)?;
            let annotations = found.items.into_iter().filter_map(|one| one.metadata.annotations);
            names.extend(annotations.filter_map(|mut all| all.remove(NAME)));
            page.continue_token = found.metadata.continue_.filter(|token| !token.is_empty());
            if page.continue_token.is_none() {
                break;
            }
        }
        names.retain(|name| name.starts_with(prefix));
        names.sort();
        Ok(names)
    }

    async fn delete(&self, name: &str) -> Result<(), Fault> {
        let own = self.secret(name);
        let plainly = DeleteParams::default();
        optional(tried(|| self.secrets.delete(&own, &plainly)).await)?;
        // Also those of a writing that broke off.
        let of_it = ListParams::default().labels(&format!("{PART_OF}={own}"));
        let left = tried(|| self.secrets.list_metadata(&of_it)).await.map_err(fault)?;
        let left: Vec<String> = left.items.into_iter().filter_map(|part| part.metadata.name).collect();
        self.remove(&left).await;
        Ok(())
    }
}

impl Secrets {
    fn calls(&self) -> Calls {
        let secrets = Api::namespaced(self.client.clone(), &self.settings.namespace);
        Calls { secrets, mark: self.mark.clone() }
    }

    fn lease(&self) -> LeaseObject {
        let name = format!("mlp-state-{}", self.mark);
        LeaseObject::new(self.client.clone(), &self.settings.namespace, (name, self.mark.clone()))
    }

    fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Fault>> + Send + 'static,
    ) -> Result<T, Fault> {
        let closed = || Fault::Failed("the store is closed".to_owned());
        self.aside.wait(work).unwrap_or_else(|| Err(closed()))
    }
}

impl Blobs for Secrets {
    fn get(&self, name: &str) -> Result<Option<(Vec<u8>, Tag)>, Fault> {
        let (calls, lease, name) = (self.calls(), self.lease(), name.to_owned());
        self.wait(async move {
            match name.as_str() {
                LEASE => lease.get().await,
                name => calls.get(name).await,
            }
        })
    }

    fn put(&self, name: &str, bytes: &[u8], when: &When) -> Result<(), Fault> {
        let (calls, lease) = (self.calls(), self.lease());
        let (name, bytes, when) = (name.to_owned(), bytes.to_vec(), when.clone());
        self.wait(async move {
            match name.as_str() {
                LEASE => lease.put(&bytes, &when).await,
                name => calls.put(name, &bytes, &when).await,
            }
        })
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, Fault> {
        let (calls, prefix) = (self.calls(), prefix.to_owned());
        self.wait(async move { calls.list(&prefix).await })
    }

    fn delete(&self, name: &str) -> Result<(), Fault> {
        let (calls, name) = (self.calls(), name.to_owned());
        self.wait(async move { calls.delete(&name).await })
    }

    fn place(&self) -> String {
        let (server, namespace) = (self.server.trim_end_matches('/'), &self.settings.namespace);
        format!("secrets of {namespace} in {server} ({})", self.settings.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_packed_and_come_back() {
        let bytes: Vec<u8> = (0..3_000_000_u32).flat_map(|n| n.to_le_bytes()).collect();
        let small = packed(&bytes).unwrap();
        assert!(small.len() > PART && small.len() < bytes.len());
        assert_eq!(unpacked(&small).unwrap(), bytes);
        assert_eq!(unpacked(&packed(b"").unwrap()).unwrap(), b"");
        assert!(matches!(unpacked(b"x"), Err(Fault::Failed(_))));
    }
}
