//! The image that others are built on.

use std::collections::BTreeSet;

use mlp_floor::Problem;
use serde_json::Value;

use crate::codes;
use crate::files::Source;
use crate::look::{Look, SEARCH};
use crate::platform::Platform;
use crate::registry::{Registry, reference};
use crate::store::{Store, key};

/// Types of layers that others may have too.
const LAYERS: &[(&str, &str)] = &[
    ("application/vnd.docker.image.rootfs.diff.tar.gzip", "application/vnd.oci.image.layer.v1.tar+gzip"),
    ("application/vnd.docker.image.rootfs.diff.tar", "application/vnd.oci.image.layer.v1.tar"),
    ("application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.oci.image.layer.v1.tar+gzip"),
    ("application/vnd.oci.image.layer.v1.tar+zstd", "application/vnd.oci.image.layer.v1.tar+zstd"),
    ("application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar"),
];

/// A layer as a manifest names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Descriptor {
    /// In the words of OCI.
    pub(crate) media_type: String,
    pub(crate) digest: String,
    pub(crate) size: u64,
}

/// A base image.
pub(crate) struct Base {
    pub(crate) registry: Registry,
    /// As it is written.
    pub(crate) name: String,
    /// What the name stood for: of the image, or of the list of images for several platforms.
    pub(crate) digest: String,
    pub(crate) config: Value,
    pub(crate) layers: Vec<Descriptor>,
    /// The digest of the image itself.
    manifest: String,
}

impl Base {
    /// Finds the image for a platform; `pinned` is the digest that the name is to stand for.
    pub(crate) async fn find(
        name: &str,
        pinned: Option<&str>,
        platform: Platform,
        plain: &BTreeSet<String>,
        store: &Store,
    ) -> Result<Self, Problem> {
        let registry = Registry::new(reference(name)?, plain)?;
        let (bytes, digest) = registry.manifest(pinned).await?;
        let mut found = json(name, &bytes)?;
        let mut manifest = digest.clone();
        if found.get("manifests").is_some() {
            manifest = choose(name, &found, platform)?;
            let (bytes, _) = registry.manifest(Some(&manifest)).await?;
            found = json(name, &bytes)?;
        }
        let config = found["config"]["digest"].as_str().unwrap_or_default().to_owned();
        let blob = registry.fetch(&config, store).await?;
        let bytes = std::fs::read(&blob.path).map_err(|error| crate::store::unread(&blob.path, &error))?;
        let config = json(name, &bytes)?;
        let base =
            Self { registry, name: name.to_owned(), digest, config, layers: layers(name, &found)?, manifest };
        base.check(platform)?;
        Ok(base)
    }

    fn check(&self, platform: Platform) -> Result<(), Problem> {
        let said = |word: &str| self.config[word].as_str().unwrap_or_default();
        if said("os") != "linux" || said("architecture") != platform.architecture() {
            let headline = format!(
                "the base image `{}` is for {}/{}, not for {platform}",
                self.name,
                said("os"),
                said("architecture")
            );
            return Err(Problem::new(codes::BASE, headline)
                .help("take another base image, or build for another platform with --platform"));
        }
        let ids = self.config["rootfs"]["diff_ids"].as_array().map_or(0, Vec::len);
        if ids != self.layers.len() {
            let headline =
                format!("the base image `{}` has {} layers and names {ids}", self.name, self.layers.len());
            return Err(Problem::new(codes::BASE, headline).help("take another base image"));
        }
        Ok(())
    }

    /// Where its programs are searched for.
    pub(crate) fn search(&self) -> &str {
        let variables = self.config["config"]["Env"].as_array().into_iter().flatten();
        let path = variables.filter_map(Value::as_str).find_map(|variable| variable.strip_prefix("PATH="));
        path.filter(|path| !path.is_empty()).unwrap_or(SEARCH)
    }

    /// What is in it, for which its layers are fetched the first time; and whether it was known.
    pub(crate) async fn look(&self, store: &Store, say: &dyn Fn(&str)) -> Result<(Look, bool), Problem> {
        let key = key("look", ["1", &self.manifest, self.search()]);
        if let Some(look) = store.noted(&key) {
            return Ok((look, true));
        }
        let mut sources = Vec::new();
        for layer in &self.layers {
            if store.blob(&layer.digest).is_none() {
                say(&format!("fetching a layer of {}", self.name));
            }
            let blob = self.registry.fetch(&layer.digest, store).await?;
            sources.push(Source { blob, media_type: layer.media_type.clone() });
        }
        say(&format!("looking into {}", self.name));
        let look = Look::at(&sources, self.search())?;
        store.note(&key, &look)?;
        Ok((look, false))
    }
}

fn json(name: &str, bytes: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        Problem::new(codes::BASE, format!("what the registry gives for `{name}` is no image: {error}"))
            .help("take another base image")
    })
}

/// The digest of the image for a platform, of a list.
fn choose(name: &str, list: &Value, platform: Platform) -> Result<String, Problem> {
    let all: Vec<(String, &str)> = list["manifests"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| {
            let of = &one["platform"];
            let text = format!("{}/{}", of["os"].as_str()?, of["architecture"].as_str()?);
            Some((text, one["digest"].as_str()?)).filter(|(text, _)| text != "unknown/unknown")
        })
        .collect();
    let wanted = platform.to_string();
    let found = all.iter().find(|(text, _)| *text == wanted).map(|(_, digest)| (*digest).to_owned());
    found.ok_or_else(|| {
        let there: BTreeSet<&str> = all.iter().map(|(text, _)| text.as_str()).collect();
        Problem::new(codes::BASE, format!("the base image `{name}` is not there for {platform}"))
            .note(format!("it is there for {}", there.into_iter().collect::<Vec<_>>().join(", ")))
            .help("build for one of them with --platform, or take another base image")
    })
}

fn layers(name: &str, manifest: &Value) -> Result<Vec<Descriptor>, Problem> {
    let all = manifest["layers"].as_array().ok_or_else(|| {
        Problem::new(
            codes::BASE,
            format!("what the registry gives for `{name}` is no image: it has no layers"),
        )
        .help("an image in the first format of Docker's registry has to be pushed anew by its makers")
    })?;
    let one = |layer: &Value| {
        let said = layer["mediaType"].as_str().unwrap_or_default();
        let (_, media_type) = LAYERS.iter().find(|(known, _)| *known == said).ok_or_else(|| {
            Problem::new(
                codes::BASE,
                format!("a layer of `{name}` is of the type `{said}`, which cannot be handed on"),
            )
            .help("take another base image")
        })?;
        Ok(Descriptor {
            media_type: (*media_type).to_owned(),
            digest: layer["digest"].as_str().unwrap_or_default().to_owned(),
            size: layer["size"].as_u64().unwrap_or_default(),
        })
    };
    all.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_platform_decides_which_of_a_list() {
        let list = serde_json::json!({ "manifests": [
            { "digest": "sha256:a", "platform": { "os": "linux", "architecture": "amd64" } },
            { "digest": "sha256:b", "platform": { "os": "linux", "architecture": "arm64", "variant": "v8" } },
            { "digest": "sha256:c", "platform": { "os": "unknown", "architecture": "unknown" } },
        ] });
        let choose = |platform: &str| choose("x", &list, platform.parse().unwrap());
        assert_eq!(choose("linux/arm64").unwrap(), "sha256:b");
        let refused = choose("linux/s390x").unwrap_err();
        assert_eq!(refused.notes, ["it is there for linux/amd64, linux/arm64"]);
    }

    #[test]
    fn layers_of_docker_are_named_as_oci_names_them() {
        let docker = "application/vnd.docker.image.rootfs.diff.tar.gzip";
        let manifest =
            |kind: &str| serde_json::json!({ "layers": [{ "mediaType": kind, "digest": "d", "size": 1 }] });
        assert_eq!(layers("x", &manifest(docker)).unwrap()[0].media_type, LAYERS[0].1);
        assert!(layers("x", &manifest("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")).is_err());
        assert!(layers("x", &serde_json::json!({})).is_err());
    }
}
