//! A layer: a compressed archive whose bytes follow from its content alone.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Cursor, Read, Write};
use std::path::PathBuf;
use std::rc::Rc;

use flate2::{Compression, GzBuilder};
use mlp_floor::Problem;
use serde::{Deserialize, Serialize};
use tar::{Builder, EntryType, Header};
use zip::ZipArchive;

use crate::store::{Blob, Hashing, Store, unwritten};

/// A wheel that is open.
pub(crate) type Wheel = Rc<RefCell<ZipArchive<BufReader<File>>>>;

/// Where the bytes of a file come from.
pub(crate) enum Content {
    Bytes(Vec<u8>),
    Path(PathBuf),
    Zipped(Wheel, usize),
}

enum Item {
    File { content: Content, executable: bool },
    Link(String),
}

/// What a layer will hold, by paths from the root without a leading slash.
#[derive(Default)]
pub(crate) struct Layer {
    items: BTreeMap<String, Item>,
}

/// A finished layer.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    pub(crate) blob: Blob,
    /// The digest of the archive before it is compressed.
    pub(crate) diff_id: String,
    /// Whether it was made by an earlier build.
    pub(crate) cached: bool,
}

/// What is noted of one.
#[derive(Serialize, Deserialize)]
struct Note {
    digest: String,
    diff_id: String,
}

impl Layer {
    pub(crate) fn file(&mut self, path: impl Into<String>, content: Content, executable: bool) {
        self.items.insert(path.into(), Item::File { content, executable });
    }

    pub(crate) fn bytes(&mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.file(path, Content::Bytes(bytes.into()), false);
    }

    pub(crate) fn link(&mut self, path: impl Into<String>, target: impl Into<String>) {
        self.items.insert(path.into(), Item::Link(target.into()));
    }

    /// Packs it; every moment in it is `epoch`.
    pub(crate) fn pack(self, store: &Store, key: &str, epoch: u64) -> Result<Packed, Problem> {
        let file = store.begin()?;
        let path = file.path().to_owned();
        let failed = |error: io::Error| unwritten(&path, &error);
        let compressed = Hashing::new(BufWriter::new(file));
        let gzip = GzBuilder::new().mtime(0).operating_system(255).write(compressed, Compression::default());
        let mut archive = Builder::new(Hashing::new(gzip));
        self.write(&mut archive, epoch).map_err(failed)?;
        let (gzip, diff_id, _) = archive.into_inner().map_err(failed)?.finish();
        let (written, digest, _) = gzip.finish().map_err(failed)?.finish();
        let file = written.into_inner().map_err(|error| failed(error.into_error()))?;
        let blob = store.keep(file, &digest)?;
        store.note(key, &Note { digest, diff_id: diff_id.clone() })?;
        Ok(Packed { blob, diff_id, cached: false })
    }

    fn write<W: Write>(self, archive: &mut Builder<W>, epoch: u64) -> io::Result<()> {
        let mut last: Vec<String> = Vec::new();
        for (path, item) in self.items {
            let folders: Vec<String> = path.match_indices('/').map(|(at, _)| path[..at].to_owned()).collect();
            for folder in folders.iter().filter(|folder| !last.contains(folder)) {
                let mut header = header(EntryType::Directory, 0o755, epoch);
                archive.append_data(&mut header, format!("{folder}/"), io::empty())?;
            }
            last = folders;
            match item {
                Item::Link(target) => {
                    let mut header = header(EntryType::Symlink, 0o777, epoch);
                    archive.append_link(&mut header, &path, target)?;
                }
                Item::File { content, executable } => {
                    let mode = if executable { 0o755 } else { 0o644 };
                    append(archive, header(EntryType::Regular, mode, epoch), &path, content)?;
                }
            }
        }
        Ok(())
    }
}

/// A layer that an earlier build made of the same.
pub(crate) fn made(store: &Store, key: &str) -> Option<Packed> {
    let note: Note = store.noted(key)?;
    let blob = store.blob(&note.digest)?;
    Some(Packed { blob, diff_id: note.diff_id, cached: true })
}

fn header(kind: EntryType, mode: u32, epoch: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(epoch);
    header.set_size(0);
    header
}

fn append<W: Write>(
    archive: &mut Builder<W>,
    mut header: Header,
    path: &str,
    content: Content,
) -> io::Result<()> {
    let mut put = |size: u64, bytes: &mut dyn Read| {
        header.set_size(size);
        archive.append_data(&mut header, path, bytes)
    };
    match content {
        Content::Bytes(bytes) => put(bytes.len() as u64, &mut Cursor::new(bytes)),
        Content::Path(path) => {
            let file = File::open(path)?;
            put(file.metadata()?.len(), &mut BufReader::new(file))
        }
        Content::Zipped(wheel, index) => {
            let mut wheel = wheel.borrow_mut();
            let mut file = wheel.by_index(index).map_err(io::Error::other)?;
            put(file.size(), &mut file)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer() -> Layer {
        let mut layer = Layer::default();
        layer.bytes("mlp/code/b.py", "b");
        layer.file("mlp/code/a.sh", Content::Bytes(b"a".to_vec()), true);
        layer.link("mlp/venv/lib64", "lib");
        layer.bytes(format!("mlp/{}/x", "long/".repeat(60)), "x");
        layer
    }

    #[test]
    fn the_bytes_follow_from_the_content() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path());
        let first = layer().pack(&store, "a", 0).unwrap();
        let again = layer().pack(&Store::at(&dir.path().join("other")), "a", 0).unwrap();
        assert_eq!((&first.blob.digest, &first.diff_id), (&again.blob.digest, &again.diff_id));
        assert!(made(&store, "a").unwrap().cached && made(&store, "b").is_none());
        let bytes = flate2::read::GzDecoder::new(File::open(&first.blob.path).unwrap());
        let mut archive = tar::Archive::new(bytes);
        let seen: Vec<(String, u32, u64, u64)> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                let path = entry.path().unwrap().display().to_string();
                (path, header.mode().unwrap(), header.uid().unwrap(), header.mtime().unwrap())
            })
            .filter(|(path, ..)| !path.contains("long"))
            .collect();
        let expected = [
            ("mlp/", 0o755),
            ("mlp/code/", 0o755),
            ("mlp/code/a.sh", 0o755),
            ("mlp/code/b.py", 0o644),
            ("mlp/venv/", 0o755),
            ("mlp/venv/lib64", 0o777),
        ];
        assert_eq!(seen, expected.map(|(path, mode)| (path.to_owned(), mode, 0, 0)));
    }
}
