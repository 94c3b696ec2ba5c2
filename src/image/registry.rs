//! Registries of images: fetching, pushing, and what their answers mean.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use docker_credential::{CredentialRetrievalError, DockerCredential};
use futures_util::stream;
use mlp_floor::Problem;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE,
    OCI_IMAGE_MEDIA_TYPE, OciDescriptor,
};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference, RegistryOperation};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use crate::codes;
use crate::store::{Blob, Store, sha256, unread, unwritten};

/// How Docker calls its own registry in its settings.
const DOCKER: &str = "https://index.docker.io/v1/";
/// How much of a blob is sent at once.
const PIECE: usize = 1 << 20;

/// One image or repository of a registry.
pub(crate) struct Registry {
    client: Client,
    pub(crate) reference: Reference,
    auth: RegistryAuth,
}

/// Whether a registry is on this machine.
fn is_here(host: &str) -> bool {
    let name =
        host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name);
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl Registry {
    /// Speaks in plain HTTP with registries of this machine and those of `plain`.
    pub(crate) fn new(reference: Reference, plain: &BTreeSet<String>) -> Result<Self, Problem> {
        let host = reference.resolve_registry().to_owned();
        let auth = credentials(&host)?;
        let protocol = if is_here(&host) || plain.contains(&host) {
            ClientProtocol::HttpsExcept(vec![host])
        } else {
            ClientProtocol::Https
        };
        // Who was first decides; it is the same everywhere here.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = ClientConfig {
            protocol,
            use_monolithic_push: true,
            user_agent: concat!("mlp/", env!("CARGO_PKG_VERSION")),
            ..ClientConfig::default()
        };
        Ok(Self { client: Client::new(config), reference, auth })
    }

    /// Registry and repository, as a reference begins.
    pub(crate) fn repository(&self) -> String {
        format!("{}/{}", self.reference.registry(), self.reference.repository())
    }

    pub(crate) fn is_of(&self, other: &Self) -> bool {
        self.reference.resolve_registry() == other.reference.resolve_registry()
    }

    fn failed(&self, doing: &str, error: &OciDistributionError) -> Problem {
        explain(doing, &self.repository(), self.reference.registry(), error)
    }

    /// A manifest with its digest.
    pub(crate) async fn manifest(&self, digest: Option<&str>) -> Result<(Bytes, String), Problem> {
        let reference = match digest {
            Some(digest) => self.reference.clone_with_digest(digest.to_owned()),
            None => self.reference.clone(),
        };
        let types = [
            OCI_IMAGE_MEDIA_TYPE,
            OCI_IMAGE_INDEX_MEDIA_TYPE,
            IMAGE_MANIFEST_MEDIA_TYPE,
            IMAGE_MANIFEST_LIST_MEDIA_TYPE,
        ];
        let (bytes, _) = self
            .client
            .pull_manifest_raw(&reference, &self.auth, &types)
            .await
            .map_err(|error| explain("get", &reference.to_string(), reference.registry(), &error))?;
        let found = sha256(&bytes);
        match reference.digest().filter(|wanted| *wanted != found) {
            None => Ok((bytes, found)),
            Some(wanted) => Err(Problem::new(
                codes::REGISTRY,
                format!("the registry gives another image than `{reference}`"),
            )
            .note(format!("asked for {wanted}, given {found}"))
            .help("ask whoever runs the registry; nothing of it was used")),
        }
    }

    /// Fetches a blob, unless it is here.
    pub(crate) async fn fetch(&self, digest: &str, store: &Store) -> Result<Blob, Problem> {
        if let Some(blob) = store.blob(digest) {
            return Ok(blob);
        }
        let new = store.begin()?;
        let path = new.path().to_owned();
        let file = new.as_file().try_clone().map_err(|error| unwritten(&path, &error))?;
        let descriptor = OciDescriptor { digest: digest.to_owned(), ..OciDescriptor::default() };
        let fetched = self.client.pull_blob(&self.reference, &descriptor, File::from_std(file)).await;
        fetched.map_err(|error| match error {
            OciDistributionError::IoError(error) => unwritten(&path, &error),
            error => self.failed("get a layer of", &error),
        })?;
        store.keep(new, digest)
    }

    /// Whether what follows may be done, asked before anything is made.
    pub(crate) async fn may_push(&self) -> Result<(), Problem> {
        let asked = self.client.auth(&self.reference, &self.auth, RegistryOperation::Push).await;
        asked.map_err(|error| self.failed("push to", &error))?;
        // Some registries tell who is not known only when something is asked for.
        self.has(&sha256(&[])).await.map(drop)
    }

    pub(crate) async fn has(&self, digest: &str) -> Result<bool, Problem> {
        let asked = self.client.blob_exists(&self.reference, digest).await;
        asked.map_err(|error| self.failed("push to", &error))
    }

    /// Takes a blob over from another repository of the registry; says whether that was possible.
    pub(crate) async fn mount(&self, from: &Self, digest: &str) -> bool {
        self.client.mount_blob(&self.reference, &from.reference, digest).await.is_ok()
            && self.has(digest).await.unwrap_or(false)
    }

    pub(crate) async fn push(&self, blob: &Blob) -> Result<(), Problem> {
        let path = blob.path.clone();
        let file = File::open(&path).await.map_err(|error| unread(&path, &error))?;
        let pieces = stream::try_unfold(file, |mut file| async move {
            let mut piece = vec![0; PIECE];
            let read = file.read(&mut piece).await.map_err(OciDistributionError::IoError)?;
            piece.truncate(read);
            Ok((read > 0).then(|| (Bytes::from(piece), file)))
        });
        let pushed =
            self.client.push_blob_stream(&self.reference, pieces, &blob.digest, Some(blob.size)).await;
        pushed.map(drop).map_err(|error| self.failed("push to", &error))
    }

    /// Pushes a manifest under a tag.
    pub(crate) async fn push_manifest(&self, bytes: &[u8], tag: &str) -> Result<(), Problem> {
        let (registry, repository) = (self.reference.registry(), self.reference.repository());
        let to = Reference::with_tag(registry.to_owned(), repository.to_owned(), tag.to_owned());
        let kind = OCI_IMAGE_MEDIA_TYPE
            .parse()
            .map_err(|_| Problem::new(codes::REGISTRY, "a media type is none"))?;
        let pushed = self.client.push_manifest_raw(&to, bytes.to_vec(), kind).await;
        pushed.map(drop).map_err(|error| self.failed("push to", &error))
    }
}

/// Credentials of Docker's settings; none where it has none for this registry.
fn credentials(host: &str) -> Result<RegistryAuth, Problem> {
    let server = if host == "index.docker.io" { DOCKER } else { host };
    let help = "look at `config.json` in `~/.docker` or `$DOCKER_CONFIG`";
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = variable("DOCKER_CONFIG").or_else(|| Some(variable("HOME")?.join(".docker")));
    let Some(path) = folder.map(|folder| folder.join("config.json")).filter(|path| path.exists()) else {
        return Ok(RegistryAuth::Anonymous);
    };
    let file = std::fs::File::open(&path).map_err(|error| unread(&path, &error).help(help))?;
    match docker_credential::get_credential_from_reader(file, server) {
        Ok(DockerCredential::UsernamePassword(name, password)) => Ok(RegistryAuth::Basic(name, password)),
        Ok(DockerCredential::IdentityToken(_)) => {
            let headline =
                format!("the credentials for `{host}` are an identity token, which is not understood here");
            Err(Problem::new(codes::REGISTRY, headline)
                .help("log in with a name and a password or an access token"))
        }
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(RegistryAuth::Anonymous),
        // A helper that knows no such server says so, and means nobody is logged in there.
        Err(CredentialRetrievalError::HelperFailure { stdout, .. })
            if stdout.contains("credentials not found") =>
        {
            Ok(RegistryAuth::Anonymous)
        }
        Err(CredentialRetrievalError::HelperFailure { helper, stderr, .. }) => {
            let headline = format!("the credential helper `{helper}` gives nothing for `{host}`");
            Err(Problem::new(codes::REGISTRY, headline).note(stderr.trim()).help(help))
        }
        Err(error) => {
            let headline = format!("the credentials for `{host}` cannot be read: {error}");
            Err(Problem::new(codes::REGISTRY, headline).help(help))
        }
    }
}

enum Meaning {
    Denied,
    Absent,
    Other,
}

fn meaning(error: &OciDistributionError) -> Meaning {
    use OciDistributionError as Error;
    match error {
        Error::UnauthorizedError { .. } | Error::AuthenticationFailure(_) => Meaning::Denied,
        Error::ImageManifestNotFoundError(_) => Meaning::Absent,
        Error::ServerError { code: 401 | 403, .. } => Meaning::Denied,
        Error::ServerError { code: 404, .. } => Meaning::Absent,
        Error::RegistryError { envelope, .. } => match envelope.errors.first().map(|error| &error.code) {
            Some(OciErrorCode::Unauthorized | OciErrorCode::Denied) => Meaning::Denied,
            Some(OciErrorCode::ManifestUnknown | OciErrorCode::NameUnknown | OciErrorCode::NotFound) => {
                Meaning::Absent
            }
            _ => Meaning::Other,
        },
        Error::RequestError(error) => match error.status().map(|status| status.as_u16()) {
            Some(401 | 403) => Meaning::Denied,
            Some(404) => Meaning::Absent,
            _ => Meaning::Other,
        },
        _ => Meaning::Other,
    }
}

fn explain(doing: &str, name: &str, registry: &str, error: &OciDistributionError) -> Problem {
    let problem = |why: &str| Problem::new(codes::REGISTRY, format!("cannot {doing} `{name}`: {why}"));
    match meaning(error) {
        Meaning::Denied => problem("the registry denies it").note(chain(error)).help(format!(
            "log in to {registry} so that `config.json` in `~/.docker` has credentials for it, or ask for the right to do that"
        )),
        Meaning::Absent => problem("there is no such image").note(chain(error)).help("look at its name and tag; some registries say so too of what one may not see"),
        Meaning::Other if matches!(error, OciDistributionError::DigestError(_)) => {
            problem("the registry gives other bytes than it promises").note(chain(error)).help("try again; nothing of it was kept")
        }
        Meaning::Other => problem(&chain(error)).help(format!(
            "see that {registry} runs and can be reached from here; plain HTTP is spoken with registries of this machine, and with one whose `uri` begins with `http://`"
        )),
    }
}

/// An error with what is behind it, each once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = error.source();
    }
    text
}

/// A name as registries have it.
pub(crate) fn reference(text: &str) -> Result<Reference, Problem> {
    text.parse().map_err(|error| {
        Problem::new(codes::REGISTRY, format!("`{text}` is no name of an image: {error}"))
            .help("write it as `registry.example/team/name:tag` or with `@sha256:…`")
    })
}

/// Copies a blob into a directory of an image on disk.
pub(crate) fn copy(blob: &Blob, folder: &Path) -> Result<(), Problem> {
    let hex = blob.digest.trim_start_matches("sha256:");
    let to = folder.join("blobs/sha256").join(hex);
    if to.is_file() {
        return Ok(());
    }
    let failed = |error: io::Error| unwritten(&to, &error);
    std::fs::copy(&blob.path, &to).map(drop).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine() {
        for (host, expected) in [
            ("127.0.0.1:5000", true),
            ("localhost", true),
            ("[::1]:5000", true),
            ("registry.acme.example", false),
            ("10.0.0.1:5000", false),
        ] {
            assert_eq!(is_here(host), expected, "{host}");
        }
    }

    #[test]
    fn answers_are_explained() {
        let found = |code| {
            let error = OciDistributionError::ServerError { code, url: "u".into(), message: "m".into() };
            explain("push to", "r.example/a", "r.example", &error).message
        };
        assert!(found(401).ends_with("the registry denies it") && found(404).ends_with("no such image"));
        assert!(found(500).contains("500"));
    }
}
