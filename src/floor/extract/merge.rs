//! Rows read before and rows read since, as one table.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::Path;

use serde_json::value::RawValue;

use super::keep::{Output, write_failed};
use super::wire::KEPT;
use crate::Problem;

/// What became of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Merged {
    /// Rows that stayed.
    pub(super) stayed: u64,
    /// Rows that were read since, the boundary's among them.
    pub(super) read: u64,
}

/// Writes the rows of `before` that were not read again, and then those of `since`. A row was read again when its key
/// is, or, without a key, when it is there as a whole. Memory is needed for the keys of `since` alone.
pub(super) fn merge(
    before: &Path,
    since: &mut File,
    key: &[String],
    out: &mut Output,
) -> Result<Merged, Problem> {
    let mut merged = Merged { stayed: 0, read: 0 };
    let mut again = HashSet::new();
    each_line(since, out, &mut |line, _| {
        again.insert(identity(line, key));
        merged.read += 1;
        Ok(())
    })?;
    let mut file = File::open(before).map_err(|error| Problem::io(KEPT, "read", before, &error))?;
    each_line(&mut file, out, &mut |line, out| {
        if again.contains(&identity(line, key)) {
            return Ok(());
        }
        merged.stayed += 1;
        out.write_all(line)
    })?;
    each_line(since, out, &mut |line, out| out.write_all(line))?;
    Ok(merged)
}

type EachLine<'a> = dyn FnMut(&[u8], &mut Output) -> std::io::Result<()> + 'a;

/// Every line of a file with its newline, from the beginning.
fn each_line(file: &mut File, out: &mut Output, work: &mut EachLine<'_>) -> Result<(), Problem> {
    let failed = |out: &Output, error: std::io::Error| write_failed(&out.path, &error);
    file.seek(SeekFrom::Start(0)).map_err(|error| failed(out, error))?;
    let mut reader = BufReader::with_capacity(128 * 1024, &mut *file);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line) {
            Ok(0) => return Ok(()),
            Ok(_) => work(&line, out).map_err(|error| failed(out, error))?,
            Err(error) => return Err(failed(out, error)),
        }
    }
}

/// What makes a row this row: its key's values, or all of it.
fn identity(line: &[u8], key: &[String]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    let parsed: Option<HashMap<String, &RawValue>> =
        if key.is_empty() { None } else { serde_json::from_slice(line).ok() };
    match parsed {
        Some(row) => {
            for name in key {
                let text = row.get(name.as_str()).map_or("null", |value| value.get());
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            }
        }
        None => {
            hasher.update(line);
        }
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    short
}
