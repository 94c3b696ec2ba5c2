//! The applies there have been: lines of a file that only grows.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use mlp_diag::Diagnostic;

use crate::Closed;
use crate::crypt::Crypt;
use crate::files::{read_whole, write_private};
use crate::segment::{damaged, line, payload, read_payload, unwritable};

/// Adds applies, durably.
pub(crate) fn append(path: &Path, closed: &[Closed], crypt: &Crypt) -> Result<(), Diagnostic> {
    if closed.is_empty() {
        return Ok(());
    }
    let write = || -> io::Result<()> {
        // What a crash tore off must not run into what comes after it.
        let torn = fs::read(path).is_ok_and(|bytes| bytes.last().is_some_and(|last| *last != b'\n'));
        let mut text = if torn { "\n".to_owned() } else { String::new() };
        for one in closed {
            text.push_str(&line(one, crypt)?);
        }
        let mut file = File::options().create(true).append(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_data()
    };
    write().map_err(|error| unwritable(path, &error))
}

/// Reads them, oldest first. A line that a crash tore is an apply whose end is still in the journal.
pub(crate) fn read(path: &Path, crypt: &Crypt) -> Result<Vec<Closed>, Diagnostic> {
    let bytes = read_whole(path)?.unwrap_or_default();
    parse(&path.display().to_string(), &bytes, crypt)
}

pub(crate) fn parse(name: &str, bytes: &[u8], crypt: &Crypt) -> Result<Vec<Closed>, Diagnostic> {
    let mut all = Vec::new();
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if line.is_empty() {
            continue;
        }
        if let Some(text) = payload(line) {
            all.push(read_payload(name, text, crypt)?);
        } else if let Ok(first) = serde_json::from_slice(line) {
            // The first version of the file had no checksums.
            all.push(first);
        } else if is_whole(line) {
            return Err(damaged(name, number));
        }
    }
    Ok(all)
}

/// Whether a line ends as lines do: one that was torn does not.
fn is_whole(line: &[u8]) -> bool {
    line.ends_with(b"}")
}

/// Writes all of them anew with the key that is written with now.
pub(crate) fn rewrite(path: &Path, crypt: &Crypt) -> Result<(), Diagnostic> {
    let all = read(path, crypt)?;
    if all.is_empty() {
        return Ok(());
    }
    let lines = all.iter().map(|one| line(one, crypt)).collect::<Result<Vec<_>, _>>();
    let lines = lines.map_err(|error| unwritable(path, &error.into()))?;
    write_private(path, lines.concat().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Replay;
    use crate::journal::tests::open;
    use crate::{Entry, State};

    fn closed(apply: &str) -> Closed {
        let mut replay = Replay::new(State::empty("p", "e"), Vec::new());
        replay.apply(&open(apply));
        replay.apply(&Entry::Close { outcome: "applied".into(), summary: String::new() });
        replay.closed.remove(0)
    }

    #[test]
    fn what_was_torn_takes_nothing_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.jsonl");
        let none = Crypt::default();
        append(&path, &[closed("1")], &none).unwrap();
        let first = fs::read(&path).unwrap();
        append(&path, &[closed("2")], &none).unwrap();
        let whole = fs::read(&path).unwrap();
        for length in first.len()..whole.len() - 1 {
            fs::write(&path, &whole[..length]).unwrap();
            append(&path, &[closed("3")], &none).unwrap();
            let all: Vec<_> = read(&path, &none).unwrap().into_iter().map(|one| one.apply).collect();
            // A line that lacks only its end is whole.
            assert!(all == ["1", "3"] || all == ["1", "2", "3"], "{length}: {all:?}");
        }
        let edited = String::from_utf8(whole).unwrap().replacen("ada@here", "eve@here", 1);
        fs::write(&path, edited).unwrap();
        assert_eq!(read(&path, &none).unwrap_err().code, "MLP0603");
    }

    #[test]
    fn the_first_version_is_read_and_so_is_what_was_written_anew() {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/v1/history.jsonl");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.jsonl");
        fs::copy(fixture, &path).unwrap();
        let crypt = Crypt::default().with("a", [1; 32]).writing(Some("a"));
        append(&path, &[closed("2")], &crypt).unwrap();
        rewrite(&path, &crypt).unwrap();
        assert!(!fs::read_to_string(&path).unwrap().contains("ada@here"));
        assert_eq!(read(&path, &Crypt::default()).unwrap_err().code, "MLP0606");
        assert_eq!(read(&path, &crypt).unwrap().len(), 2);
    }
}
