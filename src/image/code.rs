//! The code of an image: the same files that a run of it on this machine would have.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use mlp_floor::Problem;
use mlp_floor::launch::scan_code;

use crate::codes;
use crate::layer::{self, Content, Layer, Packed};
use crate::store::{Store, key, unread};

/// A directory of code and where it lies in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// From the project's directory.
    pub code: String,
    /// In the image, from its root.
    pub place: String,
}

/// The layer of all directories, and one digest of what is in them.
pub(crate) fn build(
    project: &Path,
    folders: &[Folder],
    store: &Store,
    epoch: u64,
) -> Result<(Packed, String), Problem> {
    let digests = |layer: &mut Layer| -> Result<Vec<String>, Problem> {
        let mut found = vec!["1".to_owned(), epoch.to_string()];
        for folder in folders {
            let place = project.join(&folder.code);
            let code = scan_code(project, &place)?;
            found.extend([folder.place.clone(), code.digest]);
            for name in code.files.keys() {
                let path = place.join(name);
                let about = std::fs::metadata(&path).map_err(|error| unread(&path, &error))?;
                let executable = about.permissions().mode() & 0o111 != 0;
                let to = format!("{}/{name}", folder.place.trim_start_matches('/'));
                layer.file(to, Content::Path(path), executable);
            }
        }
        Ok(found)
    };
    let mut layer = Layer::default();
    let before = digests(&mut layer)?;
    let key = key("code", before.iter().map(String::as_str));
    let digest = key.trim_start_matches("code-").to_owned();
    if let Some(made) = layer::made(store, &key) {
        return Ok((made, digest));
    }
    let packed = layer.pack(store, &key, epoch)?;
    if digests(&mut Layer::default())? != before {
        store.forget(&key);
        return Err(Problem::new(codes::WRITE, "the code changed while it was read")
            .help("build again when its files are at rest"));
    }
    Ok((packed, digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layer_follows_from_the_code_and_not_from_where_it_is() {
        let make = |place: &Path| {
            std::fs::create_dir_all(place.join("src/__pycache__")).unwrap();
            for (name, text) in
                [("fit.py", "x"), ("notes.md", "n"), (".mlpignore", "*.md\n"), ("__pycache__/a.pyc", "j")]
            {
                std::fs::write(place.join("src").join(name), text).unwrap();
            }
        };
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        [&one, &two].into_iter().for_each(|place| make(place));
        let folders = [Folder { code: "src".into(), place: "/mlp/code/src".into() }];
        let build = |project: &Path, store: &str| {
            super::build(project, &folders, &Store::at(&dir.path().join(store)), 0).unwrap()
        };
        let (first, digest) = build(&one, "a");
        let (second, same) = build(&two, "b");
        assert_eq!((&first.blob.digest, &digest), (&second.blob.digest, &same));
        let bytes = flate2::read::GzDecoder::new(std::fs::File::open(&first.blob.path).unwrap());
        let mut archive = tar::Archive::new(bytes);
        let names: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["mlp/", "mlp/code/", "mlp/code/src/", "mlp/code/src/fit.py"]);
        assert!(build(&one, "a").0.cached);
        std::fs::write(one.join("src/fit.py"), "y").unwrap();
        assert_ne!(build(&one, "a").0.blob.digest, first.blob.digest);
    }
}
