//! Files written so that a reader or a crash sees the old or the new one, whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mlp_diag::Diagnostic;
use rustix::process::{Pid, test_kill_process};
use serde::Serialize;

use crate::segment::{unreadable, unwritable};

/// Makes the names of temporary files of one process differ.
fn count() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

/// A name beside a file for what is not whole yet: it tells the machine and the process that write it.
fn aside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}-{}-{}.tmp", machine(), std::process::id(), count()))
}

/// What tells this machine from others that write to the same directory.
fn machine() -> &'static str {
    static MACHINE: OnceLock<String> = OnceLock::new();
    MACHINE.get_or_init(|| {
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        blake3::hash(host.trim().as_bytes()).to_hex().as_str().chars().take(8).collect()
    })
}

/// After this long nobody still writes a file of a few kilobytes, on whichever machine.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// Removes what killed writers left in a directory: never what a living process of this machine writes, and what others
/// write only when it is a day old.
pub(crate) fn sweep(directory: &Path) {
    for name in names(directory).unwrap_or_default().into_iter().filter(|name| name.ends_with(".tmp")) {
        let path = directory.join(&name);
        let mut words = name.trim_end_matches(".tmp").rsplit(['-', '.']);
        let (_, process, at) = (words.next(), words.next(), words.next());
        let is_left = match process.and_then(|word| word.parse().ok()).and_then(Pid::from_raw) {
            Some(process) if at == Some(machine()) => {
                matches!(test_kill_process(process), Err(rustix::io::Errno::SRCH))
            }
            _ => fs::metadata(&path)
                .and_then(|found| found.modified())
                .is_ok_and(|when| when.elapsed().is_ok_and(|age| age > ABANDONED)),
        };
        if is_left {
            let _gone_already = fs::remove_file(&path);
        }
    }
}

fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The bytes of a file; nothing where there is none.
pub(crate) fn read_whole(path: &Path) -> Result<Option<Vec<u8>>, Diagnostic> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// Writes JSON whole, for people to read.
pub(crate) fn write_json(path: &Path, content: &impl Serialize) -> Result<(), Diagnostic> {
    let bytes = serde_json::to_vec_pretty(content).map_err(|error| unwritable(path, &error.into()))?;
    write_private(path, &bytes)
}

/// Writes a file whole, readable for its owner alone.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Diagnostic> {
    let temporary = aside(path);
    let write = || -> io::Result<()> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        write_file(&temporary, bytes)?;
        fs::rename(&temporary, path)?;
        sync_directory(path)
    };
    write().map_err(|error| {
        // What was written aside is of no use to anybody.
        let _ = fs::remove_file(&temporary);
        unwritable(path, &error)
    })
}

/// The newest of the files `<stem>-<generation>.json`, with its generation; `<stem>.json`, as it was called first, is the oldest.
///
/// What is replaced has a new name each time, which begins with the fencing token of who writes: a holder that was stopped and
/// goes on after it was taken over writes a file that nobody reads.
pub(crate) fn newest(root: &Path, stem: &str) -> Result<Option<(u64, PathBuf)>, Diagnostic> {
    let generation = generations(root, stem)?.pop();
    let first = root.join(format!("{stem}.json"));
    Ok(match generation {
        Some(generation) => Some((generation, named(root, stem, generation))),
        None if first.exists() => Some((0, first)),
        None => None,
    })
}

/// The name of a generation.
pub(crate) fn named(root: &Path, stem: &str, generation: u64) -> PathBuf {
    root.join(format!("{stem}-{generation}.json"))
}

fn generations(root: &Path, stem: &str) -> Result<Vec<u64>, Diagnostic> {
    let prefix = format!("{stem}-");
    let names = names(root)?;
    let mut found: Vec<u64> = names
        .iter()
        .filter_map(|name| name.strip_prefix(&prefix)?.strip_suffix(".json")?.parse().ok())
        .collect();
    found.sort_unstable();
    Ok(found)
}

/// Removes generations before that one; whoever still wants to read one looks for the newest again.
pub(crate) fn remove_before(root: &Path, stem: &str, generation: u64) {
    let _first_of_all = fs::remove_file(root.join(format!("{stem}.json")));
    for older in generations(root, stem).unwrap_or_default().into_iter().filter(|one| *one < generation) {
        let _ignored_by_readers = fs::remove_file(named(root, stem, older));
    }
}

/// The next generation of a file that many want to write: whether this one came first.
///
/// A hard link is made only where there is none of that name: nobody waits for anybody, and nobody who was stopped half-way
/// stands in the way of others.
pub(crate) fn compare_and_swap(
    root: &Path,
    stem: &str,
    generation: u64,
    content: &impl Serialize,
) -> Result<bool, Diagnostic> {
    let path = named(root, stem, generation);
    let aside = aside(&path);
    let bytes = serde_json::to_vec_pretty(content).map_err(|error| unwritable(&path, &error.into()))?;
    let swap = || -> io::Result<bool> {
        write_file(&aside, &bytes)?;
        match fs::hard_link(&aside, &path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            other => other?,
        }
        sync_directory(&path)?;
        Ok(true)
    };
    let swapped = swap().map_err(|error| unwritable(&path, &error));
    let _no_longer_needed = fs::remove_file(&aside);
    // Whoever was stopped for long may make a link of a name that is long gone: then there are newer ones.
    Ok(swapped? && generations(root, stem)?.last() == Some(&generation))
}

/// Makes a new name in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// Where a segment lies.
pub(crate) fn segment_path(root: &Path, token: u64, number: u64) -> PathBuf {
    root.join("journal").join(token.to_string()).join(format!("{number}.jsonl"))
}

/// Removes segments a snapshot holds; what cannot be removed is ignored by every later reading.
pub(crate) fn remove_segments(root: &Path, through: u64) {
    let journal = root.join("journal");
    for token in numbers(&journal, "").unwrap_or_default().into_iter().filter(|token| *token <= through) {
        let _ignored_by_readers = fs::remove_dir_all(journal.join(token.to_string()));
    }
}

/// The numbers that name the entries of a directory, in order.
pub(crate) fn numbers(dir: &Path, suffix: &str) -> Result<Vec<u64>, Diagnostic> {
    let names = names(dir)?;
    let mut found: Vec<u64> =
        names.iter().filter_map(|name| name.strip_suffix(suffix)?.parse().ok()).collect();
    found.sort_unstable();
    Ok(found)
}

/// The names of the entries of a directory; none where there is no directory.
pub(crate) fn names(dir: &Path) -> Result<Vec<String>, Diagnostic> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(dir, &error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        found
            .push(entry.map_err(|error| unreadable(dir, &error))?.file_name().to_string_lossy().into_owned());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_killed_writers_left_is_swept_and_nothing_of_the_living() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let gone = child.id();
        child.wait().unwrap();
        let (here, living) = (machine(), std::process::id());
        let long_ago = std::time::SystemTime::now() - ABANDONED * 2;
        let write = |name: &str, old: bool| {
            let file = File::create(dir.path().join(name)).unwrap();
            if old {
                file.set_modified(long_ago).unwrap();
            }
        };
        let stays = [
            format!(".snapshot-3.json.{here}-{living}-0.tmp"),
            format!(".lease-3.json.00000000-{gone}-0.tmp"),
            "lease-3.json".to_owned(),
        ];
        stays.iter().for_each(|name| write(name, false));
        write(&format!(".x.{here}-{living}-1.tmp"), true);
        write(&format!(".lease-2.json.{here}-{gone}-4.tmp"), false);
        write(&format!(".lease-3.json.00000000-{living}-0.tmp"), true);
        write("snapshot-2.17-0.tmp", true);
        sweep(dir.path());
        let mut left = names(dir.path()).unwrap();
        left.sort();
        let mut wanted = stays.to_vec();
        wanted.push(format!(".x.{here}-{living}-1.tmp"));
        wanted.sort();
        assert_eq!(left, wanted);
        assert_eq!(aside(&dir.path().join("a.json")).parent(), Some(dir.path()));
    }
}
