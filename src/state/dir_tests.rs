//! What a directory store holds against many at once, stopped holders, older versions and other keys.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::journal::tests::{begin, done, open};
use crate::{Depot, DirStore, Encryption, Holder, KeySource, Store};

fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = to.join(path.file_name().unwrap());
        if path.is_dir() { copied(&path, &name) } else { fs::copy(&path, &name).map(drop).unwrap() }
    }
}

fn by_passphrase(text: &str) -> KeySource {
    KeySource { passphrase: Some(text.into()), ..KeySource::default() }
}

/// Whether a text stands anywhere below a directory, also in hex.
fn stands(root: &Path, text: &str) -> bool {
    let hex = crate::crypt::hex(text.as_bytes());
    fs::read_dir(root).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return stands(&path, text);
        }
        let bytes = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        bytes.contains(text) || bytes.contains(&hex)
    })
}

/// Sixty-four race; one holds it at a time, and every other is told who does.
pub(crate) fn race<S: Depot>(make: &(dyn Fn() -> S + Sync)) {
    let (holding, won, told) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for one in 0..64 {
            let (holding, won, told) = (&holding, &won, &told);
            scope.spawn(move || match make().open(&Holder::here()) {
                Ok(writer) => {
                    assert_eq!(holding.fetch_add(1, Ordering::SeqCst), 0, "two hold it");
                    let id = format!("model.m{one}");
                    writer.append(&open(&one.to_string())).unwrap();
                    writer.begin(&begin(1, &id)).unwrap();
                    writer.append(&done(1, &id)).unwrap();
                    won.fetch_add(1, Ordering::SeqCst);
                    holding.fetch_sub(1, Ordering::SeqCst);
                    writer.close("done", "").unwrap();
                }
                Err(error) => {
                    assert_eq!(error.code, "MLP0610", "{error:?}");
                    assert!(error.headline.contains(&format!("process {}", std::process::id())));
                    told.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    let won = won.into_inner();
    assert_eq!(won + told.into_inner(), 64);
    assert!(won > 0);
    let store = make();
    assert_eq!(store.read().unwrap().state.resources.len(), won);
    assert_eq!(store.history().unwrap().len(), won);
    assert_eq!(store.lease().unwrap().holder, None);
}

#[test]
fn sixty_four_race_and_one_holds_it_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    race(&|| DirStore::new(dir.path(), "p", "e"));
}

#[test]
fn what_an_earlier_holder_writes_while_it_is_taken_over_counts_or_is_refused() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let store = DirStore::new(dir.path(), "p", "e");
        let first = store.open(&Holder::here()).unwrap();
        first.append(&open("1")).unwrap();
        crate::dir_lease::change_lease(dir.path(), |lease| {
            lease.expires = 1;
            Ok(())
        })
        .unwrap();
        let (allowed, second) = std::thread::scope(|scope| {
            let late = scope.spawn(|| {
                let may = |step| first.begin(&begin(step, &format!("model.m{step}"))).is_ok();
                (0..50).filter(|step| may(*step)).count()
            });
            let second = store.open(&Holder::here()).unwrap();
            (late.join().unwrap(), second)
        });
        // Whoever was told to go on made its call: it must not be forgotten.
        assert!(second.loaded().unfinished.len() >= allowed, "{allowed}");
        assert_eq!(store.read().unwrap(), second.loaded());
    }
}

#[test]
fn every_version_of_the_directory_so_far_is_read_and_gone_on_with() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/v1");
    let dir = tempfile::tempdir().unwrap();
    copied(&fixture, dir.path());
    let store = DirStore::new(dir.path(), "churn", "dev");
    let loaded = store.read().unwrap();
    let ids: Vec<_> = loaded.state.resources.keys().map(ToString::to_string).collect();
    assert_eq!(ids, ["endpoint.b", "model.a", "model.c"]);
    assert_eq!(loaded.unfinished.len(), 1);
    assert_eq!(loaded.state.format_version, crate::FORMAT_VERSION);
    let writer = store.open(&Holder::here()).unwrap();
    writer.append(&open("3")).unwrap();
    writer.close("done", "").unwrap();
    assert_eq!(store.read().unwrap(), loaded);
    let newest = crate::files::newest(dir.path(), "snapshot").unwrap().unwrap().1;
    let text = fs::read_to_string(newest).unwrap();
    assert!(text.contains("\"format_version\":2"), "{text}");
    let outcomes: Vec<_> = store.history().unwrap().into_iter().map(|one| one.outcome).collect();
    assert_eq!(outcomes, ["applied", "broken off", "done"]);
}

#[test]
fn a_state_is_encrypted_opened_and_given_another_key() {
    let dir = tempfile::tempdir().unwrap();
    let plain = || DirStore::new(dir.path(), "p", "e");
    let with = |current: Option<&str>, previous: &[&str]| {
        plain().with_encryption(Encryption {
            current: current.map(by_passphrase),
            previous: previous.iter().map(|text| by_passphrase(text)).collect(),
        })
    };
    let apply = |store: &DirStore, number: &str, id: &str| {
        let writer = store.open(&Holder::here())?;
        writer.append(&open(number))?;
        writer.begin(&begin(1, id))?;
        writer.append(&done(1, id))?;
        assert_eq!(stands(dir.path(), id), !store.is_encrypted(), "the journal");
        writer.close("done", &format!("canary {id}"))
    };
    apply(&plain(), "1", "model.canary_a").unwrap();
    plain().keep("plan", b"canary kept").unwrap();

    // What is there in the clear is encrypted with the next apply.
    let first = with(Some("one"), &[]);
    assert_eq!(first.read().unwrap().state.resources.len(), 1);
    apply(&first, "2", "model.canary_b").unwrap();
    assert!(!stands(dir.path(), "canary"));
    assert_eq!(first.kept("plan").unwrap().unwrap(), b"canary kept");

    // Without the key nothing is read, and nothing written.
    for locked in [plain(), with(Some("two"), &[])] {
        assert_eq!(locked.read().unwrap_err().code, "MLP0606");
        assert_eq!(apply(&locked, "3", "model.canary_c").unwrap_err().code, "MLP0606");
    }

    // Another key, with the old one beside it, and then alone.
    let second = with(Some("two"), &["one"]);
    apply(&second, "4", "model.canary_d").unwrap();
    assert!(!stands(dir.path(), "canary"));
    let alone = with(Some("two"), &[]);
    assert_eq!(alone.read().unwrap().state.resources.len(), 3);
    assert_eq!(alone.history().unwrap().len(), 3);
    assert_eq!(alone.kept("plan").unwrap().unwrap(), b"canary kept");
    assert_eq!(first.read().unwrap_err().code, "MLP0606");

    // And in the clear again.
    apply(&with(None, &["two"]), "5", "model.canary_e").unwrap();
    assert_eq!(plain().read().unwrap().state.resources.len(), 4);
    assert_eq!(plain().history().unwrap().len(), 4);
}

#[test]
fn a_rotation_that_broke_off_is_finished_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let store = |current: &str, previous: &[&str]| {
        DirStore::new(dir.path(), "p", "e").with_encryption(Encryption {
            current: Some(by_passphrase(current)),
            previous: previous.iter().map(|text| by_passphrase(text)).collect(),
        })
    };
    let first = store("one", &[]);
    let writer = first.open(&Holder::here()).unwrap();
    writer.append(&open("1")).unwrap();
    writer.close("done", "").unwrap();
    let newest = |stem: &str| crate::files::newest(dir.path(), stem).unwrap().unwrap().1;
    let read =
        |path: &Path| -> serde_json::Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let (snapshot, history) =
        (fs::read(newest("snapshot")).unwrap(), fs::read(dir.path().join("history.jsonl")).unwrap());
    let old_keys = read(&newest("keys"));
    store("two", &["one"]).open(&Holder::here()).unwrap().close("done", "").unwrap();
    // As a crash leaves it right after the new key was written: the list has both, and the rest is as it was.
    let mut keys = read(&newest("keys"));
    keys["keys"].as_array_mut().unwrap().push(old_keys["keys"][0].clone());
    fs::write(newest("keys"), keys.to_string()).unwrap();
    fs::write(newest("snapshot"), snapshot).unwrap();
    fs::write(dir.path().join("history.jsonl"), history).unwrap();
    let next = store("two", &["one"]);
    assert_eq!(next.history().unwrap().len(), 1);
    next.open(&Holder::here()).unwrap().close("done", "").unwrap();
    assert_eq!(store("two", &[]).history().unwrap().len(), 1);
}

#[test]
fn a_lease_lasts_as_long_as_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let store = DirStore::new(dir.path(), "p", "e").with_lease(Duration::from_secs(600));
    let writer = store.open(&Holder::here()).unwrap();
    assert_eq!(writer.heartbeat(), Duration::from_secs(100));
    assert!(store.lease().unwrap().expires > crate::unix_now() + 300);
}

#[test]
fn a_holder_that_was_taken_over_while_it_closed_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = DirStore::new(dir.path(), "p", "e");
    let writer = store.open(&Holder::here()).unwrap();
    writer.append(&open("1")).unwrap();
    writer.begin(&begin(1, "model.a")).unwrap();
    let stale = crate::journal::Replay::new(writer.loaded().state, Vec::new());
    crate::dir_lease::change_lease(dir.path(), |lease| {
        lease.expires = 1;
        Ok(())
    })
    .unwrap();
    let second = store.open(&Holder::here()).unwrap();
    second.append(&open("2")).unwrap();
    second.begin(&begin(1, "model.b")).unwrap();
    second.append(&done(1, "model.b")).unwrap();
    // It looked at its lease, was stopped, and writes its snapshot only now.
    store.write_snapshot((1, 1), &stale, &crate::crypt::Crypt::default()).unwrap();
    let state = second.close("done", "").unwrap();
    assert_eq!(store.read().unwrap().state, state);
    assert_eq!(writer.close("done", "").unwrap_err().code, "MLP0611");
    assert_eq!(store.read().unwrap().state, state);
}
