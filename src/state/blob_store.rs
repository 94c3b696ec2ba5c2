//! States in an object store: the same names and the same journal as in a directory, where each segment is an object that is
//! created only if it is absent, and the lease one that is swapped only if it is still what was read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mlp_diag::{Blame, Diagnostic};

use crate::blob_writer::BlobWriter;
use crate::blobs::{Blobs, Fault, Tag, When};
use crate::crypt::{Crypt, hex, unhex};
use crate::dir_lease::parse_lease;
use crate::dir_store::{belongs, new_lineage};
use crate::journal::Replay;
use crate::keyring::{Cache, Encryption, Keys, Opened};
use crate::lease::{LEASE_LENGTH, Lease};
use crate::snapshot::{self, Content};
use crate::{Closed, Depot, Door, Holder, Loaded, State, Store, Writer, codes, history, segment};

/// How often a swap is tried again that somebody else came before.
const TRIES: usize = 64;

/// How often a reading is begun again that something was written beneath.
const READS: usize = 4;

/// States in an object store.
#[derive(Clone)]
pub struct BlobStore {
    blobs: Arc<dyn Blobs>,
    project: String,
    environment: String,
    lease_length: Duration,
    encryption: Arc<Encryption>,
    opened: Cache,
}

/// The name of a segment; names sort as numbers do.
pub(crate) fn segment_name(token: u64, number: u64) -> String {
    format!("journal/{token:020}/{number:010}.jsonl")
}

fn segment_of(name: &str) -> Option<(u64, u64)> {
    let (token, number) = name.strip_prefix("journal/")?.strip_suffix(".jsonl")?.split_once('/')?;
    Some((token.parse().ok()?, number.parse().ok()?))
}

fn generation(stem: &str, token: u64) -> String {
    format!("{stem}/{token:020}.json")
}

impl BlobStore {
    /// The store of an environment among these objects; nothing is read or written yet.
    pub(crate) fn new(blobs: Arc<dyn Blobs>, project: &str, environment: &str) -> Self {
        Self {
            blobs,
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

    fn failed(&self, name: &str, fault: Fault, code: &str, doing: &str) -> Diagnostic {
        let why = match fault {
            Fault::Lost => "somebody else wrote it at the same time".to_owned(),
            Fault::Failed(why) => why,
        };
        Diagnostic::error(code, format!("cannot {doing} {name} in {}: {why}", self.place()))
            .blame(Blame::Provider)
            .help("check the address, the credentials and the rights there, then do this again: it is safe")
    }

    pub(crate) fn get(&self, name: &str) -> Result<Option<(Vec<u8>, Tag)>, Diagnostic> {
        self.blobs.get(name).map_err(|fault| self.failed(name, fault, codes::STATE_UNREADABLE, "read"))
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), Diagnostic> {
        let put = self.blobs.put(name, bytes, &When::Always);
        put.map_err(|fault| self.failed(name, fault, codes::STATE_UNWRITABLE, "write"))
    }

    /// Creates an object that nobody has, and gives how much of it is there. One that begins in the same way is that of a try
    /// whose reply was lost.
    pub(crate) fn create(&self, name: &str, bytes: &[u8]) -> Result<usize, Diagnostic> {
        match self.blobs.put(name, bytes, &When::Absent) {
            Ok(()) => return Ok(bytes.len()),
            Err(Fault::Lost) => {}
            Err(fault) => return Err(self.failed(name, fault, codes::STATE_UNWRITABLE, "write")),
        }
        match self.get(name)? {
            Some((there, _)) if !there.is_empty() && bytes.starts_with(&there) => Ok(there.len()),
            _ => Err(self.failed(name, Fault::Lost, codes::STATE_UNWRITABLE, "write")),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, Diagnostic> {
        self.blobs.list(prefix).map_err(|fault| self.failed(prefix, fault, codes::STATE_UNREADABLE, "list"))
    }

    /// Removes what is no longer needed; what stays is ignored by every later reading.
    pub(crate) fn sweep(&self, stem: &str, before: &str) {
        let names = self.blobs.list(&format!("{stem}/")).unwrap_or_default();
        for name in names.iter().filter(|name| name.as_str() < before) {
            let _ignored_by_readers = self.blobs.delete(name);
        }
    }

    /// The newest of what is written under a new name each time, which is the token of who writes.
    fn newest(&self, stem: &str) -> Result<Option<(String, Vec<u8>)>, Diagnostic> {
        for _ in 0..READS {
            let Some(name) = self.list(&format!("{stem}/"))?.pop() else { return Ok(None) };
            if let Some((bytes, _)) = self.get(&name)? {
                return Ok(Some((name, bytes)));
            }
        }
        Err(self.failed(stem, Fault::Lost, codes::STATE_UNREADABLE, "read"))
    }

    pub(crate) fn read_lease(&self) -> Result<(Lease, Option<Tag>), Diagnostic> {
        match self.get("lease.json")? {
            None => Ok((Lease::default(), None)),
            Some((bytes, tag)) => Ok((parse_lease("lease.json", &bytes)?, Some(tag))),
        }
    }

    /// Reads, changes and swaps the lease; whoever comes second begins again with what is there then.
    pub(crate) fn change_lease<T>(
        &self,
        mut change: impl FnMut(&mut Lease) -> Result<T, Diagnostic>,
    ) -> Result<T, Diagnostic> {
        let mut last = Fault::Lost;
        for turn in 0..TRIES {
            let (mut lease, tag) = self.read_lease()?;
            let result = change(&mut lease)?;
            // A lease is plain data, which JSON always holds.
            let bytes = serde_json::to_vec_pretty(&lease).unwrap_or_default();
            let when = tag.map_or(When::Absent, When::Still);
            match self.blobs.put("lease.json", &bytes, &when) {
                Ok(()) => return Ok(result),
                Err(Fault::Lost) if self.read_lease()?.0 == lease => return Ok(result),
                Err(Fault::Lost) => std::thread::sleep(Duration::from_millis(5 * turn as u64)),
                Err(fault) => {
                    last = fault;
                    break;
                }
            }
        }
        Err(self.failed("lease.json", last, codes::STATE_UNWRITABLE, "write"))
    }

    fn keys(&self) -> Result<(Option<Vec<u8>>, Option<Keys>), Diagnostic> {
        let Some((name, bytes)) = self.newest("keys")? else { return Ok((None, None)) };
        let keys = Keys::parse(&name, &bytes)?;
        Ok((Some(bytes), Some(keys)))
    }

    fn opened(&self) -> Result<Opened, Diagnostic> {
        let (bytes, keys) = self.keys()?;
        self.opened.opened(bytes, || self.encryption.open(&self.place(), keys.as_ref()))
    }

    fn snapshot(&self, crypt: &Crypt) -> Result<Content, Diagnostic> {
        let empty = State::empty(&self.project, &self.environment);
        let Some((name, bytes)) = self.newest("snapshot")? else {
            return Ok(Content { through: (0, 0), state: empty, unfinished: Vec::new() });
        };
        let content =
            snapshot::parse(&name, crypt.open(&name, &String::from_utf8_lossy(&bytes))?.as_bytes())?;
        belongs(&name, &content.state, &empty)?;
        Ok(content)
    }

    /// What is remembered, and the segments that say so beyond the snapshot.
    fn replayed(&self, lease: &Lease, crypt: &Crypt) -> Result<(Replay, BTreeSet<(u64, u64)>), Diagnostic> {
        let content = self.snapshot(crypt)?;
        let mut replay = Replay::new(content.state, content.unfinished);
        let mut counted = BTreeSet::new();
        for name in self.list("journal/")? {
            let Some(at) = segment_of(&name).filter(|at| *at > content.through) else { continue };
            if lease.sealed.get(&at.0).is_some_and(|sealed| !sealed.contains_key(&at.1)) {
                continue;
            }
            let Some((bytes, _)) = self.get(&name)? else {
                return Err(self.failed(&name, Fault::Lost, codes::STATE_UNREADABLE, "read"));
            };
            segment::parse(&name, &bytes, crypt)?.entries.iter().for_each(|entry| replay.apply(entry));
            counted.insert(at);
        }
        replay.break_off();
        Ok((replay, counted))
    }

    fn load(&self) -> Result<(Replay, Lease), Diagnostic> {
        let read = || {
            let (opened, (lease, _)) = (self.opened()?, self.read_lease()?);
            self.replayed(&lease, &opened.crypt).map(|(replay, _)| (replay, lease))
        };
        let mut last = read();
        for _ in 1..READS {
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
        let (replay, counted) = self.replayed(lease, crypt)?;
        self.change_lease(|lease| {
            lease.check(token)?;
            let oldest = counted.first().map_or(token - 1, |at| at.0);
            lease.sealed.retain(|older, _| *older >= oldest);
            for older in oldest..token {
                let own = counted.iter().filter(|at| at.0 == older).map(|at| (at.1, 1)).collect();
                lease.sealed.entry(older).or_insert(own);
            }
            Ok(())
        })?;
        Ok(replay)
    }

    /// Writes the snapshot of a token, and removes what it makes needless.
    pub(crate) fn write_snapshot(
        &self,
        token: u64,
        through: (u64, u64),
        replay: &Replay,
        crypt: &Crypt,
    ) -> Result<(), Diagnostic> {
        let name = generation("snapshot", token);
        // A state is plain data, which JSON always holds.
        let text = snapshot::print(through, &replay.state, replay.unfinished()).unwrap_or_default();
        self.put(&name, crypt.close(text).as_bytes())?;
        self.sweep("snapshot", &name);
        self.sweep("journal", &segment_name(through.0, through.1.min(9_999_999_999)));
        Ok(())
    }

    /// Adds applies to the history: those that were found when it was opened (turn 0) stand before what was done then (1).
    pub(crate) fn append_history(
        &self,
        (token, turn): (u64, u32),
        closed: &[Closed],
        crypt: &Crypt,
    ) -> Result<(), Diagnostic> {
        for (at, one) in closed.iter().enumerate() {
            // One apply is plain data, which JSON always holds.
            let line = segment::line(one, crypt).unwrap_or_default();
            self.put(&format!("history/{token:020}-{turn}-{at:04}.jsonl"), line.as_bytes())?;
        }
        Ok(())
    }

    fn with_fresh_keys(&self, opened: Opened, replay: &Replay, token: u64) -> Result<Crypt, Diagnostic> {
        let through = (token - 1, u64::MAX);
        if !opened.stale {
            self.write_snapshot(token, through, replay, &opened.crypt)?;
            return Ok(opened.crypt);
        }
        let (_, keys) = self.keys()?;
        let (keys, crypt) = self.encryption.rotated(keys, &opened.crypt)?;
        let name = generation("keys", token);
        let print = |keys: &Keys| serde_json::to_vec_pretty(keys).unwrap_or_default();
        self.put(&name, &print(&keys))?;
        self.write_snapshot(token, through, replay, &crypt)?;
        for name in self.list("history/")?.iter().chain(&self.list("kept/")?) {
            let Some((bytes, _)) = self.get(name)? else { continue };
            let anew = if name.starts_with("kept/") {
                crypt.close(crypt.open(name, &String::from_utf8_lossy(&bytes))?)
            } else {
                let all = history::parse(name, &bytes, &crypt)?;
                all.iter().map(|one| segment::line(one, &crypt).unwrap_or_default()).collect()
            };
            self.put(name, anew.as_bytes())?;
        }
        self.put(&name, &print(&keys.settled()))?;
        self.sweep("keys", &name);
        Ok(crypt)
    }

    /// The history, with those of the journal that count.
    fn told(&self, of_journal: impl Fn(&Closed) -> bool) -> Result<Vec<Closed>, Diagnostic> {
        let opened = self.opened()?;
        let mut all = Vec::new();
        for name in self.list("history/")? {
            if let Some((bytes, _)) = self.get(&name)? {
                all.extend(history::parse(&name, &bytes, &opened.crypt)?);
            }
        }
        let journal = self.load()?.0.closed;
        all.extend(journal.into_iter().filter(of_journal));
        let mut seen = BTreeSet::new();
        all.retain(|closed: &Closed| seen.insert(closed.apply.clone()));
        Ok(all)
    }

    fn opened_under(&self, opened: Opened, lease: &Lease) -> Result<Box<dyn Writer>, Diagnostic> {
        let mut replay = self.take_over(lease, &opened.crypt)?;
        if replay.state.lineage.is_empty() {
            replay.state.lineage = new_lineage();
        }
        let closed = std::mem::take(&mut replay.closed);
        let crypt = self.with_fresh_keys(opened, &replay, lease.token)?;
        self.append_history((lease.token, 0), &closed, &crypt)?;
        Ok(Box::new(BlobWriter::new(self.clone(), lease.token, replay, crypt)))
    }

    fn kept_name(name: &str) -> String {
        format!("kept/{name}")
    }
}

impl Store for BlobStore {
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

impl Depot for BlobStore {
    fn read_behind(&self) -> Result<Loaded, Diagnostic> {
        self.load().map(|(replay, _)| replay.loaded())
    }

    fn history_behind(&self) -> Result<Vec<Closed>, Diagnostic> {
        self.told(|_| true)
    }

    fn open_as(&self, holder: &Holder, door: &Door) -> Result<Box<dyn Writer>, Diagnostic> {
        let opened = self.opened()?;
        let lease = self.change_lease(|lease| lease.enter(holder, self.lease_length, door))??;
        self.opened_under(opened, &lease).inspect_err(|_| {
            // Nothing was begun: whoever comes next need not wait.
            let _ = self.change_lease(|now| {
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
        self.change_lease(change)
    }

    fn wants_new_key(&self) -> Result<bool, Diagnostic> {
        Ok(!self.list("snapshot/")?.is_empty() && self.opened()?.stale)
    }

    fn all_kept(&self) -> Result<Vec<String>, Diagnostic> {
        let names = self.list("kept/")?;
        Ok(names.iter().filter_map(|name| name.strip_prefix("kept/")).map(str::to_owned).collect())
    }

    fn keep_anew(&self, name: &str, bytes: &[u8]) -> Result<(), Diagnostic> {
        let text = self.opened()?.crypt.close(hex(bytes));
        self.put(&Self::kept_name(name), text.as_bytes())
    }

    fn kept(&self, name: &str) -> Result<Option<Vec<u8>>, Diagnostic> {
        let name = Self::kept_name(name);
        let Some((bytes, _)) = self.get(&name)? else { return Ok(None) };
        let text = self.opened()?.crypt.open(&name, &String::from_utf8_lossy(&bytes))?;
        Ok(Some(unhex(&text).unwrap_or(bytes)))
    }

    fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), Diagnostic> {
        let name = Self::kept_name(name);
        let text = self.opened()?.crypt.close(hex(bytes));
        match self.blobs.put(&name, text.as_bytes(), &When::Absent) {
            // What is there already stays.
            Ok(()) | Err(Fault::Lost) => Ok(()),
            Err(fault) => Err(self.failed(&name, fault, codes::STATE_UNWRITABLE, "write")),
        }
    }

    fn lease(&self) -> Result<Lease, Diagnostic> {
        self.read_lease().map(|(lease, _)| lease)
    }

    fn set_aside(&self, holder: &Holder) -> Result<String, Diagnostic> {
        let token = self.change_lease(|lease| lease.enter(holder, self.lease_length, &Door::Work))??.token;
        let aside = format!("aside/{token:020}");
        let move_all = || -> Result<(), Diagnostic> {
            for name in
                self.list("")?.iter().filter(|name| !name.starts_with("aside/") && *name != "lease.json")
            {
                if let Some((bytes, _)) = self.get(name)? {
                    self.put(&format!("{aside}/{name}"), &bytes)?;
                }
                let deleted = self.blobs.delete(name);
                deleted.map_err(|fault| self.failed(name, fault, codes::STATE_UNWRITABLE, "remove"))?;
            }
            Ok(())
        };
        let moved = move_all();
        self.change_lease(|lease| {
            lease.release(token);
            Ok(())
        })?;
        moved.map(|()| format!("{}/{aside}", self.place()))
    }

    fn place(&self) -> String {
        self.blobs.place()
    }

    fn is_encrypted(&self) -> bool {
        self.opened()
            .is_ok_and(|opened| opened.crypt.is_on() || opened.stale && self.encryption.current.is_some())
    }
}
