//! `local_directory`: storage as a directory.

use std::fs;
use std::path::PathBuf;

use mlp_provider::{Field, Removal, Reporter, ResourceKind};
use serde_json::Value as Json;

use super::{Ground, Handler, Native, Observation, removal, seen, with_common};
use crate::documents::Document;
use crate::fault::{Fallible, io};
use crate::mlp_value::{KnownValue, Type};

pub(super) struct Directory;

fn path(ground: &Ground, document: &KnownValue) -> PathBuf {
    let address = document.field("address").and_then(KnownValue::as_text).unwrap_or_default();
    let name = address.parse().map(|address| crate::lower::object_name(&address)).unwrap_or_default();
    ground.place.home.join("storage").join(name)
}

/// The number and size of the files below a directory.
pub(super) fn contents(path: &std::path::Path) -> (usize, u64) {
    let files = mlp_floor::digest::list_files(path).unwrap_or_default();
    let bytes =
        files.iter().filter_map(|file| fs::metadata(path.join(file)).ok()).map(|found| found.len()).sum();
    (files.len(), bytes)
}

impl Native for Directory {
    fn name(&self) -> &'static str {
        "local_directory"
    }

    fn kind(&self) -> ResourceKind {
        let fields = with_common(vec![
            Field::optional("kind", "Objects, or a volume.")
                .ty(Type::String)
                .replaces("objects and volumes are kept apart"),
            Field::optional("pattern", "How it is used.").ty(Type::String),
        ]);
        ResourceKind::new(self.name(), "A directory of the environment.", fields)
            .stateful()
            .lasts("path", &[])
    }

    fn folder(&self) -> &'static str {
        "storage"
    }
}

impl Handler for Directory {
    fn realise(
        &self,
        ground: &Ground,
        _: Option<&Document>,
        config: &KnownValue,
        _: &dyn Reporter,
    ) -> Fallible<Json> {
        let path = path(ground, config);
        fs::create_dir_all(&path).map_err(|error| io("create", &path, &error))?;
        Ok(Json::Null)
    }

    fn observe(&self, ground: &Ground, document: &Document) -> Fallible<Observation> {
        let path = path(ground, &document.config);
        let mut seen = seen(if path.is_dir() { "yes" } else { "the directory is missing" });
        seen.outputs.insert("path", KnownValue::text(path.display().to_string()));
        Ok(seen)
    }

    fn remove(&self, ground: &Ground, document: &Document) -> Fallible<()> {
        let path = path(ground, &document.config);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io("remove", &path, &error)),
            _ => Ok(()),
        }
    }

    fn removal(&self, ground: &Ground, document: &Document) -> Fallible<Option<Removal>> {
        let (count, bytes) = contents(&path(ground, &document.config));
        Ok(removal(count, "file", bytes))
    }
}
