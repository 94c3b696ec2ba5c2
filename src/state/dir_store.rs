//! States in a directory: `snapshot.json`, `journal/<fencing token>/<n>.jsonl`, `lease.json`, `history.jsonl`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use mlp_diag::{Blame, Diagnostic};
use serde::{Deserialize, Serialize};

use crate::journal::Replay;
use crate::lease::{self, Lease, Lengths};
use crate::segment::{self, unreadable, unwritable};
use crate::writer::DirWriter;
use crate::{Closed, FORMAT_VERSION, Holder, Loaded, State, Store, Unfinished, Writer, codes};

/// States in a directory, by default `.mlp/<environment>/state`.
#[derive(Debug, Clone)]
pub struct DirStore {
    root: PathBuf,
    project: String,
    environment: String,
}

/// The snapshot: a state and what of the journal it holds already.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(crate) format_version: u32,
    /// Hex BLAKE3 of the content.
    pub(crate) digest: String,
    pub(crate) content: serde_json::Value,
}

/// What is digested.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Content {
    /// Token and number of the last segment that is part of it.
    pub(crate) through: (u64, u64),
    pub(crate) state: State,
    pub(crate) unfinished: Vec<Unfinished>,
}

impl DirStore {
    /// The store of an environment in that directory; nothing is read or written yet.
    pub fn new(root: impl Into<PathBuf>, project: &str, environment: &str) -> Self {
        Self { root: root.into(), project: project.to_owned(), environment: environment.to_owned() }
    }

    fn snapshot(&self) -> Result<Content, Diagnostic> {
        let path = self.root.join("snapshot.json");
        let empty = State::empty(&self.project, &self.environment);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Content { through: (0, 0), state: empty, unfinished: Vec::new() });
            }
            Err(error) => return Err(unreadable(&path, &error)),
        };
        let content = read_snapshot(&path, &bytes)?;
        let of = |state: &State| format!("project {}, environment {}", state.project, state.environment);
        if of(&content.state) != of(&empty) {
            let headline =
                format!("{} belongs to {}, not to {}", path.display(), of(&content.state), of(&empty));
            return Err(Diagnostic::error(codes::STATE_FOREIGN, headline).help(
                "give the project its old name back, or move the state's directory away to begin anew",
            ));
        }
        Ok(content)
    }

    /// Segments that the snapshot does not hold yet, in order, with the length that counts.
    fn segments(
        &self,
        through: (u64, u64),
        lease: &Lease,
    ) -> Result<Vec<(u64, u64, Option<u64>)>, Diagnostic> {
        let journal = self.root.join("journal");
        let mut found = Vec::new();
        for token in numbers(&journal, "")?.into_iter().filter(|token| *token >= through.0) {
            let sealed = lease.sealed.get(&token);
            for number in numbers(&journal.join(token.to_string()), ".jsonl")? {
                let length = sealed.map(|lengths| lengths.get(&number).copied().unwrap_or(0));
                if (token, number) > through {
                    found.push((token, number, length));
                }
            }
        }
        Ok(found)
    }

    pub(crate) fn segment_path(root: &Path, token: u64, number: u64) -> PathBuf {
        root.join("journal").join(token.to_string()).join(format!("{number}.jsonl"))
    }

    fn replayed(&self, lease: &Lease) -> Result<(Replay, Lengths), Diagnostic> {
        let content = self.snapshot()?;
        let mut replay = Replay::new(content.state, content.unfinished);
        let mut lengths = Lengths::new();
        for (token, number, sealed) in self.segments(content.through, lease)? {
            let segment = segment::read(&Self::segment_path(&self.root, token, number), sealed)?;
            segment.entries.iter().for_each(|entry| replay.apply(entry));
            lengths.entry(token).or_default().insert(number, segment.valid);
        }
        replay.break_off();
        Ok((replay, lengths))
    }

    fn load(&self) -> Result<Replay, Diagnostic> {
        // A compaction may remove segments between the listing and the reading: then the snapshot is newer.
        let mut last = None;
        for _ in 0..3 {
            match lease::read(&self.root).and_then(|lease| self.replayed(&lease)) {
                Ok((replay, _)) => return Ok(replay),
                Err(error) if error.code == codes::STATE_UNREADABLE => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.unwrap_or_else(|| Diagnostic::error(codes::STATE_UNREADABLE, "the state cannot be read")))
    }

    fn new_lineage(&self, token: u64) -> String {
        let nanos = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos());
        let seed =
            format!("{}\n{}\n{nanos}\n{}\n{token}", self.project, self.environment, std::process::id());
        blake3::hash(seed.as_bytes()).to_hex()[..32].to_owned()
    }
}

impl Store for DirStore {
    fn read(&self) -> Result<Loaded, Diagnostic> {
        let replay = self.load()?;
        let unfinished = replay.unfinished();
        Ok(Loaded { state: replay.state, unfinished })
    }

    fn open(&self, holder: &Holder) -> Result<Box<dyn Writer>, Diagnostic> {
        fs::create_dir_all(&self.root).map_err(|error| unwritable(&self.root, &error))?;
        let mut opened = None;
        let lease = lease::acquire(&self.root, holder, |lease| {
            let (replay, lengths) = self.replayed(lease)?;
            opened = Some(replay);
            Ok(lengths)
        })?;
        let mut replay =
            opened.unwrap_or_else(|| Replay::new(State::empty(&self.project, &self.environment), Vec::new()));
        // Applies that were broken off are part of the history from now on.
        append_history(&self.root, &std::mem::take(&mut replay.closed))?;
        if replay.state.lineage.is_empty() {
            replay.state.lineage = self.new_lineage(lease.token);
        }
        // From here on the journal lies over a snapshot that already holds all that was before this token.
        let before = lease.token - 1;
        write_snapshot(&self.root, (before, u64::MAX), &replay)?;
        remove_segments(&self.root, before);
        Ok(Box::new(DirWriter::create(&self.root, lease.token, replay)?))
    }

    fn history(&self) -> Result<Vec<Closed>, Diagnostic> {
        let path = self.root.join("history.jsonl");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(unreadable(&path, &error)),
        };
        // A torn last line is an apply whose end is still in the journal.
        let mut all: Vec<Closed> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let journal = self.load()?.closed;
        all.extend(journal.into_iter().filter(|closed| closed.outcome != "broken off"));
        let mut seen = std::collections::BTreeSet::new();
        all.retain(|closed| seen.insert(closed.apply.clone()));
        Ok(all)
    }
}

fn read_snapshot(path: &Path, bytes: &[u8]) -> Result<Content, Diagnostic> {
    let damaged = |why: &str| {
        Diagnostic::error(codes::STATE_DAMAGED, format!("{} is damaged: {why}", path.display()))
            .blame(Blame::Provider)
            .help("restore it from a backup")
    };
    let snapshot: Snapshot = serde_json::from_slice(bytes).map_err(|error| damaged(&error.to_string()))?;
    if snapshot.format_version > FORMAT_VERSION {
        let headline = format!(
            "{} has format version {}, and this mlp reads up to {FORMAT_VERSION}",
            path.display(),
            snapshot.format_version
        );
        return Err(Diagnostic::error(codes::STATE_NEWER, headline).help("use the newer mlp that wrote it"));
    }
    if digest_of(&snapshot.content) != snapshot.digest {
        return Err(damaged("its content does not match its digest"));
    }
    serde_json::from_value(snapshot.content).map_err(|error| damaged(&error.to_string()))
}

fn digest_of(content: &serde_json::Value) -> String {
    blake3::hash(content.to_string().as_bytes()).to_hex().to_string()
}

/// Writes a snapshot that holds everything up to and with that segment.
pub(crate) fn write_snapshot(root: &Path, through: (u64, u64), replay: &Replay) -> Result<(), Diagnostic> {
    let path = root.join("snapshot.json");
    let content = Content { through, state: replay.state.clone(), unfinished: replay.unfinished() };
    let content = serde_json::to_value(&content).map_err(|error| unwritable(&path, &error.into()))?;
    write_whole(&path, &Snapshot { format_version: FORMAT_VERSION, digest: digest_of(&content), content })
}

/// Removes segments a snapshot holds; what cannot be removed is ignored by every later reading.
pub(crate) fn remove_segments(root: &Path, through: u64) {
    let journal = root.join("journal");
    for token in numbers(&journal, "").unwrap_or_default().into_iter().filter(|token| *token <= through) {
        let _ignored_by_readers = fs::remove_dir_all(journal.join(token.to_string()));
    }
}

/// Adds applies to the history, durably.
pub(crate) fn append_history(root: &Path, closed: &[Closed]) -> Result<(), Diagnostic> {
    if closed.is_empty() {
        return Ok(());
    }
    let path = root.join("history.jsonl");
    let write = || -> io::Result<()> {
        let mut text = String::new();
        for one in closed {
            text.push_str(&serde_json::to_string(one)?);
            text.push('\n');
        }
        let mut file = File::options().create(true).append(true).open(&path)?;
        file.write_all(text.as_bytes())?;
        file.sync_data()
    };
    write().map_err(|error| unwritable(&path, &error))
}

/// Writes a file so that a reader or a crash sees the old or the new one, whole.
pub(crate) fn write_whole(path: &Path, content: &impl Serialize) -> Result<(), Diagnostic> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_extension(format!("{}-{count}.tmp", std::process::id()));
    let write = || -> io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(&serde_json::to_vec_pretty(content)?)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        sync_directory(path)
    };
    write().map_err(|error| unwritable(path, &error))
}

/// Makes a new name in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// The numbers that name the entries of a directory, in order.
fn numbers(dir: &Path, suffix: &str) -> Result<Vec<u64>, Diagnostic> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(dir, &error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(|error| unreadable(dir, &error))?.file_name();
        found.extend(name.to_string_lossy().strip_suffix(suffix).and_then(|name| name.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::{begin, done, open};

    fn store(dir: &Path) -> DirStore {
        DirStore::new(dir.join("state"), "churn", "dev")
    }

    #[test]
    fn what_is_applied_is_remembered_and_listed() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        assert_eq!(store.read().unwrap().state, State::empty("churn", "dev"));
        for (apply, id) in [("1", "model.a"), ("2", "model.b")] {
            let writer = store.open(&Holder::here()).unwrap();
            assert_eq!(store.open(&Holder::here()).err().unwrap().code, "MLP0610");
            writer.append(&open(apply)).unwrap();
            writer.begin(&begin(1, id)).unwrap();
            assert_eq!(store.read().unwrap().unfinished.len(), 1);
            writer.append(&done(1, id)).unwrap();
            writer.renew().unwrap();
            let state = writer.close("done", "1 added").unwrap();
            assert_eq!(store.read().unwrap().state, state);
        }
        let loaded = store.read().unwrap();
        assert_eq!((loaded.state.serial, loaded.state.resources.len()), (2, 2));
        assert_eq!(loaded.state.lineage.len(), 32);
        let history: Vec<_> =
            store.history().unwrap().into_iter().map(|one| (one.apply, one.serial)).collect();
        assert_eq!(history, [("1".to_owned(), 1), ("2".to_owned(), 2)]);
        assert!(numbers(&dir.path().join("state/journal"), "").unwrap().is_empty());
    }

    #[test]
    fn a_crash_leaves_what_was_begun_and_a_late_writer_is_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let first = store.open(&Holder::here()).unwrap();
        first.append(&open("1")).unwrap();
        first.begin(&begin(1, "model.a")).unwrap();
        first.append(&done(1, "model.a")).unwrap();
        first.begin(&begin(2, "model.b")).unwrap();
        lease::change(&dir.path().join("state"), |lease| {
            lease.expires = 1;
            Ok(())
        })
        .unwrap();
        let second = store.open(&Holder::here()).unwrap();
        assert_eq!(first.append(&done(2, "model.b")).unwrap_err().code, "MLP0611");
        assert_eq!(first.begin(&begin(3, "model.c")).unwrap_err().code, "MLP0611");
        let loaded = second.loaded();
        assert_eq!((loaded.state.resources.len(), loaded.unfinished.len()), (1, 1));
        assert_eq!(loaded.unfinished[0].apply, "1");
        assert_eq!(store.read().unwrap(), loaded);
        second.append(&open("2")).unwrap();
        let settle = crate::Entry::Settle { apply: "1".into(), step: 2, call: 0, put: None, remove: None };
        second.append(&settle).unwrap();
        second.close("done", "").unwrap();
        assert!(store.read().unwrap().unfinished.is_empty());
        let outcomes: Vec<_> = store.history().unwrap().into_iter().map(|one| one.outcome).collect();
        assert_eq!(outcomes, ["broken off", "done"]);
    }

    #[test]
    fn a_damaged_a_newer_and_a_foreign_snapshot_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        store.open(&Holder::here()).unwrap().close("done", "").unwrap();
        let other = DirStore::new(dir.path().join("state"), "other", "dev");
        assert_eq!(other.read().unwrap_err().code, "MLP0605");
        let path = dir.path().join("state/snapshot.json");
        let text = fs::read_to_string(&path).unwrap();
        for (from, to, code) in [
            ("\"serial\": 0", "\"serial\": 7", "MLP0601"),
            ("{\n  \"format_version\": 1", "{\n  \"format_version\": 2", "MLP0602"),
            ("{", "", "MLP0601"),
        ] {
            assert!(text.contains(from), "{text}");
            fs::write(&path, text.replacen(from, to, 1)).unwrap();
            assert_eq!(store.read().unwrap_err().code, code);
        }
    }

    #[test]
    fn many_may_begin_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path());
        let writer = store.open(&Holder::here()).unwrap();
        writer.append(&open("1")).unwrap();
        std::thread::scope(|scope| {
            for step in 0..16 {
                let writer = &writer;
                scope.spawn(move || {
                    let id = format!("model.m{step}");
                    writer.begin(&begin(step, &id)).unwrap();
                    writer.append(&done(step, &id)).unwrap();
                });
            }
        });
        assert_eq!(store.read().unwrap().state.resources.len(), 16);
        assert_eq!(store.read().unwrap(), writer.loaded());
    }
}
