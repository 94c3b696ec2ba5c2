//! What holds while a state is moved, killed at every write.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mlp_diag::Diagnostic;

use crate::blobs::{Blobs, Fault, Memory, Tag, When};
use crate::journal::tests::{begin, done, open};
use crate::moving::Place;
use crate::{
    BlobStore, Depot, DirStore, Encryption, Holder, KeySource, Loaded, Move, Moved, Store, move_state,
};

/// Objects of a process that dies after some writes: whatever it asks after is not answered.
struct Dying {
    inner: Arc<Memory>,
    left: Arc<AtomicUsize>,
}

impl Dying {
    fn spend(&self) -> Result<(), Fault> {
        let spent = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        spent.map(drop).map_err(|_| Fault::Failed("killed".to_owned()))
    }

    fn lives(&self) -> Result<(), Fault> {
        if self.left.load(Ordering::SeqCst) == 0 { Err(Fault::Failed("killed".to_owned())) } else { Ok(()) }
    }
}

impl Blobs for Dying {
    fn get(&self, name: &str) -> Result<Option<(Vec<u8>, Tag)>, Fault> {
        self.lives()?;
        self.inner.get(name)
    }

    fn put(&self, name: &str, bytes: &[u8], when: &When) -> Result<(), Fault> {
        self.spend()?;
        self.inner.put(name, bytes, when)
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, Fault> {
        self.lives()?;
        self.inner.list(prefix)
    }

    fn delete(&self, name: &str) -> Result<(), Fault> {
        self.spend()?;
        self.inner.delete(name)
    }

    fn place(&self) -> String {
        "memory".to_owned()
    }
}

/// A process of this machine that is gone.
fn gone() -> Holder {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    child.wait().unwrap();
    Holder { pid, started: Some(1), ..Holder::here() }
}

/// Two applies, the second of which broke off in a call.
fn filled(depot: &dyn Depot) -> Loaded {
    let writer = depot.open(&Holder::here()).unwrap();
    writer.append(&open("1")).unwrap();
    writer.begin(&begin(1, "model.a")).unwrap();
    writer.append(&done(1, "model.a")).unwrap();
    writer.close("applied", "1 added").unwrap();
    let writer = depot.open(&gone()).unwrap();
    writer.append(&open("2")).unwrap();
    writer.begin(&begin(1, "model.b")).unwrap();
    writer.append(&done(1, "model.b")).unwrap();
    writer.begin(&begin(2, "model.c")).unwrap();
    depot.keep("apply-1", b"canary").unwrap();
    depot.read().unwrap()
}

fn moved(from: (&str, &dyn Depot), to: (&str, &dyn Depot), holder: &Holder) -> Result<Moved, Diagnostic> {
    let place = |(name, depot)| Place { depot, name, settings: "{}" };
    let beside = [("seal.key".to_owned(), b"key".to_vec())];
    let (from, to) = (place(from), place(to));
    let job = Move {
        from,
        to,
        beside: &beside,
        holder,
        who: "ann@here",
        command: "init -migrate-state",
        commit: None,
    };
    move_state(&job)
}

/// Everything that was there is in the new place, and nobody works with the old one.
fn arrived(from: &dyn Depot, to: &dyn Depot, wanted: &Loaded) {
    assert_eq!(&to.read().unwrap(), wanted);
    let history = to.history().unwrap();
    let applies: std::collections::BTreeSet<&str> = history.iter().map(|one| one.apply.as_str()).collect();
    assert_eq!(applies.len(), history.len(), "{history:?}");
    assert!(to.lease().unwrap().token > from.lease().unwrap().token);
    let told: Vec<_> = history.iter().map(|one| (one.apply.as_str(), one.outcome.as_str())).collect();
    assert_eq!(told[..2], [("1", "applied"), ("2", "broken off")], "{told:?}");
    assert_eq!(history.last().unwrap().command, "init -migrate-state");
    assert_eq!(to.kept("apply-1").unwrap().unwrap(), b"canary");
    assert_eq!(to.kept("seal.key").unwrap().unwrap(), b"key");
    assert_eq!(from.read().unwrap_err().code, "MLP0607");
    assert_eq!(from.open(&Holder::here()).err().unwrap().code, "MLP0607");
    assert_eq!(from.set_aside(&Holder::here()).unwrap_err().code, "MLP0607");
    assert_eq!(to.lease().unwrap().holder, None);
    to.open(&Holder::here()).unwrap().close("done", "").unwrap();
    assert_eq!(&to.read().unwrap(), wanted);
}

fn directory(root: &Path) -> DirStore {
    DirStore::new(root, "p", "e")
}

#[test]
fn a_state_is_moved_from_directory_to_directory_and_back() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let key = KeySource { passphrase: Some("correct horse".into()), ..KeySource::default() };
    let encryption = Encryption { current: Some(key), previous: Vec::new() };
    let (from, to) = (directory(a.path()), directory(b.path()).with_encryption(encryption));
    let wanted = filled(&from);
    let done = moved(("a", &from), ("b", &to), &Holder::here()).unwrap();
    assert_eq!((done.records, done.applies, done.kept, done.finished), (2, 2, 2, false));
    assert_eq!(directory(b.path()).read().unwrap_err().code, "MLP0606");
    // Again is no mistake.
    assert!(moved(("a", &from), ("b", &to), &Holder::here()).unwrap().finished);
    arrived(&from, &to, &wanted);
    // And back, where it was before.
    moved(("b", &to), ("a", &from), &Holder::here()).unwrap();
    arrived(&to, &from, &wanted);
    // From a place that was left, nothing is moved on.
    let c = tempfile::tempdir().unwrap();
    let error = moved(("b", &to), ("c", &directory(c.path())), &Holder::here()).unwrap_err();
    assert!(error.code == "MLP0607" && error.headline.contains("moved to a"), "{error:?}");
}

#[test]
fn a_move_that_is_killed_at_any_write_loses_nothing_and_is_finished_by_the_next() {
    let mut finished_only = 0;
    for writes in 0.. {
        assert!(writes < 200, "it never ends");
        let (from, to) = (Arc::new(Memory::default()), Arc::new(Memory::default()));
        let store = |blobs: &Arc<Memory>| BlobStore::new(blobs.clone(), "p", "e");
        let wanted = filled(&store(&from));
        let left = Arc::new(AtomicUsize::new(writes));
        let dying = |inner: &Arc<Memory>| {
            let blobs = Dying { inner: inner.clone(), left: left.clone() };
            BlobStore::new(Arc::new(blobs), "p", "e")
        };
        let first = moved(("a", &dying(&from)), ("b", &dying(&to)), &gone());
        // It counts in one place, or in none while the end is missing; never in both.
        let (a, b) = (store(&from).read(), store(&to).read());
        let counts = |read: &Result<Loaded, Diagnostic>| {
            read.as_ref().is_ok_and(|loaded| !loaded.state.resources.is_empty())
        };
        assert!(!(counts(&a) && counts(&b)), "after {writes} writes it counts in both");
        for read in [&a, &b].into_iter().filter(|read| counts(read)) {
            assert_eq!(read.as_ref().unwrap(), &wanted, "after {writes} writes");
        }
        if a.is_err() && b.is_err() {
            finished_only += 1;
        }
        moved(("a", &store(&from)), ("b", &store(&to)), &Holder::here()).unwrap();
        arrived(&store(&from), &store(&to), &wanted);
        if first.is_ok() {
            break;
        }
    }
    assert!(finished_only > 0, "no try was killed between the two marks");
}

#[test]
fn a_state_is_not_moved_over_another_nor_under_a_lease() {
    let dirs: Vec<_> = (0..3).map(|_| tempfile::tempdir().unwrap()).collect();
    let (from, other) = (directory(dirs[0].path()), directory(dirs[1].path()));
    let wanted = filled(&from);
    filled(&other);
    let here = Holder::here();
    let refused = |to: &DirStore| moved(("a", &from), ("b", to), &here).unwrap_err();
    let error = refused(&other);
    assert!(error.code == "MLP0609" && error.notes[0].contains("lineage"), "{error:?}");
    let foreign = DirStore::new(dirs[2].path(), "q", "e");
    assert_eq!(refused(&foreign).code, "MLP0605");
    let empty = directory(dirs[2].path());
    let writer = from.open(&here).unwrap();
    let error = refused(&empty);
    assert!(error.code == "MLP0610" && error.headline.contains("until 20"), "{error:?}");
    writer.close("done", "").unwrap();
    let writer = empty.open(&here).unwrap();
    assert_eq!(refused(&empty).code, "MLP0610");
    writer.close("done", "").unwrap();
    // Nothing of this took anything from anybody.
    assert_eq!(from.read().unwrap(), wanted);
    assert_eq!(from.lease().unwrap().holder, None);
    moved(("a", &from), ("b", &empty), &here).unwrap();
    assert_eq!(empty.read().unwrap(), wanted);
}
