//! Tests of formats: what is read from one and kept in another.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::data::parquet::{Column, write_parquet};
use crate::data::{Check, ColumnSchema, ColumnType, Expectation, Format, Sample};

/// One column of every kind of type that is read.
const EVERY_TYPE: &str = "message t {
    optional int32 small (INTEGER(8, true));
    optional double ratio;
    optional boolean active;
    optional binary name (UTF8);
    optional int64 at (TIMESTAMP(NANOS, true));
    optional int32 day (DATE);
    optional binary price (DECIMAL(20, 2));
    optional binary plan (UTF8);
}";

fn write_every_type(path: &Path) {
    let columns = vec![
        Column::Int32(vec![Some(-5), None]),
        Column::Double(vec![Some(0.1), Some(f64::NAN)]),
        Column::Bool(vec![Some(true), Some(false)]),
        Column::Bytes(vec![Some(b"007"), None]),
        Column::Int64(vec![Some(1_769_860_800_123_456_789), None]),
        Column::Int32(vec![Some(20_484), Some(0)]),
        Column::Bytes(vec![Some(b"\x04\xd2"), Some(b"\xfb")]),
        Column::Bytes(vec![Some(b"basic"), Some(b"plus")]),
    ];
    write_parquet(path, EVERY_TYPE, columns);
}

const EVERY_ROW: &str = "{\"small\":-5,\"ratio\":0.1,\"active\":true,\"name\":\"007\",\
    \"at\":\"2026-01-31T12:00:00.123456789Z\",\"day\":\"2026-01-31\",\"price\":12.34,\"plan\":\"basic\"}\n\
    {\"small\":null,\"ratio\":null,\"active\":false,\"name\":null,\"at\":null,\"day\":\"1970-01-01\",\
    \"price\":-0.05,\"plan\":\"plus\"}\n";

struct Bench {
    dir: tempfile::TempDir,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().join("store"));
        Self { dir, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self, name: &str, content: &str) -> SourceData {
        fs::write(self.path(name), content).unwrap();
        self.path(name).into()
    }

    fn snapshot(&self, sources: Vec<SourceData>, format: Option<Format>) -> Result<Snapshot, Problem> {
        self.store.snapshot(&request(sources, format))
    }

    /// The text of a version, kept as another format.
    fn text_of(&self, snapshot: &Snapshot, format: Format) -> String {
        let source = self.store.source("t", &snapshot.manifest.digest).unwrap();
        let copy = SnapshotRequest { name: "copy".into(), ..request(vec![source], Some(format)) };
        fs::read_to_string(self.store.snapshot(&copy).unwrap().object).unwrap()
    }
}

fn request(sources: Vec<SourceData>, format: Option<Format>) -> SnapshotRequest {
    SnapshotRequest {
        name: "t".into(),
        sources,
        format,
        created_at: "2026-01-31T12:00:00Z".into(),
        ..SnapshotRequest::default()
    }
}

#[test]
fn every_type_of_parquet_is_read_and_kept() {
    let bench = Bench::new();
    write_every_type(&bench.path("all.parquet"));
    let made = bench.snapshot(vec![bench.path("all.parquet").into()], None).unwrap();
    assert_eq!((made.manifest.format, made.manifest.rows), (Format::Parquet, 2));
    let kinds: Vec<&str> = made.manifest.columns.iter().map(|column| column.kind.as_str()).collect();
    assert_eq!(kinds, ["integer", "number", "bool", "string", "timestamp", "date", "number", "string"]);
    assert_eq!(made.manifest.columns[6].min.as_deref(), Some("-0.05"));
    assert_eq!(bench.text_of(&made, Format::JsonLines), EVERY_ROW);
    // The types of the columns are those of the source.
    let table = bench.store.open("t", &made.manifest.digest).unwrap();
    let types = table.types().unwrap();
    let types: Vec<String> = types.iter().map(ToString::to_string).collect();
    assert_eq!(
        types,
        ["Int8", "Float64", "Boolean", "Text", "Timestamp(ns, UTC)", "Date", "Decimal(20, 2)", "Text"]
    );
    assert!(!bench.snapshot(vec![bench.path("all.parquet").into()], None).unwrap().created);
}

#[test]
fn formats_are_converted_into_each_other() {
    let bench = Bench::new();
    let csv = bench.file("a.csv", "id,zip,ok,n,day\n1,007,true,1.50,2026-01-31\n2,12345,,2,\n");
    let parquet = bench.snapshot(vec![csv.clone()], Some(Format::Parquet)).unwrap();
    let kinds: Vec<&str> = parquet.manifest.columns.iter().map(|column| column.kind.as_str()).collect();
    assert_eq!(kinds, ["integer", "string", "bool", "number", "date"]);
    let types = bench.store.open("t", &parquet.manifest.digest).unwrap().types().unwrap();
    let types: Vec<String> = types.iter().map(ToString::to_string).collect();
    assert_eq!(types, ["Int64", "Text", "Boolean", "Float64", "Date"]);
    // `12345` stands in a column with `007`: both are texts.
    let lines = "{\"id\":1,\"zip\":\"007\",\"ok\":true,\"n\":1.5,\"day\":\"2026-01-31\"}\n\
                 {\"id\":2,\"zip\":\"12345\",\"ok\":null,\"n\":2.0,\"day\":null}\n";
    assert_eq!(bench.text_of(&parquet, Format::JsonLines), lines);
    assert_eq!(
        bench.text_of(&parquet, Format::Csv),
        "id,zip,ok,n,day\n1,007,true,1.5,2026-01-31\n2,12345,,2.0,\n"
    );
    let json = bench.snapshot(vec![csv], Some(Format::JsonLines)).unwrap();
    assert!(
        fs::read_to_string(json.object)
            .unwrap()
            .starts_with("{\"id\":1,\"zip\":\"007\",\"ok\":true,\"n\":1.50,")
    );
}

#[test]
fn sources_of_different_formats_with_the_same_columns_are_one_table() {
    let bench = Bench::new();
    let schema = "message t { optional binary b (UTF8); optional int32 a (INTEGER(8, true)); }";
    let columns = vec![Column::Bytes(vec![Some(b"x")]), Column::Int32(vec![Some(1)])];
    write_parquet(&bench.path("1.parquet"), schema, columns);
    let sources = || {
        vec![
            bench.file("0.csv", "a,b\n0,w\n"),
            bench.path("1.parquet").into(),
            bench.file("2.jsonl", "{\"a\":2,\"b\":\"y\"}\n"),
        ]
    };
    let mixed = bench.snapshot(sources(), None).unwrap_err();
    assert_eq!((mixed.code, mixed.notes.len()), ("MLP0702", 3));
    let made = bench.snapshot(sources(), Some(Format::Csv)).unwrap();
    assert_eq!(fs::read_to_string(&made.object).unwrap(), "a,b\n0,w\n1,x\n2,y\n");
    let parquet = bench.snapshot(sources(), Some(Format::Parquet)).unwrap();
    assert_eq!(bench.text_of(&parquet, Format::Csv), "a,b\n0,w\n1,x\n2,y\n");
    let other = bench.file("3.csv", "a,c\n0,w\n");
    let refused = bench.snapshot(vec![bench.path("1.parquet").into(), other], Some(Format::Csv)).unwrap_err();
    assert_eq!(refused.notes, ["missing: `b`", "only here: `c`"]);
}

#[test]
fn parquet_is_checked_against_the_schema_and_its_rows_are_named() {
    let bench = Bench::new();
    write_every_type(&bench.path("all.parquet"));
    let schema = vec![
        ColumnSchema {
            nullable: true,
            max: Some((-6).into()),
            ..ColumnSchema::new("small", ColumnType::Integer)
        },
        ColumnSchema::new("at", ColumnType::Timestamp),
        ColumnSchema { min: Some(0.into()), ..ColumnSchema::new("price", ColumnType::Number) },
    ];
    let request =
        SnapshotRequest { schema: Some(schema), ..request(vec![bench.path("all.parquet").into()], None) };
    let refused = bench.store.snapshot(&request).unwrap_err();
    assert_eq!(refused.code, "MLP0703");
    assert_eq!(refused.notes.len(), 3, "{refused}");
    assert!(
        refused.notes[1].contains("must not be null: 1 row") && refused.notes[1].contains("all.parquet:2")
    );
    assert!(refused.notes[2].contains("-0.05"));
}

#[test]
fn a_row_that_breaks_its_schema_is_told_even_where_no_expectation_can_be_computed() {
    let bench = Bench::new();
    let predicate: Arc<crate::data::RowPredicate> =
        Arc::new(|row| row[0].1.number().map(|number| number > 0.0).ok_or_else(|| "no number".to_owned()));
    let request = SnapshotRequest {
        schema: Some(vec![ColumnSchema::new("n", ColumnType::Number)]),
        quality: vec![Expectation {
            name: "positive".into(),
            check: Check::Row { text: "row.n > 0".into() },
            at_least: 1.0,
        }],
        predicates: [("positive".to_owned(), predicate)].into(),
        ..request(vec![bench.file("a.csv", "n\n1\nx\n")], None)
    };
    let refused = bench.store.snapshot(&request).unwrap_err();
    assert_eq!((refused.code, refused.notes.len()), ("MLP0703", 2), "{refused}");
    let untyped = SnapshotRequest { schema: None, ..request };
    assert_eq!(bench.store.snapshot(&untyped).unwrap_err().code, "MLP0705");
}

#[test]
fn nested_columns_are_json_and_binary_ones_are_refused() {
    let bench = Bench::new();
    let schema = "message t {
        optional group v (LIST) { repeated group list { optional int32 element; } }
    }";
    // [1, null], null, []
    let lists = Column::List { values: vec![1], defined: vec![3, 2, 0, 1], repeated: vec![0, 1, 0, 0] };
    write_parquet(&bench.path("l.parquet"), schema, vec![lists]);
    let source = || vec![bench.path("l.parquet").into()];
    let made = bench.snapshot(source(), Some(Format::JsonLines)).unwrap();
    assert_eq!(fs::read_to_string(made.object).unwrap(), "{\"v\":[1,null]}\n{\"v\":null}\n{\"v\":[]}\n");
    let refused = bench.snapshot(source(), None).unwrap_err();
    assert_eq!((refused.code, refused.subject.as_deref()), ("MLP0732", Some("format")));
    let raw = vec![Column::Bytes(vec![Some(b"x")])];
    write_parquet(&bench.path("b.parquet"), "message t { optional binary raw; }", raw);
    let refused = bench.snapshot(vec![bench.path("b.parquet").into()], None).unwrap_err();
    assert!(refused.code == "MLP0732" && refused.message.contains("`raw` holds Binary"), "{refused}");
}

#[test]
fn a_damaged_parquet_file_leaves_nothing() {
    let bench = Bench::new();
    let numbers = (0..5000).map(|number| Some(f64::from(number) * 0.7)).collect();
    write_parquet(
        &bench.path("a.parquet"),
        "message t { optional double n; }",
        vec![Column::Double(numbers)],
    );
    let whole = fs::read(bench.path("a.parquet")).unwrap();
    let attempt = |content: &[u8]| {
        fs::write(bench.path("a.parquet"), content).unwrap();
        bench.snapshot(vec![bench.path("a.parquet").into()], None)
    };
    let mut changed = whole.clone();
    let end = changed.len() - 4;
    changed[end - 40..end].fill(0xff);
    for content in
        [&whole[..0], &whole[..whole.len() / 2], &whole[..whole.len() - 1], &changed, b"not parquet at all"]
    {
        let refused = attempt(content).unwrap_err();
        assert_eq!(refused.code, "MLP0701", "{refused}");
        assert!(refused.help.is_some() && refused.message.contains("a.parquet"));
        assert!(!bench.store.root().join("objects").exists());
    }
    assert_eq!(attempt(&whole).unwrap().manifest.rows, 5000);
}

/// A small generator, so that a failing case comes again.
fn next(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 33).unwrap()
}

#[test]
fn no_damage_of_a_parquet_file_is_a_panic() {
    let bench = Bench::new();
    write_every_type(&bench.path("all.parquet"));
    let flat = fs::read(bench.path("all.parquet")).unwrap();
    let nested = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/parquet/samples/nested.parquet");
    let nested = fs::read(nested).unwrap();
    let mut state = 7;
    let path = bench.path("m.parquet");
    for case in 0..1000 {
        let mut content = if case < 500 { flat.clone() } else { nested.clone() };
        for _ in 0..=case % 4 {
            let at = next(&mut state) % content.len();
            content[at] = u8::try_from(next(&mut state) % 256).unwrap();
        }
        fs::write(&path, &content).unwrap();
        let rows = || -> Result<u64, Problem> {
            let mut table = Table::open(&path, Format::Parquet)?;
            let mut rows = 0;
            while table.next_row()?.is_some() {
                rows += 1;
            }
            Ok(rows)
        };
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(rows));
        assert!(ended.is_ok(), "case {case} panics");
    }
}

#[test]
fn a_version_is_appended_to_and_keeps_its_rows_as_they_are() {
    let bench = Bench::new();
    let first = bench.file("1.jsonl", "{\"id\":1,\"mail\":\"a@b.example\"}\n");
    let key = ColumnSchema { key: true, ..ColumnSchema::new("id", ColumnType::Integer) };
    let mut wanted = SnapshotRequest {
        mask: vec!["mail".into()],
        schema: Some(vec![key]),
        ..request(vec![first], Some(Format::Parquet))
    };
    let one = bench.store.snapshot(&wanted).unwrap();
    wanted.append_to = Some(one.manifest.digest.clone());
    wanted.sources = vec![bench.file("2.jsonl", "{\"id\":2,\"mail\":\"a@b.example\"}\n")];
    let two = bench.store.snapshot(&wanted).unwrap();
    assert_eq!((two.manifest.rows, two.manifest.format), (2, Format::Parquet));
    let text = bench.text_of(&two, Format::Csv);
    let tokens: Vec<&str> = text.lines().skip(1).map(|line| line.split_once(',').unwrap().1).collect();
    assert!(tokens[0] == tokens[1] && tokens[0].len() == 16, "masked once, and the same: {text}");
    // A key of the earlier version may not come again.
    wanted.append_to = Some(two.manifest.digest.clone());
    let again = bench.store.snapshot(&wanted).unwrap_err();
    assert!(again.notes[0].contains("must be unique: 1 row"), "{again}");
    // What is kept of all of them stays within the sample.
    wanted.sources = vec![bench.file("3.jsonl", "{\"id\":3,\"mail\":null}\n")];
    wanted.sample = Some(Sample { rows: Some(2), ..Sample::default() });
    assert_eq!(bench.store.snapshot(&wanted).unwrap().manifest.rows, 2);
}

#[test]
fn only_rows_that_are_new_are_appended_whatever_their_format() {
    let bench = Bench::new();
    let one = bench.snapshot(
        vec![bench.file("a.csv", "id,at\n1,2026-01-31\n1,2026-01-31\n2,\n")],
        Some(Format::Parquet),
    );
    let mut wanted = SnapshotRequest {
        append_to: Some(one.unwrap().manifest.digest),
        only_new: true,
        ..request(vec![bench.file("a.csv", "id,at\n1.0,2026-01-31\n1,2026-01-31\n1,2026-01-31\n3,\n")], None)
    };
    let two = bench.store.snapshot(&wanted).unwrap();
    // One of the three is new, 2 stays though the source has it no more, and 3 is new.
    assert_eq!(bench.text_of(&two, Format::Csv).lines().count() - 1, 5);
    wanted.append_to = Some(two.manifest.digest);
    assert_eq!(bench.store.snapshot(&wanted).unwrap().manifest.rows, 5, "nothing is new");
}

#[test]
fn what_is_masked_later_is_masked_in_earlier_rows_too() {
    let bench = Bench::new();
    let one = bench.snapshot(vec![bench.file("a.csv", "id,mail\n1,a@b.example\n")], None).unwrap();
    let wanted = SnapshotRequest {
        append_to: Some(one.manifest.digest),
        mask: vec!["mail".into()],
        ..request(vec![bench.file("b.csv", "id,mail\n2,a@b.example\n")], None)
    };
    let two = bench.store.snapshot(&wanted).unwrap();
    let text = fs::read_to_string(two.object).unwrap();
    let tokens: Vec<&str> = text.lines().skip(1).map(|line| line.split_once(',').unwrap().1).collect();
    assert!(tokens[0] == tokens[1] && !text.contains("example"), "{text}");
}

#[test]
fn versions_are_compared_by_key_types_and_drift() {
    let bench = Bench::new();
    let rows: String = (0..100).map(|id| format!("{id},{},a\n", id * 2)).collect();
    let from = bench.snapshot(vec![bench.file("a.csv", &format!("id,n,plan\n{rows}"))], None).unwrap();
    // Ten go, five come, four change, the plan moves, and a column is retyped.
    let rows: String = (10..105)
        .map(|id| {
            let number = if id < 14 { "x".to_owned() } else { (id * 2).to_string() };
            format!("{{\"id\":{id},\"n\":\"{number}\",\"plan\":\"{}\"}}\n", if id < 14 { "b" } else { "a" })
        })
        .collect();
    let to = bench.snapshot(vec![bench.file("a.jsonl", &rows)], None).unwrap();
    let compare =
        |keys: &[String]| bench.store.compare("t", &from.manifest.digest, &to.manifest.digest, keys).unwrap();
    let found = compare(&["id".to_owned()]);
    assert_eq!((found.rows_added, found.rows_removed), (5, 10));
    assert_eq!(found.rows_changed + found.rows_common, 90);
    assert_eq!(found.columns_retyped.len(), 1);
    assert_eq!(
        (found.columns_retyped[0].before.as_str(), found.columns_retyped[0].after.as_str()),
        ("integer", "string")
    );
    let drift: Vec<_> = found.drift.iter().map(|one| (one.column.as_str(), one.measure)).collect();
    assert_eq!(drift[2].0, "plan");
    assert!((found.drift[2].value.unwrap() - 4.0 / 95.0).abs() < 1e-9, "{drift:?}");
    let whole = compare(&["gone".to_owned()]);
    assert!(whole.key.is_empty() && whole.rows_changed == 0 && whole.rows_added > 5);
}
