//! Objects in any service that speaks Amazon's S3 and honours `If-Match` and `If-None-Match`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use mlp_diag::Diagnostic;
use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut};
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions, RetryConfig, UpdateVersion};

use crate::aside::Aside;
use crate::blobs::{Blobs, Fault, Tag, When};
use crate::{BlobStore, codes};

/// Where the objects are.
#[derive(Debug, Clone, Default)]
pub struct S3Settings {
    /// The bucket.
    pub bucket: String,
    /// What names begin with, without a slash at the end.
    pub prefix: String,
    /// The region.
    pub region: Option<String>,
    /// The address of a service that is not Amazon's.
    pub endpoint: Option<String>,
}

struct S3 {
    store: Arc<AmazonS3>,
    aside: Aside,
    settings: S3Settings,
}

/// The store of an environment in a bucket; nothing is read or written yet. The credentials are those of the environment
/// (`AWS_ACCESS_KEY_ID` and so on), of the machine or of the pod.
///
/// # Errors
/// The settings make no address.
pub fn s3_store(settings: &S3Settings, project: &str, environment: &str) -> Result<BlobStore, Diagnostic> {
    let wrong = |why: String| {
        Diagnostic::error(
            codes::STATE_UNREADABLE,
            format!("the store in bucket `{}` cannot be used: {why}", settings.bucket),
        )
        .help("check `bucket`, `region` and `endpoint` of `state`, and the credentials in the environment")
    };
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(&settings.bucket)
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_retry(RetryConfig {
            max_retries: 5,
            retry_timeout: Duration::from_secs(30),
            ..RetryConfig::default()
        });
    if let Some(region) = &settings.region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = &settings.endpoint {
        builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
    }
    let store = builder.build().map_err(|error| wrong(error.to_string()))?;
    let aside = Aside::new().map_err(|error| wrong(error.to_string()))?;
    let blobs = S3 { store: Arc::new(store), aside, settings: settings.clone() };
    Ok(BlobStore::new(Arc::new(blobs), project, environment))
}

impl S3 {
    fn path(&self, name: &str) -> Path {
        Path::from(format!("{}/{name}", self.settings.prefix))
    }

    fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Fault> {
        let closed = || Fault::Failed("the store is closed".to_owned());
        self.aside.wait(work).ok_or_else(closed)?.map_err(|error| match error {
            Error::AlreadyExists { .. } | Error::Precondition { .. } => Fault::Lost,
            other => Fault::Failed(other.to_string()),
        })
    }
}

impl Blobs for S3 {
    fn get(&self, name: &str) -> Result<Option<(Vec<u8>, Tag)>, Fault> {
        let (store, path) = (self.store.clone(), self.path(name));
        self.wait(async move {
            let found = match store.get(&path).await {
                Err(Error::NotFound { .. }) => return Ok(None),
                other => other?,
            };
            let tag = Tag(found.meta.e_tag.clone().unwrap_or_default());
            Ok(Some((found.bytes().await?.to_vec(), tag)))
        })
    }

    fn put(&self, name: &str, bytes: &[u8], when: &When) -> Result<(), Fault> {
        let (store, path, bytes) = (self.store.clone(), self.path(name), bytes.to_vec());
        let mode = match when {
            When::Absent => PutMode::Create,
            When::Always => PutMode::Overwrite,
            When::Still(tag) => PutMode::Update(UpdateVersion { e_tag: Some(tag.0.clone()), version: None }),
        };
        let put = async move { store.put_opts(&path, bytes.into(), PutOptions::from(mode)).await.map(drop) };
        self.wait(put).map_err(|fault| match fault {
            // A server that is asked to replace what is gone by now says that it is not there.
            Fault::Failed(why) if matches!(when, When::Still(_)) && why.contains("not found") => Fault::Lost,
            other => other,
        })
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, Fault> {
        let (store, root) = (self.store.clone(), Path::from(self.settings.prefix.as_str()).to_string());
        let below = match prefix.trim_end_matches('/') {
            "" => root.clone(),
            folder => format!("{root}/{folder}"),
        };
        let mut names = self.wait(async move {
            let mut listing = store.list(Some(&Path::from(below)));
            let mut names = Vec::new();
            while let Some(found) = listing.next().await {
                names.extend(found?.location.as_ref().strip_prefix(&format!("{root}/")).map(str::to_owned));
            }
            Ok(names)
        })?;
        names.sort();
        Ok(names)
    }

    fn delete(&self, name: &str) -> Result<(), Fault> {
        let (store, path) = (self.store.clone(), self.path(name));
        self.wait(async move {
            match store.delete(&path).await {
                Err(Error::NotFound { .. }) => Ok(()),
                other => other,
            }
        })
    }

    fn place(&self) -> String {
        format!("s3://{}/{}", self.settings.bucket, self.settings.prefix)
    }
}
