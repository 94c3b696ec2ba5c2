//! Tests of the store: what a version is, and what leaves nothing behind.

use super::*;
use crate::data::{Check, ColumnSchema, ColumnType, Expectation, OnFailure, Sample};

const ROWS: &str = "id,age,mail\n1,30,a@b.example\n2,,call +49 151 1234567\n3,41,\n";

fn setup(content: &str) -> (tempfile::TempDir, Store, SnapshotRequest) {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("people.csv");
    fs::write(&source, content).unwrap();
    let store = Store::new(dir.path().join("store"));
    let request = SnapshotRequest {
        name: "people".into(),
        sources: vec![source.into()],
        created_at: "2026-01-31T12:00:00Z".into(),
        ..SnapshotRequest::default()
    };
    (dir, store, request)
}

fn files_below(dir: &Path) -> usize {
    list(dir).unwrap().iter().map(|path| if path.is_dir() { files_below(path) } else { 1 }).sum()
}

#[test]
fn the_same_content_is_the_same_version() {
    let (_dir, store, request) = setup(ROWS);
    let first = store.snapshot(&request).unwrap();
    assert!(first.created);
    assert_eq!(first.manifest.rows, 3);
    assert_eq!(fs::read_to_string(&first.object).unwrap(), ROWS);
    assert_eq!(fs::metadata(&first.object).unwrap().permissions().mode() & 0o222, 0);
    let later = SnapshotRequest { created_at: "2027-01-01T00:00:00Z".into(), ..request };
    let second = store.snapshot(&later).unwrap();
    assert!(!second.created);
    assert_eq!(second.manifest, first.manifest);
    assert_eq!(store.versions("people").unwrap(), std::slice::from_ref(&first.manifest));
    assert_eq!(store.manifest("people", &first.manifest.digest).unwrap(), first.manifest);
    assert_eq!(store.size("people").unwrap(), ROWS.len() as u64);
    assert_eq!(store.names().unwrap(), ["people"]);
    assert_eq!(files_below(&store.root.join("tmp")), 0);
}

#[test]
fn damage_is_seen_and_repaired() {
    let (_dir, store, request) = setup(ROWS);
    let snapshot = store.snapshot(&request).unwrap();
    let digest = snapshot.manifest.digest;
    fs::set_permissions(&snapshot.object, Permissions::from_mode(0o644)).unwrap();
    fs::write(&snapshot.object, "id\n").unwrap();
    assert!(matches!(store.verify(&digest).unwrap(), Integrity::Damaged { .. }));
    store.snapshot(&request).unwrap();
    assert_eq!(store.verify(&digest).unwrap(), Integrity::Intact);
    fs::remove_file(&snapshot.object).unwrap();
    assert_eq!(store.verify(&digest).unwrap(), Integrity::Missing);
}

#[test]
fn content_goes_with_its_last_version() {
    let (_dir, store, request) = setup(ROWS);
    let digest = store.snapshot(&request).unwrap().manifest.digest;
    store.snapshot(&SnapshotRequest { name: "copy".into(), ..request }).unwrap();
    assert!(store.remove("people", &digest).unwrap());
    assert_eq!(store.verify(&digest).unwrap(), Integrity::Intact);
    assert!(store.remove("copy", &digest).unwrap());
    assert_eq!(store.verify(&digest).unwrap(), Integrity::Missing);
    assert!(!store.remove("copy", &digest).unwrap());
    assert_eq!(store.manifest("copy", &digest).unwrap_err().code, "MLP0709");
    assert!(store.names().unwrap().is_empty());
}

#[test]
fn data_that_is_not_as_declared_leaves_nothing() {
    let (_dir, store, request) = setup(ROWS);
    let schema =
        vec![ColumnSchema::new("age", ColumnType::Integer), ColumnSchema::new("no", ColumnType::Bool)];
    let check = Check::NotNull { columns: vec!["mail".into()] };
    let quality = vec![Expectation { name: "mail".into(), check, at_least: 1.0 }];
    let refused = store
        .snapshot(&SnapshotRequest { schema: Some(schema), quality: quality.clone(), ..request.clone() })
        .unwrap_err();
    assert_eq!((refused.code, refused.notes.len()), ("MLP0703", 3), "{refused}");
    assert_eq!(files_below(&store.root), 0);
    let blocked =
        store.snapshot(&SnapshotRequest { quality: quality.clone(), ..request.clone() }).unwrap_err();
    assert_eq!((blocked.code, blocked.subject.as_deref()), ("MLP0704", Some("quality.expect.mail")));
    assert_eq!(files_below(&store.root), 0);
    let warned = SnapshotRequest { quality, on_failure: OnFailure::Warn, ..request };
    let warned = store.snapshot(&warned).unwrap();
    assert_eq!(warned.warnings.len(), 1);
    assert!(!warned.manifest.quality[0].passed);
}

fn snapshot_token(text: &str) -> &str {
    text.lines().nth(1).unwrap().split(',').nth(1).unwrap()
}

#[test]
fn masked_and_redacted_values_never_reach_the_disk() {
    let (_dir, store, request) = setup(ROWS);
    let kinds = vec!["email".to_owned(), "phone".to_owned()];
    let request = SnapshotRequest { mask: vec!["age".into()], redact: kinds, ..request };
    let snapshot = store.snapshot(&request).unwrap();
    let text = fs::read_to_string(&snapshot.object).unwrap();
    let token = snapshot_token(&text);
    let manifest = fs::read_to_string(store.manifest_path("people", &snapshot.manifest.digest)).unwrap();
    assert!(text.contains(&format!("1,{token},[email]\n2,,call [phone]\n")), "{text}");
    assert!(token.len() == 16 && *token != blake3::hash(b"30").to_hex()[..16]);
    assert!(!manifest.contains("\"41\"") && !manifest.contains("b.example"), "{manifest}");
    let unknown = SnapshotRequest { mask: vec!["agee".into()], ..request };
    assert_eq!(store.snapshot(&unknown).unwrap_err().code, "MLP0706");
}

#[test]
fn samples_are_the_same_rows_in_order_for_the_same_seed() {
    let lines: String = (0..1000).map(|row| format!("{row}\n")).collect();
    let (_dir, store, request) = setup(&format!("n\n{lines}"));
    let sample = |rows, fraction, seed| {
        let sample = Some(Sample { rows, fraction, seed });
        store.snapshot(&SnapshotRequest { sample, ..request.clone() }).unwrap()
    };
    let by_rows = sample(Some(100), None, 1);
    assert_eq!(by_rows.manifest.rows, 100);
    assert!(!sample(Some(100), None, 1).created);
    assert!(sample(Some(100), None, 2).created);
    let text = fs::read_to_string(by_rows.object).unwrap();
    let kept: Vec<u32> = text.lines().skip(1).map(|line| line.parse().unwrap()).collect();
    assert!(kept.is_sorted());
    let share = sample(None, Some(0.2), 1).manifest.rows;
    assert!((140..=260).contains(&share), "{share}");
    assert_eq!(sample(None, Some(1.0), 1).manifest.rows, 1000);
    let none = SnapshotRequest { sample: Some(Sample::default()), ..request.clone() };
    assert_eq!(store.snapshot(&none).unwrap_err().code, "MLP0711");
}

#[test]
fn a_directory_of_json_lines_is_one_table() {
    let (dir, store, request) = setup(ROWS);
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("2.jsonl"), "{\"b\":1.50,\"c\":true}\n").unwrap();
    fs::write(data.join("1.jsonl"), "{\"a\":\"x\",\"b\":2}\n").unwrap();
    fs::write(data.join("README.md"), "notes").unwrap();
    let snapshot =
        store.snapshot(&SnapshotRequest { sources: vec![data.into()], ..request.clone() }).unwrap();
    assert_eq!(
        fs::read_to_string(&snapshot.object).unwrap(),
        "{\"a\":\"x\",\"b\":2,\"c\":null}\n{\"a\":null,\"b\":1.50,\"c\":true}\n"
    );
    assert_eq!(snapshot.manifest.sources.len(), 2);
    let mixed = vec![dir.path().join("data/1.jsonl").into(), dir.path().join("people.csv").into()];
    assert_eq!(store.snapshot(&SnapshotRequest { sources: mixed, ..request }).unwrap_err().code, "MLP0702");
}

#[test]
fn csv_files_are_joined_by_column_name() {
    let (dir, store, request) = setup("a,b\n1,2\n");
    let other = dir.path().join("other.csv");
    fs::write(&other, "b,a\n4,3\n").unwrap();
    let sources = vec![request.sources[0].clone(), other.clone().into()];
    let request = SnapshotRequest { sources, ..request };
    let snapshot = store.snapshot(&request).unwrap();
    assert_eq!(fs::read_to_string(&snapshot.object).unwrap(), "a,b\n1,2\n3,4\n");
    fs::write(&other, "b,c\n4,3\n").unwrap();
    let refused = store.snapshot(&request).unwrap_err();
    assert_eq!(refused.notes, ["missing: `a`", "only here: `c`"]);
}

#[test]
fn versions_are_compared_by_rows_and_columns() {
    let (_dir, store, request) = setup("a,b\n1,x\n1,x\n2,y\n");
    let from = store.snapshot(&request).unwrap().manifest.digest;
    fs::write(&request.sources[0].path, "c,a\n0,2\n0,1\n0,3\n0,4\n").unwrap();
    let to = store.snapshot(&request).unwrap().manifest.digest;
    let difference = store.compare("people", &from, &to, &[]).unwrap();
    assert_eq!((difference.rows_added, difference.rows_removed, difference.rows_common), (2, 1, 2));
    assert_eq!((difference.columns_added, difference.columns_removed), (vec!["c".into()], vec!["b".into()]));
}

#[test]
fn left_overs_of_dead_writers_are_removed_and_names_stay_inside() {
    let (_dir, store, request) = setup(ROWS);
    fs::create_dir_all(store.root.join("tmp")).unwrap();
    fs::write(store.root.join("tmp/object-1-0"), "half").unwrap();
    store.snapshot(&request).unwrap();
    assert_eq!(files_below(&store.root.join("tmp")), 0);
    let outside = SnapshotRequest { name: "../x".into(), ..request };
    assert_eq!(store.snapshot(&outside).unwrap_err().code, "MLP0710");
}

#[test]
fn writers_at_the_same_time_make_one_version() {
    let (_dir, store, request) = setup(ROWS);
    let created: usize = std::thread::scope(|scope| {
        let runs: Vec<_> =
            (0..4).map(|_| scope.spawn(|| store.snapshot(&request).unwrap().created)).collect();
        runs.into_iter().map(|run| usize::from(run.join().unwrap())).sum()
    });
    assert_eq!(created, 1);
    assert_eq!(store.versions("people").unwrap().len(), 1);
}
