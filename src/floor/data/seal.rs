//! Encrypted content: XChaCha20-Poly1305 in the STREAM construction, chunk by chunk, so that any part can be read and no
//! part can be changed, moved or cut off unseen.
//!
//! ```text
//! MLPSEAL1 · name of the key (16 hex digits) · nonce (19 bytes) · chunks of 64 KiB, each with a tag of 16 bytes · BLAKE3 of all before
//! ```
//!
//! The last digest says without the key whether the file is what was written; the tags say it to who has the key.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use chacha20poly1305::aead::KeyInit;
use chacha20poly1305::aead::generic_array::GenericArray;
use chacha20poly1305::aead::stream::{NewStream, StreamBE32, StreamPrimitive};
use chacha20poly1305::{Key as CipherKey, XChaCha20Poly1305};

use super::keys::{Key, fill_random};
use crate::Problem;

const MAGIC: &[u8; 8] = b"MLPSEAL1";
const NONCE: usize = 19;
const HEADER: usize = 8 + 16 + NONCE;
const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;
const TRAILER: usize = 32;

type Stream = StreamBE32<XChaCha20Poly1305>;

fn stream(key: &Key, nonce: &[u8; NONCE]) -> Stream {
    let cipher = XChaCha20Poly1305::new(CipherKey::from_slice(&key.derive("mlp 2026 encryption of data")));
    Stream::from_aead(cipher, GenericArray::from_slice(nonce))
}

/// Encrypts what is written.
pub(super) struct SealWriter<W: Write> {
    inner: W,
    hasher: blake3::Hasher,
    stream: Stream,
    header: [u8; HEADER],
    buffer: Vec<u8>,
    position: u32,
}

impl<W: Write> SealWriter<W> {
    pub(super) fn new(inner: W, key: &Key) -> Result<Self, Problem> {
        let mut nonce = [0; NONCE];
        fill_random(&mut nonce)?;
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(MAGIC);
        header[8..24].copy_from_slice(key.id().as_bytes());
        header[24..].copy_from_slice(&nonce);
        let (hasher, stream) = (blake3::Hasher::new(), stream(key, &nonce));
        Ok(Self { inner, hasher, stream, header, buffer: Vec::with_capacity(CHUNK), position: 0 })
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        self.inner.write_all(bytes)
    }

    fn chunk(&mut self, last: bool) -> io::Result<()> {
        if self.position == 0 {
            let header = self.header;
            self.put(&header)?;
        }
        let sealed = self.stream.encrypt(self.position, last, self.buffer.as_slice());
        let sealed = sealed.map_err(|_| io::Error::other("a chunk cannot be encrypted"))?;
        self.put(&sealed)?;
        self.buffer.clear();
        let next = self.position.checked_add(1);
        self.position = next.ok_or_else(|| io::Error::other("it is too large to be encrypted"))?;
        Ok(())
    }

    /// Writes what is left and the digest.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.chunk(true)?;
        let digest = self.hasher.finalize();
        self.inner.write_all(digest.as_bytes())?;
        Ok(self.inner)
    }
}

impl<W: Write> Write for SealWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The last chunk is marked: a full one is only written when more is to come.
        if self.buffer.len() == CHUNK {
            self.chunk(false)?;
        }
        let count = bytes.len().min(CHUNK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The name of the key that a file is encrypted with; none for a file in the clear.
pub(super) fn key_of(path: &Path) -> io::Result<Option<String>> {
    let mut start = [0; 24];
    let mut file = File::open(path)?;
    match file.read_exact(&mut start) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    if &start[..8] != MAGIC {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&start[8..]).into_owned()))
}

/// The digest an encrypted file has and the one it should have.
pub(super) fn digests(path: &Path) -> io::Result<(String, String)> {
    let mut file = File::open(path)?;
    let body = file.metadata()?.len().saturating_sub(TRAILER as u64);
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut (&mut file).take(body), &mut hasher)?;
    let mut written = Vec::new();
    file.read_to_end(&mut written)?;
    let written: String = written.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((hasher.finalize().to_hex().to_string(), written))
}

/// A file that is read at any place, in the clear or encrypted.
pub(super) struct Blob {
    file: File,
    len: u64,
    sealed: Option<Sealed>,
}

struct Sealed {
    stream: Stream,
    chunks: u32,
    /// The chunk that was read last.
    last: Mutex<Option<(u32, Vec<u8>)>>,
}

impl Blob {
    /// Opens a file, which is encrypted where a key is given.
    pub(super) fn open(path: &Path, key: Option<&Key>) -> Result<Arc<Self>, Problem> {
        let failed = |error: io::Error| Problem::io("MLP0700", "open", path, &error);
        let file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let Some(key) = key else { return Ok(Arc::new(Self { file, len: size, sealed: None })) };
        let damaged = || damaged(path);
        let mut header = [0; HEADER];
        file.read_exact_at(&mut header, 0).map_err(|_| damaged())?;
        if &header[..8] != MAGIC {
            return Err(damaged());
        }
        if &header[8..24] != key.id().as_bytes() {
            let text = format!("`{}` is encrypted with another key than {}", path.display(), key.id());
            return Err(Problem::new("MLP0731", text).help("give the key that it was encrypted with"));
        }
        let mut nonce = [0; NONCE];
        nonce.copy_from_slice(&header[24..]);
        let body = size.checked_sub((HEADER + TRAILER) as u64).ok_or_else(damaged)?;
        let chunks = u32::try_from(body.div_ceil((CHUNK + TAG) as u64)).map_err(|_| damaged())?;
        let len = body.checked_sub(u64::from(chunks) * TAG as u64).filter(|_| chunks > 0);
        let len = len.ok_or_else(damaged)?;
        let sealed = Sealed { stream: stream(key, &nonce), chunks, last: Mutex::new(None) };
        Ok(Arc::new(Self { file, len, sealed: Some(sealed) }))
    }

    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Reads at a place; nothing at the end.
    pub(super) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(sealed) = &self.sealed else { return self.file.read_at(buffer, offset) };
        if offset >= self.len || buffer.is_empty() {
            return Ok(0);
        }
        let position = u32::try_from(offset / CHUNK as u64).map_err(io::Error::other)?;
        let start = usize::try_from(offset % CHUNK as u64).map_err(io::Error::other)?;
        let mut last = sealed.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref().is_none_or(|(known, _)| *known != position) {
            *last = Some((position, self.chunk(sealed, position)?));
        }
        let chunk = last.as_ref().map_or(&[][..], |(_, chunk)| chunk.get(start..).unwrap_or_default());
        let count = chunk.len().min(buffer.len());
        buffer[..count].copy_from_slice(&chunk[..count]);
        Ok(count)
    }

    fn chunk(&self, sealed: &Sealed, position: u32) -> io::Result<Vec<u8>> {
        let before = u64::from(position) * CHUNK as u64;
        let length = (self.len - before).min(CHUNK as u64);
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)? + TAG];
        self.file.read_exact_at(&mut bytes, HEADER as u64 + before + u64::from(position) * TAG as u64)?;
        let opened = sealed.stream.decrypt(position, position + 1 == sealed.chunks, bytes.as_slice());
        opened.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, DAMAGED))
    }
}

/// The error of a chunk that does not open.
pub(super) const DAMAGED: &str = "the encrypted content is damaged";

/// What is said of encrypted content that is not what was written.
pub(super) fn damaged(path: &Path) -> Problem {
    Problem::new("MLP0731", format!("the encrypted content of `{}` is damaged", path.display()))
        .help("apply again: the version is made anew from its sources")
}

/// Reads a blob from its start to its end.
pub(super) struct BlobReader {
    blob: Arc<Blob>,
    at: u64,
}

impl BlobReader {
    pub(super) const fn new(blob: Arc<Blob>, at: u64) -> Self {
        Self { blob, at }
    }
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.blob.read_at(self.at, buffer)?;
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(content: &[u8], key: &Key) -> Vec<u8> {
        let mut writer = SealWriter::new(Vec::new(), key).unwrap();
        writer.write_all(content).unwrap();
        writer.finish().unwrap()
    }

    fn read(path: &Path, key: &Key) -> Result<Vec<u8>, String> {
        let blob = Blob::open(path, Some(key)).map_err(|problem| problem.code.to_owned())?;
        let mut content = Vec::new();
        BlobReader::new(blob, 0).read_to_end(&mut content).map_err(|error| error.to_string())?;
        Ok(content)
    }

    #[test]
    fn content_of_every_size_comes_back_and_from_any_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let key = Key::random().unwrap();
        for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7] {
            let content: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            std::fs::write(&path, sealed(&content, &key)).unwrap();
            assert_eq!(read(&path, &key).unwrap(), content);
            let blob = Blob::open(&path, Some(&key)).unwrap();
            assert_eq!(blob.len(), size as u64);
            let mut tail = Vec::new();
            BlobReader::new(blob, size as u64 / 2).read_to_end(&mut tail).unwrap();
            assert_eq!(tail, content[size / 2..]);
            let (actual, written) = digests(&path).unwrap();
            assert_eq!(actual, written);
        }
    }

    #[test]
    fn any_change_is_seen_and_another_key_reads_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let key = Key::random().unwrap();
        let content = vec![7; 2 * CHUNK + 100];
        let whole = sealed(&content, &key);
        assert_ne!(whole, sealed(&content, &key), "the nonce differs");
        assert!(!whole.windows(64).any(|part| part == &content[..64]));
        for at in [30, HEADER + 5, HEADER + CHUNK + TAG + 1, whole.len() - TRAILER - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            std::fs::write(&path, &changed).unwrap();
            assert_eq!(read(&path, &key).unwrap_err(), DAMAGED, "{at}");
            let (actual, written) = digests(&path).unwrap();
            assert_ne!(actual, written);
        }
        // Cut after the first chunk, with a digest that fits.
        let mut cut = whole[..HEADER + CHUNK + TAG].to_vec();
        cut.extend_from_slice(blake3::hash(&cut).as_bytes());
        std::fs::write(&path, &cut).unwrap();
        assert_eq!(read(&path, &key).unwrap_err(), DAMAGED);
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(read(&path, &Key::random().unwrap()).unwrap_err(), "MLP0731");
        assert_eq!(key_of(&path).unwrap(), Some(key.id()));
        for short in [0, 10, HEADER, HEADER + TRAILER] {
            std::fs::write(&path, &whole[..short]).unwrap();
            assert!(read(&path, &key).is_err());
        }
    }
}
