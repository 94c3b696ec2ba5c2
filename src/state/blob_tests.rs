//! What a store of objects holds against many at once, stopped holders, lost replies and other keys.

use std::sync::{Arc, Mutex};

use crate::blobs::{Blobs, Fault, Memory, Tag, When};
use crate::dir_tests::race;
use crate::journal::tests::{begin, done, open};
use crate::{BlobStore, Depot, Encryption, Holder, KeySource, Store};

fn store(blobs: &Arc<Memory>) -> BlobStore {
    BlobStore::new(blobs.clone(), "p", "e")
}

fn apply(store: &BlobStore, number: &str, id: &str) -> Result<crate::State, mlp_diag::Diagnostic> {
    let writer = store.open(&Holder::here())?;
    writer.append(&open(number))?;
    writer.begin(&begin(1, id))?;
    writer.append(&done(1, id))?;
    writer.close("done", "")
}

/// What a bucket is asked, and whatever holds for it in memory must hold for a server.
pub(crate) fn suite(make: &(dyn Fn() -> BlobStore + Sync)) {
    let store = make();
    assert!(store.read().unwrap().state.resources.is_empty());
    apply(&store, "1", "model.a").unwrap();
    let first = store.open(&Holder::here()).unwrap();
    assert_eq!(store.open(&Holder::here()).err().unwrap().code, "MLP0610");
    first.append(&open("2")).unwrap();
    first.begin(&begin(1, "model.b")).unwrap();
    first.append(&done(1, "model.b")).unwrap();
    first.begin(&begin(2, "model.c")).unwrap();
    first.renew().unwrap();
    expire(&store);
    let second = store.open(&Holder::here()).unwrap();
    assert_eq!(first.begin(&begin(3, "model.d")).unwrap_err().code, "MLP0611");
    assert_eq!(first.renew().unwrap_err().code, "MLP0611");
    assert_eq!(first.close("done", "").unwrap_err().code, "MLP0611");
    let loaded = second.loaded();
    assert_eq!((loaded.state.resources.len(), loaded.unfinished.len()), (2, 1));
    assert_eq!(store.read().unwrap(), loaded);
    second.append(&open("3")).unwrap();
    second.close("done", "").unwrap();
    let outcomes: Vec<_> = store.history().unwrap().into_iter().map(|one| one.outcome).collect();
    assert_eq!(outcomes, ["done", "broken off", "done"]);
    store.keep("x", b"one").unwrap();
    store.keep("x", b"two").unwrap();
    assert_eq!(store.kept("x").unwrap().unwrap(), b"one");
    assert_eq!(store.kept("y").unwrap(), None);
    assert_eq!(store.lease().unwrap().holder, None);
}

fn expire(store: &BlobStore) {
    store
        .change_lease(|lease| {
            lease.expires = 1;
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_store_of_objects_keeps_what_was_applied() {
    let blobs = Arc::new(Memory::default());
    suite(&|| store(&blobs));
}

#[test]
fn sixty_four_race_and_one_holds_it_at_a_time() {
    let blobs = Arc::new(Memory::default());
    race(&|| store(&blobs));
}

#[test]
fn objects_are_encrypted_and_given_another_key() {
    let blobs = Arc::new(Memory::default());
    let by = |text: &str| KeySource { passphrase: Some(text.into()), ..KeySource::default() };
    let with = |current: &str, previous: &[&str]| {
        store(&blobs).with_encryption(Encryption {
            current: Some(by(current)),
            previous: previous.iter().map(|text| by(text)).collect(),
        })
    };
    let clear = || {
        let names = blobs.list("").unwrap();
        let text = |name: &String| String::from_utf8(blobs.get(name).unwrap().unwrap().0).unwrap();
        names
            .iter()
            .any(|name| text(name).contains("canary") || text(name).contains(&crate::crypt::hex(b"canary")))
    };
    apply(&store(&blobs), "1", "model.canary_a").unwrap();
    store(&blobs).keep("x", b"canary").unwrap();
    assert!(clear());
    apply(&with("one", &[]), "2", "model.canary_b").unwrap();
    assert!(!clear());
    assert_eq!(store(&blobs).read().unwrap_err().code, "MLP0606");
    apply(&with("two", &["one"]), "3", "model.canary_c").unwrap();
    let alone = with("two", &[]);
    assert_eq!(alone.read().unwrap().state.resources.len(), 3);
    assert_eq!(alone.history().unwrap().len(), 3);
    assert_eq!(alone.kept("x").unwrap().unwrap(), b"canary");
    assert!(!clear());
}

/// Objects of which every other write succeeds and says that it did not.
struct Deaf {
    inner: Memory,
    turn: Mutex<u64>,
}

impl Blobs for Deaf {
    fn get(&self, name: &str) -> Result<Option<(Vec<u8>, Tag)>, Fault> {
        self.inner.get(name)
    }

    fn put(&self, name: &str, bytes: &[u8], when: &When) -> Result<(), Fault> {
        self.inner.put(name, bytes, when)?;
        let mut turn = self.turn.lock().unwrap();
        *turn += 1;
        // A client that tries a conditional write again after a lost reply is told that it came second: to itself.
        if turn.is_multiple_of(2) && *when != When::Always { Err(Fault::Lost) } else { Ok(()) }
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, Fault> {
        self.inner.list(prefix)
    }

    fn delete(&self, name: &str) -> Result<(), Fault> {
        self.inner.delete(name)
    }

    fn place(&self) -> String {
        "deaf".to_owned()
    }
}

#[test]
fn a_lost_reply_is_not_taken_for_somebody_else() {
    let blobs = Arc::new(Deaf { inner: Memory::default(), turn: Mutex::new(0) });
    for number in 0..4 {
        let store = BlobStore::new(blobs.clone(), "p", "e");
        apply(&store, &number.to_string(), &format!("model.m{number}")).unwrap();
    }
    let store = BlobStore::new(blobs, "p", "e");
    assert_eq!(store.read().unwrap().state.resources.len(), 4);
    assert!(store.read().unwrap().unfinished.is_empty());
}

/// Objects that nobody can reach.
struct Down;

impl Blobs for Down {
    fn get(&self, _name: &str) -> Result<Option<(Vec<u8>, Tag)>, Fault> {
        Err(Fault::Failed("no route to host".to_owned()))
    }

    fn put(&self, _name: &str, _bytes: &[u8], _when: &When) -> Result<(), Fault> {
        Err(Fault::Failed("no route to host".to_owned()))
    }

    fn list(&self, _prefix: &str) -> Result<Vec<String>, Fault> {
        Err(Fault::Failed("no route to host".to_owned()))
    }

    fn delete(&self, _name: &str) -> Result<(), Fault> {
        Err(Fault::Failed("no route to host".to_owned()))
    }

    fn place(&self) -> String {
        "s3://nowhere".to_owned()
    }
}

#[test]
fn a_store_that_cannot_be_reached_says_why_and_where() {
    let store = BlobStore::new(Arc::new(Down), "p", "e");
    for error in [store.read().unwrap_err(), store.open(&Holder::here()).err().unwrap()] {
        assert_eq!(error.code, "MLP0600");
        assert!(error.headline.contains("s3://nowhere: no route to host"), "{}", error.headline);
    }
}
