//! A real PostgreSQL server, alone on loopback: read whole, read on, refused, and taken away in the middle.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::tests::{left, read, spec, staging, table};
use super::*;

type Marks = std::collections::BTreeMap<String, String>;

const PASSWORD: &str = "hunter22-pg";
/// The user without rights that runs the server where we are root.
const NOBODY: u32 = 65534;
/// How long anything may take before it counts as hanging.
const LIMIT: Duration = Duration::from_secs(60);

struct Server {
    dir: tempfile::TempDir,
    port: u16,
    child: Child,
}

/// The directory of the newest server's programs.
fn programs() -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    found.sort();
    let searched = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&searched).find(|path| path.join("initdb").is_file());
    found.pop().map(|(_, path)| path).or(on_path).filter(|path| path.join("initdb").is_file())
}

fn as_nobody(command: &mut Command) -> &mut Command {
    if rustix::process::getuid().is_root() { command.uid(NOBODY).gid(NOBODY) } else { command }
}

fn own(path: &Path) {
    if rustix::process::getuid().is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

impl Server {
    /// A server, or none with a word about it where there are no programs for one.
    fn start(settings: &str) -> Option<Self> {
        let Some(bin) = programs() else {
            crate::skipping::skip("no PostgreSQL is installed");
            return None;
        };
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("password"), PASSWORD).unwrap();
        own(dir.path());
        own(&dir.path().join("password"));
        let data = dir.path().join("data");
        let made = as_nobody(&mut Command::new(bin.join("initdb")))
            .args(["-N", "-A", "scram-sha-256", "-U", "ann", "-E", "UTF8", "--locale=C", "--pwfile"])
            .arg(dir.path().join("password"))
            .arg("-D")
            .arg(&data)
            .current_dir("/")
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let text = format!(
            "port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nfsync = off\n{settings}\n"
        );
        fs::OpenOptions::new()
            .append(true)
            .open(data.join("postgresql.conf"))
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        let child = Self::run_server(&bin, &data);
        let server = Self { dir, port, child };
        server.until_it_answers();
        Some(server)
    }

    fn run_server(bin: &Path, data: &Path) -> Child {
        as_nobody(&mut Command::new(bin.join("postgres")))
            .arg("-D")
            .arg(data)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap()
    }

    fn until_it_answers(&self) {
        let since = Instant::now();
        while let Err(why) = self.try_sql("SELECT 1") {
            assert!(since.elapsed() < LIMIT, "the server does not start: {why}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn try_sql(&self, sql: &str) -> Result<(), String> {
        let config =
            format!("host=127.0.0.1 port={} user=ann password={PASSWORD} dbname=postgres", self.port);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&config, tokio_postgres::NoTls)
                .await
                .map_err(|error| error.to_string())?;
            let connection = tokio::spawn(connection);
            let done = client.batch_execute(sql).await.map_err(|error| wire::chain(&error));
            drop(client);
            let _ = connection.await;
            done
        })
    }

    fn sql(&self, sql: &str) {
        self.try_sql(sql).unwrap_or_else(|why| panic!("{sql}: {why}"));
    }

    fn spec(&self, tables: Vec<TableSpec>) -> SourceSpec {
        self.spec_at(self.port, tables)
    }

    fn spec_at(&self, port: u16, tables: Vec<TableSpec>) -> SourceSpec {
        let uri = format!("postgres://ann@127.0.0.1:{port}/postgres");
        SourceSpec { secret: Some("file:password".into()), ..spec(SourceKind::Postgres, &uri, tables) }
    }

    /// A mark other than this one, once the server's counters have caught up.
    fn mark_after(&self, spec: &SourceSpec, before: &Marks) -> Marks {
        let since = Instant::now();
        loop {
            let mark = look(spec, self.dir.path()).unwrap_or_else(|problem| panic!("{problem}"));
            if mark != *before {
                return mark;
            }
            assert!(since.elapsed() < LIMIT, "the mark stays the same");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The server and all its processes end at once.
    fn kill(pid: u32) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        // SIGQUIT ends all its processes without a word to anybody.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        Self::kill(self.child.id());
        let _ = self.child.wait();
    }
}

/// Passes everything on to a server; after so many bytes from it, does something once.
fn proxy(to: u16, after: usize, then: impl FnOnce(&TcpStream, &TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        let server = TcpStream::connect(("127.0.0.1", to)).unwrap();
        let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
        let (mut from_server, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let (mut passed, mut then) = (0, Some(then));
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = from_server.read(&mut buffer) {
            if to_client.write_all(&buffer[..count]).is_err() {
                break;
            }
            passed += count;
            if passed >= after
                && let Some(then) = then.take()
            {
                then(&client, &server);
            }
        }
        let _ = client.shutdown(Shutdown::Both);
    });
    port
}

const TABLES: &str = "CREATE TABLE orders (id bigint PRIMARY KEY, state text, amount numeric, at timestamptz, tags text[]);
    INSERT INTO orders VALUES
        (1, E'a\\nb', 12345678901234567890.123, '2026-01-01 00:00+02', '{x,y}'), (2, 'new', 2, '2026-01-02', NULL),
        (3, 'new', NULL, '2026-01-02', NULL), (4, 'no time', 1, NULL, NULL);
    CREATE TABLE events (what text, n int);
    INSERT INTO events VALUES ('a', 1), ('a', 1), ('b', 2);
    CREATE VIEW paid AS SELECT id FROM orders WHERE state = 'paid';
    CREATE SCHEMA other; CREATE TABLE other.\"Odd Name\" (k int PRIMARY KEY, mlp_row text);
    INSERT INTO other.\"Odd Name\" VALUES (1, 'x');
    CREATE TABLE parts (id int, at date) PARTITION BY RANGE (id);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
    INSERT INTO parts VALUES (1, '2026-01-01');
    CREATE ROLE bob LOGIN PASSWORD 'hunter22-pg';";

#[test]
fn tables_are_read_in_one_transaction_and_on_from_their_cursor() {
    let Some(server) = Server::start("") else { return };
    let dir = server.dir.path();
    server.sql(TABLES);
    let both = server.spec(vec![table("orders", Some("at")), table("events", Some("n"))]);
    let (first, said) = read(&both, dir);
    assert_eq!(said, "orders: 4 rows read\nevents: 3 rows read");
    assert_eq!(
        first[0][0],
        r#"{"id":1,"state":"a\nb","amount":12345678901234567890.123,"at":"2025-12-31T22:00:00+00:00","tags":["x","y"]}"#
    );
    assert!(first[0][3].contains("no time"), "what has no cursor comes last");
    let (again, said) = read(&both, dir);
    assert_eq!(again, first);
    assert!(said.contains("orders: 3 rows read on from where the last reading ended, 1 kept"), "{said}");
    server.sql(
        "INSERT INTO orders VALUES (5, 'late', 5, '2026-01-02', NULL), (6, 'new', 6, '2026-01-03', NULL);
         UPDATE orders SET state = 'paid', at = '2026-01-04' WHERE id = 1;
         INSERT INTO events VALUES ('b', 2), ('c', 3);",
    );
    let (grown, _) = read(&both, dir);
    assert_eq!((grown[0].len(), grown[1].len()), (6, 5));
    fs::create_dir(dir.join("other")).unwrap();
    fs::copy(dir.join("password"), dir.join("other/password")).unwrap();
    let whole = read(&both, &dir.join("other")).0;
    assert_eq!(grown, whole, "reading on gives what reading all gives");
    let odd = server.spec(vec![table("other.Odd Name", None), table("paid", None), table("parts", None)]);
    let (rows, _) = read(&odd, dir);
    assert_eq!(rows, [[r#"{"k":1,"mlp_row":"x"}"#], [r#"{"id":1}"#], [r#"{"id":1,"at":"2026-01-01"}"#]]);
}

#[test]
fn a_mark_follows_what_a_table_or_view_reads_and_nothing_else() {
    let Some(server) = Server::start("") else { return };
    let dir = server.dir.path();
    server.sql(TABLES);
    let of = |name: &str| server.spec(vec![table(name, None)]);
    // Counters arrive a moment after the writer has gone.
    let settled = |spec: &SourceSpec| {
        let mut mark = look(spec, dir).unwrap();
        loop {
            std::thread::sleep(Duration::from_millis(300));
            let next = look(spec, dir).unwrap();
            if next == mark {
                return mark;
            }
            mark = next;
        }
    };
    let marks: Vec<Marks> = ["orders", "events", "paid", "parts"].map(|name| settled(&of(name))).to_vec();
    server.sql("UPDATE orders SET state = 'paid' WHERE id = 2");
    server.mark_after(&of("orders"), &marks[0]);
    server.mark_after(&of("paid"), &marks[2]);
    assert_eq!(look(&of("events"), dir).unwrap(), marks[1]);
    server.sql("TRUNCATE events; INSERT INTO parts VALUES (2, '2026-01-02')");
    server.mark_after(&of("events"), &marks[1]);
    server.mark_after(&of("parts"), &marks[3]);
    let made = TableSpec { query: Some("SELECT generate_series(1, 3) AS n".into()), ..table("made", None) };
    let problem = look(&server.spec(vec![made.clone()]), dir).unwrap_err();
    assert_eq!(
        (problem.code, problem.subject.as_deref()),
        ("MLP0725", Some("tables.made.query")),
        "{problem}"
    );
    look(&server.spec(vec![TableSpec { cursor: Some("n".into()), ..made }]), dir).unwrap();
}

#[test]
fn what_the_server_refuses_is_said_where_it_stands() {
    let Some(server) = Server::start("") else { return };
    let dir = server.dir.path();
    server.sql(TABLES);
    fs::write(dir.join("wrong"), "hunter23-pg").unwrap();
    let good = server.spec(vec![table("orders", None)]);
    let with = |change: &dyn Fn(&mut SourceSpec)| {
        let mut spec = good.clone();
        change(&mut spec);
        spec
    };
    let at_uri = |from: &str, to: &str| good.uri.replace(from, to);
    for (spec, code, at, said) in [
        (with(&|s| s.secret = Some("file:wrong".into())), "MLP0721", "secret", "refuses the credentials"),
        (with(&|s| s.secret = None), "MLP0721", "secret", "asks for a password"),
        (with(&|s| s.secret = Some("file:none".into())), "MLP0726", "from", "`none` cannot be read"),
        (with(&|s| s.uri = at_uri("/postgres", "/nix")), "MLP0722", "uri", "\"nix\" does not exist"),
        (with(&|s| s.uri = at_uri("ann@", "bob@")), "MLP0721", "tables", "permission denied"),
        (with(&|s| s.tables[0].name = "oders".into()), "MLP0722", "tables", "\"oders\" does not exist"),
        (with(&|s| s.tables[0].name = "no.orders".into()), "MLP0722", "tables", "does not exist"),
        (with(&|s| s.tables[0].cursor = Some("when".into())), "MLP0722", "tables.orders.cursor", "when"),
        (
            with(&|s| s.tables[0].query = Some("SELECT 1 +".into())),
            "MLP0722",
            "tables.orders.query",
            "syntax",
        ),
        (
            with(&|s| s.uri = "postgres://ann@127.0.0.1:1/postgres".into()),
            "MLP0720",
            "uri",
            "cannot be reached",
        ),
        (with(&|s| s.uri.push_str("?sslmode=require")), "MLP0721", "uri", "encrypted"),
    ] {
        for problem in [look(&spec, dir).unwrap_err(), extract(&spec, dir, &staging(dir, true)).unwrap_err()]
        {
            assert_eq!((problem.code, problem.subject.as_deref()), (code, Some(at)), "{problem}");
            assert!(problem.to_string().contains(said) && problem.help.is_some(), "{problem}");
            assert!(!problem.to_string().contains("hunter2"), "{problem}");
        }
    }
    assert!(left(&dir.join("extract")).is_empty());
}

const LARGE: &str =
    "CREATE TABLE large AS SELECT n AS id, repeat(md5(n::text), 20) AS t FROM generate_series(1, 60000) n;
    ALTER TABLE large ADD PRIMARY KEY (id);";

#[test]
fn a_database_that_goes_away_in_the_middle_leaves_everything_as_it_was() {
    let Some(server) = Server::start("") else { return };
    let dir = server.dir.path();
    server.sql(LARGE);
    let large = server.spec(vec![table("large", Some("id"))]);
    assert_eq!(read(&large, dir).0[0].len(), 60000);
    let before = left(&dir.join("extract"));
    // The connection is cut.
    let cut = server.spec_at(
        proxy(server.port, 4_000_000, |client, _| drop(client.shutdown(Shutdown::Both))),
        large.tables.clone(),
    );
    let problem = extract(&cut, dir, &staging(dir, true)).unwrap_err();
    assert_eq!((problem.code, problem.subject.as_deref()), ("MLP0723", Some("uri")), "{problem}");
    assert_eq!(left(&dir.join("extract")), before);
    // The server says nothing more, and holds the line.
    let stalled =
        server.spec_at(proxy(server.port, 4_000_000, |_, _| std::thread::sleep(LIMIT)), large.tables.clone());
    let stalled = SourceSpec { timeout_seconds: Some(1), ..stalled };
    let problem = extract(&stalled, dir, &staging(dir, true)).unwrap_err();
    assert_eq!(problem.code, "MLP0723", "{problem}");
    assert!(problem.message.contains("said nothing for 1 s"), "{problem}");
    // The server itself is killed.
    let pid = server.child.id();
    let killed =
        server.spec_at(proxy(server.port, 4_000_000, move |_, _| Server::kill(pid)), large.tables.clone());
    let problem = extract(&killed, dir, &staging(dir, true)).unwrap_err();
    assert_eq!((problem.code, problem.subject.as_deref()), ("MLP0723", Some("uri")), "{problem}");
    assert_eq!(left(&dir.join("extract")), before);
    let problem = look(&large, dir).unwrap_err();
    assert!(may_pass(&problem), "{problem}");
}

#[test]
fn a_certificate_is_checked_against_the_authority_that_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args([
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
        ])
        .current_dir(dir.path())
        .stderr(Stdio::null())
        .status();
    if !made.is_ok_and(|status| status.success()) {
        crate::skipping::skip("openssl is not installed");
        return;
    }
    own(dir.path());
    for name in ["key.pem", "cert.pem"] {
        own(&dir.path().join(name));
    }
    let settings = format!(
        "ssl = on\nssl_cert_file = '{0}/cert.pem'\nssl_key_file = '{0}/key.pem'",
        dir.path().display()
    );
    let Some(server) = Server::start(&settings) else { return };
    server.sql(TABLES);
    fs::copy(dir.path().join("cert.pem"), server.dir.path().join("ca.pem")).unwrap();
    let mut spec = server.spec(vec![table("events", None)]);
    spec.uri =
        format!("postgres://ann@localhost:{}/postgres?sslmode=verify-full&sslrootcert=ca.pem", server.port);
    assert_eq!(read(&spec, server.dir.path()).0[0].len(), 3);
    for (from, to) in [("&sslrootcert=ca.pem", ""), ("@localhost", "@127.0.0.1")] {
        let other = SourceSpec { uri: spec.uri.replace(from, to), ..spec.clone() };
        let problem = look(&other, server.dir.path()).unwrap_err();
        assert_eq!((problem.code, problem.subject.as_deref()), ("MLP0721", Some("uri")), "{problem}");
    }
    spec.uri = spec.uri.replace("ca.pem", "none.pem");
    assert_eq!(look(&spec, server.dir.path()).unwrap_err().code, "MLP0725");
}
