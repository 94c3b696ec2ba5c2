//! Tests of encryption: nothing can be read without the key, and nothing half-made stays when the disk is full.

use std::fs;
use std::sync::Arc;

use super::*;
use crate::data::{Check, Expectation, FindKey, Format, Keys, OnFailure};

const ROWS: &str = "id,mail\n1,jo@mail.example\n2,\n3,al@mail.example\n";

struct Bench {
    dir: tempfile::TempDir,
    store: Store,
    request: SnapshotRequest,
}

fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("people.csv"), ROWS).unwrap();
    let store = Store::new(dir.path().join("store")).with_keys(Keys::new(dir.path().join("keys/data.key")));
    let request = SnapshotRequest {
        name: "people".into(),
        sources: vec![dir.path().join("people.csv").into()],
        encrypt: true,
        created_at: "2026-01-31T12:00:00Z".into(),
        ..SnapshotRequest::default()
    };
    Bench { dir, store, request }
}

fn customer(secret: &'static str) -> Arc<FindKey> {
    Arc::new(move || Key::of_secret(secret))
}

/// Everything that is written below a directory, keys apart.
fn all_bytes(dir: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        bytes.extend(if path.is_dir() { all_bytes(&path) } else { fs::read(&path).unwrap() });
    }
    bytes
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

#[test]
fn encrypted_versions_say_nothing_and_come_back_with_the_key() {
    let bench = bench();
    for format in [Format::Csv, Format::JsonLines, Format::Parquet] {
        let quality = vec![Expectation {
            name: "mail".into(),
            check: Check::NotNull { columns: vec!["id".into(), "mail".into()] },
            at_least: 1.0,
        }];
        let request = SnapshotRequest {
            format: Some(format),
            quality,
            on_failure: OnFailure::Warn,
            ..bench.request.clone()
        };
        let made = bench.store.snapshot(&request).unwrap();
        let digest = made.manifest.digest.clone();
        assert_eq!(made.warnings.len(), 1);
        assert!(made.manifest.sealed.is_some() && made.manifest.columns[0].max.is_none());
        assert_eq!(bench.store.verify(&digest).unwrap(), Integrity::Intact);
        assert!(!contains(&all_bytes(bench.store.root()), "mail.example"));
        let mut table = bench.store.open("people", &digest).unwrap();
        assert_eq!(table.next_row().unwrap().unwrap().cells[1].text(), "jo@mail.example");
        let copy = bench.dir.path().join("run/people");
        assert_eq!(bench.store.readable("people", &digest, &copy).unwrap(), copy);
        assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
        if format == Format::Csv {
            assert_eq!(fs::read_to_string(&copy).unwrap(), ROWS);
        }
        assert!(!bench.store.snapshot(&request).unwrap().created, "the same content is the same version");
    }
    let clear = SnapshotRequest { encrypt: false, ..bench.request.clone() };
    let clear = bench.store.snapshot(&clear).unwrap();
    let read = bench.store.readable("people", &clear.manifest.digest, Path::new("/nowhere")).unwrap();
    assert_eq!(read, clear.object);
}

#[test]
fn the_wrong_key_no_key_and_damage_are_told_apart() {
    let bench = bench();
    let (first, second) = ("the key of the first customer, long", "the key of the second customer, long");
    let store = |secret| {
        let keys = Keys::new(bench.dir.path().join("keys/data.key")).with_customer(customer(secret));
        bench.store.clone().with_keys(keys)
    };
    let made = store(first).snapshot(&bench.request).unwrap();
    let digest = made.manifest.digest.clone();
    assert!(!bench.dir.path().join("keys").exists(), "a customer's key alone");
    let wrong = store(second).open("people", &digest).err().unwrap();
    assert_eq!(wrong.code, "MLP0731", "{wrong}");
    let none = bench.store.open("people", &digest).err().unwrap();
    assert!(none.code == "MLP0730" && none.message.contains("missing"), "{none}");
    // Nobody has to have the key to see that it is whole, or that it is not.
    assert_eq!(bench.store.verify(&digest).unwrap(), Integrity::Intact);
    let mut bytes = fs::read(&made.object).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::set_permissions(&made.object, Permissions::from_mode(0o644)).unwrap();
    fs::write(&made.object, bytes).unwrap();
    assert!(matches!(bench.store.verify(&digest).unwrap(), Integrity::Damaged { .. }));
    let copy = bench.dir.path().join("run/people");
    let damaged = store(first).readable("people", &digest, &copy).unwrap_err();
    assert_eq!(damaged.code, "MLP0731", "{damaged}");
    assert!(fs::read_dir(bench.dir.path().join("run")).unwrap().next().is_none(), "no half copy");
    let mut table = store(first).open("people", &digest).map_err(|found| found.code);
    let code = table.as_mut().map_or_else(|code| *code, |table| table.next_row().unwrap_err().code);
    assert_eq!(code, "MLP0731");
    // Applied again it is whole again.
    store(first).snapshot(&bench.request).unwrap();
    assert_eq!(store(first).verify(&digest).unwrap(), Integrity::Intact);
}

#[test]
fn a_lost_project_key_is_not_replaced_behind_anyones_back() {
    let bench = bench();
    bench.store.snapshot(&bench.request).unwrap();
    fs::remove_file(bench.dir.path().join("keys/data.key")).unwrap();
    let masked = SnapshotRequest { mask: vec!["mail".into()], encrypt: false, ..bench.request.clone() };
    assert_eq!(bench.store.snapshot(&bench.request).unwrap_err().code, "MLP0730");
    bench.store.snapshot(&masked).unwrap();
    fs::remove_file(bench.dir.path().join("keys/data.key")).unwrap();
    assert_eq!(bench.store.snapshot(&masked).unwrap_err().code, "MLP0730");
}

#[test]
fn a_data_set_is_made_from_an_encrypted_one() {
    let bench = bench();
    let raw = bench.store.snapshot(&bench.request).unwrap();
    let request = SnapshotRequest {
        name: "safe".into(),
        sources: vec![bench.store.source("people", &raw.manifest.digest).unwrap()],
        redact: vec!["email".into()],
        encrypt: false,
        ..bench.request.clone()
    };
    let made = bench.store.snapshot(&request).unwrap();
    assert_eq!(fs::read_to_string(&made.object).unwrap(), "id,mail\n1,[email]\n2,\n3,[email]\n");
    assert!(made.manifest.sources[0].path.starts_with("people@"));
}

/// The part of the test below that runs in a process of its own, whose files may not grow.
#[test]
fn a_full_disk_child() {
    let Ok(dir) = std::env::var("MLP_TEST_FULL_DISK") else { return };
    let dir = Path::new(&dir);
    // Writing beyond the limit is a signal first and an error only where that is ignored, which a shell did for us.
    rustix::process::setrlimit(
        rustix::process::Resource::Fsize,
        rustix::process::Rlimit { current: Some(64 * 1024), maximum: Some(64 * 1024) },
    )
    .unwrap();
    let store = Store::new(dir.join("store"));
    for (format, encrypt) in
        [(Format::Csv, false), (Format::JsonLines, false), (Format::Parquet, false), (Format::Csv, true)]
    {
        let request = SnapshotRequest {
            name: "big".into(),
            sources: vec![dir.join("big.csv").into()],
            format: Some(format),
            encrypt,
            ..SnapshotRequest::default()
        };
        let refused = store.snapshot(&request).unwrap_err();
        assert_eq!(refused.code, "MLP0707", "{refused}");
        assert_eq!(list(&dir.join("store/tmp")).unwrap().len(), 0, "{}", format.name());
        assert!(!dir.join("store/objects").exists() && store.versions("big").unwrap().is_empty());
    }
}

#[test]
fn a_full_disk_leaves_nothing_half_made() {
    let dir = tempfile::tempdir().unwrap();
    let mut state: u64 = 1;
    let rows: String = (0..40_000)
        .map(|row| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            format!("{row},{state}x\n")
        })
        .collect();
    fs::write(dir.path().join("big.csv"), format!("id,text\n{rows}")).unwrap();
    let program = std::env::current_exe().unwrap();
    let child = std::process::Command::new("/bin/sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" --exact data::store::secret_tests::a_full_disk_child"])
        .arg(program)
        .env("MLP_TEST_FULL_DISK", dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&child.stderr)
    );
}
