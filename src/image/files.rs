//! The files of an image: what its layers come to when they lie upon each other, and what is in some of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use mlp_floor::Problem;
use tar::{Archive, EntryType};

use crate::codes;
use crate::store::{Blob, open};

/// Links after which a path leads nowhere.
const MOST_LINKS: usize = 40;
/// The largest file that is looked into.
const LARGEST: u64 = 256 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Folder,
    /// In which layer.
    File(usize),
    Link(String),
}

/// Everything in an image by its path from the root, without a leading slash.
#[derive(Debug, Default)]
pub(crate) struct Files {
    nodes: BTreeMap<String, Node>,
}

/// What hears of each entry of a layer with its path.
type See<'s> = dyn FnMut(&str, &mut tar::Entry<'_, Box<dyn Read>>) -> io::Result<()> + 's;

/// A layer with the way it is compressed.
pub(crate) struct Source {
    pub(crate) blob: Blob,
    pub(crate) media_type: String,
}

impl Source {
    fn each(&self, see: &mut See<'_>) -> Result<(), Problem> {
        let failed = |error: io::Error| {
            Problem::new(codes::BASE, format!("the layer {} cannot be read: {error}", self.blob.digest))
                .note(format!("it is of the type {}", self.media_type))
        };
        let bytes = open(&self.blob.path)?;
        let plain: Box<dyn Read> = match self.media_type.rsplit(['+', '.']).next() {
            Some("gzip") => Box::new(flate2::read::MultiGzDecoder::new(bytes)),
            Some("zstd") => Box::new(zstd::Decoder::with_buffer(bytes).map_err(failed)?),
            _ => Box::new(bytes),
        };
        let mut archive = Archive::new(plain);
        for entry in archive.entries().map_err(failed)? {
            let mut entry = entry.map_err(failed)?;
            let path = plain_path(&entry.path_bytes());
            see(&path, &mut entry).map_err(failed)?;
        }
        Ok(())
    }
}

/// `./usr/bin/` is `usr/bin`.
fn plain_path(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let words: Vec<&str> = text.split('/').filter(|word| !matches!(*word, "" | ".")).collect();
    words.join("/")
}

impl Files {
    /// Lays the layers upon each other.
    pub(crate) fn of(layers: &[Source]) -> Result<Self, Problem> {
        let mut files = Self::default();
        for (at, layer) in layers.iter().enumerate() {
            let mut seen = BTreeSet::new();
            layer.each(&mut |path, entry| {
                files.add(at, path, entry, &mut seen);
                Ok(())
            })?;
        }
        Ok(files)
    }

    fn add(
        &mut self,
        layer: usize,
        path: &str,
        entry: &tar::Entry<'_, Box<dyn Read>>,
        seen: &mut BTreeSet<String>,
    ) {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        // A file that says what of the layers below is gone, but not of its own layer.
        if let Some(gone) = name.strip_prefix(".wh.") {
            let opaque = gone == ".wh..opq";
            let root = if opaque { folder.to_owned() } else { join(folder, gone) };
            let below = format!("{root}/");
            self.nodes.retain(|known, _| {
                let hit = known.starts_with(&below) || (!opaque && *known == root);
                !hit || seen.contains(known)
            });
            return;
        }
        let link = |absolute: bool| {
            let target = entry.link_name_bytes().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let target = target.unwrap_or_default();
            Node::Link(if absolute { format!("/{}", plain_path(target.as_bytes())) } else { target })
        };
        let node = match entry.header().entry_type() {
            EntryType::Directory => Node::Folder,
            EntryType::Symlink => link(false),
            EntryType::Link => link(true),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => Node::File(layer),
            _ => return,
        };
        seen.insert(path.to_owned());
        self.nodes.insert(path.to_owned(), node);
    }

    /// Where a path leads when its links are followed; nothing where there is nothing.
    pub(crate) fn resolve(&self, path: &str) -> Option<String> {
        let mut open: Vec<String> = words(path);
        let mut done: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(word) = open.pop() {
            if word == ".." {
                done.pop();
                continue;
            }
            done.push(word);
            match self.nodes.get(&done.join("/")) {
                Some(Node::Link(target)) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return None;
                    }
                    done.pop();
                    if target.starts_with('/') {
                        done.clear();
                    }
                    open.extend(words(target));
                }
                // A folder need not be named by itself.
                Some(_) => {}
                None if open.is_empty() => return None,
                None => {}
            }
        }
        Some(done.join("/"))
    }

    /// Paths of files and links whose name fits.
    pub(crate) fn named<'a>(&'a self, fits: impl Fn(&str) -> bool + 'a) -> impl Iterator<Item = &'a str> {
        self.nodes
            .iter()
            .filter(|(_, node)| **node != Node::Folder)
            .map(|(path, _)| path.as_str())
            .filter(move |path| fits(path.rsplit('/').next().unwrap_or_default()))
    }

    /// What is in a file.
    pub(crate) fn read(&self, layers: &[Source], path: &str) -> Result<Option<Vec<u8>>, Problem> {
        let Some(path) = self.resolve(path) else { return Ok(None) };
        let Some(Node::File(at)) = self.nodes.get(&path) else { return Ok(None) };
        let mut found = None;
        layers[*at].each(&mut |name, entry| {
            if name == path && entry.size() <= LARGEST {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes)?;
                found = Some(bytes);
            }
            Ok(())
        })?;
        Ok(found)
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The words of a path, the last first.
fn words(path: &str) -> Vec<String> {
    path.split('/').rev().filter(|word| !matches!(*word, "" | ".")).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Layer;
    use crate::store::Store;

    fn source(store: &Store, layer: Layer, key: &str) -> Source {
        let blob = layer.pack(store, key, 0).unwrap().blob;
        Source { blob, media_type: "application/vnd.oci.image.layer.v1.tar+gzip".into() }
    }

    #[test]
    fn layers_lie_upon_each_other() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path());
        let mut below = Layer::default();
        below.bytes("usr/bin/python3.11", "old");
        below.bytes("usr/lib/gone", "x");
        below.bytes("opt/a", "x");
        below.link("bin", "usr/bin");
        below.link("usr/bin/python3", "python3.11");
        below.link("usr/bin/turning", "turning");
        let mut above = Layer::default();
        above.bytes("usr/bin/python3.11", "new");
        above.bytes("usr/lib/.wh.gone", "");
        above.bytes("opt/.wh..wh..opq", "");
        above.bytes("opt/b", "x");
        let layers = [source(&store, below, "below"), source(&store, above, "above")];
        let files = Files::of(&layers).unwrap();
        assert_eq!(files.resolve("/bin/python3").as_deref(), Some("usr/bin/python3.11"));
        assert_eq!(files.read(&layers, "bin/python3").unwrap().as_deref(), Some(&b"new"[..]));
        assert_eq!(files.resolve("usr/lib/gone"), None);
        assert_eq!((files.resolve("opt/a"), files.resolve("opt/b").as_deref()), (None, Some("opt/b")));
        assert_eq!(files.resolve("usr/bin/turning"), None);
        assert_eq!(
            files.named(|name| name.starts_with("python3.")).collect::<Vec<_>>(),
            ["usr/bin/python3.11"]
        );
    }
}
