//! SQLite files and web servers as people have them: growing, wrong, and going away.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;

use super::*;
use crate::data::SourceData;

pub(super) fn spec(kind: SourceKind, uri: &str, tables: Vec<TableSpec>) -> SourceSpec {
    SourceSpec {
        kind,
        uri: uri.to_owned(),
        format: None,
        secret: None,
        auth: None,
        headers: std::collections::BTreeMap::new(),
        timeout_seconds: None,
        tables,
    }
}

pub(super) fn table(name: &str, cursor: Option<&str>) -> TableSpec {
    TableSpec { name: name.to_owned(), cursor: cursor.map(str::to_owned), ..TableSpec::default() }
}

pub(super) fn staging(dir: &Path, keep: bool) -> Staging {
    Staging { directory: dir.join("extract"), keep }
}

/// The rows of each part, and what was said; accepted.
pub(super) fn read(spec: &SourceSpec, dir: &Path) -> (Vec<Vec<String>>, String) {
    let found = extract(spec, dir, &staging(dir, true)).unwrap_or_else(|problem| panic!("{problem}"));
    let said = found.said.join("\n");
    let rows = found.parts.iter().map(lines).collect();
    found.accept().unwrap();
    (rows, said)
}

fn lines(part: &SourceData) -> Vec<String> {
    fs::read_to_string(&part.path).unwrap().lines().map(str::to_owned).collect()
}

/// The names of all files below a directory that are not locks.
pub(super) fn left(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for file in crate::digest::list_files(dir).unwrap_or_default() {
        if file.file_name().is_some_and(|name| name != ".lock") {
            found.push(file.display().to_string());
        }
    }
    found
}

fn failure(spec: &SourceSpec, dir: &Path) -> Problem {
    let looked = look(spec, dir).unwrap_err();
    let problem = extract(spec, dir, &staging(dir, true)).unwrap_err();
    assert_eq!((looked.code, &looked.subject), (problem.code, &problem.subject), "{looked}\n{problem}");
    assert!(problem.help.is_some(), "{problem}");
    problem
}

fn database(dir: &Path, sql: &str) {
    Connection::open(dir.join("shop.db")).unwrap().execute_batch(sql).unwrap();
}

const ORDERS: &str =
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, state TEXT, amount REAL, at TEXT, raw BLOB);
    INSERT INTO orders VALUES (1, 'new', 1.5, '2026-01-01', x'00ff'), (2, 'new', 2.0, '2026-01-02', NULL),
        (3, 'new', NULL, '2026-01-02', NULL), (4, 'no time', 1, NULL, NULL);
    CREATE TABLE events (what TEXT, n INTEGER);
    INSERT INTO events VALUES ('a', 1), ('a', 1), ('b', 2);";

#[test]
fn a_table_is_read_on_from_its_cursor_and_nothing_is_lost_or_doubled() {
    let dir = tempfile::tempdir().unwrap();
    database(dir.path(), ORDERS);
    let orders = spec(SourceKind::Sqlite, "shop.db", vec![table("orders", Some("at"))]);
    let (first, said) = read(&orders, dir.path());
    assert_eq!(said, "orders: 4 rows read");
    assert_eq!(
        first[0],
        [
            r#"{"id":1,"state":"new","amount":1.5,"at":"2026-01-01","raw":"\\x00ff"}"#,
            r#"{"id":2,"state":"new","amount":2.0,"at":"2026-01-02","raw":null}"#,
            r#"{"id":3,"state":"new","amount":null,"at":"2026-01-02","raw":null}"#,
            r#"{"id":4,"state":"no time","amount":1.0,"at":null,"raw":null}"#,
        ]
    );
    let (again, said) = read(&orders, dir.path());
    assert_eq!(again, first);
    assert_eq!(said, "orders: 3 rows read on from where the last reading ended, 1 kept");
    // A late row of the same instant, a changed row, a new one.
    database(
        dir.path(),
        "INSERT INTO orders VALUES (5, 'late', 5, '2026-01-02', NULL), (6, 'new', 6, '2026-01-03', NULL);
         UPDATE orders SET state = 'paid', at = '2026-01-04' WHERE id = 1;",
    );
    let (grown, said) = read(&orders, dir.path());
    assert_eq!(said, "orders: 6 rows read on from where the last reading ended, 0 kept");
    let whole = tempfile::tempdir().unwrap();
    fs::copy(dir.path().join("shop.db"), whole.path().join("shop.db")).unwrap();
    assert_eq!(grown, read(&orders, whole.path()).0, "reading on gives what reading all gives");
    assert_eq!(grown[0].len(), 6);
}

#[test]
fn what_is_not_accepted_is_read_again_and_what_is_kept_must_be_whole() {
    let dir = tempfile::tempdir().unwrap();
    database(dir.path(), ORDERS);
    let orders =
        spec(SourceKind::Sqlite, "shop.db", vec![table("orders", Some("at")), table("events", None)]);
    read(&orders, dir.path());
    database(dir.path(), "INSERT INTO orders VALUES (9, 'bad', 9, '2026-01-09', NULL)");
    let refused = extract(&orders, dir.path(), &staging(dir.path(), true)).unwrap();
    assert_eq!(lines(&refused.parts[0]).len(), 5);
    drop(refused);
    // The row that was not accepted is corrected where it came from, and the next reading knows nothing of it.
    database(dir.path(), "DELETE FROM orders WHERE id = 9");
    assert_eq!(read(&orders, dir.path()).0[0].len(), 4);
    let kept: Vec<String> = left(dir.path()).into_iter().filter(|name| name.ends_with(".rows")).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    let path = dir.path().join(&kept[0]);
    fs::write(&path, "{}\n").unwrap();
    let (rows, said) = read(&orders, dir.path());
    assert_eq!((rows[0].len(), rows[1].len()), (4, 3));
    assert_eq!(said, "orders: 4 rows read\nevents: 3 rows read");
    // Another column is another table.
    database(dir.path(), "ALTER TABLE orders ADD COLUMN note TEXT");
    assert!(read(&orders, dir.path()).1.starts_with("orders: 4 rows read\n"));
}

#[test]
fn without_a_key_equal_rows_stay_as_many_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    database(dir.path(), ORDERS);
    let events = spec(SourceKind::Sqlite, "sqlite://shop.db", vec![table("events", Some("n"))]);
    assert_eq!(read(&events, dir.path()).0[0].len(), 3);
    database(dir.path(), "INSERT INTO events VALUES ('b', 2), ('c', 3)");
    let grown = read(&events, dir.path()).0;
    assert_eq!(grown[0].iter().filter(|row| row.contains('b')).count(), 2);
    assert_eq!(grown[0].len(), 5);
    let big = spec(
        SourceKind::Sqlite,
        "shop.db",
        vec![TableSpec {
            query: Some("SELECT n, count(*) AS many FROM events GROUP BY n;".into()),
            ..table("counts", None)
        }],
    );
    assert_eq!(
        read(&big, dir.path()).0[0],
        [r#"{"n":1,"many":2}"#, r#"{"n":2,"many":2}"#, r#"{"n":3,"many":1}"#]
    );
}

#[test]
fn rows_that_must_be_protected_cannot_be_read_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    database(dir.path(), ORDERS);
    let orders = spec(SourceKind::Sqlite, "shop.db", vec![table("orders", Some("at"))]);
    read(&orders, dir.path());
    assert_eq!(left(&dir.path().join("extract")).len(), 2);
    let found = extract(&orders, dir.path(), &staging(dir.path(), false)).unwrap();
    assert!(left(&dir.path().join("extract")).iter().all(|name| name.contains("/tmp/")), "nothing is kept");
    let raw = fs::read(&found.parts[0].path).unwrap();
    assert!(!raw.windows(7).any(|part| part == b"no time"), "they cannot be read on the disk");
    let store = crate::data::Store::new(dir.path().join("store"));
    let request = crate::data::SnapshotRequest {
        name: "orders".into(),
        sources: found.parts.clone(),
        created_at: "2026-01-01T00:00:00Z".into(),
        ..crate::data::SnapshotRequest::default()
    };
    assert_eq!(store.snapshot(&request).unwrap().manifest.rows, 4);
    drop(request);
    found.accept().unwrap();
    assert!(left(&dir.path().join("extract")).is_empty());
}

#[test]
fn a_mark_follows_the_file_and_costs_no_reading() {
    let dir = tempfile::tempdir().unwrap();
    database(dir.path(), ORDERS);
    let orders = spec(SourceKind::Sqlite, "shop.db", vec![table("orders", None)]);
    let first = look(&orders, dir.path()).unwrap();
    read(&orders, dir.path());
    assert_eq!(look(&orders, dir.path()).unwrap(), first);
    database(dir.path(), "DELETE FROM orders WHERE id = 1");
    let second = look(&orders, dir.path()).unwrap();
    assert_ne!(second, first);
    // With a log beside it the file itself need not change.
    let writer = Connection::open(dir.path().join("shop.db")).unwrap();
    writer.execute_batch("PRAGMA journal_mode = WAL; DELETE FROM orders WHERE id = 2").unwrap();
    let third = look(&orders, dir.path()).unwrap();
    writer.execute_batch("PRAGMA wal_autocheckpoint = 0; DELETE FROM orders WHERE id = 3").unwrap();
    assert_ne!(look(&orders, dir.path()).unwrap(), third);
    assert_eq!(read(&orders, dir.path()).0[0].len(), 1);
}

#[test]
fn what_is_wrong_with_a_sqlite_file_is_said_where_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    database(dir.path(), ORDERS);
    fs::write(dir.path().join("text.db"), "id,name\n1,Ann\n".repeat(100)).unwrap();
    let of = |uri: &str, tables: Vec<TableSpec>| failure(&spec(SourceKind::Sqlite, uri, tables), dir.path());
    let query = TableSpec { query: Some("SELECT nothing FROM orders".into()), ..table("q", None) };
    let writing = TableSpec { query: Some("DELETE FROM orders".into()), ..table("q", None) };
    let key = TableSpec { key: vec!["nix".into()], ..table("orders", None) };
    for (uri, tables, code, at, said) in [
        ("none.db", vec![table("orders", None)], "MLP0722", "uri", "there is no file"),
        ("text.db", vec![table("orders", None)], "MLP0724", "uri", "is no SQLite database"),
        ("shop.db", vec![], "MLP0725", "tables", "which tables"),
        ("shop.db", vec![table("oders", None)], "MLP0722", "tables", "no table `oders`"),
        (
            "shop.db",
            vec![table("orders", Some("when"))],
            "MLP0722",
            "tables.orders.cursor",
            "no column `when`",
        ),
        ("shop.db", vec![key], "MLP0722", "tables.orders.key", "no column `nix`"),
        ("shop.db", vec![query], "MLP0722", "tables.q.query", "nothing"),
        ("shop.db", vec![writing], "MLP0725", "tables.q.query", "no SELECT"),
    ] {
        let problem = of(uri, tables);
        assert_eq!((problem.code, problem.subject.as_deref()), (code, Some(at)), "{problem}");
        assert!(problem.message.contains(said), "{problem}");
    }
    assert!(left(&dir.path().join("extract")).is_empty());
}

/// A web server that answers each request with what a function gives, and closes the connection.
struct Web {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Web {
    fn start(answer: impl Fn(&str, usize) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = heads.clone();
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream: TcpStream = stream.unwrap();
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).to_lowercase();
                let count = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(head.clone());
                    seen.len()
                };
                let _ = stream.write_all(&answer(&head, count));
            }
        });
        Self { port, heads }
    }

    fn spec(&self, path: &str) -> SourceSpec {
        spec(SourceKind::Http, &format!("http://127.0.0.1:{}{path}", self.port), Vec::new())
    }

    fn heads(&self) -> Vec<String> {
        std::mem::take(&mut *self.heads.lock().unwrap())
    }
}

fn reply(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
        .into_bytes()
}

fn without_body(head: &str, answer: Vec<u8>) -> Vec<u8> {
    let end = answer.windows(4).position(|part| part == b"\r\n\r\n").unwrap() + 4;
    if head.starts_with("head") { answer[..end].to_vec() } else { answer }
}

#[test]
fn an_unchanged_resource_is_not_fetched_twice() {
    let web = Web::start(|head, _| {
        if head.contains("if-none-match: \"v1\"") {
            return reply("304 Not Modified", "ETag: \"v1\"\r\n", "");
        }
        without_body(head, reply("200 OK", "ETag: \"v1\"\r\n", "id\n1\n"))
    });
    let dir = tempfile::tempdir().unwrap();
    let spec = web.spec("/rows.csv");
    let mark = look(&spec, dir.path()).unwrap();
    assert!(web.heads().iter().all(|head| head.starts_with("head ")));
    let (first, said) = read(&spec, dir.path());
    assert_eq!(first[0], ["id", "1"]);
    assert!(said.contains("5 bytes fetched"), "{said}");
    let (again, said) = read(&spec, dir.path());
    assert_eq!(again, first);
    assert!(said.contains("not fetched again"), "{said}");
    assert_eq!(read(&spec, dir.path()).0, first);
    assert_eq!(look(&spec, dir.path()).unwrap(), mark);
}

#[test]
fn redirects_are_followed_and_the_secret_goes_to_its_host_alone() {
    let far = Web::start(|head, _| without_body(head, reply("200 OK", "Last-Modified: then\r\n", "id\n1\n")));
    let to = format!("Location: http://localhost:{}/x.csv\r\n", far.port);
    let near = Web::start(move |_, _| reply("302 Found", &to, ""));
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("token"), "ann:s3cret\n").unwrap();
    let mut spec = near.spec("/x.csv");
    spec.secret = Some("file:token".into());
    spec.headers.insert("X-Team".into(), "risk".into());
    assert_eq!(read(&spec, dir.path()).0[0], ["id", "1"]);
    let heads = near.heads();
    assert!(heads[0].contains("authorization: bearer ann:s3cret") && heads[0].contains("x-team: risk"));
    assert!(far.heads().iter().all(|head| !head.contains("authorization")));
    spec.auth = Some(Authorization::Basic);
    look(&spec, dir.path()).unwrap();
    assert!(near.heads()[0].contains("authorization: basic yw5uonmzy3jldA==".to_lowercase().as_str()));
}

#[test]
fn what_passes_is_tried_again_as_the_server_asks() {
    let web = Web::start(|_, count| match count {
        1 => reply("429 Too Many Requests", "Retry-After: 0\r\n", ""),
        2 => reply("503 Service Unavailable", "", ""),
        // Cut short of its length.
        3 => b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nid\n1\n".to_vec(),
        _ => reply("200 OK", "", "id\n1\n2\n"),
    });
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(read(&web.spec("/x.csv"), dir.path()).0[0], ["id", "1", "2"]);
    assert_eq!(web.heads().len(), 4);
    let slow = Web::start(|_, _| reply("429 Too Many Requests", "Retry-After: 3600\r\n", ""));
    let problem = extract(&slow.spec("/x.csv"), dir.path(), &staging(dir.path(), true)).unwrap_err();
    assert!(problem.message.contains("429") && slow.heads().len() == 1, "{problem}");
}

#[test]
fn what_is_wrong_with_a_resource_is_said_and_nothing_stays() {
    let web = Web::start(|head, _| {
        let path = head.split(' ').nth(1).unwrap_or_default();
        let answer = match path {
            "/none.csv" => reply("404 Not Found", "", "<html>no</html>"),
            "/locked.csv" => reply("401 Unauthorized", "", ""),
            "/broken.csv" => reply("500 Internal Server Error", "", ""),
            "/short.csv" => b"HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: 50\r\n\r\nid\n1\n".to_vec(),
            "/chunks.csv" => {
                b"HTTP/1.1 200 OK\r\nETag: \"a\"\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nid\n1\n\r\n"
                    .to_vec()
            }
            "/page.csv" => reply("200 OK", "ETag: \"a\"\r\nContent-Type: text/html\r\n", "<!DOCTYPE html>"),
            "/zip.csv" => reply("200 OK", "ETag: \"a\"\r\n", "PK\u{3}\u{4}\0\0"),
            "/map.json" => reply("200 OK", "ETag: \"a\"\r\n", "{\"a\": 1}"),
            _ => Vec::new(),
        };
        if answer.is_empty() { answer } else { without_body(head, answer) }
    });
    let dir = tempfile::tempdir().unwrap();
    for (path, code, said) in [
        ("/none.csv", "MLP0722", "answered 404"),
        ("/locked.csv", "MLP0721", "answered 401"),
        ("/broken.csv", "MLP0720", "answered 500"),
        ("/short.csv", "MLP0723", "broke off"),
        ("/chunks.csv", "MLP0723", "broke off"),
        ("/page.csv", "MLP0724", "a web page, not csv"),
        ("/zip.csv", "MLP0724", "binary data, not csv"),
        ("/map.json", "MLP0724", "no JSON list"),
        ("/gone.csv", "MLP0720", "cannot be reached"),
        ("/what", "MLP0725", "format"),
    ] {
        let problem = extract(&web.spec(path), dir.path(), &staging(dir.path(), true)).unwrap_err();
        assert_eq!(problem.code, code, "{problem}");
        assert!(problem.message.contains(said) && problem.help.is_some(), "{problem}");
        assert!(left(&dir.path().join("extract")).is_empty());
    }
    let mut far = web.spec("/none.csv");
    far.uri = "http://data.example/x.csv".into();
    far.secret = Some("env:PATH".into());
    assert!(check(&far).unwrap_err().message.contains("unencrypted"));
    far.uri = "https://ann:s3cret@data.example/x.csv".into();
    let problem = check(&far).unwrap_err();
    assert!(problem.message.contains("credentials stand") && !problem.to_string().contains("s3cret"));
}

#[test]
fn a_server_that_says_nothing_is_not_waited_for_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}/x.csv", listener.local_addr().unwrap());
    // Connections are taken by the system and never answered.
    let mut silent = spec(SourceKind::Http, &uri, Vec::new());
    silent.timeout_seconds = Some(1);
    let dir = tempfile::tempdir().unwrap();
    let problem = extract(&silent, dir.path(), &staging(dir.path(), true)).unwrap_err();
    assert_eq!(problem.code, "MLP0720", "{problem}");
    assert!(problem.message.contains("timeout"), "{problem}");
    assert!(may_pass(&problem));
}

#[test]
fn a_json_list_becomes_rows_and_a_resource_without_validators_is_told_by_its_content() {
    let web = Web::start(|head, _| {
        without_body(
            head,
            reply("200 OK", "", "[\n {\"id\": 1,\n  \"t\": \"a\\nb\"},\n {\"id\": 20000000000000000001}]\n"),
        )
    });
    let dir = tempfile::tempdir().unwrap();
    let spec = web.spec("/rows.json?page=1");
    let rows = read(&spec, dir.path()).0;
    assert_eq!(rows[0], ["{\"id\": 1,   \"t\": \"a\\nb\"}", "{\"id\": 20000000000000000001}"]);
    assert_eq!(look(&spec, dir.path()).unwrap(), look(&spec, dir.path()).unwrap());
    let changes =
        Web::start(|head, count| without_body(head, reply("200 OK", "", &format!("id\n{count}\n"))));
    let spec = changes.spec("/x.csv");
    assert_ne!(look(&spec, dir.path()).unwrap(), look(&spec, dir.path()).unwrap());
}
