//! An image as a directory (OCI image layout), which other tools read.

use std::io;
use std::path::Path;

use mlp_floor::Problem;
use serde_json::json;

use crate::codes;
use crate::config::MANIFEST;
use crate::platform::Platform;
use crate::registry::copy;
use crate::store::{Blob, sha256, unwritten};

const MARK: &str = "oci-layout";

/// Whether a directory may be written into: it is not there, empty, or an image already.
pub(crate) fn check(folder: &Path) -> Result<(), Problem> {
    let empty = std::fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
    if empty || folder.join(MARK).is_file() {
        return Ok(());
    }
    let headline = format!("`{}` holds something else than an image", folder.display());
    Err(Problem::new(codes::WRITE, headline).help("name an empty directory; nothing was written"))
}

/// Writes it.
pub(crate) fn write(
    folder: &Path,
    blobs: &[Blob],
    documents: [&[u8]; 2],
    (platform, tag): (Platform, &str),
) -> Result<(), Problem> {
    let failed = |error: io::Error| unwritten(folder, &error);
    let place = folder.join("blobs/sha256");
    std::fs::create_dir_all(&place).map_err(failed)?;
    blobs.iter().try_for_each(|blob| copy(blob, folder))?;
    for document in documents {
        std::fs::write(place.join(sha256(document).trim_start_matches("sha256:")), document)
            .map_err(failed)?;
    }
    let manifest = documents[1];
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": MANIFEST,
            "digest": sha256(manifest),
            "size": manifest.len(),
            "platform": { "os": "linux", "architecture": platform.architecture() },
            "annotations": { "org.opencontainers.image.ref.name": tag },
        }],
    });
    std::fs::write(folder.join("index.json"), index.to_string()).map_err(failed)?;
    std::fs::write(folder.join(MARK), r#"{"imageLayoutVersion":"1.0.0"}"#).map_err(failed)
}
