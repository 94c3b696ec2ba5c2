//! States in a directory: `snapshot-<token>.json`, `journal/<token>/<n>.jsonl`, `lease-<n>.json`, `history.jsonl`,
//! `keys-<token>.json` and `kept/`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mlp_diag::Diagnostic;

use crate::crypt::Crypt;
use crate::dir_lease::{change_lease, read_lease};
use crate::files::{
    named, names, newest, numbers, read_whole, remove_before, remove_segments, segment_path, sweep,
    write_json, write_private,
};
use crate::journal::Replay;
use crate::keyring::{Cache, Encryption, Keys, Opened};
use crate::lease::{LEASE_LENGTH, Lease, Lengths};
use crate::segment::{self, unwritable};
use crate::snapshot::{self, Content};
use crate::writer::DirWriter;
use crate::{Closed, Depot, Door, Holder, Loaded, State, Store, Writer, codes, history};

/// How often a reading is begun again that something was written beneath.
const TRIES: usize = 4;

/// States in a directory, by default `.mlp/<environment>/state`.
#[derive(Debug, Clone)]
pub struct DirStore {
    pub(crate) root: PathBuf,
    project: String,
    environment: String,
    lease_length: Duration,
    encryption: Arc<Encryption>,
    opened: Cache,
}

impl DirStore {
    /// The store of an environment in that directory; nothing is read or written yet.
    pub fn new(root: impl Into<PathBuf>, project: &str, environment: &str) -> Self {
        Self {
            root: root.into(),
            project: project.to_owned(),
            environment: environment.to_owned(),
            lease_length: LEASE_LENGTH,
            encryption: Arc::default(),
            opened: Cache::default(),
        }
    }

    /// With leases that last that long without a heartbeat.
    #[must_use]
    pub fn with_lease(mut self, length: Duration) -> Self {
        self.lease_length = length.max(crate::SHORTEST_LEASE);
        self
    }

    /// Encrypted so.
    #[must_use]
    pub fn with_encryption(mut self, encryption: Encryption) -> Self {
        self.encryption = Arc::new(encryption);
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The list of keys, as it is now.
    fn keys(&self) -> Result<(Option<Vec<u8>>, Option<Keys>), Diagnostic> {
        let Some((_, path)) = newest(&self.root, "keys")? else { return Ok((None, None)) };
        let bytes = present(&path)?;
        let keys = Keys::parse(&path.display().to_string(), &bytes)?;
        Ok((Some(bytes), Some(keys)))
    }

    fn opened(&self) -> Result<Opened, Diagnostic> {
        let (bytes, keys) = self.keys()?;
        self.opened.opened(bytes, || self.encryption.open(&self.place(), keys.as_ref()))
    }

    fn read_lease(&self) -> Result<Lease, Diagnostic> {
        read_lease(&self.root)
    }

    fn snapshot(&self, crypt: &Crypt) -> Result<Content, Diagnostic> {
        let empty = State::empty(&self.project, &self.environment);
        let Some((_, path)) = newest(&self.root, "snapshot")? else {
            return Ok(Content { through: (0, 0), state: empty, unfinished: Vec::new() });
        };
        let bytes = present(&path)?;
        let name = path.display().to_string();
        let plain = match std::str::from_utf8(&bytes) {
            Ok(text) => crypt.open(&name, text)?.into_bytes(),
            Err(_) => bytes,
        };
        let content = snapshot::parse(&name, &plain)?;
        belongs(&name, &content.state, &empty)?;
        Ok(content)
    }

    /// Segments that the snapshot does not hold yet, in order, with the length that counts.
    fn segments(
        &self,
        through: (u64, u64),
        lease: &Lease,
    ) -> Result<Vec<(u64, u64, Option<u64>)>, Diagnostic> {
        let journal = self.path("journal");
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

    /// What is remembered, what counts of each segment, and the last token that the snapshot holds.
    fn replayed(&self, lease: &Lease, crypt: &Crypt) -> Result<(Replay, Lengths, u64), Diagnostic> {
        let content = self.snapshot(crypt)?;
        let through = content.through.0;
        let mut replay = Replay::new(content.state, content.unfinished);
        let mut lengths = Lengths::new();
        for (token, number, sealed) in self.segments(content.through, lease)? {
            let segment = segment::read(&segment_path(&self.root, token, number), sealed, crypt)?;
            segment.entries.iter().for_each(|entry| replay.apply(entry));
            lengths.entry(token).or_default().insert(number, segment.valid);
        }
        replay.break_off();
        Ok((replay, lengths, through))
    }

    fn load(&self) -> Result<(Replay, Lease), Diagnostic> {
        let _stage = mlp_trace::stage("read state");
        // A compaction may remove segments between the listing and the reading, and a new key may come between the list of
        // keys and what is encrypted with them: then what is there is newer.
        let read = || {
            let (opened, lease) = (self.opened()?, self.read_lease()?);
            self.replayed(&lease, &opened.crypt).map(|(replay, ..)| (replay, lease))
        };
        let mut last = read();
        for _ in 1..TRIES {
            let again = matches!(&last, Err(error) if [codes::STATE_UNREADABLE, codes::STATE_LOCKED].contains(&&*error.code));
            if !again {
                break;
            }
            last = read();
        }
        last
    }

    /// Seals what earlier holders wrote, and remembers it.
    fn take_over(&self, lease: &Lease, crypt: &Crypt) -> Result<Replay, Diagnostic> {
        let token = lease.token;
        let (replay, lengths, through) = self.replayed(lease, crypt)?;
        change_lease(&self.root, |lease| {
            lease.check(token)?;
            // What the snapshot holds already is ignored without a seal.
            lease.sealed.retain(|older, _| *older >= through);
            for older in std::iter::once(token - 1).chain(lengths.keys().copied()) {
                let counts = || lengths.get(&older).cloned().unwrap_or_default();
                lease.sealed.entry(older).or_insert_with(counts);
            }
            Ok(())
        })?;
        Ok(replay)
    }

    /// Writes everything anew where who may read it has changed; gives what it is written with from now on.
    fn with_fresh_keys(&self, opened: Opened, replay: &Replay, before: u64) -> Result<Crypt, Diagnostic> {
        if !opened.stale {
            self.write_snapshot((before, u64::MAX), replay, &opened.crypt)?;
            return Ok(opened.crypt);
        }
        let path = named(&self.root, "keys", before + 1);
        let (_, keys) = self.keys()?;
        let (keys, crypt) = self.encryption.rotated(keys, &opened.crypt)?;
        write_json(&path, &keys)?;
        self.write_snapshot((before, u64::MAX), replay, &crypt)?;
        history::rewrite(&self.path("history.jsonl"), &crypt)?;
        for name in names(&self.path("kept"))? {
            let path = self.path("kept").join(&name);
            if let Some(bytes) = read_whole(&path)? {
                write_private(&path, closed(&opened_bytes(&path, bytes, &crypt)?, &crypt).as_bytes())?;
            }
        }
        write_json(&path, &keys.settled())?;
        remove_before(&self.root, "keys", before + 1);
        Ok(crypt)
    }

    pub(crate) fn write_snapshot(
        &self,
        through: (u64, u64),
        replay: &Replay,
        crypt: &Crypt,
    ) -> Result<(), Diagnostic> {
        let _stage = mlp_trace::stage("write snapshot");
        // `through` tells the token: before it, or with a segment of it.
        let token = if through.1 == u64::MAX { through.0 + 1 } else { through.0 };
        let path = named(&self.root, "snapshot", token);
        let text = snapshot::print(through, &replay.state, replay.unfinished());
        let text = text.map_err(|error| unwritable(&path, &error.into()))?;
        write_private(&path, crypt.close(text).as_bytes())?;
        remove_before(&self.root, "snapshot", token);
        Ok(())
    }

    fn checked_name(name: &str) -> Result<&str, Diagnostic> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.bytes().all(plain) && !name.starts_with('.') && !name.is_empty() {
            return Ok(name);
        }
        Err(Diagnostic::error(codes::STATE_UNREADABLE, format!("`{name}` is no name of something kept"))
            .help("name it as `mlp history` does"))
    }
}

/// The bytes of a file that was there a moment ago: one that is gone by now has a newer one.
fn present(path: &Path) -> Result<Vec<u8>, Diagnostic> {
    fs::read(path).map_err(|error| segment::unreadable(path, &error))
}

/// A text of a store as it was before it was encrypted; bytes where it is none.
pub(crate) fn opened_bytes(path: &Path, bytes: Vec<u8>, crypt: &Crypt) -> Result<Vec<u8>, Diagnostic> {
    let name = path.display().to_string();
    let Ok(text) = std::str::from_utf8(&bytes) else { return Ok(bytes) };
    let opened = crypt.open(&name, text)?;
    Ok(crate::crypt::unhex(&opened).unwrap_or(bytes))
}

/// Bytes as a text that can be encrypted.
pub(crate) fn closed(bytes: &[u8], crypt: &Crypt) -> String {
    crypt.close(crate::crypt::hex(bytes))
}

/// Refuses a state of another project or environment.
pub(crate) fn belongs(name: &str, state: &State, wanted: &State) -> Result<(), Diagnostic> {
    let of = |state: &State| format!("project {}, environment {}", state.project, state.environment);
    if of(state) == of(wanted) {
        return Ok(());
    }
    let headline = format!("{name} belongs to {}, not to {}", of(state), of(wanted));
    Err(Diagnostic::error(codes::STATE_FOREIGN, headline)
        .help("give the project its old name back, or move the state's directory away to begin anew"))
}

/// A lineage nobody else has.
pub(crate) fn new_lineage() -> String {
    crate::crypt::hex(&crate::random::bytes::<16>())
}

impl Store for DirStore {
    fn read(&self) -> Result<Loaded, Diagnostic> {
        let (replay, lease) = self.load()?;
        lease.usable()?;
        Ok(replay.loaded())
    }

    fn open(&self, holder: &Holder) -> Result<Box<dyn Writer>, Diagnostic> {
        self.open_as(holder, &Door::Work)
    }

    fn history(&self) -> Result<Vec<Closed>, Diagnostic> {
        self.told(|closed| closed.outcome != "broken off")
    }
}

impl DirStore {
    /// The history, with those of the journal that count.
    fn told(&self, of_journal: impl Fn(&Closed) -> bool) -> Result<Vec<Closed>, Diagnostic> {
        let opened = self.opened()?;
        let mut all = history::read(&self.path("history.jsonl"), &opened.crypt)?;
        let journal = self.load()?.0.closed;
        all.extend(journal.into_iter().filter(of_journal));
        let mut seen = std::collections::BTreeSet::new();
        all.retain(|closed| seen.insert(closed.apply.clone()));
        Ok(all)
    }

    fn opened_under(&self, opened: Opened, lease: &Lease) -> Result<Box<dyn Writer>, Diagnostic> {
        let mut replay = self.take_over(lease, &opened.crypt)?;
        if replay.state.lineage.is_empty() {
            replay.state.lineage = new_lineage();
        }
        // From here on the journal lies over a snapshot that already holds all that was before this token.
        let before = lease.token - 1;
        let closed = std::mem::take(&mut replay.closed);
        let crypt = self.with_fresh_keys(opened, &replay, before)?;
        // Applies that were broken off are part of the history from now on.
        history::append(&self.path("history.jsonl"), &closed, &crypt)?;
        remove_segments(&self.root, before);
        Ok(Box::new(DirWriter::create(self.clone(), lease.token, replay, crypt)?))
    }
}

impl Depot for DirStore {
    fn read_behind(&self) -> Result<Loaded, Diagnostic> {
        self.load().map(|(replay, _)| replay.loaded())
    }

    fn history_behind(&self) -> Result<Vec<Closed>, Diagnostic> {
        self.told(|_| true)
    }

    fn open_as(&self, holder: &Holder, door: &Door) -> Result<Box<dyn Writer>, Diagnostic> {
        fs::create_dir_all(&self.root).map_err(|error| unwritable(&self.root, &error))?;
        let opened = self.opened()?;
        let lease = change_lease(&self.root, |lease| lease.enter(holder, self.lease_length, door))??;
        [&self.root, &self.path("kept")].into_iter().for_each(|directory| sweep(directory));
        self.opened_under(opened, &lease).inspect_err(|_| {
            // Nothing was begun: whoever comes next need not wait.
            let _ = change_lease(&self.root, |now| {
                now.release(lease.token);
                Ok(())
            });
        })
    }

    fn lease_length(&self) -> Duration {
        self.lease_length
    }

    fn swap_lease(
        &self,
        change: &mut dyn FnMut(&mut Lease) -> Result<(), Diagnostic>,
    ) -> Result<(), Diagnostic> {
        fs::create_dir_all(&self.root).map_err(|error| unwritable(&self.root, &error))?;
        change_lease(&self.root, change)
    }

    fn wants_new_key(&self) -> Result<bool, Diagnostic> {
        Ok(newest(&self.root, "snapshot")?.is_some() && self.opened()?.stale)
    }

    fn all_kept(&self) -> Result<Vec<String>, Diagnostic> {
        let mut names = names(&self.path("kept"))?;
        names.retain(|name| !name.ends_with(".tmp"));
        names.sort();
        Ok(names)
    }

    fn keep_anew(&self, name: &str, bytes: &[u8]) -> Result<(), Diagnostic> {
        let path = self.path("kept").join(Self::checked_name(name)?);
        write_private(&path, closed(bytes, &self.opened()?.crypt).as_bytes())
    }

    fn kept(&self, name: &str) -> Result<Option<Vec<u8>>, Diagnostic> {
        let path = self.path("kept").join(Self::checked_name(name)?);
        let Some(bytes) = read_whole(&path)? else { return Ok(None) };
        opened_bytes(&path, bytes, &self.opened()?.crypt).map(Some)
    }

    fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), Diagnostic> {
        let path = self.path("kept").join(Self::checked_name(name)?);
        if path.exists() {
            return Ok(());
        }
        write_private(&path, closed(bytes, &self.opened()?.crypt).as_bytes())
    }

    fn lease(&self) -> Result<Lease, Diagnostic> {
        self.read_lease()
    }

    fn set_aside(&self, holder: &Holder) -> Result<String, Diagnostic> {
        let token =
            change_lease(&self.root, |lease| lease.enter(holder, self.lease_length, &Door::Work))??.token;
        let aside = self.path(&format!("aside-{token}"));
        let moved = (|| {
            fs::create_dir_all(&aside)?;
            let stays =
                |name: &str| name.starts_with("lease") || name.starts_with("aside") || name == "seal.key";
            for name in names(&self.root).unwrap_or_default().into_iter().filter(|name| !stays(name)) {
                match fs::rename(self.path(&name), aside.join(&name)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            Ok(())
        })();
        change_lease(&self.root, |lease| {
            lease.release(token);
            Ok(())
        })?;
        moved.map_err(|error: io::Error| unwritable(&aside, &error))?;
        Ok(aside.display().to_string())
    }

    fn place(&self) -> String {
        self.root.display().to_string()
    }

    fn is_encrypted(&self) -> bool {
        self.opened()
            .is_ok_and(|opened| opened.crypt.is_on() || opened.stale && self.encryption.current.is_some())
    }
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
        change_lease(&dir.path().join("state"), |lease| {
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
        let path = newest(&dir.path().join("state"), "snapshot").unwrap().unwrap().1;
        let text = fs::read_to_string(&path).unwrap();
        for (from, to, code) in [
            ("\"serial\":0", "\"serial\":7", "MLP0601"),
            ("\"format_version\":2", "\"format_version\":3", "MLP0602"),
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
