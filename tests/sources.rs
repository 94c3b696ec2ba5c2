//! Datasets of what lies outside the project, and the secrets it is read with, through the program as a person runs it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use support::postgres::Server;
use support::{Output, Project, files};

const HEAD: &str = r#"
project "shop" {
  mlp_version = "~> 0.1"
}
provider "local" "here" {}
environment "local" {
  provider = provider.local.here
}
"#;

const PASSWORD: &str = "hunter22-and-more";

fn project(text: &str) -> Project {
    Project::of(&[("main.mlp", &format!("{HEAD}{text}"))])
}

/// Statements on a SQLite file of the project.
fn sqlite(project: &Project, sql: &str) {
    let script =
        "import sqlite3, sys\nc = sqlite3.connect('shop.db')\nc.executescript(sys.argv[1])\nc.commit()";
    let mut python = Command::new("python3");
    let done = python.args(["-c", script, sql]).current_dir(project.directory()).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn apply(project: &Project) -> Output {
    project.mlp(&["apply", "-e", "local", "-auto-approve"])
}

#[track_caller]
fn nothing_to_do(project: &Project) {
    project.mlp(&["plan", "-e", "local", "-detailed-exitcode"]).ended(0).says("No changes.");
}

/// The rows of a dataset's version now.
fn rows(project: &Project, dataset: &str) -> u64 {
    record(project, dataset)["resolved"]["rows"].as_u64().unwrap()
}

fn record(project: &Project, dataset: &str) -> Json {
    let path = project.home("local").join(format!("datasets/{dataset}.json"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Fails if these bytes stand in any file of the environment.
fn nowhere(project: &Project, words: &str) {
    for file in files(&project.home("local"), "") {
        let bytes = std::fs::read(&file).unwrap();
        let found = bytes.windows(words.len()).any(|part| part == words.as_bytes());
        assert!(!found, "`{words}` stands in {}", file.display());
    }
}

const SQLITE: &str = r#"
source "shop" {
  kind = "sqlite"
  uri  = "shop.db"
  tables = {
    orders = { cursor = "at" }
    events = {}
  }
}
dataset "orders" {
  from = [source.shop]
  quality {
    expect "positive" {
      assert = row.amount > 0
    }
  }
}
dataset "log" {
  from = [source.shop.table.events]
}
dataset "said" {
  from   = [dataset.log]
  format = "csv"
}
"#;

#[test]
fn a_sqlite_file_is_read_on_and_what_is_refused_changes_nothing() {
    let project = project(SQLITE);
    sqlite(
        &project,
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, amount REAL, at TEXT);
         INSERT INTO orders VALUES (1, 5, '2026-01-01'), (2, 6, '2026-01-02');
         CREATE TABLE events (what TEXT); INSERT INTO events VALUES ('a');",
    );
    apply(&project).ended(0).says("orders: 2 rows read");
    nothing_to_do(&project);
    assert_eq!(["orders", "log", "said"].map(|dataset| rows(&project, dataset)), [2, 1, 1]);
    sqlite(&project, "INSERT INTO orders VALUES (3, -1, '2026-01-03')");
    project.mlp(&["plan", "-e", "local"]).ended(0).says("the data changed");
    let before = record(&project, "orders");
    apply(&project).ended(15).says("positive");
    assert_eq!(record(&project, "orders"), before, "the version before stays");
    sqlite(
        &project,
        "UPDATE orders SET amount = 7 WHERE id = 3; UPDATE orders SET amount = 8, at = '2026-01-04' WHERE id = 1",
    );
    apply(&project).ended(0).says("rows read on from where the last reading ended");
    assert_eq!(rows(&project, "orders"), 3);
    nothing_to_do(&project);
    project.mlp(&["destroy", "-e", "local", "--auto-approve"]).ended(0);
    assert!(!project.home("local").join("extract").exists());
}

#[test]
fn what_is_wrong_with_a_source_is_said_at_its_line_by_the_plan() {
    let project = project(SQLITE);
    let plan = |project: &Project| project.mlp(&["plan", "-e", "local"]);
    plan(&project).ended(1).says("MLP0722").says("there is no file").says(&at(&project, "uri  ="));
    std::fs::write(project.directory().join("shop.db"), "id,amount\n".repeat(100)).unwrap();
    plan(&project).ended(1).says("MLP0724").says("is no SQLite database");
    std::fs::remove_file(project.directory().join("shop.db")).unwrap();
    sqlite(
        &project,
        "CREATE TABLE orders (id INTEGER, amount REAL, seen TEXT); CREATE TABLE events (what TEXT)",
    );
    plan(&project).ended(1).says("has no column `at`").says("its columns are: id, amount, seen");
    project.edit("cursor = \"at\"", "cursor = \"seen\"");
    plan(&project).ended(0);
    project.edit("[source.shop.table.events]", "[source.shop]");
    plan(&project).ended(1).says("none is named `log`").says("source.shop.table.");
    let other = support::Project::of(&[(
        "main.mlp",
        &project.text().replace("\"sqlite\"", "\"sqlite\"\n  generate = \"make\""),
    )]);
    plan(&other).ended(1).says("a source of kind `sqlite` has no `generate`").says(&at(&other, "generate"));
    let web =
        "source \"web\" {\n  kind = \"http\"\n  uri  = \"http://127.0.0.1:1/x.csv\"\n  auth = \"basic\"\n}\n";
    plan(&self::project(web)).ended(1).says("and there is none").says("MLP0808");
    for kind in ["kafka", "object", "mysql"] {
        let other = support::Project::of(&[(
            "main.mlp",
            &project.text().replace("\"sqlite\"", &format!("\"{kind}\"")),
        )]);
        plan(&other)
            .ended(1)
            .says(&format!("a source of kind `{kind}` is not served"))
            .says("`file`, `http`, `sqlite` or `postgres`")
            .says(&at(&other, "kind = "));
    }
}

/// The place of the line on which these words stand.
fn at(project: &Project, words: &str) -> String {
    format!("main.mlp:{}", project.line_of(words))
}

#[test]
fn several_files_are_named_by_a_pattern() {
    let project = project(
        "source \"days\" {\n  kind = \"file\"\n  uri = \"data/*.csv\"\n}\ndataset \"days\" {\n  from = [source.days]\n}\n",
    );
    let data = project.directory().join("data");
    project.mlp(&["plan", "-e", "local"]).ended(1).says("`data/*.csv` does not exist");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("1.csv"), "id\n1\n").unwrap();
    apply(&project).ended(0);
    nothing_to_do(&project);
    std::fs::write(data.join("2.csv"), "id\n2\n3\n").unwrap();
    apply(&project).ended(0);
    assert_eq!(rows(&project, "days"), 3);
    nothing_to_do(&project);
}

#[test]
fn a_web_resource_is_fetched_with_a_token_that_is_seen_nowhere() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).to_lowercase();
            let (status, body) = if head.contains(&format!("bearer {PASSWORD}")) {
                ("200 OK", "id,mail\n1,ann@shop.example\n")
            } else {
                ("403 Forbidden", "")
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\nETag: \"1\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
                body.len(),
                if head.starts_with("head") { "" } else { body }
            );
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    let project = project(&format!(
        "secret \"token\" {{\n  from = \"env:SHOP_TOKEN\"\n}}\nsource \"people\" {{\n  kind   = \"http\"\n  uri    = \"http://127.0.0.1:{port}/people.csv\"\n  secret = secret.token\n}}\ndataset \"people\" {{\n  from       = [source.people]\n  protection = {{ mask = [\"mail\"] }}\n}}\n"
    ));
    let with = |token: &str, arguments: &[&str]| project.mlp_with(arguments, &[("SHOP_TOKEN", token)]);
    project
        .mlp(&["plan", "-e", "local"])
        .ended(1)
        .says("no variable `SHOP_TOKEN`")
        .says(&at(&project, "from = \"env:SHOP_TOKEN\""));
    with("wrong-token", &["plan", "-e", "local"])
        .ended(1)
        .says("answered 403")
        .says(&at(&project, "secret = secret.token"))
        .never_says("wrong-token");
    with(PASSWORD, &["apply", "-e", "local", "-auto-approve"]).ended(0).never_says(PASSWORD);
    with(PASSWORD, &["plan", "-e", "local", "-detailed-exitcode"]).ended(0);
    nowhere(&project, PASSWORD);
    nowhere(&project, "ann@shop.example");
    // Another secret is a change that is seen, and shown without its value.
    project.edit("env:SHOP_TOKEN", "file:token");
    std::fs::write(project.directory().join("token"), format!("{PASSWORD}\n")).unwrap();
    apply(&project).ended(0);
    nothing_to_do(&project);
    let key = project.home("local").join("state/seal.key");
    std::fs::remove_file(key).unwrap();
    nothing_to_do(&project);
    nowhere(&project, PASSWORD);
}

#[test]
fn a_postgres_table_is_read_on_and_a_server_that_is_away_stops_no_plan() {
    let Some(mut server) = Server::start(PASSWORD) else { return };
    server.sql(
        "CREATE TABLE orders (id int PRIMARY KEY, amount numeric, updated_at timestamptz);
         INSERT INTO orders SELECT n, n, '2026-01-01'::timestamptz + n * interval '1 hour' FROM generate_series(1, 500) n",
    );
    let project = project(&format!(
        "secret \"db\" {{\n  from = \"file:password\"\n}}\nsource \"shop\" {{\n  kind   = \"postgres\"\n  uri    = \"postgres://ann@127.0.0.1:{}/postgres\"\n  secret = secret.db\n  tables = {{ orders = {{ cursor = \"updated_at\" }} }}\n}}\ndataset \"orders\" {{\n  from   = [source.shop]\n  schema = {{ id = {{ type = \"integer\", key = true }}, amount = \"number\", updated_at = \"timestamp\" }}\n}}\n",
        server.port
    ));
    std::fs::write(project.directory().join("password"), "wrong-password\n").unwrap();
    project
        .mlp(&["plan", "-e", "local"])
        .ended(1)
        .says("refuses the credentials")
        .says(&at(&project, "secret = secret.db"));
    std::fs::write(project.directory().join("password"), PASSWORD).unwrap();
    apply(&project).ended(0).says("orders: 500 rows read");
    assert_eq!(rows(&project, "orders"), 500);
    until_settled(&project);
    server.sql(
        "INSERT INTO orders VALUES (501, 1, '2027-01-01');
         UPDATE orders SET amount = 0, updated_at = '2027-01-02' WHERE id = 1",
    );
    let since = Instant::now();
    while project.mlp(&["plan", "-e", "local", "-detailed-exitcode"]).code == Some(0) {
        assert!(since.elapsed() < Duration::from_secs(60), "the change is not seen");
    }
    apply(&project).ended(0).says("3 rows read on from where the last reading ended, 498 kept");
    assert_eq!(rows(&project, "orders"), 501);
    until_settled(&project);
    nowhere(&project, PASSWORD);
    let before = record(&project, "orders");
    server.kill();
    project
        .mlp(&["plan", "-e", "local", "-detailed-exitcode"])
        .ended(0)
        .says("cannot be reached")
        .says("the plan takes it that its data did not change");
    project.edit("amount = \"number\"", "amount = \"integer\"");
    apply(&project).ended(1).says("cannot be reached").says(&at(&project, "uri    ="));
    assert_eq!(record(&project, "orders"), before, "the version before stays");
}

/// Counters arrive a moment after the writer has gone; what was read meanwhile is read again and found the same.
fn until_settled(project: &Project) {
    let since = Instant::now();
    while project.mlp(&["plan", "-e", "local", "-detailed-exitcode"]).code != Some(0) {
        assert!(since.elapsed() < Duration::from_secs(60), "the plan does not settle");
        apply(project).ended(0);
    }
}
