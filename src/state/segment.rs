//! Segments of the journal: lines with a checksum before them.

use std::fs;
use std::io;
use std::path::Path;

use mlp_diag::{Blame, Diagnostic};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::crypt::Crypt;
use crate::{Entry, FORMAT_VERSION, codes};

/// Hex digits of the BLAKE3 checksum before each line.
const CHECKSUM: usize = 16;

/// The entries of a segment, and how many bytes of it hold them: what follows is the torn end of a crash.
pub(crate) struct Segment {
    pub(crate) entries: Vec<Entry>,
    pub(crate) valid: u64,
}

fn checksum(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..CHECKSUM].to_owned()
}

/// Anything as a line of a file that only grows.
pub(crate) fn line(entry: &impl Serialize, crypt: &Crypt) -> Result<String, serde_json::Error> {
    let text = crypt.close(serde_json::to_string(entry)?);
    Ok(format!("{} {text}\n", checksum(&text)))
}

/// What a line holds: nothing where it is not as it was written.
pub(crate) fn payload(line: &[u8]) -> Option<&str> {
    let (sum, text) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    (sum == checksum(text)).then_some(text)
}

/// Reads what a whole line holds.
pub(crate) fn read_payload<T: DeserializeOwned>(
    name: &str,
    text: &str,
    crypt: &Crypt,
) -> Result<T, Diagnostic> {
    let plain = crypt.open(name, text)?;
    serde_json::from_str(&plain).map_err(|error| {
        // Its checksum matches: it is as it was written, by somebody who says more than is understood here.
        let headline = format!("{name} says what this mlp does not understand: {error}");
        Diagnostic::error(codes::STATE_NEWER, headline)
            .note(format!("this mlp reads format versions up to {FORMAT_VERSION}"))
            .help("use the newer mlp that wrote it")
    })
}

/// Reads a segment; with `sealed`, only its first bytes.
pub(crate) fn read(path: &Path, sealed: Option<u64>, crypt: &Crypt) -> Result<Segment, Diagnostic> {
    let mut bytes = fs::read(path).map_err(|error| unreadable(path, &error))?;
    if let Some(length) = sealed {
        bytes.truncate(usize::try_from(length).unwrap_or(usize::MAX));
    }
    parse(&path.display().to_string(), &bytes, crypt)
}

/// The entries in the bytes of a segment.
pub(crate) fn parse(name: &str, bytes: &[u8], crypt: &Crypt) -> Result<Segment, Diagnostic> {
    let mut segment = Segment { entries: Vec::new(), valid: 0 };
    let mut at = 0;
    for (number, line) in (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        at += line.len();
        match line.strip_suffix(b"\n").and_then(payload) {
            Some(text) => {
                segment.entries.push(read_payload(name, text, crypt)?);
                segment.valid = at as u64;
            }
            // The last line of a segment may be torn by a crash: what it would have said was not yet relied on.
            None if at == bytes.len() => {}
            None => return Err(damaged(name, number)),
        }
    }
    Ok(segment)
}

pub(crate) fn damaged(name: &str, line: usize) -> Diagnostic {
    Diagnostic::error(codes::JOURNAL_DAMAGED, format!("line {line} of {name} is damaged"))
        .blame(Blame::Provider)
        .note("its checksum does not match, and lines follow it, so it is not the end of an apply that was broken off")
        .help("restore the file from a backup, or delete the line if you know what it said")
}

pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Diagnostic {
    Diagnostic::error(codes::STATE_UNREADABLE, format!("cannot read {}: {error}", path.display()))
        .blame(Blame::Provider)
        .help("check that the directory of the state belongs to you")
}

pub(crate) fn unwritable(path: &Path, error: &io::Error) -> Diagnostic {
    Diagnostic::error(codes::STATE_UNWRITABLE, format!("cannot write {}: {error}", path.display()))
        .blame(Blame::Provider)
        .help(
            "check that the disk is not full and the directory belongs to you, then apply again: it is safe",
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::{begin, done, open};

    #[test]
    fn a_torn_end_is_tolerated_and_a_damaged_middle_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("1.jsonl");
        let none = Crypt::default();
        let lines: Vec<String> = [open("1"), begin(1, "model.a"), done(1, "model.a")]
            .iter()
            .map(|entry| line(entry, &none).unwrap())
            .collect();
        let whole = lines.concat();
        let last_start = whole.len() - lines[2].len();
        for length in last_start..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let segment = read(&path, None, &none).unwrap();
            assert_eq!((segment.entries.len(), segment.valid), (2, last_start as u64));
        }
        fs::write(&path, whole.replacen("ada@here", "eve@here", 1)).unwrap();
        let error = read(&path, None, &none).err().unwrap();
        assert_eq!(error.code, codes::JOURNAL_DAMAGED);
        assert!(error.headline.contains("line 1"), "{}", error.headline);
        fs::write(&path, &whole).unwrap();
        assert_eq!(read(&path, Some(lines[0].len() as u64), &none).unwrap().entries.len(), 1);
    }

    #[test]
    fn what_is_whole_and_not_understood_is_newer() {
        let none = Crypt::default();
        let newer = line(&serde_json::json!({ "entry": "dance" }), &none).unwrap();
        assert_eq!(parse("it", newer.as_bytes(), &none).err().unwrap().code, codes::STATE_NEWER);
    }
}
